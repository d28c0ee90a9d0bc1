//! What is to happen later: one queue of deadlines for the whole shard.

use std::collections::BTreeMap;

use crate::core::memory::tree_bytes;
use crate::model::{Key, Moment, SessionId};

/// Whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A big room's, to tell how many came and went.
    Tally(Key),
    /// A session's that waits for all shards to contribute to a list.
    Gather(SessionId),
    /// A closing session's that has not read what it is owed.
    Close(SessionId),
    /// A session's whose client had fallen behind.
    Stall(SessionId),
    /// A session's that has spent its allowance.
    Rest(SessionId),
    /// A session's that may have been silent for too long.
    Idle(SessionId),
    /// Those clients' who are to be asked whether they are there.
    Heartbeats,
    /// Those sessions' that are to enter the lobby though they have sent no line.
    Lobby,
    /// Those sessions' that make room for others.
    Evict,
    /// The next farewells', while the server goes down.
    SeeOff,
}

/// Timers by deadline. Each owner has one at most of each kind, which bounds the queue.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeMap<(Moment, u64), Timer>,
    set: u64,
}

impl Timers {
    /// Sets `timer` for `deadline`.
    pub fn set(&mut self, deadline: Moment, timer: Timer) {
        self.set += 1;
        self.queue.insert((deadline, self.set), timer);
    }

    /// Keeps only those timers that `keeps` says.
    pub fn retain(&mut self, keeps: impl Fn(&Timer) -> bool) {
        self.queue.retain(|_, timer| keeps(timer));
    }

    /// Bytes of memory for all of them.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        tree_bytes::<((Moment, u64), Timer)>(self.queue.len())
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        self.queue.keys().next().map(|&(deadline, _)| deadline)
    }

    /// The earliest deadline of those timers that are not `left_out`.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn next_but(&self, left_out: impl Fn(&Timer) -> bool) -> Option<Moment> {
        let mut others = self.queue.iter().filter(|&(_, timer)| !left_out(timer));
        others.next().map(|(&(deadline, _), _)| deadline)
    }

    /// Takes out the earliest timer whose deadline has come; of equal ones that which was set
    /// first.
    pub fn pop(&mut self, now: Moment) -> Option<Timer> {
        let (&key, _) =
            self.queue.first_key_value().filter(|&(&(deadline, _), _)| deadline <= now)?;
        self.queue.remove(&key)
    }
}
