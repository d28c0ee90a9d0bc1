//! How much there is of everything, for whoever lets connections in: connections by shard and by
//! address, memory by shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::model::{ShardId, Ticket};

/// Connections per shard and per ticket, shared by the acceptor and all shards.
#[derive(Clone, Debug)]
pub struct Loads {
    shards: Arc<[AtomicU32]>,
    addresses: Arc<[AtomicU32]>,
    held_bytes: Arc<[AtomicU64]>,
}

impl Loads {
    /// None yet, on `shards` shards and under tickets up to `addresses`.
    #[must_use]
    pub fn new(shards: u16, addresses: usize) -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU32::new(0)).collect();
        let held_bytes = (0..shards).map(|_| AtomicU64::new(0)).collect();
        Self { shards: zeros(usize::from(shards)), addresses: zeros(addresses + 1), held_bytes }
    }

    /// A connection with `ticket` has been let in, and has no place on a shard yet.
    pub fn waits(&self, ticket: Ticket) {
        self.addresses[ticket.0 as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection with `ticket` no longer waits, because it has gone, or is about to be placed.
    pub fn waits_no_more(&self, ticket: Ticket) {
        self.addresses[ticket.0 as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection with `ticket` has been placed on `shard`.
    pub fn came(&self, shard: ShardId, ticket: Ticket) {
        self.shards[shard.index()].fetch_add(1, Ordering::Relaxed);
        self.addresses[ticket.0 as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection with `ticket` on `shard` is closed, its descriptor free again.
    pub fn went(&self, shard: ShardId, ticket: Ticket) {
        self.shards[shard.index()].fetch_sub(1, Ordering::Relaxed);
        self.addresses[ticket.0 as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections on each shard, in order.
    pub fn each(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().map(|load| load.load(Ordering::Relaxed))
    }

    /// Connections on all shards.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.each().sum()
    }

    /// `shard` holds so many bytes for its clients and rooms.
    pub fn holds(&self, shard: ShardId, bytes: u64) {
        self.held_bytes[shard.index()].store(bytes, Ordering::Relaxed);
    }

    /// Bytes that all shards hold, as far as they have told.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }

    /// Connections under `ticket`.
    #[must_use]
    pub fn of_address(&self, ticket: Ticket) -> u32 {
        self.addresses[ticket.0 as usize].load(Ordering::Relaxed)
    }
}
