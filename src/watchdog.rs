//! Layer 3: whether every shard still turns. A shard that is stuck cannot say so itself: it counts
//! its turns where the server can see them, and the server looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tracing::{error, warn};

use crate::mesh::Address;
use crate::model::ShardId;

/// How often shards are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row that find a shard in the same turn before it gets no new connections.
const LOOKS_UNTIL_PASSED_OVER: u64 = 1;
/// Looks in a row that find a shard in the same turn before that is reported.
const LOOKS_UNTIL_REPORTED: u64 = 10;

/// How many turns a shard has begun. On a cache line of its own, and the next, which processors
/// fetch with it: other shards' counts do not slow this one's.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Padded>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

impl Pulse {
    /// The shard begins its turn number `turn`.
    #[inline]
    pub fn begin_turn(&self, turn: u64) {
        self.0.0.store(turn, Ordering::Relaxed);
    }

    fn turn(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }
}

/// Looks at all shards, once a second.
#[derive(Debug)]
pub struct Watchdog {
    shards: Vec<(Pulse, Watched)>,
    addresses: Arc<[Address]>,
    ticks: Interval,
}

/// What the watchdog knows of a shard.
#[derive(Debug, Default)]
struct Watched {
    /// The turn it was in at the last look.
    turn: u64,
    /// Looks in a row that found it in the same turn. Counted instead of time, because a machine
    /// that was suspended makes nobody slow.
    looks: u64,
}

/// What is to be told of a shard.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It has been in one turn for so many looks.
    Stuck(u64),
    /// It turns again, after so many.
    TurnsAgain(u64),
}

impl Watchdog {
    /// Watches the shards at `addresses`. To be called in the runtime that will look.
    #[must_use]
    pub fn new(addresses: Arc<[Address]>) -> Self {
        // Shards that have not had the time to begin are not stuck.
        let mut ticks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shards = addresses.iter().map(|_| Default::default()).collect();
        Self { shards, addresses, ticks }
    }

    /// Where `shard` is to count its turns.
    #[must_use]
    pub fn pulse(&self, shard: ShardId) -> Pulse {
        self.shards[shard.index()].0.clone()
    }

    /// Waits until it is time to look, looks, and tells.
    pub async fn look(&mut self) {
        self.ticks.tick().await;
        for ((pulse, watched), address) in self.shards.iter_mut().zip(self.addresses.iter()) {
            let shard = address.shard();
            match watched.look(pulse.turn(), address.is_asleep()) {
                Some(News::Stuck(looks)) => {
                    let seconds = looks * LOOK_EVERY.as_secs();
                    error!(%shard, seconds, "a shard is stuck: its clients and rooms get nothing");
                }
                Some(News::TurnsAgain(looks)) => {
                    let seconds = looks * LOOK_EVERY.as_secs();
                    warn!(%shard, seconds, "a shard that was stuck turns again");
                }
                None => {}
            }
        }
    }

    /// For how many seconds each shard, in order, has been in one turn: none, if it turns.
    pub fn stuck_seconds(&self) -> impl Iterator<Item = u64> {
        self.shards.iter().map(|(_, watched)| watched.looks * LOOK_EVERY.as_secs())
    }

    /// Whether each shard, in order, turns well enough to be given connections.
    pub fn turning(&self) -> impl Iterator<Item = bool> {
        self.shards.iter().map(|(_, watched)| watched.looks < LOOKS_UNTIL_PASSED_OVER)
    }
}

impl Watched {
    /// The shard is seen in turn number `turn`, or asleep behind it.
    fn look(&mut self, turn: u64, asleep: bool) -> Option<News> {
        if asleep || turn != self.turn {
            let looks = std::mem::take(&mut self.looks);
            self.turn = turn;
            return (looks >= LOOKS_UNTIL_REPORTED).then_some(News::TurnsAgain(looks));
        }
        self.looks += 1;
        (self.looks >= LOOKS_UNTIL_REPORTED).then_some(News::Stuck(self.looks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_turns_or_sleeps_is_no_news() {
        let mut watched = Watched::default();
        for turn in 1..100 {
            assert_eq!(watched.look(turn, false), None);
        }
        for _ in 0..100 {
            assert_eq!(watched.look(99, true), None);
        }
        assert_eq!(watched.looks, 0);
    }

    #[test]
    fn a_shard_stuck_for_10_looks_is_reported_at_each_until_it_turns_again() {
        let mut watched = Watched::default();
        assert_eq!(watched.look(7, false), None);
        for _ in 0..9 {
            assert_eq!(watched.look(7, false), None);
        }
        assert_eq!(watched.look(7, false), Some(News::Stuck(10)));
        assert_eq!(watched.look(7, false), Some(News::Stuck(11)));
        assert_eq!(watched.look(8, false), Some(News::TurnsAgain(11)));
        assert_eq!(watched.look(8, false), None);
    }

    #[test]
    fn a_shard_that_goes_to_sleep_after_a_long_turn_turns_again() {
        let mut watched = Watched { turn: 7, looks: 10 };
        assert_eq!(watched.look(7, true), Some(News::TurnsAgain(10)));
        assert_eq!(watched.look(7, true), None);
    }
}
