//! How often something may be done, and how much of that somebody has used: a token bucket in four
//! bytes.

use std::time::Duration;

use super::Moment;

/// More than anything costs that is paid for from an allowance at once: a list and what came with
/// it, or a batch of connections.
const DEAREST: u32 = 64;

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
        let ahead = self.ahead(allowance, now).saturating_add(times * allowance.each_ms);
        self.0 = low(now).wrapping_add(ahead);
    }

    /// How long until something may be spent again, in milliseconds; 0 if it may now.
    #[inline]
    #[must_use]
    pub fn wait_ms(self, allowance: Allowance, now: Moment) -> u32 {
        self.ahead(allowance, now).saturating_sub(allowance.each_ms * allowance.burst)
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
        // Nobody is ever further ahead than by a burst and the dearest thing after it.
        if ahead > allowance.each_ms * (allowance.burst + DEAREST) { 0 } else { ahead }
    }
}

#[inline]
fn low(now: Moment) -> u32 {
    now.0 as u32
}

#[cfg(test)]
mod tests {
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
