//! A user's presence on its shard: name, rooms, what it is owed, and whether it may ask for more.

use std::collections::VecDeque;

use slab::Slab;
use smallvec::SmallVec;

use crate::core::gather::Gather;
use crate::core::memory::queue_bytes;
use crate::core::outbox::{Outbox, Place};
use crate::core::resume::Resuming;
use crate::core::room::{RoomIndex, Rooms};
use crate::model::{Ending, Limits, Moment, Name, Reply, SessionId, ShardId, Slot, Spent};
use crate::proto::Wire;

/// One room a session is in.
#[derive(Clone, Copy, Debug)]
pub struct Membership {
    /// The room.
    pub room: RoomIndex,
    /// The session's place in the feed of its wire class.
    pub index: u32,
    /// The room's home has been told that the session goes, and has not yet answered.
    pub leaving: bool,
}

/// What a session is waiting for. While its gate is not open, its input is left unread.
#[derive(Debug)]
pub enum Gate {
    /// Nothing: the next command may come.
    Open,
    /// The answer to its one request in flight.
    Busy(Box<Request>),
    /// Its allowance, of which it has spent more than it had.
    Resting,
    /// Its end, once it is out of its rooms and has got what it is owed.
    Closing(Ending),
}

impl Gate {
    /// The request in flight.
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Busy(request) => Some(request),
            Self::Open | Self::Resting | Self::Closing(_) => None,
        }
    }

    fn request_mut(&mut self) -> Option<&mut Request> {
        match self {
            Self::Busy(request) => Some(request),
            Self::Open | Self::Resting | Self::Closing(_) => None,
        }
    }
}

/// A request that other shards may have to answer.
#[derive(Debug)]
pub enum Request {
    /// A new name, which its home must grant.
    Rename,
    /// Going into a room.
    Enter,
    /// Leaving all rooms in order to go into this one.
    Switch(Name),
    /// Leaving a room.
    Leave,
    /// A list that all shards contribute to.
    Gather(Gather),
    /// Taking over from another session.
    Resume(Resuming),
}

/// One user's presence.
#[derive(Debug)]
pub struct Session {
    /// See [`SessionId::generation`].
    pub generation: u32,
    /// How it is spoken to.
    pub wire: Wire,
    /// The socket takes no more for now.
    pub blocked: bool,
    /// It is served apart from its feeds, because it is blocked or owed something private.
    pub held: bool,
    /// It is on the list of sessions to serve apart from their feeds.
    pub queued: bool,
    /// It waits for its first line, or a moment, to enter the lobby: until then it is in no room
    /// and not counted.
    pub registering: bool,
    /// Input was refused, to be read when that is possible again.
    pub waiting: bool,
    /// A timer for its gathering is set.
    pub timed: bool,
    /// It may ask for as much as it likes.
    pub exempt: bool,
    /// Somebody wants to know what it asks for and when: it is not exempt, or may be idle too long.
    pub metered: bool,
    /// Its client has been asked whether it is there, and has not answered.
    pub asked: bool,
    /// How much of [`Limits::allowance`] it has spent.
    pub spent: Spent,
    /// Its name, in its own spelling.
    pub name: Name,
    /// The rooms it is in; the last is the current one.
    pub rooms: SmallVec<[Membership; 1]>,
    /// See [`Gate`].
    pub gate: Gate,
    /// What it alone is owed; absent while that is nothing.
    pub outbox: Option<Box<Outbox>>,
}

impl Session {
    /// Whether its next command may be handled.
    #[inline]
    #[must_use]
    pub fn may_read(&self, limits: &Limits) -> bool {
        matches!(self.gate, Gate::Open)
            && self.outbox.as_ref().is_none_or(|o| o.held_bytes() <= limits.outbox_bytes_max)
    }

    /// Bytes of memory it has beside its place in the table and its outbox.
    fn other_bytes(&self) -> usize {
        let rooms = if self.rooms.spilled() { self.rooms.capacity() } else { 0 };
        let list = match self.gate.request() {
            Some(Request::Gather(gather)) => gather.held_bytes(),
            Some(
                Request::Rename
                | Request::Enter
                | Request::Switch(_)
                | Request::Leave
                | Request::Resume(_),
            )
            | None => 0,
        };
        rooms * size_of::<Membership>() + list
    }

    /// Its name as members of its rooms know it: one that takes over may be in a room before its
    /// own shard has the name.
    #[must_use]
    pub fn shown_name(&self) -> &Name {
        match self.gate.request() {
            Some(Request::Resume(resuming)) => resuming.name().unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// The list that it waits for, if it waits for one.
    pub fn gathering(&mut self) -> Option<&mut Gather> {
        match self.gate.request_mut()? {
            Request::Gather(gather) => Some(gather),
            _ => None,
        }
    }

    /// How far it has taken over from another session, if it does.
    pub fn resuming(&mut self) -> Option<&mut Resuming> {
        match self.gate.request_mut()? {
            Request::Resume(resuming) => Some(resuming),
            _ => None,
        }
    }

    /// Its membership of `room`.
    pub fn membership(&mut self, room: RoomIndex) -> Option<&mut Membership> {
        self.rooms.iter_mut().find(|m| m.room == room)
    }

    /// The room it speaks in, unless it is in none.
    #[inline]
    #[must_use]
    pub fn current_room(&self) -> Option<RoomIndex> {
        self.rooms.last().map(|m| m.room)
    }
}

/// What an idle connection costs beside its socket: most of what a server of many holds.
const SESSION_BYTES_MAX: usize = 96;
const _: () = assert!(size_of::<Session>() <= SESSION_BYTES_MAX);

/// Bytes of an entry of a slab beside what is in it, at most.
pub(super) const SLAB_ENTRY_BYTES: usize = size_of::<usize>();

/// All sessions of a shard, by slot.
#[derive(Debug)]
pub struct Sessions {
    shard: ShardId,
    table: Slab<Session>,
    generations: u32,
    /// Bytes of memory that all outboxes have.
    owed_bytes: usize,
    /// The same of memberships that do not fit into their sessions, and of lists that are gathered.
    other_bytes: usize,
    /// Sessions to be served apart from their feeds.
    pub queue: VecDeque<Slot>,
}

impl Sessions {
    /// None yet, on `shard`.
    #[must_use]
    pub fn new(shard: ShardId) -> Self {
        Self {
            shard,
            table: Slab::new(),
            generations: 0,
            owed_bytes: 0,
            other_bytes: 0,
            queue: VecDeque::new(),
        }
    }

    /// Adds a session that is in no room.
    pub fn open(&mut self, wire: Wire, name: Name, exempt: bool, now: Moment) -> Slot {
        self.generations = self.generations.wrapping_add(1);
        let slot = self.table.insert(Session {
            generation: self.generations,
            wire,
            blocked: false,
            held: false,
            queued: false,
            registering: false,
            waiting: false,
            timed: false,
            exempt,
            metered: !exempt,
            asked: false,
            spent: Spent::nothing(now),
            name,
            rooms: SmallVec::new(),
            gate: Gate::Open,
            outbox: None,
        });
        Slot::try_from(slot).expect("fewer sessions than 2^32")
    }

    /// Forgets the session in `slot`.
    pub fn remove(&mut self, slot: Slot) -> Session {
        self.owed_bytes -= self.owed(slot);
        let session = self.table.remove(slot as usize);
        self.other_bytes -= session.other_bytes();
        session
    }

    /// Changes something of the session in `slot` that may have memory of its own: its rooms, or
    /// what it waits for.
    pub fn change<T>(&mut self, slot: Slot, change: impl FnOnce(&mut Session) -> T) -> T {
        let session = &mut self.table[slot as usize];
        let before = session.other_bytes();
        let changed = change(session);
        self.other_bytes = self.other_bytes + session.other_bytes() - before;
        changed
    }

    /// Bytes of memory for all sessions: their table, with a request of each, their outboxes, and
    /// what else they have.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let each = size_of::<Session>() + SLAB_ENTRY_BYTES;
        self.table.capacity() * each
            + self.table.len() * size_of::<Request>()
            + queue_bytes(&self.queue)
            + self.owed_bytes
            + self.other_bytes
    }

    /// What is counted of memory beside the tables, counted anew.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn counted_bytes(&self) -> usize {
        let owed = |it: &Session| it.outbox.as_ref().map_or(0, |outbox| outbox.counted_bytes());
        self.table.iter().map(|(_, it)| owed(it) + it.other_bytes()).sum()
    }

    /// The same, as it is kept count of.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn extra_bytes(&self) -> usize {
        self.owed_bytes + self.other_bytes
    }

    /// The identity of the session in `slot`.
    #[must_use]
    pub fn id(&self, slot: Slot) -> SessionId {
        SessionId { shard: self.shard, slot, generation: self[slot].generation }
    }

    /// The session in `slot`, if there is one.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Session> {
        self.table.get(slot as usize)
    }

    /// The session in `slot`, if there is one.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        self.table.get_mut(slot as usize)
    }

    /// The slot of a session of this shard, if it is still the same session.
    #[must_use]
    pub fn find(&self, id: SessionId) -> Option<Slot> {
        let session = self.table.get(id.slot as usize)?;
        (session.generation == id.generation).then_some(id.slot)
    }

    /// Every session with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Session)> {
        self.table.iter().map(|(slot, session)| (slot as Slot, session))
    }

    /// The slots of all of them, as they are now.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        self.iter().map(|(slot, _)| slot).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of private replies that all sessions are owed.
    #[must_use]
    pub fn owed_bytes(&self) -> usize {
        self.owed_bytes
    }

    /// Bytes of private replies that the session in `slot` is owed.
    #[inline]
    #[must_use]
    pub fn owed(&self, slot: Slot) -> usize {
        self[slot].outbox.as_ref().map_or(0, |outbox| outbox.held_bytes())
    }

    /// Has the account follow what the session in `slot` is owed, which was `before`.
    #[inline]
    pub fn recount(&mut self, slot: Slot, before: usize) {
        self.owed_bytes = self.owed_bytes + self.owed(slot) - before;
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Tells the session in `slot` something, in order with what its current room has told it up to
    /// now.
    pub fn reply(&mut self, rooms: &mut Rooms, slot: Slot, reply: &Reply<'_>) {
        let session = &mut self.table[slot as usize];
        let wire = session.wire;
        let place = |m: &Membership| {
            let cursor = rooms[m.room].feed(wire).map_or(0, |feed| feed.head());
            Place { room: m.room, cursor }
        };
        let places = session.rooms.iter().map(place).collect();
        let before = session.outbox.as_ref().map_or(0, |outbox| outbox.held_bytes());
        let outbox = session.outbox.get_or_insert_default();
        outbox.push_reply(places, wire, reply);
        self.owed_bytes = self.owed_bytes + outbox.held_bytes() - before;
        self.hold(rooms, slot);
        self.enqueue(slot);
    }

    /// Takes back what the session in `slot` has been told, if none of it has been written yet.
    pub fn withdraw_greeting(&mut self, slot: Slot) {
        let before = self.owed(slot);
        self.table[slot as usize].outbox.take_if(|outbox| outbox.is_untouched());
        self.recount(slot, before);
    }

    /// Puts the session in `slot` on the list of those to be served apart, unless it is there or
    /// cannot be served.
    pub fn enqueue(&mut self, slot: Slot) {
        let session = &mut self[slot];
        if !session.queued && !session.blocked {
            session.queued = true;
            self.queue.push_back(slot);
        }
    }

    /// From now on the session in `slot` is passed over when its feeds are flushed.
    pub fn hold(&mut self, rooms: &mut Rooms, slot: Slot) {
        let session = &mut self[slot];
        if !std::mem::replace(&mut session.held, true) {
            for m in &session.rooms {
                rooms[m.room].feed_mut(session.wire).hold(m.index);
            }
        }
    }

    /// The session in `slot` has caught up with its feeds, and is served by them again.
    pub fn release(&mut self, rooms: &mut Rooms, slot: Slot) {
        let session = &mut self[slot];
        session.held = false;
        for i in 0..session.rooms.len() {
            let m = session.rooms[i];
            rooms.release_member(m.room, session.wire, m.index);
        }
    }
}

impl std::ops::Index<Slot> for Sessions {
    type Output = Session;

    #[inline]
    fn index(&self, slot: Slot) -> &Session {
        &self.table[slot as usize]
    }
}

impl std::ops::IndexMut<Slot> for Sessions {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Session {
        &mut self.table[slot as usize]
    }
}
