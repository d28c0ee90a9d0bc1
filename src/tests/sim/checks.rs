//! What must hold after every step, and what must hold at rest.

use std::collections::HashMap;

use super::client::Client;
use super::oracle::missed;
use super::world::World;
use crate::core::Core;
use crate::core::placement::home_of;
use crate::core::session::Gate;
use crate::model::{CloseReason, ShardId};

impl World {
    fn cores(&self) -> impl Iterator<Item = &Core> {
        self.shards.iter().map(|shard| &shard.core)
    }

    /// Everyone has seen what they should: up to now, or all of it at rest.
    pub(super) fn check_views(&self, at_rest: bool) {
        for client in &self.clients {
            self.oracle.check(client, at_rest);
        }
    }

    /// Every session owns its name, at the name's home.
    pub(super) fn check_names(&self) {
        let shards = self.shards.len() as u16;
        let mut owners = HashMap::new();
        for (shard, core) in ShardId::all(shards).zip(self.cores()) {
            for (name, &owner) in core.names().iter() {
                assert_eq!(home_of(name, shards), shard, "names are kept at home");
                owners.insert(name, owner);
            }
        }
        for core in self.cores() {
            let is_replaced = |gate: &Gate| match gate {
                Gate::Closing(ending) => ending.reason == CloseReason::Replaced,
                _ => false,
            };
            let all = core.sessions().iter();
            for (slot, session) in all.filter(|(_, session)| !is_replaced(&session.gate)) {
                let owner = owners.get(&session.name.key());
                assert_eq!(owner, Some(&core.sessions().id(slot)), "{} is theirs", session.name);
            }
        }
    }

    /// What feeds hold is bounded, and agrees with what sessions think.
    pub(super) fn check_feeds(&self, shard: usize) {
        let frame_max = 600;
        let core = &self.shards[shard].core;
        for feed in core.rooms().iter().flat_map(|room| room.feeds()) {
            let log = feed.log();
            if log.first() < log.head() {
                let kept = log.bytes(log.first()..log.head()).len();
                assert!(kept <= self.limits.feed_bytes_max.max(frame_max), "{kept} bytes");
            }
            for member in feed.members() {
                assert!(member.cursor <= log.head(), "nobody reads ahead");
                let session = &core.sessions()[member.slot];
                assert_eq!(session.held, member.held, "held by both or neither");
                assert!(!session.blocked || session.held, "who is blocked is held");
            }
        }
        for (slot, session) in core.sessions().iter() {
            assert!(session.held || session.outbox.is_none(), "whom feeds serve they serve alone");
            for m in &session.rooms {
                let feed = core.rooms()[m.room].feed(session.wire).expect("a member's feed");
                assert_eq!(feed.members()[m.index as usize].slot, slot, "where it should be");
            }
        }
    }

    /// What is said to be held is what is held.
    pub(super) fn check_account(&self, shard: usize) {
        let core = &self.shards[shard].core;
        let feeds = core.rooms().iter().flat_map(|room| room.feeds());
        let logs: usize = feeds.map(|feed| feed.log().counted_bytes()).sum();
        let homes = core.rooms().iter().filter_map(|room| room.home.as_ref());
        let histories: usize = homes.map(|home| home.history.held_bytes()).sum();
        assert_eq!(core.rooms().log_bytes(), logs + histories + core.rooms().spare_bytes());
        let (counted, held) = core.rooms().heap_bytes();
        assert_eq!(counted, held, "members and homes");
        let owed: usize = core.sessions().iter().map(|(slot, _)| core.sessions().owed(slot)).sum();
        assert_eq!(core.sessions().owed_bytes(), owed);
        assert_eq!(core.sessions().extra_bytes(), core.sessions().counted_bytes(), "sessions");
    }

    /// What is counted as missed is what clients were told of; who is cut off may not have been.
    pub(super) fn check_missed(&self) {
        let mut told = [0, 0];
        for client in &self.clients {
            let seen = String::from_utf8_lossy(&client.reader.lines);
            for count in seen.lines().filter_map(missed) {
                told = [told[0] + 1, told[1] + count as u64];
            }
        }
        let counters = || self.cores().map(|core| &core.counters);
        let counted = [counters().map(|it| it.gaps).sum(), counters().map(|it| it.missed).sum()];
        let is_less = told[0] < counted[0] && told[1] < counted[1];
        let all_told = self.clients.iter().all(Client::is_complete);
        assert!(told == counted || is_less && !all_told, "told of {told:?}, counted {counted:?}");
    }

    /// With nothing on its way, all tables of all shards must tell the same story.
    pub(super) fn check_at_rest(&self) {
        let mut members = HashMap::new();
        let (mut names, mut sessions) = (0, 0);
        for core in self.cores() {
            names += core.names().iter().count();
            sessions += core.sessions().len();
            let homes = core.rooms().iter().filter(|room| room.home.is_some());
            assert_eq!(core.homes(), homes.count(), "rooms at home are counted");
            for room in core.rooms().iter() {
                assert!(room.home.is_some() || room.members_here() > 0, "no room without use");
                assert_eq!(
                    room.feeds().iter().map(|feed| feed.log().held_bytes()).sum::<usize>(),
                    0,
                    "memory is given back when everyone has read everything"
                );
                if let Some(home) = &room.home {
                    assert_eq!(home.members.iter().sum::<u32>(), home.total);
                    members.insert(room.key.clone(), home.total);
                }
            }
        }
        let connected = self.clients.iter().filter(|c| c.is_connected()).count();
        assert_eq!((names, sessions), (connected, connected), "one name for each session");
        assert_eq!(members, self.oracle.members(), "homes know who is in");
        for (key, &total) in &members {
            let here = |core: &Core| {
                core.rooms().find(key).map_or(0, |room| core.rooms()[room].members_here())
            };
            assert_eq!(self.cores().map(here).sum::<usize>(), total as usize, "{key:?}");
        }
    }
}
