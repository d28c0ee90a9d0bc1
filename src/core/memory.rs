//! The account of what is held for clients and rooms, and what is evicted when it is too much.
//!
//! Whatever is counted is counted as it is allocated, and has a holder that can be asked to give it
//! back: a session for its unread input and its replies, a room for what its members have not read
//! and what it remembers.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use crate::core::Core;
use crate::core::room::RoomIndex;
use crate::core::session::Gate;
use crate::model::{CloseReason, Moment, Slot};

/// Bytes of replies that a session may leave unread, beside a message that has been begun, before
/// it goes ahead of any room's memory.
const OWED_BYTES_FAIR: usize = 4 << 10;

/// A holder of memory that can be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    /// A session's input and replies.
    Session(Slot),
    /// A room's feeds, for members who are behind, and its history.
    Room(RoomIndex),
}

/// Bytes of memory that a map has: each bucket has a byte of control, and seven of eight may be
/// taken.
#[inline]
pub(super) fn map_bytes<K, V, S>(map: &HashMap<K, V, S>) -> usize {
    map.capacity() * 8 / 7 * (size_of::<(K, V)>() + 1)
}

/// The same of a B-tree, of which a node is half full at least.
#[inline]
pub(super) fn tree_bytes<T>(len: usize) -> usize {
    len * 2 * size_of::<T>()
}

/// The same of a queue.
#[inline]
pub(super) fn queue_bytes<T>(queue: &VecDeque<T>) -> usize {
    queue.capacity() * size_of::<T>()
}

impl Core {
    /// Bytes of memory held for clients and rooms.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.rooms.held_bytes()
            + self.sessions.held_bytes()
            + self.names.held_bytes()
            + self.laggards.held_bytes()
            + self.timers.held_bytes()
            + map_bytes(&self.founders)
            + map_bytes(&self.successors)
            + queue_bytes(&self.heartbeats)
            + queue_bytes(&self.lobby_queue)
            + queue_bytes(&self.evictees)
            + queue_bytes(&self.closed)
            + queue_bytes(&self.resumed)
            + queue_bytes(&self.registered)
    }

    /// Evicts `bytes`, if there are so many: `connections` says what the connections of sessions
    /// hold for them beside the core. First sessions go that hold much by their own doing, as they
    /// do not read their replies or are throttled; then rooms keep less for members who are behind,
    /// then other sessions; of each the largest first.
    pub fn reclaim(&mut self, bytes: usize, connections: &[(Slot, usize)], now: Moment) {
        let mut freed = self.rooms.shed_spares();
        for (held, holder) in self.holders(connections) {
            if freed >= bytes {
                break;
            }
            freed += match holder {
                Holder::Room(index) => self.rooms.shed(index),
                Holder::Session(slot) if self.sessions.get_mut(slot).is_some() => {
                    self.end(slot, CloseReason::Memory, now);
                    held
                }
                Holder::Session(_) => 0,
            };
        }
        self.counters.relieved += freed as u64;
    }

    fn is_own_doing(&self, slot: Slot) -> bool {
        let fair = OWED_BYTES_FAIR + self.limits.message_bytes_max();
        self.sessions.get(slot).is_some_and(|session| {
            matches!(session.gate, Gate::Resting) || self.sessions.owed(slot) > fair
        })
    }

    /// All that hold anything, in the order in which they go.
    fn holders(&self, connections: &[(Slot, usize)]) -> Vec<(usize, Holder)> {
        let mut held: HashMap<Slot, usize> = connections.iter().copied().collect();
        for (slot, _) in self.sessions.iter() {
            let owed = self.sessions.owed(slot);
            if owed > 0 {
                *held.entry(slot).or_default() += owed;
            }
        }
        let sessions = held.into_iter().map(|(slot, bytes)| (bytes, Holder::Session(slot)));
        let rooms = self.rooms.holders().map(|(bytes, index)| (bytes, Holder::Room(index)));
        let mut holders: Vec<(usize, Holder)> =
            sessions.chain(rooms).filter(|&(bytes, _)| bytes > 0).collect();
        let rank = |&(_, holder): &(usize, Holder)| match holder {
            // Input that waits for the server is no fault of its client.
            Holder::Session(slot) if self.is_own_doing(slot) => 0,
            Holder::Room(_) => 1,
            Holder::Session(_) => 2,
        };
        holders.sort_by_cached_key(|holder| (rank(holder), Reverse(*holder)));
        holders
    }
}
