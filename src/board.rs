//! Layer 3: where shards put up what the operator may see of them. Counters stay plain integers of
//! their owners; once a turn each shard copies all of them to a sheet of its own, one plain store
//! for each, and whoever reads sheets disturbs nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::metrics::{Snapshot, WORDS};
use crate::model::{CloseReason, ShardId};

/// Where one shard puts up its counters: on cache lines of its own, and the next, which processors
/// fetch with them.
#[derive(Clone, Debug)]
pub struct Sheet(Arc<Words>);

#[derive(Debug)]
#[repr(align(128))]
struct Words([AtomicU64; WORDS]);

/// What the server shows of itself.
#[derive(Clone, Debug)]
pub struct Board(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    sheets: Vec<Sheet>,
    /// How long each shard has been stuck, in seconds.
    stuck: Vec<AtomicU64>,
    /// Connections turned away, by [`CloseReason::index`].
    turned_away: [AtomicU64; CloseReason::ALL.len()],
    draining: AtomicBool,
    /// Clients there may be.
    connections_max: AtomicU64,
    /// Memory that clients and rooms may take.
    memory_bytes_max: AtomicU64,
    /// When the certificate in use expires, in seconds since 1970; 0 if there is none.
    certificate_expiry: AtomicU64,
    /// Whether the settings that were read last are those that hold.
    reload_successful: AtomicBool,
    /// When they were read, in seconds since 1970.
    reloaded: AtomicU64,
}

impl Sheet {
    fn new() -> Self {
        Self(Arc::new(Words([const { AtomicU64::new(0) }; WORDS])))
    }

    /// Shows `snapshot` from now on.
    #[inline]
    pub fn put_up(&self, snapshot: &Snapshot) {
        for (shown, word) in self.0.0.iter().zip(snapshot.into_words()) {
            shown.store(word, Ordering::Relaxed);
        }
    }

    /// What the shard had put up last. If it is about to put up the next, some of that.
    #[must_use]
    pub fn read(&self) -> Snapshot {
        let word = |i: usize| self.0.0[i].load(Ordering::Relaxed);
        Snapshot::from_words(std::array::from_fn(word))
    }
}

impl Board {
    /// An empty one, for a server of `shards` shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        let each = || ShardId::all(shards);
        Self(Arc::new(Shown {
            sheets: each().map(|_| Sheet::new()).collect(),
            stuck: each().map(|_| AtomicU64::new(0)).collect(),
            turned_away: [const { AtomicU64::new(0) }; CloseReason::ALL.len()],
            draining: AtomicBool::new(false),
            connections_max: AtomicU64::new(0),
            memory_bytes_max: AtomicU64::new(0),
            certificate_expiry: AtomicU64::new(0),
            reload_successful: AtomicBool::new(true),
            reloaded: AtomicU64::new(0),
        }))
    }

    /// Where `shard` is to put up its counters.
    #[must_use]
    pub fn sheet(&self, shard: ShardId) -> Sheet {
        self.0.sheets[shard.index()].clone()
    }

    /// What each shard has put up, in order.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, Snapshot)> {
        ShardId::all(u16::MAX).zip(self.0.sheets.iter().map(Sheet::read))
    }

    /// Shows for how many seconds each shard, in order, has been stuck.
    pub fn show_stuck(&self, seconds: impl Iterator<Item = u64>) {
        for (shown, seconds) in self.0.stuck.iter().zip(seconds) {
            shown.store(seconds, Ordering::Relaxed);
        }
    }

    /// For how many seconds each shard, in order, has been stuck.
    pub fn stuck(&self) -> impl Iterator<Item = (ShardId, u64)> {
        let seconds = self.0.stuck.iter().map(|seconds| seconds.load(Ordering::Relaxed));
        ShardId::all(u16::MAX).zip(seconds)
    }

    /// A connection has been turned away.
    pub fn count_away(&self, reason: CloseReason) {
        self.0.turned_away[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were turned away for `reason`.
    #[must_use]
    pub fn turned_away(&self, reason: CloseReason) -> u64 {
        self.0.turned_away[reason.index()].load(Ordering::Relaxed)
    }

    /// Shows how many clients there may be, and how much memory they and rooms may take.
    pub fn show_limits(&self, connections_max: u32, memory_bytes_max: u64) {
        self.0.connections_max.store(u64::from(connections_max), Ordering::Relaxed);
        self.0.memory_bytes_max.store(memory_bytes_max, Ordering::Relaxed);
    }

    /// Shows when the certificate in use expires, in seconds since 1970; 0 if there is none.
    pub fn show_certificate_expiry(&self, unix_seconds: u64) {
        self.0.certificate_expiry.store(unix_seconds, Ordering::Relaxed);
    }

    /// When the certificate in use expires, in seconds since 1970; 0 if there is none.
    #[must_use]
    pub fn certificate_expiry(&self) -> u64 {
        self.0.certificate_expiry.load(Ordering::Relaxed)
    }

    /// Shows that settings were read at a time, in seconds since 1970, and whether they hold.
    pub fn show_reload(&self, successful: bool, unix_seconds: u64) {
        self.0.reload_successful.store(successful, Ordering::Relaxed);
        self.0.reloaded.store(unix_seconds, Ordering::Relaxed);
    }

    /// Whether the settings that were read last hold, and when they were read.
    #[must_use]
    pub fn last_reload(&self) -> (bool, u64) {
        let successful = self.0.reload_successful.load(Ordering::Relaxed);
        (successful, self.0.reloaded.load(Ordering::Relaxed))
    }

    /// How many clients there may be.
    #[must_use]
    pub fn connections_max(&self) -> u64 {
        self.0.connections_max.load(Ordering::Relaxed)
    }

    /// How much memory clients and rooms may take, in bytes.
    #[must_use]
    pub fn memory_bytes_max(&self) -> u64 {
        self.0.memory_bytes_max.load(Ordering::Relaxed)
    }

    /// The server goes down.
    pub fn show_drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server goes down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_up_is_what_is_read() {
        let words = std::array::from_fn(|i| i as u64 + 1);
        let (board, snapshot) = (Board::new(2), Snapshot::from_words(words));
        board.sheet(ShardId(1)).put_up(&snapshot);
        let shown: Vec<_> = board.shards().collect();
        assert_eq!(shown, [(ShardId(0), Snapshot::default()), (ShardId(1), snapshot)]);
        assert_eq!(snapshot.into_words(), words);
    }
}
