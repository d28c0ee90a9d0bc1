//! What one session alone is owed: replies, notices, and what it had not read of rooms it has left.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::core::log::Log;
use crate::core::room::RoomIndex;
use crate::model::{Name, Reply};
use crate::proto::Wire;

/// Where in what the session receives an entry belongs: before frame `cursor` of the feed of
/// `room`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The room whose feed decides.
    pub room: RoomIndex,
    /// The first frame that comes after the entry.
    pub cursor: u64,
}

/// A place for each room of a session.
pub type Places = SmallVec<[Place; 1]>;

/// Bytes for one session, with their place among what it gets from feeds.
#[derive(Debug, Default)]
pub struct Entry {
    /// Before which frames this belongs: one place for each room the session was in.
    pub places: Places,
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    written: usize,
    /// It answers a ping: the answer to a later one takes its place.
    is_pong: bool,
}

impl Entry {
    /// One in no particular place.
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), ..Self::default() }
    }

    /// What is still to be written.
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Bytes of memory it has beside its place in the queue.
    fn heap_bytes(&self) -> usize {
        let places = if self.places.spilled() { self.places.capacity() } else { 0 };
        self.bytes.capacity() + places * size_of::<Place>()
    }
}

/// A queue of entries, oldest first. Sessions that are owed nothing have none.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    /// Bytes of memory that the entries have beside their places in the queue.
    heap_bytes: usize,
}

impl Outbox {
    /// Appends a reply as `wire` spells it; the answer to a ping takes the place of an earlier one,
    /// as only the last is needed (RFC 6455, 5.5.3).
    pub fn push_reply(&mut self, places: Places, wire: Wire, reply: &Reply<'_>) {
        let is_pong = matches!(reply, Reply::Pong(_));
        // What is written of an entry is kept until all of it is, so nothing is added after that.
        let fits = |it: &Entry| it.written == 0 && it.is_pong == is_pong;
        let known = if is_pong {
            self.entries.iter().position(fits)
        } else {
            let last = self.entries.back().filter(|it| fits(it) && it.places == places);
            last.map(|_| self.entries.len() - 1)
        };
        let index = known.unwrap_or_else(|| {
            self.insert(self.entries.len(), Entry { places, is_pong, ..Entry::default() });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        let before = entry.heap_bytes();
        if is_pong {
            entry.bytes.clear();
        }
        wire.render_reply(reply, &mut entry.bytes);
        self.heap_bytes = self.heap_bytes + entry.heap_bytes() - before;
    }

    /// Inserts an entry before all others: the rest of a frame that has been begun.
    pub fn push_front(&mut self, bytes: &[u8]) {
        self.insert(0, Entry::of(bytes));
    }

    fn insert(&mut self, index: usize, entry: Entry) {
        self.heap_bytes += entry.heap_bytes();
        self.entries.insert(index, entry);
    }

    /// Inserts a notice that `count` frames from `cursor` on of the feed of `room` were missed,
    /// where they would be.
    pub fn insert_missed(
        &mut self,
        (room, name): (RoomIndex, &Name),
        cursor: u64,
        wire: Wire,
        count: u64,
    ) {
        let mut notice = vec![];
        wire.render_reply(&Reply::Missed { room: name, count }, &mut notice);
        self.insert(self.index_after(room, cursor), Entry::of(&notice));
    }

    /// Takes over from the feed of `room`, which the session leaves, what it has not read from
    /// `cursor` on, each stretch in its place among the entries. Frames that are no longer kept
    /// must have been accounted for.
    pub fn adopt(&mut self, room: RoomIndex, mut cursor: u64, log: &Log) {
        let mut index = 0;
        while let Some(entry) = self.entries.get_mut(index) {
            let place = entry.places.iter().position(|place| place.room == room);
            if let Some(place) = place.map(|at| entry.places.remove(at))
                && place.cursor > cursor
            {
                self.insert(index, Entry::of(log.bytes(cursor..place.cursor)));
                cursor = place.cursor;
                index += 1;
            }
            index += 1;
        }
        if cursor < log.head() {
            self.insert(index, Entry::of(log.bytes(cursor..log.head())));
        }
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The index of the first entry that belongs after frames `cursor` and before of `room`; the
    /// end if there is none.
    fn index_after(&self, room: RoomIndex, cursor: u64) -> usize {
        let after = |e: &Entry| e.places.iter().any(|p| p.room == room && p.cursor > cursor);
        self.entries.iter().position(after).unwrap_or(self.entries.len())
    }

    /// Notes that `count` bytes of the first entry are written; forgets the entry when that is all
    /// of it.
    pub fn written(&mut self, count: usize) {
        let first = self.entries.front_mut().expect("bytes written belong to an entry");
        first.written += count;
        if first.unwritten().is_empty()
            && let Some(entry) = self.entries.pop_front()
        {
            self.heap_bytes -= entry.heap_bytes();
        }
    }

    /// Whether nothing of the first entry has been written, as nothing of a new outbox has.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.entries.front().is_none_or(|first| first.written == 0)
    }

    /// Bytes of memory it has, however few are still to be written.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.capacity() * size_of::<Entry>() + self.heap_bytes
    }

    /// The same, counted anew.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn counted_bytes(&self) -> usize {
        let heap: usize = self.entries.iter().map(Entry::heap_bytes).sum();
        self.held_bytes() - self.heap_bytes + heap
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
