//! How many connections each shard has: written when they come and go, read when one is placed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::ShardId;

/// Connections per shard, shared by the acceptor and all shards.
#[derive(Clone, Debug)]
pub struct Loads(Arc<[AtomicU32]>);

impl Loads {
    /// None yet, on `shards` shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self((0..shards).map(|_| AtomicU32::new(0)).collect())
    }

    /// A connection has been placed on `shard`.
    pub fn came(&self, shard: ShardId) {
        self.0[shard.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection on `shard` is closed, its descriptor free again.
    pub fn went(&self, shard: ShardId) {
        self.0[shard.index()].fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections on each shard, in order.
    pub fn each(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|load| load.load(Ordering::Relaxed))
    }

    /// Connections on all shards.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.each().sum()
    }
}
