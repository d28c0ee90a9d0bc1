//! How long turns take: how long whoever has just become ready may have to wait for the others.

use std::time::Duration;

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The first bucket's bound, in microseconds; each further one is four times as high.
const FIRST_BOUND_US: u64 = 16;
/// Buckets that have a bound: the last one's is 4.2 s.
const BOUNDED: usize = 10;

/// How many turns took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct TurnTimes {
    /// Turns by what they took; those in the last bucket took longer than every bound.
    buckets: [u64; BOUNDED + 1],
    /// What all of them took.
    nanoseconds: u64,
    /// What the longest of them took.
    longest_nanoseconds: u64,
}

impl TurnTimes {
    /// Counts a turn that took so long.
    #[inline]
    pub fn count(&mut self, took: Duration) {
        // A turn of more than 500 years is no matter.
        let nanoseconds = took.as_nanos() as u64;
        self.nanoseconds += nanoseconds;
        self.longest_nanoseconds = self.longest_nanoseconds.max(nanoseconds);
        let over_first = nanoseconds.saturating_sub(1) / (FIRST_BOUND_US * 1000);
        let quadruplings = (u64::BITS - over_first.leading_zeros()).div_ceil(2) as usize;
        self.buckets[quadruplings.min(BOUNDED)] += 1;
    }

    /// How many turns were counted.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What all turns took, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds).as_secs_f64()
    }

    /// What the longest turn took, in seconds.
    #[must_use]
    pub fn longest_seconds(&self) -> f64 {
        Duration::from_nanos(self.longest_nanoseconds).as_secs_f64()
    }

    /// The buckets: what a turn in each took at most, in seconds, and more than in the one before;
    /// and how many there are in it alone.
    #[must_use]
    pub fn buckets(&self) -> [(f64, u64); BOUNDED + 1] {
        std::array::from_fn(|i| {
            let bound_us = FIRST_BOUND_US << (2 * i);
            let bound = if i == BOUNDED { f64::INFINITY } else { bound_us as f64 / 1e6 };
            (bound, self.buckets[i])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (bucket, (bound, _)) in TurnTimes::default().buckets().into_iter().enumerate() {
            let bound = Duration::try_from_secs_f64(bound.min(1e6)).unwrap();
            let mut times = TurnTimes::default();
            times.count(bound);
            assert_eq!(times.buckets[bucket], 1, "{bound:?}");
            times.count(bound + Duration::from_nanos(1));
            assert_eq!(times.buckets[(bucket + 1).min(BOUNDED)], 1 + u64::from(bucket == BOUNDED));
            assert_eq!(times.turns(), 2);
        }
    }

    #[test]
    fn the_sum_is_what_all_turns_took_and_the_longest_is_known() {
        let mut times = TurnTimes::default();
        for milliseconds in [0, 499, 1] {
            times.count(Duration::from_millis(milliseconds));
        }
        assert_eq!((times.seconds(), times.longest_seconds()), (0.5, 0.499));
        assert_eq!(times.buckets[0], 1);
    }
}
