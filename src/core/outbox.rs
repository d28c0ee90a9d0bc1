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
#[derive(Debug)]
pub struct Entry {
    /// Before which frames this belongs: one place for each room the session was in.
    pub places: Places,
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    written: usize,
}

impl Entry {
    /// What is still to be written.
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}

/// A queue of entries, oldest first. Sessions that are owed nothing have none.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Outbox {
    /// Appends a reply as `wire` spells it.
    pub fn push_reply(&mut self, places: Places, wire: Wire, reply: &Reply<'_>) {
        self.push_with(places, |bytes| wire.render_reply(reply, bytes));
    }

    /// Appends what `render` writes; replies with the same place share an entry.
    fn push_with(&mut self, places: Places, render: impl FnOnce(&mut Vec<u8>)) {
        // What is written of an entry is kept until all of it is, so nothing is added after that.
        let fits = |last: &Entry| last.places == places && last.written == 0;
        if !self.entries.back().is_some_and(fits) {
            self.entries.push_back(Entry { places, bytes: vec![], written: 0 });
        }
        let last = self.entries.back_mut().expect("there is an entry to append to");
        let before = last.bytes.len();
        render(&mut last.bytes);
        self.bytes += last.bytes.len() - before;
    }

    /// Inserts an entry before all others: the rest of a frame that has been begun.
    pub fn push_front(&mut self, bytes: &[u8]) {
        self.insert(0, bytes);
    }

    fn insert(&mut self, index: usize, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.entries
            .insert(index, Entry { places: Places::new(), bytes: bytes.to_vec(), written: 0 });
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
        self.insert(self.index_after(room, cursor), &notice);
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
                self.insert(index, log.bytes(cursor..place.cursor));
                cursor = place.cursor;
                index += 1;
            }
            index += 1;
        }
        if cursor < log.head() {
            self.insert(index, log.bytes(cursor..log.head()));
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
        self.bytes -= count;
        if first.unwritten().is_empty() {
            self.entries.pop_front();
        }
    }

    /// Whether nothing of the first entry has been written, as nothing of a new outbox has.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.entries.front().is_none_or(|first| first.written == 0)
    }

    /// Bytes still to be written.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
