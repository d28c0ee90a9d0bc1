//! What the shards had put up in the last seconds, for the status page to tell rates of.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::board::Board;
use crate::metrics::Snapshot;
use crate::model::ShardId;

/// How often a sample is taken.
pub(super) const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How many are kept.
const SAMPLES_MAX: usize = 10;

/// Samples of all shards, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, Vec<Snapshot>)>);

impl Recent {
    /// Takes a sample.
    pub(super) fn sample(&mut self, board: &Board) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), board.shards().map(|(_, snapshot)| snapshot).collect()));
    }

    /// What the rates are of.
    pub(super) fn span(&self) -> Duration {
        self.0.front().map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }

    /// How much what is `read` from `shard` has grown in a second, up to `now`.
    pub(super) fn rate_of(
        &self,
        shard: ShardId,
        now: &Snapshot,
        read: fn(&Snapshot) -> f64,
    ) -> f64 {
        let Some((at, before)) = self.0.front() else { return 0.0 };
        // Right after a sample there is nothing to tell a rate from.
        let seconds = at.elapsed().max(SAMPLE_EVERY).as_secs_f64();
        (read(now) - read(&before[shard.index()])) / seconds
    }

    /// The same of all shards.
    pub(super) fn rate(&self, now: &[Snapshot], read: fn(&Snapshot) -> f64) -> f64 {
        ShardId::all(u16::MAX).zip(now).map(|(shard, it)| self.rate_of(shard, it, read)).sum()
    }
}
