//! When to connect again.

use std::time::Duration;

const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The same after the server has rejected a connection: each one more keeps it from forgetting that
/// there were too many.
const REJECTED_WAIT_MIN: Duration = Duration::from_secs(10);
const REJECTED_WAIT_MAX: Duration = Duration::from_secs(300);
/// The longest time that a server can ask us to stay away.
const STAY_AWAY_SECONDS_MAX: u64 = 3600;

/// Waits that grow with every failure, and that no two clients share: all those that a server has
/// lost at once shall not come back at once.
#[derive(Debug)]
pub(crate) struct Retry {
    failures: u32,
    /// How many of them in a row, up to the last, the server has rejected.
    rejections: u32,
    /// How long the server asks us to stay away.
    away: Duration,
    random: u64,
}

impl Retry {
    /// No two clients should have the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { failures: 0, rejections: 0, away: Duration::ZERO, random: seed | 1 }
    }

    /// The server has let us in: the next failure is the first one.
    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.rejections, self.away) = (0, 0, Duration::ZERO);
    }

    /// The server has rejected the connection.
    pub(crate) fn rejected(&mut self) {
        self.rejections += 1;
    }

    /// The server has asked us not to come back before so many seconds have passed.
    pub(crate) fn stay_away(&mut self, seconds: u64) {
        self.away = Duration::from_secs(seconds.min(STAY_AWAY_SECONDS_MAX));
    }

    /// How long to wait now: a half at least of the time for so many failures, the rest by chance.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let doubled = |wait: Duration, times: u32| wait * (1 << times.min(10));
        let longest = match self.rejections {
            0 => doubled(WAIT_MIN, self.failures).min(WAIT_MAX),
            n => doubled(REJECTED_WAIT_MIN, n - 1).min(REJECTED_WAIT_MAX),
        };
        self.failures += 1;
        std::mem::take(&mut self.away) + longest / 2 + longest.mul_f64(self.chance() / 2.0)
    }

    /// From 0 up to 1.
    fn chance(&mut self) -> f64 {
        // Xorshift: all that is asked of it is to differ from one client to the next.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        f64::from((self.random >> 32) as u32) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit_and_start_anew() {
        let mut retry = Retry::new(7);
        for longest in [1, 2, 4, 8, 16, 30, 30] {
            let (wait, longest) = (retry.next_wait(), Duration::from_secs(longest));
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} of {longest:?}");
        }
        retry.succeeded();
        assert!(retry.next_wait() <= WAIT_MIN);
    }

    #[test]
    fn rejections_are_waited_out_for_longer() {
        let mut retry = Retry::new(7);
        for longest in [10, 20, 40, 80, 160, 300, 300] {
            retry.rejected();
            let (wait, longest) = (retry.next_wait(), Duration::from_secs(longest));
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} of {longest:?}");
        }
        retry.succeeded();
        assert!(retry.next_wait() <= WAIT_MIN);
    }

    #[test]
    fn no_two_clients_come_back_together() {
        let mut waits: Vec<Duration> = (0..100_u64)
            .map(|seed| Retry::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next_wait())
            .collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 40, "{waits:?}");
    }

    #[test]
    fn a_server_can_ask_for_more_time_once() {
        let mut retry = Retry::new(7);
        retry.stay_away(100);
        assert!(retry.next_wait() >= Duration::from_secs(100));
        assert!(retry.next_wait() <= Duration::from_secs(2));
        retry.stay_away(u64::MAX);
        assert!(retry.next_wait() <= Duration::from_secs(STAY_AWAY_SECONDS_MAX + 4));
    }
}
