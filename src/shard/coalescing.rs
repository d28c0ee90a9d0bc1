//! Whether writing can wait a moment, as a network card waits before it interrupts: lines that come
//! in the meantime leave in the same writes as those that are waiting.
//!
//! Without this, a busy shard that is a little faster than its clients writes every few lines as
//! soon as they come: more and smaller writes, which are work for it and for whoever reads them. It
//! stays busy and everybody waits longer.

use std::time::{Duration, Instant};

/// How long writing waits, once before each flush at most.
pub(super) const PAUSE: Duration = Duration::from_micros(200);
/// What a write costs, see `ARCHITECTURE.md`.
const WRITE: Duration = Duration::from_micros(4);

/// Looks at what waiting would bring, before every flush.
#[derive(Debug, Default)]
pub(super) struct Coalescing {
    /// When it last looked.
    looked: Option<Instant>,
    /// Writes that had been spared by then.
    spared: u64,
    /// What waits now has been made to wait already.
    has_paused: bool,
}

impl Coalescing {
    /// Whether to pause before writing at `now`, when `spared` writes have been spared since the
    /// beginning.
    ///
    /// It pays if those that were spared since the last look would have taken longer than the time
    /// that went by: had every line been written by itself, there would not have been time enough.
    /// A shard that is not as busy as that never pauses.
    pub(super) fn pays(&mut self, now: Instant, spared: u64) -> bool {
        let passed = self.looked.replace(now).map_or(Duration::MAX, |looked| now - looked);
        let newly_spared = spared - std::mem::replace(&mut self.spared, spared);
        let would_have_taken = WRITE.saturating_mul(newly_spared.try_into().unwrap_or(u32::MAX));
        self.has_paused = !self.has_paused && would_have_taken > passed;
        self.has_paused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks after so many microseconds, when so many writes more have been spared.
    fn ask(coalescing: &mut Coalescing, after_us: u64, newly_spared: u64) -> bool {
        let now = coalescing.looked.expect("it has looked") + Duration::from_micros(after_us);
        coalescing.pays(now, coalescing.spared + newly_spared)
    }

    fn looked() -> Coalescing {
        Coalescing { looked: Some(Instant::now()), ..Coalescing::default() }
    }

    #[test]
    fn the_first_look_has_nothing_to_go_by() {
        assert!(!Coalescing::default().pays(Instant::now(), 1_000_000));
    }

    #[test]
    fn it_pays_if_the_writes_spared_would_have_taken_longer_than_the_time_that_passed() {
        assert!(ask(&mut looked(), 1000, 251));
        assert!(!ask(&mut looked(), 1000, 250));
        assert!(!ask(&mut looked(), 1000, 0), "nothing came for whom something waits");
    }

    #[test]
    fn nothing_waits_twice() {
        let mut coalescing = looked();
        let pauses: Vec<bool> = (0..4).map(|_| ask(&mut coalescing, 200, 1000)).collect();
        assert_eq!(pauses, [true, false, true, false]);
    }
}
