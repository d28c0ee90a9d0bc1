//! What a shard does for those of its sessions that are in a room, wherever the room is at home.

use crate::core::Core;
use crate::core::room::RoomIndex;
use crate::core::session::{Gate, Membership, Request};
use crate::model::{
    Event, Key, Moment, Name, Past, Reply, SessionId, ShardMsg, SharedEvent, Slot, Stamp,
};

impl Core {
    /// A session of this shard has been let into a room: it gets every event after this one, and
    /// none before.
    pub(super) fn room_entered(
        &mut self,
        name: &Name,
        id: SessionId,
        who: Name,
        (stamp, announced): (Stamp, bool),
        past: Option<Box<Past>>,
        now: Moment,
    ) {
        let index = self.rooms.find_or_add(name);
        if announced {
            self.rooms.append(index, &self.limits, stamp, &Event::Joined(&who));
        }
        let room = &mut self.rooms[index];
        debug_assert!(
            room.members_here() == 0 || stamp.seq == room.seq + u64::from(announced),
            "events of a room come in order, none missing"
        );
        room.seq = stamp.seq;
        let Some(slot) = self.sessions.find(id) else {
            let (room, home) = (room.key.clone(), room.home_shard);
            self.rooms.tidy(index);
            self.rooms.rolls.departs(id, room.clone(), who.clone());
            self.send(home, ShardMsg::RoomLeave { room, session: id, who }, now);
            return;
        };
        let session = &mut self.sessions[slot];
        let member = room.feed_for(session.wire).add(slot, session.held);
        let membership = Membership { room: index, index: member, leaving: false };
        self.sessions.change(slot, |it| it.rooms.push(membership));
        self.rooms.recount(index);
        let room = &self.rooms[index];
        let (room, epoch) = (room.name.clone(), past.as_ref().map_or(0, |past| past.epoch));
        self.reply(slot, &Reply::Entered { room: &room, epoch, seq: stamp.seq });
        if let Some(past) = past {
            self.reply(slot, &Reply::Past(&room, &past));
        }
        self.has_entered_as(slot, who);
        self.answered(slot, now);
    }

    /// A session of this shard is out of a room: it has got every event before this one, and gets
    /// none after.
    pub(super) fn room_left(
        &mut self,
        key: &Key,
        id: SessionId,
        who: &Name,
        (stamp, announced): (Stamp, bool),
        now: Moment,
    ) {
        self.rooms.rolls.has_left(id, key);
        // The last session of this shard may be gone, and the room forgotten with it.
        let Some(index) = self.rooms.find(key) else { return };
        let name = self.rooms[index].name.clone();
        let slot = self.sessions.find(id);
        if let Some(slot) = slot {
            self.keep_backlog(slot, index);
            self.remove_member(slot, index);
        }
        if let Some(room) = self.rooms.get_mut(index).filter(|room| room.key == *key) {
            room.seq = stamp.seq;
            if announced {
                self.rooms.append(index, &self.limits, stamp, &Event::Left(who));
            }
        }
        if let Some(slot) = slot {
            self.go_on_after_leaving(slot, &name, now);
        }
    }

    fn go_on_after_leaving(&mut self, slot: Slot, left: &Name, now: Moment) {
        let session = &mut self.sessions[slot];
        let out_of_all = session.rooms.is_empty();
        match &session.gate {
            Gate::Busy(request) => match &**request {
                Request::Leave => {
                    self.reply(slot, &Reply::YouLeft(left));
                    self.open_gate(slot, now);
                }
                Request::Switch(to) if out_of_all => {
                    let to = to.clone();
                    self.enter(slot, to, now);
                }
                _ => {}
            },
            Gate::Closing(_) if out_of_all => self.part(slot),
            Gate::Closing(_) | Gate::Open | Gate::Resting => {}
        }
    }

    /// The next event of a room, from its home.
    pub(super) fn room_event(&mut self, key: &Key, stamp: Stamp, event: &SharedEvent) {
        if self.rooms.rolls.has_departed() {
            self.rooms.rolls.follow(key, &event.as_event());
        }
        // The last session of this shard may be gone without the home knowing yet.
        let Some(index) = self.rooms.find(key) else { return };
        let room = &mut self.rooms[index];
        debug_assert!(
            room.members_here() == 0 || stamp.seq == room.seq + 1,
            "events of a room come in order, none missing"
        );
        room.seq = stamp.seq;
        self.rooms.append(index, &self.limits, stamp, &event.as_event());
    }

    /// Takes the session in `slot` out of the feed of the room at `index`.
    pub(super) fn remove_member(&mut self, slot: Slot, index: RoomIndex) {
        let (wire, membership) = self.sessions.change(slot, |session| {
            let at = session.rooms.iter().position(|m| m.room == index).expect("a room it is in");
            (session.wire, session.rooms.remove(at))
        });
        let sessions = &mut self.sessions;
        self.rooms[index].feed_mut(wire).remove(membership.index, |moved, place| {
            sessions[moved].membership(index).expect("a member").index = place;
        });
        self.rooms.tidy(index);
    }

    /// Moves what the session in `slot` has not read of a room to its outbox, because it is about
    /// to leave.
    fn keep_backlog(&mut self, slot: Slot, index: RoomIndex) {
        let before = self.sessions.owed(slot);
        let session = &mut self.sessions[slot];
        let member = session.membership(index).expect("a room it is in").index;
        let room = &mut self.rooms[index];
        let name = &room.name.clone();
        let feed = room.feed_mut(session.wire);
        let (log, cursor) = (feed.log(), feed.members()[member as usize].cursor);
        let is_owed = cursor < log.head();
        if !is_owed && session.outbox.is_none() {
            return;
        }
        let outbox = session.outbox.get_or_insert_default();
        let start = log.first().max(cursor);
        let backlog = log.bytes(start..log.head()).len();
        let fits = outbox.held_bytes() + backlog <= self.limits.outbox_bytes_max;
        let kept_from = if fits { start } else { log.head() };
        if kept_from > cursor {
            let wire = session.wire;
            self.counters.missed += kept_from - cursor;
            self.counters.gaps += 1;
            outbox.insert_missed((index, name), cursor, wire, kept_from - cursor);
        }
        outbox.adopt(index, kept_from, log);
        let is_owed = !outbox.is_empty();
        self.sessions.recount(slot, before);
        if is_owed {
            self.sessions.hold(&mut self.rooms, slot);
            self.sessions.enqueue(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;
    use crate::core::sink::Sink;
    use crate::model::{Command, Limits, Origin, ShardId};
    use crate::proto::Wire;

    const NOW: Moment = Moment(0);
    /// More than anything here takes.
    const FLUSHES: usize = 20;
    const TALKER: Slot = 0;
    const SLOTH: Slot = 1;

    /// What the sloth has read, while it reads.
    #[derive(Default)]
    struct Sockets {
        reads: bool,
        seen: Vec<u8>,
    }

    impl Sink for Sockets {
        fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
            match slot {
                SLOTH if !self.reads => return 0,
                SLOTH => self.seen.extend(bytes),
                _ => {}
            }
            bytes.len()
        }

        fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
            parts.iter().map(|part| self.write(slot, part)).sum()
        }
    }

    fn flush_all(core: &mut Core, sockets: &mut Sockets) {
        (0..FLUSHES).for_each(|_| core.flush(sockets, NOW));
        assert!(!core.is_dirty(), "everything is flushed");
    }

    /// How many of `count` messages the sloth gets that leaves the room before it has read them,
    /// and how many the server says it has missed, and in how many gaps.
    fn backlog(count: usize) -> (usize, u64, u64) {
        let limits = Limits { outbox_bytes_max: 1_000, ..Limits::default() };
        let mut core = Core::new(ShardId(0), 1, limits, Origin::default());
        for _ in [TALKER, SLOTH] {
            core.open_in_lobby(Wire::Line, NOW);
        }
        let mut sockets = Sockets { reads: true, ..Sockets::default() };
        flush_all(&mut core, &mut sockets);
        sockets = Sockets::default();
        for _ in 0..count {
            core.handle_command(TALKER, Command::Say(&"x".repeat(100)), NOW);
            flush_all(&mut core, &mut sockets);
        }
        core.handle_command(SLOTH, Command::Switch("den"), NOW);
        sockets.reads = true;
        core.handle_writable(SLOTH);
        flush_all(&mut core, &mut sockets);
        let seen = String::from_utf8(sockets.seen).expect("lines are UTF-8");
        let notice = format!("dropped {} messages", core.counters.missed);
        assert_eq!(seen.contains(&notice), core.counters.missed > 0, "{seen}");
        assert!(seen.ends_with("You joined den\n"), "{seen}");
        (seen.matches("xxx\n").count(), core.counters.missed, core.counters.gaps)
    }

    #[test]
    fn who_leaves_a_room_unread_gets_all_that_an_outbox_may_hold_or_none() {
        assert_eq!(backlog(0), (0, 0, 0));
        assert_eq!(backlog(5), (5, 0, 0));
        assert_eq!(backlog(20), (0, 20, 1));
    }
}
