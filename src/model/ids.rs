//! Who is meant: shards, sessions, requests.

use std::fmt;

/// A shard's number: 0 up to, not including, the number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The number as an index into a table with one entry per shard.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Every shard of a server with `count` of them, in order.
    pub fn all(count: u16) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A connection's place in its shard's tables. Places are used again: outside a turn only a
/// [`SessionId`] says who is meant.
pub type Slot = u32;

/// A session for as long as the server runs: the slot may be used again, the generation never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// The shard that owns the session.
    pub shard: ShardId,
    /// Its place in that shard's tables.
    pub slot: Slot,
    /// Tells it from every earlier and later session in the same place.
    pub generation: u32,
}

/// Where a connection is counted among those from the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u32);

impl Ticket {
    /// That of all connections for which there are no limits.
    pub const EXEMPT: Self = Self(0);

    /// Whether no limits hold.
    #[must_use]
    pub fn is_exempt(self) -> bool {
        self == Self::EXEMPT
    }
}

/// Tells the answers to one question from those to the question before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReqId(pub u32);
