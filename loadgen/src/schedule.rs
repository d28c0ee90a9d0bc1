//! When messages are due, whatever the server does; and waiting for those moments.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::thread::set_current_timer_slack;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::scenario::Arrivals;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Now, in nanoseconds, on a clock that all processes of a machine share and that never goes back.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Since the machine started: never negative.
    now.tv_sec.unsigned_abs() * NS_PER_SECOND + now.tv_nsec.unsigned_abs()
}

/// Random numbers that are the same for the same seed: SplitMix64, by Steele, Lea and Flood.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers for one of many that share a seed, unlike those of its neighbours.
    #[must_use]
    pub fn for_one(seed: u64, index: u64) -> Self {
        // A sequence is the seed counted up and mixed, so seeds that lie close would share theirs.
        let start = Self(seed).next_u64();
        Self(Self(start ^ index.rotate_left(32)).next_u64())
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0 and up to 1, so that it has a logarithm.
    pub fn next_unit(&mut self) -> f64 {
        ((self.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// The moments at which one sender's messages are due, in nanoseconds from a common start. Without
/// end; empty for a rate of 0 and for [`Arrivals::Window`], where nothing is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    random: Random,
    poisson: bool,
    /// Mean time from one burst to the next.
    gap_ns: f64,
    burst: f64,
    /// When a burst is due that is not begun.
    next_ns: f64,
    /// Bursts begun.
    begun: u64,
    /// Where in the first gap of even ones the first burst is.
    first_ns: f64,
    /// When the burst that is begun was due, and what is left of it.
    due_ns: u64,
    left: u64,
}

/// What the senders of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How messages come.
    pub arrivals: Arrivals,
    /// Messages a second of all senders together.
    pub rate: f64,
    /// Messages due at the same moment, on average.
    pub burst: f64,
    /// Decides everything that is random.
    pub seed: u64,
    /// How many there are.
    pub senders: u32,
}

impl Plan {
    /// The schedule of sender `index`, from 0. Senders at even intervals take turns, so that all
    /// of them together send at even intervals too.
    #[must_use]
    pub fn schedule(&self, index: u32) -> Schedule {
        let senders = f64::from(self.senders.max(1));
        let burst = self.burst.max(1.0);
        let gap_ns = senders * burst / self.rate * NS_PER_SECOND as f64;
        let due = self.rate > 0.0 && self.arrivals != Arrivals::Window;
        let mut schedule = Schedule {
            random: Random::for_one(self.seed, u64::from(index)),
            poisson: self.arrivals == Arrivals::Poisson,
            gap_ns: if due { gap_ns } else { f64::INFINITY },
            burst,
            next_ns: 0.0,
            begun: 0,
            first_ns: f64::from(index) / senders * gap_ns,
            due_ns: 0,
            left: 0,
        };
        schedule.plan_next();
        schedule
    }
}

impl Schedule {
    fn plan_next(&mut self) {
        self.next_ns = if self.poisson {
            self.next_ns - self.random.next_unit().ln() * self.gap_ns
        } else if self.gap_ns.is_finite() {
            // Not by addition, which would drift.
            self.first_ns + self.begun as f64 * self.gap_ns
        } else {
            f64::INFINITY
        };
        self.begun += 1;
    }

    /// A geometric number with mean `burst`, at least 1.
    fn burst_size(&mut self) -> u64 {
        if self.burst <= 1.0 {
            return 1;
        }
        1 + (self.random.next_unit().ln() / (1.0 - 1.0 / self.burst).ln()) as u64
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.left == 0 {
            if !self.next_ns.is_finite() {
                return None;
            }
            self.due_ns = self.next_ns as u64;
            self.left = self.burst_size();
            self.plan_next();
        }
        self.left -= 1;
        Some(self.due_ns)
    }
}

/// Wakes a mio loop at a moment, to within microseconds: time-outs of `poll` are milliseconds.
#[derive(Debug)]
pub struct Pacer {
    timer: OwnedFd,
    armed: Option<u64>,
}

impl Pacer {
    /// One that makes `token` readable in the loop of `registry`, on whose thread this is called:
    /// sleeps of this thread are no longer lengthened to save energy.
    ///
    /// # Errors
    /// When the operating system has no timer for us.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        set_current_timer_slack(NonZeroU64::new(1))?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer, armed: None })
    }

    /// Wakes the loop at `at_ns` of [`now_ns`], at once if that is over, and at no other moment;
    /// never for none. There is nothing to read or acknowledge: the next call does that.
    ///
    /// # Errors
    /// None that are known of.
    pub fn wake_at(&mut self, at_ns: Option<u64>) -> io::Result<()> {
        // What has not come yet is still armed. What has come may have woken the loop already.
        if self.armed == at_ns && at_ns.is_none_or(|at| at > now_ns()) {
            return Ok(());
        }
        // To the kernel 0 means never.
        let at = at_ns.map_or(0, |at| at.max(1));
        let it_value = Timespec {
            tv_sec: (at / NS_PER_SECOND).cast_signed(),
            tv_nsec: (at % NS_PER_SECOND).cast_signed(),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Itimerspec { it_interval, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &value)?;
        self.armed = at_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    const SECONDS: u64 = 200;

    fn plan(arrivals: Arrivals) -> Plan {
        Plan { arrivals, rate: 1000.0, burst: 1.0, seed: 7, senders: 1 }
    }

    fn until(schedule: Schedule, seconds: u64) -> Vec<u64> {
        schedule.take_while(|&due| due < seconds * NS_PER_SECOND).collect()
    }

    #[test]
    fn random_numbers_are_those_of_splitmix() {
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(first, published);
    }

    #[test]
    fn units_have_a_logarithm_and_an_even_spread() {
        let mut random = Random::new(3);
        let units: Vec<f64> = (0..100_000).map(|_| random.next_unit()).collect();
        assert!(units.iter().all(|unit| *unit > 0.0 && *unit <= 1.0));
        let mean = units.iter().sum::<f64>() / units.len() as f64;
        // Four standard errors of a mean of as many even numbers.
        assert!((mean - 0.5).abs() < 4.0 * (1.0 / 12.0 / units.len() as f64).sqrt(), "{mean}");
    }

    #[test]
    fn even_messages_keep_their_distance_for_a_day() {
        let schedule = Plan { rate: 3.0, ..plan(Arrivals::Constant) }.schedule(0);
        let day = until(schedule, 86_400);
        assert_eq!(day.len(), 3 * 86_400);
        assert_eq!((day[0], day[1]), (0, 333_333_333));
        let gaps = day.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.into_iter().all(|gap| (333_333_332..=333_333_334).contains(&gap)));
    }

    #[test]
    fn even_senders_take_turns() {
        let plan = Plan { senders: 4, ..plan(Arrivals::Constant) };
        let mut all: Vec<u64> = (0..4).flat_map(|n| until(plan.schedule(n), 2)).collect();
        all.sort_unstable();
        assert_eq!(all.len(), 2000);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] == 1_000_000), "{:?}", &all[..9]);
    }

    #[test]
    fn random_messages_keep_the_rate_and_vary_as_they_should() {
        for seed in 0..20 {
            let due = until(Plan { seed, ..plan(Arrivals::Poisson) }.schedule(0), SECONDS);
            let mean = 1000.0 * SECONDS as f64;
            // A Poisson number varies by the root of its mean.
            assert!((due.len() as f64 - mean).abs() < 4.5 * mean.sqrt(), "{}", due.len());
            let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            // Of exponential gaps, a part of 1/e is longer than their mean.
            let long = gaps.iter().filter(|gap| **gap > 1e6).count() as f64 / gaps.len() as f64;
            assert!((long - (-1.0_f64).exp()).abs() < 0.006, "{long}");
        }
    }

    #[test]
    fn bursts_keep_the_rate_and_their_size() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
            for burst in [1.5, 8.0] {
                let due = until(Plan { burst, ..plan(arrivals) }.schedule(0), SECONDS);
                let mut moments = due.clone();
                moments.dedup();
                let size = due.len() as f64 / moments.len() as f64;
                let sizes = moments.len() as f64;
                // Geometric sizes vary by less than their mean.
                assert!((size - burst).abs() < 4.5 * burst / sizes.sqrt(), "{burst}: {size}");
                let mean = 1000.0 * SECONDS as f64;
                let spread = 4.5 * (2.0 * burst * mean).sqrt();
                assert!((due.len() as f64 - mean).abs() < spread, "{burst}: {}", due.len());
            }
        }
    }

    #[test]
    fn schedules_repeat_differ_between_senders_and_never_go_back() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
            for seed in 0..50 {
                let plan = Plan { burst: 3.0, seed, senders: 2, ..plan(arrivals) };
                let first = until(plan.schedule(0), 5);
                assert_eq!(first, until(plan.schedule(0), 5));
                assert_ne!(first, until(plan.schedule(1), 5));
                assert_ne!(first, until(Plan { seed: seed + 1, ..plan }.schedule(0), 5));
                assert!(first.is_sorted());
            }
        }
    }

    #[test]
    fn many_random_senders_together_keep_the_rate() {
        let plan = Plan { senders: 1000, ..plan(Arrivals::Poisson) };
        let total: usize = (0..1000).map(|n| until(plan.schedule(n), SECONDS).len()).sum();
        let mean = 1000.0 * SECONDS as f64;
        assert!((total as f64 - mean).abs() < 4.5 * mean.sqrt(), "{total}");
    }

    #[test]
    fn nothing_is_due_without_a_rate_or_with_a_window() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
            assert_eq!(Plan { rate: 0.0, ..plan(arrivals) }.schedule(0).next(), None);
        }
        assert_eq!(plan(Arrivals::Window).schedule(0).next(), None);
    }

    #[test]
    fn a_pacer_wakes_a_loop_at_each_moment_and_not_before() {
        let mut poll = Poll::new().expect("a poll");
        let mut pacer = Pacer::new(poll.registry(), Token(5)).expect("a pacer");
        let mut events = Events::with_capacity(4);
        let mut latest = u64::MAX;
        for _ in 0..50 {
            let at = now_ns() + 300_000;
            pacer.wake_at(Some(at)).expect("armed");
            poll.poll(&mut events, Some(Duration::from_secs(5))).expect("polled");
            let late = now_ns().checked_sub(at).expect("not before its moment");
            assert_eq!(events.iter().next().expect("an event").token(), Token(5));
            latest = latest.min(late);
        }
        // The best of many: others may have had the core for the rest.
        assert!(latest < 500_000, "{latest} ns late at best");
        assert_eq!(rustix::thread::current_timer_slack().expect("a slack"), 1);
    }

    #[test]
    fn a_pacer_wakes_at_once_for_what_is_over_and_never_for_nothing() {
        let mut poll = Poll::new().expect("a poll");
        let mut pacer = Pacer::new(poll.registry(), Token(0)).expect("a pacer");
        let mut events = Events::with_capacity(4);
        let mut woken = |wait_ms| {
            poll.poll(&mut events, Some(Duration::from_millis(wait_ms))).expect("polled");
            !events.is_empty()
        };
        for at in [0, 1, now_ns()] {
            for _ in 0..2 {
                pacer.wake_at(Some(at)).expect("armed");
                assert!(woken(5000));
            }
        }
        pacer.wake_at(Some(now_ns() + 20_000_000)).expect("armed");
        pacer.wake_at(None).expect("disarmed");
        assert!(!woken(60));
    }
}
