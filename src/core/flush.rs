//! The end of a turn: everything said since the last one goes to the sockets, from here and nowhere
//! else.

use std::io::IoSlice;
use std::ops::Range;

use smallvec::SmallVec;

use crate::core::Core;
use crate::core::feed::Trouble;
use crate::core::room::Rooms;
use crate::core::session::{Gate, Session};
use crate::core::sink::Sink;
use crate::core::timers::Timer;
use crate::model::{CloseReason, Ending, Moment, Slot};

/// Private replies in one vectored write, with what comes between them; a session owed more gets
/// another write.
const PARTS_MAX: usize = 64;

/// One contiguous stretch of what a session is owed.
enum Part {
    /// The next entry of its outbox.
    Private,
    /// Frames of the feed of its membership at this index.
    Feed(usize, Range<u64>),
}

impl Core {
    /// Writes to every connection what it has not got, as far as a turn's budget goes; what is left
    /// stays for the next.
    pub fn flush(&mut self, sink: &mut impl Sink, now: Moment) {
        let mut budget = self.limits.flush_members_max;
        for _ in 0..self.rooms.queue.len() {
            if budget == 0 {
                break;
            }
            budget = budget.saturating_sub(self.flush_room(sink, now));
        }
        let sessions = self.sessions.queue.len().min(self.limits.flush_sessions_max);
        for _ in 0..sessions {
            let Some(slot) = self.sessions.queue.pop_front() else { break };
            // The slot may have a new session, or the session may have been served in between.
            if let Some(session) = self.sessions.get_mut(slot)
                && std::mem::take(&mut session.queued)
                && !session.blocked
            {
                self.flush_session(slot, sink, now);
            }
        }
    }

    /// Serves a slice of the members of the next room in the queue; how many it came to.
    fn flush_room(&mut self, sink: &mut impl Sink, now: Moment) -> usize {
        let Some(index) = self.rooms.queue.pop_front() else { return 0 };
        let Some(room) = self.rooms.get_mut(index).filter(|room| room.queued) else { return 0 };
        let mut troubles = std::mem::take(&mut self.troubles);
        let (mut members, mut complete) = (0, true);
        for feed in room.feeds_mut().iter_mut().filter(|feed| !feed.is_served()) {
            let flushed = feed.flush(self.limits.flush_members_max, sink, &mut troubles);
            self.counters.deliveries += flushed.deliveries;
            members += flushed.members;
            complete &= flushed.complete;
        }
        room.queued = !complete;
        if !complete {
            self.rooms.queue.push_back(index);
        }
        // Before the feed is settled, because whoever is in trouble still needs it.
        for trouble in troubles.drain(..) {
            self.handle_trouble(trouble, now);
        }
        self.troubles = troubles;
        if complete && self.rooms.get_mut(index).is_some() {
            self.rooms.settle(index);
        }
        members
    }

    fn handle_trouble(&mut self, trouble: Trouble, now: Moment) {
        match trouble {
            Trouble::Blocked(slot, rest) => {
                if !rest.is_empty() {
                    let before = self.sessions.owed(slot);
                    self.sessions[slot].outbox.get_or_insert_default().push_front(&rest);
                    self.sessions.recount(slot, before);
                }
                self.block(slot, now);
            }
            Trouble::Behind(slot) => {
                self.sessions.hold(&mut self.rooms, slot);
                self.sessions.enqueue(slot);
            }
        }
    }

    /// The connection in `slot` takes no more for now.
    fn block(&mut self, slot: Slot, now: Moment) {
        self.sessions[slot].blocked = true;
        self.sessions.hold(&mut self.rooms, slot);
        let id = self.sessions.id(slot);
        if self.laggards.add(id, now) {
            self.timers.set(now.after(self.limits.stall_wait_max), Timer::Stall(id));
        }
        if matches!(self.sessions[slot].gate, Gate::Closing(_)) {
            self.close_in_time(slot, now);
        }
    }

    /// The connection in `slot` takes bytes again.
    pub fn handle_writable(&mut self, slot: Slot) {
        if let Some(session) = self.sessions.get_mut(slot)
            && std::mem::take(&mut session.blocked)
        {
            self.sessions.enqueue(slot);
        }
    }

    /// Serves one session apart from its feeds: private replies and feeds in the order in which
    /// they came about, as one write.
    fn flush_session(&mut self, slot: Slot, sink: &mut impl Sink, now: Moment) {
        let before = self.sessions.owed(slot);
        self.tell_missed(slot);
        let (parts, whole) = plan(&self.sessions[slot], &self.rooms);
        let taken = {
            let (session, rooms) = (&self.sessions[slot], &self.rooms);
            let slices = slices(session, rooms, &parts);
            match slices.as_slice() {
                [] => 0,
                [one] => sink.write(slot, one),
                many => sink.write_parts(slot, many),
            }
        };
        self.laggards.took(self.sessions.id(slot), taken);
        let all = self.settle_parts(slot, &parts, taken);
        self.sessions.recount(slot, before);
        if !all {
            self.block(slot, now);
        } else if whole {
            self.finish_session(slot, now);
        } else {
            self.sessions.enqueue(slot);
        }
        if self.sessions.get_mut(slot).is_some() {
            self.reconsider(slot);
        }
    }

    /// The session in `slot` has got all it is owed.
    fn finish_session(&mut self, slot: Slot, now: Moment) {
        self.laggards.caught_up(self.sessions.id(slot));
        let before = self.sessions.owed(slot);
        self.sessions[slot].outbox = None;
        self.sessions.recount(slot, before);
        let session = &mut self.sessions[slot];
        if let Gate::Closing(Ending { reason, .. }) = session.gate
            && (session.rooms.is_empty() || reason == CloseReason::Drain)
        {
            self.end(slot, reason, now);
        } else if session.held {
            self.sessions.release(&mut self.rooms, slot);
        }
    }

    /// Moves cursors that eviction has overtaken to what is kept, with a notice of how much was
    /// missed.
    fn tell_missed(&mut self, slot: Slot) {
        let session = &mut self.sessions[slot];
        for membership in &session.rooms {
            let room = &mut self.rooms[membership.room];
            let name = room.name.clone();
            let feed = room.feed_mut(session.wire);
            let first = feed.log().first();
            let member = feed.member_mut(membership.index);
            if member.cursor < first {
                let missed = first - member.cursor;
                let outbox = session.outbox.get_or_insert_default();
                let room = (membership.room, &name);
                outbox.insert_missed(room, member.cursor, session.wire, missed);
                member.cursor = first;
                self.counters.missed += missed;
                self.counters.gaps += 1;
            }
        }
    }

    /// Notes that `taken` bytes of `parts` are written; whether that is all of them.
    fn settle_parts(&mut self, slot: Slot, parts: &[Part], mut taken: usize) -> bool {
        let session = &mut self.sessions[slot];
        for part in parts {
            let (all, took) = match part {
                Part::Private => {
                    let outbox = session.outbox.as_mut().expect("a private part has an outbox");
                    let entry = outbox.entries().next().expect("a private part has an entry");
                    let len = entry.unwritten().len();
                    let took = taken.min(len);
                    outbox.written(took);
                    (took == len, took)
                }
                Part::Feed(index, frames) => {
                    let membership = session.rooms[*index];
                    let feed = self.rooms[membership.room].feed_mut(session.wire);
                    let len = feed.log().bytes(frames.clone()).len();
                    let took = taken.min(len);
                    let cursor = if took == len {
                        frames.end
                    } else {
                        let stop = feed.log().stop(frames.start, took);
                        let rest = feed.log().rest(&stop);
                        if !rest.is_empty() {
                            session.outbox.get_or_insert_default().push_front(rest);
                        }
                        stop.cursor
                    };
                    let member = feed.member_mut(membership.index);
                    self.counters.deliveries += cursor - member.cursor;
                    member.cursor = cursor;
                    (took == len, took)
                }
            };
            taken -= took;
            if !all {
                return false;
            }
        }
        true
    }
}

/// What `session` is owed, in order, and whether that is all of it.
fn plan(session: &Session, rooms: &Rooms) -> (SmallVec<[Part; 4]>, bool) {
    let mut parts = SmallVec::new();
    let feed = |index: usize| rooms[session.rooms[index].room].feed(session.wire);
    let mut cursors: SmallVec<[u64; 1]> = session
        .rooms
        .iter()
        .map(|m| {
            rooms[m.room].feed(session.wire).map_or(0, |f| f.members()[m.index as usize].cursor)
        })
        .collect();
    for entry in session.outbox.iter().flat_map(|outbox| outbox.entries()) {
        if parts.len() >= PARTS_MAX {
            return (parts, false);
        }
        for place in &entry.places {
            let index = session.rooms.iter().position(|m| m.room == place.room);
            let index = index.expect("places of rooms it has left are gone");
            if cursors[index] < place.cursor {
                parts.push(Part::Feed(index, cursors[index]..place.cursor));
                cursors[index] = place.cursor;
            }
        }
        parts.push(Part::Private);
    }
    // The farewell is the last there is, whoever goes after that.
    if matches!(session.gate, Gate::Closing(Ending { reason: CloseReason::Drain, .. })) {
        return (parts, true);
    }
    for (index, cursor) in cursors.into_iter().enumerate() {
        let head = feed(index).map_or(cursor, |feed| feed.head());
        if cursor < head {
            parts.push(Part::Feed(index, cursor..head));
        }
    }
    (parts, true)
}

/// The bytes of `parts`.
fn slices<'a>(
    session: &'a Session,
    rooms: &'a Rooms,
    parts: &[Part],
) -> SmallVec<[IoSlice<'a>; 4]> {
    let mut entries = session.outbox.iter().flat_map(|outbox| outbox.entries());
    let bytes = parts.iter().map(|part| match part {
        Part::Private => entries.next().expect("one entry for each private part").unwritten(),
        Part::Feed(index, frames) => {
            let feed = rooms[session.rooms[*index].room].feed(session.wire).expect("its feed");
            feed.log().bytes(frames.clone())
        }
    });
    bytes.map(IoSlice::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Command, Limits, Origin, ShardId};
    use crate::proto::Wire;

    const NOW: Moment = Moment(0);
    /// More than anything here takes.
    const FLUSHES: usize = 20;

    /// Connections that take everything, but for one.
    struct Sockets {
        full: Option<Slot>,
    }

    impl Sink for Sockets {
        fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
            if self.full == Some(slot) { 0 } else { bytes.len() }
        }

        fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
            parts.iter().map(|part| self.write(slot, part)).sum()
        }
    }

    fn flush_all(core: &mut Core) {
        (0..FLUSHES).for_each(|_| core.flush(&mut Sockets { full: None }, NOW));
        assert!(!core.is_dirty(), "everything is flushed");
    }

    /// A server with `members` in the lobby, who have read all there was.
    fn core(members: usize, limits: Limits) -> Core {
        let mut core = Core::new(ShardId(0), 1, limits, Origin::default());
        for _ in 0..members {
            core.open_in_lobby(Wire::Line, NOW);
        }
        flush_all(&mut core);
        core
    }

    #[test]
    fn a_turn_comes_to_so_many_members_of_all_rooms() {
        let mut core = core(6, Limits { flush_members_max: 3, ..Limits::default() });
        (3..6).for_each(|slot| core.handle_command(slot, Command::Switch("den"), NOW));
        flush_all(&mut core);
        let before = core.counters.deliveries;
        [0, 3].into_iter().for_each(|slot| core.handle_command(slot, Command::Say("hi"), NOW));
        let mut delivered = || {
            core.flush(&mut Sockets { full: None }, NOW);
            core.counters.deliveries - before
        };
        assert_eq!([delivered(), delivered(), delivered()], [3, 6, 6]);
    }

    #[test]
    fn a_room_is_pressed_until_everyone_is_served() {
        let limits = Limits { flush_members_max: 1, feed_messages_max: 12, ..Limits::default() };
        let mut core = core(3, limits);
        for _ in 0..4 {
            assert!(!core.is_pressed());
            core.handle_command(0, Command::Say("hi"), NOW);
        }
        let pressed = [(); 4].map(|()| {
            let is_pressed = core.is_pressed();
            core.flush(&mut Sockets { full: None }, NOW);
            is_pressed
        });
        assert_eq!(pressed, [true, true, true, false]);
    }

    #[test]
    fn a_delivery_is_counted_once_to_whomever_it_goes() {
        let mut core = core(2, Limits::default());
        let before = core.counters.deliveries;
        core.handle_command(0, Command::Say("hi"), NOW);
        core.flush(&mut Sockets { full: Some(1) }, NOW);
        assert_eq!(core.counters.deliveries - before, 1);
        core.handle_command(0, Command::Say("are you there?"), NOW);
        core.handle_writable(1);
        flush_all(&mut core);
        assert_eq!(core.counters.deliveries - before, 4);
    }
}
