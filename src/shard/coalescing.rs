//! Whether writing can wait a moment, as a network card waits before it interrupts: lines that come
//! in the meantime leave in the same writes as those that are waiting.
//!
//! Without this, a busy shard that is a little faster than its clients writes every line as soon as
//! it comes: more and smaller writes, which are work for it and for whoever reads them. It stays
//! busy and everybody waits longer.

use std::time::{Duration, Instant};

/// How long writing waits before it is asked again whether it should.
pub(super) const PAUSE: Duration = Duration::from_micros(200);
/// What a write costs, see `ARCHITECTURE.md`.
const WRITE: Duration = Duration::from_micros(4);

/// Looks at what waiting would bring, once a turn.
#[derive(Debug, Default)]
pub(super) struct Coalescing {
    /// When it last looked.
    looked: Option<Instant>,
    /// Writes that had been spared by then.
    spared: u64,
    /// How long the lines that are waiting now have been made to wait.
    paused: Duration,
}

impl Coalescing {
    /// Whether to pause before writing at `now`, when `spared` writes have been spared since the
    /// beginning and as many as `waiting` says are to be made.
    ///
    /// It pays if what came since the last look has spared more time than went by. What waits is
    /// made to wait no longer than it takes to write: nothing that is quickly written waits at all,
    /// and no delay is more than doubled.
    pub(super) fn pays(
        &mut self,
        now: Instant,
        spared: u64,
        waiting: impl FnOnce() -> usize,
    ) -> bool {
        let passed = self.looked.replace(now).map_or(Duration::MAX, |looked| now - looked);
        let newly_spared = spared - std::mem::replace(&mut self.spared, spared);
        let pays =
            time_of(newly_spared) > passed && self.paused + PAUSE <= time_of(waiting() as u64);
        self.paused = if pays { self.paused + PAUSE } else { Duration::ZERO };
        pays
    }
}

/// What so many writes take.
fn time_of(writes: u64) -> Duration {
    WRITE.saturating_mul(u32::try_from(writes).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks after so many microseconds, when so many writes more have been spared.
    fn ask(coalescing: &mut Coalescing, after_us: u64, newly_spared: u64, waiting: usize) -> bool {
        let now = coalescing.looked.expect("it has looked") + Duration::from_micros(after_us);
        let spared = coalescing.spared + newly_spared;
        coalescing.pays(now, spared, || waiting)
    }

    fn looked() -> Coalescing {
        Coalescing { looked: Some(Instant::now()), ..Coalescing::default() }
    }

    #[test]
    fn the_first_look_has_nothing_to_go_by() {
        assert!(!Coalescing::default().pays(Instant::now(), 1_000_000, || 1000));
    }

    #[test]
    fn it_pays_if_the_writes_spared_take_longer_than_the_time_that_passed() {
        assert!(ask(&mut looked(), 1000, 251, 256));
        assert!(!ask(&mut looked(), 1000, 250, 256));
        assert!(!ask(&mut looked(), 1000, 0, 256), "nothing came for whom something waits");
    }

    #[test]
    fn what_is_quickly_written_does_not_wait() {
        assert!(!ask(&mut looked(), 100, 1000, 49));
        assert!(ask(&mut looked(), 100, 1000, 50));
    }

    #[test]
    fn nothing_waits_longer_than_it_takes_to_write() {
        let mut coalescing = looked();
        let pauses: Vec<bool> = (0..12).map(|_| ask(&mut coalescing, 200, 1000, 256)).collect();
        let five_then_a_write = [true, true, true, true, true, false];
        assert_eq!(pauses, [five_then_a_write, five_then_a_write].concat());
    }
}
