//! How much there is of everything, for whoever lets connections in: connections by shard and by
//! address, memory by shard.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::model::{ShardId, Ticket};

/// Tickets whose counts are allocated together, when the first of them is used: 128 KiB. A server
/// that may have more clients some day, up to its descriptor limit, does not pay for them before.
const SEGMENT: usize = 16 << 10;

/// The counts of [`SEGMENT`] tickets in a row.
type Segment = OnceLock<Box<[Node]>>;

/// Connections per shard and per ticket, shared by the acceptor and all shards.
#[derive(Clone, Debug)]
pub struct Loads {
    shards: Arc<[AtomicU32]>,
    addresses: Arc<[Segment]>,
    held_bytes: Arc<[AtomicU64]>,
}

/// What is counted under a ticket.
#[derive(Debug, Default)]
struct Node {
    connections: AtomicU32,
    /// The ticket of the network around it, whose connections these are, too; 0 for none.
    around: AtomicU32,
}

/// A connection that has been admitted and has no place on a shard yet: it counts for its address
/// until this is dropped.
#[derive(Debug)]
pub struct Waiting {
    loads: Loads,
    ticket: Ticket,
}

impl Waiting {
    /// What it is counted under.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.loads.take(self.ticket);
    }
}

impl Loads {
    /// None yet, on `shards` shards and under tickets up to `addresses`.
    #[must_use]
    pub fn new(shards: u16, addresses: usize) -> Self {
        // The first ticket is that of those who are exempt.
        let segments = (addresses + 1).div_ceil(SEGMENT);
        Self {
            shards: (0..shards).map(|_| AtomicU32::new(0)).collect(),
            addresses: (0..segments).map(|_| Segment::new()).collect(),
            held_bytes: (0..shards).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The highest ticket there can be.
    #[must_use]
    pub fn addresses_max(&self) -> usize {
        self.addresses.len() * SEGMENT - 1
    }

    fn node(&self, ticket: u32) -> &Node {
        let place = ticket as usize;
        let zeros = || (0..SEGMENT).map(|_| Node::default()).collect();
        &self.addresses[place / SEGMENT].get_or_init(zeros)[place % SEGMENT]
    }

    /// What is counted under `ticket` counts under that of the network `around` it, too. To be
    /// called while nothing is counted under it, or if it is so already.
    pub(super) fn belongs(&self, ticket: Ticket, around: Ticket) {
        self.node(ticket.0).around.store(around.0, Ordering::Relaxed);
    }

    /// Calls `change` for the count of `ticket`, and of each network around it.
    fn change(&self, ticket: Ticket, change: impl Fn(&AtomicU32)) {
        let mut at = ticket.0;
        loop {
            let node = self.node(at);
            change(&node.connections);
            at = node.around.load(Ordering::Relaxed);
            if at == 0 {
                break;
            }
        }
    }

    /// Whether what is counted under `ticket` counts under `network`, too.
    #[must_use]
    pub fn is_within(&self, ticket: Ticket, network: Ticket) -> bool {
        let mut at = ticket.0;
        while at != 0 && at != network.0 {
            at = self.node(at).around.load(Ordering::Relaxed);
        }
        at != 0
    }

    fn add(&self, ticket: Ticket) {
        self.change(ticket, |count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    fn take(&self, ticket: Ticket) {
        self.change(ticket, |count| {
            count.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// A connection with `ticket` has been admitted, and has no place on a shard yet.
    #[must_use]
    pub fn wait(&self, ticket: Ticket) -> Waiting {
        self.add(ticket);
        Waiting { loads: self.clone(), ticket }
    }

    /// A connection with `ticket` has been placed on `shard`.
    pub fn came(&self, shard: ShardId, ticket: Ticket) {
        self.shards[shard.index()].fetch_add(1, Ordering::Relaxed);
        self.add(ticket);
    }

    /// A connection with `ticket` on `shard` is closed, its descriptor free again.
    pub fn went(&self, shard: ShardId, ticket: Ticket) {
        self.shards[shard.index()].fetch_sub(1, Ordering::Relaxed);
        self.take(ticket);
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
        self.node(ticket.0).connections.load(Ordering::Relaxed)
    }
}
