//! A room's feed on one shard for one wire class: one log of rendered bytes, and a cursor into it
//! for every member.

use crate::core::log::{Log, Shares, Spares};
use crate::core::sink::Sink;
use crate::model::{Event, Limits, Name, Slot, Stamp};
use crate::proto::Wire;

/// The part of a feed's capacity, as a divisor, that may wait to be flushed before nothing is
/// added. What is left keeps members who are served from being overtaken by eviction.
const PRESSED_SHARE: u64 = 4;

/// A member as the feed sees it: what a delivery costs memory.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Whose connection it is.
    pub slot: Slot,
    /// Passed over when the feed is flushed: its session is blocked, or owed something private, and
    /// served apart.
    pub held: bool,
    /// The next frame it gets.
    pub cursor: u64,
}

/// One log, its readers, and how far a flush has come.
#[derive(Debug)]
pub struct Feed {
    /// The wire class of all members.
    pub wire: Wire,
    log: Log,
    members: Vec<Member>,
    /// How many members are held.
    held: u32,
    /// The next member the flush in progress comes to; 0 when it is about to begin.
    next: usize,
    /// The log's head, in frames, when the flush in progress began.
    pass_head: u64,
    /// The log's end, in bytes, when the flush in progress began.
    pass_end: u64,
    /// The log's head, in frames, when the last complete flush began: every member that is not held
    /// is at least there.
    settled_head: u64,
    /// The same in bytes.
    settled_end: u64,
}

/// What a flush met on its way that concerns more than the feed.
#[derive(Debug)]
pub enum Trouble {
    /// The connection takes no more; a frame was begun, of which this is the rest.
    Blocked(Slot, Vec<u8>),
    /// The member has missed frames without being held.
    Behind(Slot),
}

/// What one slice of a flush did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Frames that reached a member's socket, each counted once per member.
    pub deliveries: u64,
    /// Members it came to.
    pub members: usize,
    /// Whether every member has been served.
    pub complete: bool,
}

impl Feed {
    /// A feed without members for `wire`.
    #[must_use]
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            log: Log::default(),
            members: vec![],
            held: 0,
            next: 0,
            pass_head: 0,
            pass_end: 0,
            settled_head: 0,
            settled_end: 0,
        }
    }

    /// The number of the next frame.
    #[inline]
    #[must_use]
    pub fn head(&self) -> u64 {
        self.log.head()
    }

    /// The log, for those who are served apart.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The members, in no particular order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Bytes of memory for the members.
    #[must_use]
    pub fn members_bytes(&self) -> usize {
        self.members.capacity() * size_of::<Member>()
    }

    /// The member at `index`.
    pub fn member_mut(&mut self, index: u32) -> &mut Member {
        &mut self.members[index as usize]
    }

    /// Appends `event` as the next frame.
    #[inline]
    pub fn append(
        &mut self,
        spares: &mut Spares,
        limits: &Limits,
        room: &Name,
        stamp: Stamp,
        event: &Event<'_>,
    ) {
        let (wire, shares) = (self.wire, Shares::of_feed(limits));
        self.log.append(spares, &shares, |bytes| wire.render_event(room, stamp, event, bytes));
    }

    /// Whether so much waits to be flushed that nothing should be added before it is.
    #[inline]
    #[must_use]
    pub fn is_pressed(&self, limits: &Limits) -> bool {
        self.log.end_bytes() - self.settled_end > limits.feed_bytes_max as u64 / PRESSED_SHARE
            || self.log.head() - self.settled_head > limits.feed_messages_max as u64 / PRESSED_SHARE
    }

    /// Adds a member that gets every frame from now on; its place.
    pub fn add(&mut self, slot: Slot, held: bool) -> u32 {
        self.held += u32::from(held);
        self.members.push(Member { slot, held, cursor: self.log.head() });
        u32::try_from(self.members.len() - 1).expect("fewer members than 2^32")
    }

    /// Removes the member at `index`. Calls `moved` for each member that has another place now.
    pub fn remove(&mut self, index: u32, mut moved: impl FnMut(Slot, u32)) {
        let mut hole = index as usize;
        self.held -= u32::from(self.members[hole].held);
        // The flush in progress must still come to everyone it has not served: fill the hole from
        // among the served.
        if hole < self.next {
            self.next -= 1;
            self.members.swap(hole, self.next);
            if hole != self.next {
                moved(self.members[hole].slot, hole as u32);
            }
            hole = self.next;
        }
        self.members.swap_remove(hole);
        if let Some(member) = self.members.get(hole) {
            moved(member.slot, hole as u32);
        }
        if self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to(self.members.len() * 2);
        }
    }

    /// The member at `index` is served apart from now on.
    pub fn hold(&mut self, index: u32) {
        let member = self.member_mut(index);
        debug_assert!(!member.held, "a member is held once");
        member.held = true;
        self.held += 1;
    }

    /// The member at `index` has caught up.
    pub fn release(&mut self, index: u32) {
        let head = self.log.head();
        let member = self.member_mut(index);
        debug_assert!(member.held && member.cursor == head, "only who has caught up is released");
        member.held = false;
        self.held -= 1;
    }

    /// Gives the log's memory back if everyone has read everything, and counts it if not.
    #[inline]
    pub fn settle(&mut self, spares: &mut Spares) {
        if self.held == 0 && self.settled_head == self.log.head() && self.log.held_bytes() > 0 {
            self.log.release(spares);
        } else {
            self.log.recount(spares);
        }
    }

    /// Nobody reads it any more: hands its memory on.
    pub fn discard(&mut self, spares: &mut Spares) {
        self.log.release(spares);
    }

    /// Gives back most of the memory, at the price that whoever is behind misses more; how much it
    /// was.
    pub fn shed(&mut self, spares: &mut Spares) -> usize {
        self.log.shed(spares)
    }

    /// Whether there is nothing to flush: another feed of the room may take more slices.
    #[inline]
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.next == 0 && self.settled_head == self.log.head()
    }

    /// Serves the next `members_max` members that are not held: one write each, of all they have
    /// not read.
    #[inline]
    pub fn flush(
        &mut self,
        members_max: usize,
        sink: &mut impl Sink,
        troubles: &mut Vec<Trouble>,
    ) -> Flushed {
        if self.next == 0 {
            (self.pass_head, self.pass_end) = (self.log.head(), self.log.end_bytes());
        }
        let (first, head) = (self.log.first(), self.log.head());
        let end = self.members.len().min(self.next + members_max);
        let slice = &mut self.members[self.next..end];
        let mut flushed = Flushed { members: slice.len(), ..Flushed::default() };
        for member in slice.iter_mut().filter(|m| !m.held && m.cursor != head) {
            if member.cursor < first {
                troubles.push(Trouble::Behind(member.slot));
                continue;
            }
            let bytes = self.log.bytes(member.cursor..head);
            let taken = sink.write(member.slot, bytes);
            let cursor = if taken == bytes.len() {
                head
            } else {
                let stop = self.log.stop(member.cursor, taken);
                let rest = self.log.rest(&stop).to_vec();
                troubles.push(Trouble::Blocked(member.slot, rest));
                stop.cursor
            };
            flushed.deliveries += cursor - member.cursor;
            member.cursor = cursor;
        }
        self.next = end;
        if self.next == self.members.len() {
            self.next = 0;
            (self.settled_head, self.settled_end) = (self.pass_head, self.pass_end);
            // Who was served early may lack what came while the others were.
            flushed.complete = self.pass_head == head;
        }
        flushed
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    /// Takes everything.
    struct Everything;

    impl Sink for Everything {
        fn write(&mut self, _slot: Slot, bytes: &[u8]) -> usize {
            bytes.len()
        }

        fn write_parts(&mut self, _slot: Slot, parts: &[IoSlice<'_>]) -> usize {
            parts.iter().map(|part| part.len()).sum()
        }
    }

    /// Events up to which the feed of a room is not pressed, before anybody is served and after.
    fn unpressed(limits: &Limits, event: &Event<'_>) -> [usize; 2] {
        let (mut spares, mut troubles) = (Spares::default(), vec![]);
        let room = Name::new("main").unwrap();
        let mut feed = Feed::new(Wire::Line);
        feed.add(0, false);
        [(); 2].map(|()| {
            let mut events = 0;
            while !feed.is_pressed(limits) && events < 100 {
                feed.append(&mut spares, limits, &room, Stamp::default(), event);
                events += 1;
            }
            feed.flush(usize::MAX, &mut Everything, &mut troubles);
            events - 1
        })
    }

    #[test]
    fn a_quarter_of_what_a_feed_may_keep_may_wait() {
        let author = Name::new("bob").unwrap();
        // With the author, and the end of the line: 20 bytes.
        let event = Event::Said { author: &author, text: "fourteen bytes" };
        let limits = Limits { feed_bytes_max: 800, feed_messages_max: 1_000, ..Limits::default() };
        assert_eq!(unpressed(&limits, &event), [10, 10], "200 bytes");
        let limits = Limits { feed_bytes_max: 1 << 20, feed_messages_max: 24, ..limits };
        assert_eq!(unpressed(&limits, &event), [6, 6], "6 messages");
    }

    #[test]
    fn what_somebody_has_not_got_is_kept_when_another_has_caught_up() {
        let (mut spares, mut troubles) = (Spares::default(), vec![]);
        let (limits, room) = (Limits::default(), Name::new("main").unwrap());
        let mut feed = Feed::new(Wire::Line);
        let ahead = feed.add(0, true);
        feed.add(1, false);
        feed.append(&mut spares, &limits, &room, Stamp::default(), &Event::Joined(&room));
        feed.member_mut(ahead).cursor = feed.head();
        feed.release(ahead);
        feed.settle(&mut spares);
        let flushed = feed.flush(usize::MAX, &mut Everything, &mut troubles);
        assert!(troubles.is_empty(), "{troubles:?}");
        assert_eq!(flushed, Flushed { deliveries: 1, members: 2, complete: true });
        feed.settle(&mut spares);
        assert_eq!(feed.log.held_bytes(), 0, "everyone has it");
    }

    #[test]
    fn a_feed_is_served_when_all_its_members_are() {
        let (mut spares, mut troubles) = (Spares::default(), vec![]);
        let (limits, room) = (Limits::default(), Name::new("main").unwrap());
        let mut feed = Feed::new(Wire::Line);
        feed.add(0, false);
        feed.add(1, false);
        feed.append(&mut spares, &limits, &room, Stamp::default(), &Event::Joined(&room));
        let mut is_served = || {
            let was = feed.is_served();
            feed.flush(1, &mut Everything, &mut troubles);
            was
        };
        assert_eq!([is_served(), is_served(), is_served()], [false, false, true]);
    }

    #[test]
    fn a_room_that_was_large_does_not_stay_large() {
        let mut feed = Feed::new(Wire::Line);
        for slot in 0..1_000 {
            feed.add(slot, false);
        }
        for _ in 0..999 {
            feed.remove(0, |_, _| {});
        }
        assert!(feed.members.capacity() < 10, "room for {}", feed.members.capacity());
    }

    #[test]
    fn a_room_gives_memory_back_seldom_and_keeps_places_for_newcomers() {
        let mut feed = Feed::new(Wire::Line);
        for slot in 0..1_000 {
            feed.add(slot, false);
        }
        let places = feed.members.capacity();
        (400..1_000).for_each(|_| feed.remove(0, |_, _| {}));
        assert_eq!(feed.members.capacity(), places, "of which 400 are no small part");
        (200..400).for_each(|_| feed.remove(0, |_, _| {}));
        let left = feed.members.capacity();
        assert!((400..places).contains(&left), "room for {left}, who were {places}");
    }

    #[test]
    fn what_shedding_gives_back_is_what_was_held() {
        let (mut spares, limits) = (Spares::default(), Limits::default());
        let room = Name::new("main").unwrap();
        let mut feed = Feed::new(Wire::Line);
        feed.add(0, true);
        for _ in 0..1_000 {
            feed.append(&mut spares, &limits, &room, Stamp::default(), &Event::Joined(&room));
        }
        feed.settle(&mut spares);
        let held = spares.held_bytes();
        let freed = feed.shed(&mut spares);
        assert_eq!(freed, held - spares.held_bytes());
        assert!(freed > held / 2, "{freed} of {held} bytes");
    }
}
