//! How often something may be done, and how much of that somebody has used: a token bucket in four
//! bytes.

use std::time::Duration;

use super::Moment;

/// More than anything costs that is paid for from an allowance at once: a list and what came with
/// it, or a batch of connections.
const DEAREST: u32 = 64;
/// How far ahead of now any allowance can be spent, in milliseconds, some twelve days: what is
/// further ahead than half of all moments is behind.
const AHEAD_MAX_MS: u32 = u32::MAX / 4;

/// How often something may be done: so many times at once, and as many more as the time that has
/// passed brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How long it takes until it may be done once more, in milliseconds.
    pub each_ms: u32,
    /// How many times it may be done at once, by whoever has not done it for a while.
    pub burst: u32,
}

impl Allowance {
    /// So many times in `span`, and so many at once.
    #[must_use]
    pub fn of(times: u32, span: Duration, burst: u32) -> Self {
        let each_ms = span.as_millis() / u128::from(times.max(1));
        Self { each_ms: u32::try_from(each_ms).unwrap_or(u32::MAX), burst }
    }

    /// How long a whole burst takes to come back, in milliseconds.
    #[inline]
    fn burst_ms(self) -> u32 {
        self.each_ms.saturating_mul(self.burst).min(AHEAD_MAX_MS)
    }

    /// How far ahead of now it can be spent, in milliseconds: a burst and the dearest after it.
    #[inline]
    fn ahead_max(self) -> u32 {
        let dearest = self.each_ms.saturating_mul(DEAREST);
        self.burst_ms().saturating_add(dearest).min(AHEAD_MAX_MS)
    }
}

/// The moment up to which an allowance is spent, in milliseconds since the server started, without
/// the high bits: it is looked at often enough for them not to matter, and a bucket that was not
/// for weeks is taken for a full one, all but certainly.
///
/// The bucket is the distance from now to there ("generic cell rate algorithm"): it needs no clock
/// to fill it.
#[derive(Clone, Copy, Debug)]
pub struct Spent(u32);

impl Spent {
    /// Nothing is spent at `now`.
    #[must_use]
    pub fn nothing(now: Moment) -> Self {
        Self(low(now))
    }

    /// Spends `times` of `allowance`, whether there are as many or not.
    #[inline]
    pub fn spend(&mut self, allowance: Allowance, times: u32, now: Moment) {
        self.spend_ms(allowance, times.saturating_mul(allowance.each_ms), now);
    }

    /// Spends what comes back in so many milliseconds. It saturates: what is spent beyond
    /// `Allowance::ahead_max` need not be waited for.
    #[inline]
    pub fn spend_ms(&mut self, allowance: Allowance, cost_ms: u32, now: Moment) {
        let ahead = self.ahead(allowance, now).saturating_add(cost_ms);
        self.0 = low(now).wrapping_add(ahead.min(allowance.ahead_max()));
    }

    /// How long until something may be spent again, in milliseconds; 0 if it may now.
    #[inline]
    #[must_use]
    pub fn wait_ms(self, allowance: Allowance, now: Moment) -> u32 {
        self.ahead(allowance, now).saturating_sub(allowance.burst_ms())
    }

    /// The same under another allowance: as many times are spent, but no more than can be at once,
    /// so that nobody waits for what was within the old one.
    #[must_use]
    pub fn convert(self, [from, to]: [Allowance; 2], now: Moment) -> Self {
        let ahead = self.ahead(from, now);
        if ahead == 0 {
            return self;
        }
        let [ahead, from_each, to_each, burst] =
            [ahead, from.each_ms.max(1), to.each_ms, to.burst].map(u64::from);
        let ahead = (ahead * to_each / from_each).min(to_each * burst);
        Self(low(now).wrapping_add(u32::try_from(ahead).unwrap_or(u32::MAX)))
    }

    /// When something was last spent, or a little later: at most as long as a whole allowance
    /// takes to come back.
    #[must_use]
    pub fn last(self, now: Moment) -> Moment {
        let ago = low(now).wrapping_sub(self.0);
        if ago > u32::MAX / 2 { now } else { Moment(now.0.saturating_sub(u64::from(ago))) }
    }

    /// How far ahead of now it is spent, in milliseconds.
    #[inline]
    fn ahead(self, allowance: Allowance, now: Moment) -> u32 {
        let ahead = self.0.wrapping_sub(low(now));
        // `spend_ms` never leaves it further ahead, so it is behind, and high bits are missing.
        if ahead > allowance.ahead_max() { 0 } else { ahead }
    }
}

#[inline]
fn low(now: Moment) -> u32 {
    now.0 as u32
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const ALLOWANCE: Allowance = Allowance { each_ms: 100, burst: 20 };

    #[test]
    fn what_is_spent_counts_under_another_allowance_from_now_on() {
        let now = Moment(5_000_000_000);
        let [slow, fast] = [Allowance { each_ms: 60_000, burst: 2 }, ALLOWANCE];
        let mut spent = Spent::nothing(now);
        spent.spend(slow, 3, now);
        assert_eq!(spent.wait_ms(slow, now), 60_000);
        let mut raised = spent.convert([slow, fast], now);
        raised.spend(fast, 17, now);
        assert_eq!(raised.wait_ms(fast, now), 0, "three are spent");
        raised.spend(fast, 1, now);
        assert_eq!(raised.wait_ms(fast, now), 100);
        let mut lowered = raised.convert([fast, slow], now);
        assert_eq!(lowered.wait_ms(slow, now), 0, "nobody waits for what was no fault");
        lowered.spend(slow, 1, now);
        assert_eq!(lowered.wait_ms(slow, now), 60_000);
        let silent = Spent::nothing(Moment(now.0 - 5_000)).convert([slow, fast], now);
        assert_eq!(silent.last(now), Moment(now.0 - 5_000), "how long it was silent is kept");
    }

    #[test]
    fn a_burst_is_free_and_then_it_takes_as_long_as_it_takes() {
        let start = Moment(5_000_000_000);
        let mut spent = Spent::nothing(start);
        for _ in 0..20 {
            spent.spend(ALLOWANCE, 1, start);
            assert_eq!(spent.wait_ms(ALLOWANCE, start), 0);
        }
        spent.spend(ALLOWANCE, 3, start);
        assert_eq!(spent.wait_ms(ALLOWANCE, start), 300);
        assert_eq!(spent.wait_ms(ALLOWANCE, Moment(start.0 + 299)), 1);
        assert_eq!(spent.wait_ms(ALLOWANCE, Moment(start.0 + 300)), 0);
        let rested = Moment(start.0 + 2_300);
        spent.spend(ALLOWANCE, 20, rested);
        assert_eq!(spent.wait_ms(ALLOWANCE, rested), 0, "the whole burst is back");
        spent.spend(ALLOWANCE, 1, rested);
        assert_eq!(spent.wait_ms(ALLOWANCE, rested), 100, "and no more than that");
    }

    #[test]
    fn whoever_spends_far_more_than_there_is_has_to_wait_for_all_of_it() {
        let start = Moment(7);
        let mut spent = Spent::nothing(start);
        spent.spend(ALLOWANCE, 20, start);
        spent.spend(ALLOWANCE, 32, start);
        assert_eq!(spent.wait_ms(ALLOWANCE, start), 3_200);
    }

    proptest! {
        /// However much is spent, of whatever allowance: it is never taken for unspent, and never
        /// has to be waited for longer than for all that can be spent.
        #[test]
        fn what_is_spent_stays_spent(
            each_ms in prop_oneof![1..5_000_u32, any::<u32>()],
            burst in prop_oneof![0..100_u32, any::<u32>()],
            costs in vec((prop_oneof![0..100_u32, any::<u32>()], 0..10_000_u64), 1..50),
            start in any::<u32>(),
        ) {
            let allowance = Allowance { each_ms, burst };
            let mut now = Moment(u64::from(start));
            let mut spent = Spent::nothing(now);
            // What a bucket of 64 bits would say.
            let mut ahead = 0_u64;
            for (times, passed) in costs {
                now.0 += passed;
                ahead = ahead.saturating_sub(passed) + u64::from(times) * u64::from(each_ms);
                ahead = ahead.min(u64::from(allowance.ahead_max()));
                spent.spend(allowance, times, now);
                let wait = ahead.saturating_sub(u64::from(allowance.burst_ms()));
                prop_assert_eq!(u64::from(spent.wait_ms(allowance, now)), wait);
            }
        }
    }

    #[test]
    fn the_missing_high_bits_do_not_show() {
        for start in [0, u64::from(u32::MAX) - 50, 1 << 40] {
            let mut spent = Spent::nothing(Moment(start));
            spent.spend(ALLOWANCE, 21, Moment(start));
            assert_eq!(spent.wait_ms(ALLOWANCE, Moment(start + 60)), 40, "at {start}");
            assert_eq!(spent.last(Moment(start + 2_100 + 7)), Moment(start + 2_100));
        }
    }
}
