//! How a game ends: nothing goes wrong any more, all comes to rest, and the server goes down.

use super::client::{Ask, Client};
use super::shard::State;
use super::world::World;
use crate::core::session::Gate;
use crate::model::{CloseReason, ShardId};

/// Rounds in which everything must have come to rest. Whoever has asked for a hundred things may
/// have to rest after each, for some rounds.
const ROUNDS_MAX: u32 = 10_000;
/// Chances that last words have to be on their way when the server goes down.
const LAST_TURNS: u32 = 3;

impl World {
    /// Nothing goes wrong from now on and nothing new is asked, until nothing more happens.
    pub(super) fn come_to_rest(&mut self) {
        self.be_calm();
        self.rest();
        if self.is_draining() {
            self.check_gone_down();
        } else {
            self.check_drained();
            self.check_at_rest();
            self.check_lists();
        }
        self.check_views(true);
        self.check_missed();
    }

    fn be_calm(&mut self) {
        self.faulty = false;
        for shard in &mut self.shards {
            (shard.paused, shard.late) = (0, 0);
        }
        for client in 0..self.clients.len() {
            self.clients[client].stalled = false;
            if self.clients[client].vanished && !self.clients[client].is_known_gone {
                self.tell_vanished(client);
            }
        }
        while self.is_draining() && self.told_to_drain < self.shards.len() {
            self.tell_to_drain();
        }
    }

    /// Rounds in which everyone reads, everything arrives and every shard that is awake has a turn,
    /// until there is none of all that and no deadline to come. Nobody is woken who should not be.
    pub(super) fn rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.go_on() {
                let left = self.shards.iter().filter(|shard| shard.state != State::Done);
                let deadlines = left.filter_map(|shard| shard.core.next_deadline_of_work());
                let Some(deadline) = deadlines.min() else { return };
                self.now = self.now.max(deadline);
            }
        }
        panic!("nothing comes to rest");
    }

    /// One such round. Whether anything happened.
    pub(super) fn go_on(&mut self) -> bool {
        let shards = self.shards.len();
        let mut goes_on = false;
        for client in 0..self.clients.len() {
            goes_on |= self.read_client(client, usize::MAX);
        }
        for (from, to) in (0..shards).flat_map(|from| (0..shards).map(move |to| (from, to))) {
            while self.deliver_next((ShardId(from as u16), ShardId(to as u16))) {
                goes_on = true;
            }
        }
        for shard in 0..shards {
            goes_on |= self.give_turn(shard);
        }
        goes_on
    }

    /// Nobody waits for anything, and nothing is left anywhere.
    pub(super) fn check_drained(&self) {
        for shard in &self.shards {
            assert!(shard.mailbox.is_empty() && shard.inbox.is_empty(), "mail was left");
            assert!(shard.credit.may_read_clients(), "the strain is over");
            assert!(!shard.core.is_dirty(), "everything is flushed");
            for (_, session) in shard.core.sessions().iter() {
                assert!(matches!(session.gate, Gate::Open), "{:?} at rest", session.gate);
            }
        }
        assert!(self.in_flight.iter().flatten().all(|&messages| messages == 0), "handled");
        for client in &self.clients {
            assert!(client.has_read_all(), "everything was read");
            assert!(!client.is_connected() || client.asks.is_empty(), "asked and never answered");
        }
    }

    /// The server goes down at rest, and everyone is told after all else.
    pub(super) fn go_down(&mut self) {
        if self.is_draining() {
            return;
        }
        let connected = (0..self.clients.len()).filter(|&c| self.clients[c].is_connected());
        let connected: Vec<usize> = connected.collect();
        for &client in &connected {
            self.said += 1;
            self.ask(client, Ask::Say(format!("last words {}", self.said)));
        }
        for shard in (0..self.shards.len()).cycle().take(self.shards.len() * LAST_TURNS as usize) {
            self.give_turn(shard);
        }
        (0..self.shards.len()).for_each(|_| self.tell_to_drain());
        self.rest();
        self.check_gone_down();
        for client in connected {
            let client = &self.clients[client];
            assert_eq!(client.closed, Some(CloseReason::Drain));
            assert!(client.reader.lines.ends_with(b"Server is shutting down, bye!\n"), "told last");
            let seen = String::from_utf8_lossy(&client.reader.lines);
            let heard = seen.contains("last words") || seen.contains("dropped");
            let spoke = client.asks.is_empty() && !client.many_rooms;
            assert!(heard || !spoke, "what was said before the end is heard");
        }
        self.check_views(true);
    }

    /// Every shard has seen everyone off and ended.
    pub(super) fn check_gone_down(&self) {
        assert!(self.is_done(), "everyone is seen off");
        assert!(!self.clients.iter().any(Client::is_connected), "everyone is told");
    }

    /// `/rooms` tells what the oracle knows.
    fn check_lists(&mut self) {
        let Some(client) = self.any() else { return };
        let before = self.clients[client].reader.lines.len();
        // Who does not answer when asked may go while time passes after that.
        let members = self.oracle.members();
        self.ask(client, Ask::Rooms);
        self.rest();
        let answer =
            String::from_utf8_lossy(&self.clients[client].reader.lines[before..]).into_owned();
        let mut rooms: Vec<_> = members.into_iter().collect();
        rooms.sort_by_key(|(key, members)| (std::cmp::Reverse(*members), key.clone()));
        let more = rooms.len().saturating_sub(self.limits.list_entries_max);
        rooms.truncate(self.limits.list_entries_max);
        let list: Vec<String> =
            rooms.iter().map(|(key, members)| format!("{} ({members})", key.as_str())).collect();
        let mut expected = format!("Rooms - {}", list.join(", "));
        if more > 0 {
            expected += &format!(", … and {more} more");
        }
        let list = answer.lines().find(|line| line.starts_with("Rooms - "));
        let list = list.unwrap_or_else(|| panic!("no list in {answer:?}"));
        assert_eq!(list.to_ascii_lowercase(), expected.to_ascii_lowercase());
    }
}
