//! Rooms: on its home shard a room is an order and a head count, on every shard with members it is
//! feeds. One entry of the table serves as either, or both.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};

use ahash::RandomState;
use slab::Slab;
use smallvec::SmallVec;

use crate::core::feed::Feed;
use crate::core::history::History;
use crate::core::log::Spares;
use crate::core::memory::{map_bytes, queue_bytes, tree_bytes};
use crate::core::placement::home_of;
use crate::core::rolls::Rolls;
use crate::core::session::SLAB_ENTRY_BYTES;
use crate::model::{Event, Key, Limits, Name, RoomSize, ShardId, Stamp};
use crate::proto::Wire;

/// A room's place in its shard's table; used again after the room is gone.
pub type RoomIndex = u32;

/// A room as its home knows it.
#[derive(Debug)]
pub struct Home {
    /// Events up to now: the number of the last one.
    pub seq: u64,
    /// Members on each shard.
    pub members: Vec<u32>,
    /// Members on all shards.
    pub total: u32,
    /// Joins and leaves not yet told, while there are many.
    pub joined: u32,
    /// See `joined`.
    pub left: u32,
    /// What was said.
    pub history: History,
}

/// A room on one shard.
#[derive(Debug)]
pub struct Room {
    /// Its name, spelled as by whoever created it.
    pub name: Name,
    /// Its name for look-up.
    pub key: Key,
    /// The shard that decides the order of its events.
    pub home_shard: ShardId,
    /// Present on that shard.
    pub home: Option<Box<Home>>,
    /// The last event that arrived here.
    pub seq: u64,
    /// One feed for each wire class with members here.
    feeds: SmallVec<[Feed; 1]>,
    /// It is on the list of rooms to flush.
    pub queued: bool,
    /// It is counted among those with too much to flush.
    pressed: bool,
    /// The batch of input that the last event belongs to.
    batch: u64,
    /// Bytes of memory that it is counted with beside its place in the table.
    counted: usize,
}

/// All rooms a shard knows.
#[derive(Debug)]
pub struct Rooms {
    shards: u16,
    by_key: HashMap<Key, RoomIndex, RandomState>,
    table: Slab<Room>,
    spares: Spares,
    /// Rooms at home here, in the order of a list: largest first, then by name. A question costs
    /// what it lists, however many rooms there are.
    by_size: BTreeSet<(Reverse<u32>, Key)>,
    /// Lists of members that are gathered.
    pub(super) rolls: Rolls,
    /// Bytes of memory that rooms have beside their places in the table, and their logs.
    heap_bytes: usize,
    /// Rooms with something to flush.
    pub queue: VecDeque<RoomIndex>,
    /// How many rooms have so much to flush that no more should be added.
    pressed: u32,
    /// The batch of input that is being handled: what one client sent at once, or another shard.
    batch: u64,
    /// See [`Core::spared_writes`](crate::core::Core::spared_writes).
    spared_writes: u64,
    /// What time it is, in milliseconds since 1970.
    pub(super) time: u64,
}

impl Room {
    /// The feed for `wire`, if it has members.
    #[inline]
    #[must_use]
    pub fn feed(&self, wire: Wire) -> Option<&Feed> {
        self.feeds.iter().find(|f| f.wire == wire)
    }

    /// The feed for `wire`, which has members.
    #[inline]
    pub fn feed_mut(&mut self, wire: Wire) -> &mut Feed {
        self.feeds.iter_mut().find(|f| f.wire == wire).expect("a member's feed")
    }

    /// Bytes of memory it has beside its place in the table, its logs and its history.
    fn heap_bytes(&self) -> usize {
        let spilled = if self.feeds.spilled() { self.feeds.capacity() } else { 0 };
        let members: usize = self.feeds.iter().map(Feed::members_bytes).sum();
        let home = self.home.as_ref();
        let home =
            home.map_or(0, |it| size_of::<Home>() + it.members.capacity() * size_of::<u32>());
        spilled * size_of::<Feed>() + members + home
    }

    /// The room, which is at home here, ends with its last member.
    pub fn end_home(&mut self, spares: &mut Spares) {
        if let Some(mut home) = self.home.take() {
            home.history.discard(spares);
        }
    }

    /// Members on this shard.
    #[must_use]
    pub fn members_here(&self) -> usize {
        self.feeds.iter().map(|f| f.members().len()).sum()
    }

    /// The feeds with members on this shard.
    #[must_use]
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// The feeds with members on this shard.
    pub fn feeds_mut(&mut self) -> &mut [Feed] {
        &mut self.feeds
    }

    /// The feed for `wire`, made if there is none.
    pub fn feed_for(&mut self, wire: Wire) -> &mut Feed {
        if self.feed(wire).is_none() {
            self.feeds.push(Feed::new(wire));
        }
        self.feed_mut(wire)
    }
}

impl Rooms {
    /// None yet, in a server of `shards` shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            shards,
            by_key: HashMap::with_hasher(RandomState::new()),
            table: Slab::new(),
            spares: Spares::default(),
            by_size: BTreeSet::new(),
            rolls: Rolls::default(),
            heap_bytes: 0,
            queue: VecDeque::new(),
            pressed: 0,
            batch: 0,
            spared_writes: 0,
            time: 0,
        }
    }

    /// The room named `key`, if this shard knows it.
    #[inline]
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<RoomIndex> {
        self.by_key.get(key).copied()
    }

    /// The room named `name`, made if this shard does not know it.
    pub fn find_or_add(&mut self, name: &Name) -> RoomIndex {
        let key = name.key();
        if let Some(room) = self.find(&key) {
            return room;
        }
        let room = self.table.insert(Room {
            name: name.clone(),
            home_shard: home_of(&key, self.shards),
            key: key.clone(),
            home: None,
            seq: 0,
            feeds: SmallVec::new(),
            queued: false,
            pressed: false,
            batch: 0,
            counted: 0,
        });
        let room = RoomIndex::try_from(room).expect("fewer rooms than 2^32");
        self.by_key.insert(key, room);
        room
    }

    /// Forgets what is no longer needed of `room`: feeds without members, and all of it if it is
    /// not at home here.
    pub fn tidy(&mut self, index: RoomIndex) {
        let room = &mut self.table[index as usize];
        room.feeds.retain(|feed| {
            let is_read = !feed.members().is_empty();
            if !is_read {
                feed.discard(&mut self.spares);
            }
            is_read
        });
        if room.feeds.is_empty() && std::mem::take(&mut room.pressed) {
            self.pressed -= 1;
        }
        if room.feeds.is_empty() && room.home.is_none() {
            let room = self.table.remove(index as usize);
            self.by_key.remove(&room.key);
            self.heap_bytes -= room.counted;
        } else {
            self.recount(index);
        }
    }

    /// Changes the number of members of the room at `index`, which is at home here or ends.
    pub fn resize(&mut self, index: RoomIndex, before: u32, after: u32) {
        let key = self.table[index as usize].key.clone();
        let mut place = (Reverse(before), key);
        if before > 0 {
            self.by_size.remove(&place);
        }
        if after > 0 {
            place.0 = Reverse(after);
            self.by_size.insert(place);
        }
    }

    /// The largest of the rooms at home here.
    pub fn largest(&self, count: usize) -> impl Iterator<Item = RoomSize> {
        self.by_size.iter().take(count).map(|(Reverse(members), key)| {
            let room = &self.table[self.by_key[key] as usize];
            RoomSize { name: room.name.clone(), members: *members }
        })
    }

    /// How many rooms are at home here.
    #[must_use]
    pub fn homes(&self) -> usize {
        self.by_size.len()
    }

    /// Has the count of memory follow what the room at `index` has, to which somebody has come, or
    /// from which somebody has gone.
    pub fn recount(&mut self, index: RoomIndex) {
        let room = &mut self.table[index as usize];
        let held = room.heap_bytes();
        self.heap_bytes = self.heap_bytes + held - std::mem::replace(&mut room.counted, held);
    }

    /// Appends `event` to every feed of `room`, to be flushed at the end of the turn.
    // Always, because whoever appends knows which kind of event it is: what is said, which is most
    // of them, changes no list.
    #[inline(always)]
    pub fn append(&mut self, index: RoomIndex, limits: &Limits, stamp: Stamp, event: &Event<'_>) {
        if !matches!(event, Event::Said { .. }) && !self.rolls.is_empty() {
            self.rolls.note(index, event);
        }
        self.append_to_feeds(index, limits, stamp, event);
    }

    #[inline]
    fn append_to_feeds(
        &mut self,
        index: RoomIndex,
        limits: &Limits,
        stamp: Stamp,
        event: &Event<'_>,
    ) {
        let room = &mut self.table[index as usize];
        if room.feeds.is_empty() {
            return;
        }
        for feed in &mut room.feeds {
            feed.append(&mut self.spares, limits, &room.name, stamp, event);
            if feed.is_pressed(limits) && !std::mem::replace(&mut room.pressed, true) {
                self.pressed += 1;
            }
        }
        let is_first_of_batch = std::mem::replace(&mut room.batch, self.batch) != self.batch;
        if !std::mem::replace(&mut room.queued, true) {
            self.queue.push_back(index);
        } else if is_first_of_batch {
            self.spared_writes += room.members_here() as u64;
        }
    }

    /// Other limits hold from now on: rooms forget what is over them.
    pub fn trim_histories(&mut self, limits: &Limits) {
        for (_, room) in &mut self.table {
            if let Some(home) = &mut room.home {
                home.history.trim(&mut self.spares, limits);
            }
        }
    }

    /// The room at `index`, and the account of what rooms hold.
    #[inline]
    pub(super) fn with_spares(&mut self, index: RoomIndex) -> (&mut Room, &mut Spares) {
        (&mut self.table[index as usize], &mut self.spares)
    }

    /// Events from now on are of another batch than those before.
    #[inline]
    pub fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// See [`Core::spared_writes`](crate::core::Core::spared_writes).
    #[must_use]
    pub fn spared_writes(&self) -> u64 {
        self.spared_writes
    }

    /// Whether a room has so much to flush that this should be done before anything is added.
    #[inline]
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.pressed > 0
    }

    /// Every member of `room` that is not held has been served: gives back what memory can be, and
    /// says whether the room may take more again.
    #[inline]
    pub fn settle(&mut self, index: RoomIndex) {
        let room = &mut self.table[index as usize];
        for feed in &mut room.feeds {
            feed.settle(&mut self.spares);
        }
        if std::mem::take(&mut room.pressed) {
            self.pressed -= 1;
        }
    }

    /// The member at `member` has caught up with the feed for `wire` of `room`, and is served by it
    /// again.
    pub fn release_member(&mut self, index: RoomIndex, wire: Wire, member: u32) {
        let feed = self.table[index as usize].feed_mut(wire);
        feed.release(member);
        feed.settle(&mut self.spares);
    }

    /// Bytes of memory that logs hold: those of feeds, and of what is remembered.
    #[inline]
    #[must_use]
    pub fn log_bytes(&self) -> usize {
        self.spares.held_bytes()
    }

    /// Bytes of memory for all rooms: their tables, members and logs.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.table.capacity() * (size_of::<Room>() + SLAB_ENTRY_BYTES)
            + map_bytes(&self.by_key)
            + queue_bytes(&self.queue)
            + tree_bytes::<(Reverse<u32>, Key)>(self.by_size.len())
            + self.rolls.held_bytes()
            + self.heap_bytes
            + self.log_bytes()
    }

    /// What is counted beside the tables and logs, and the same counted anew.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn heap_bytes(&self) -> (usize, usize) {
        (self.heap_bytes, self.iter().map(Room::heap_bytes).sum())
    }

    /// Bytes of memory kept for the next feeds.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn spare_bytes(&self) -> usize {
        self.spares.spare_bytes()
    }

    /// What the feeds and the history of each room hold that hold anything, in bytes.
    pub fn holders(&self) -> impl Iterator<Item = (usize, RoomIndex)> {
        let held = |room: &Room| {
            let feeds: usize = room.feeds.iter().map(|feed| feed.log().held_bytes()).sum();
            feeds + room.home.as_ref().map_or(0, |home| home.history.held_bytes())
        };
        let all = self.table.iter().map(move |(index, room)| (held(room), index as RoomIndex));
        all.filter(|&(bytes, _)| bytes > 0)
    }

    /// Gives back what is kept for the next feeds; how much it was, in bytes.
    pub fn shed_spares(&mut self) -> usize {
        self.spares.shed()
    }

    /// Gives back most of what the room at `index` holds; how much it was, in bytes.
    pub fn shed(&mut self, index: RoomIndex) -> usize {
        // It may have ended with a member who was sent away.
        let Some(room) = self.table.get_mut(index as usize) else { return 0 };
        let feeds: usize = room.feeds.iter_mut().map(|feed| feed.shed(&mut self.spares)).sum();
        let home = room.home.as_mut();
        feeds + home.map_or(0, |home| home.history.shed(&mut self.spares))
    }

    /// The room at `index`, if there is one.
    pub fn get_mut(&mut self, index: RoomIndex) -> Option<&mut Room> {
        self.table.get_mut(index as usize)
    }

    /// Every room this shard knows.
    pub fn iter(&self) -> impl Iterator<Item = &Room> {
        self.table.iter().map(|(_, room)| room)
    }
}

impl std::ops::Index<RoomIndex> for Rooms {
    type Output = Room;

    #[inline]
    fn index(&self, index: RoomIndex) -> &Room {
        &self.table[index as usize]
    }
}

impl std::ops::IndexMut<RoomIndex> for Rooms {
    #[inline]
    fn index_mut(&mut self, index: RoomIndex) -> &mut Room {
        &mut self.table[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slot;

    const EVENT: Event<'_> = Event::Tally { joined: 1, left: 0 };

    /// A room of this many members.
    fn room(rooms: &mut Rooms, name: &str, members: Slot) -> RoomIndex {
        let index = rooms.find_or_add(&Name::new(name).unwrap());
        let feed = rooms[index].feed_for(Wire::Line);
        for slot in 0..members {
            feed.add(slot, false);
        }
        index
    }

    #[test]
    fn writes_are_spared_by_what_joins_others_from_somebody_else() {
        let (mut rooms, limits) = (Rooms::new(1), Limits::default());
        let [den, main] = [("den", 3), ("main", 10)].map(|(name, n)| room(&mut rooms, name, n));
        let mut spared_by = |batch: &[RoomIndex]| {
            let before = rooms.spared_writes();
            rooms.begin_batch();
            batch.iter().for_each(|&room| rooms.append(room, &limits, Stamp::default(), &EVENT));
            rooms.spared_writes() - before
        };
        assert_eq!(spared_by(&[den, den]), 0, "it would have been written together anyhow");
        assert_eq!(spared_by(&[main]), 0);
        assert_eq!(spared_by(&[den, den]), 3);
        assert_eq!(spared_by(&[den, main]), 13);
    }
}
