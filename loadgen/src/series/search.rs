//! The search for the highest rate that is good enough.

use super::{Conclusion, Series, cannot_print};
use crate::report::{self, Row, Verdict};
use crate::result::RunResult;

/// Doublings before a search gives up finding a rate that is too high.
const DOUBLINGS_MAX: u32 = 16;
/// Halvings of the interval, after which the rate is known to a few percent.
const HALVINGS: u32 = 5;
/// Runs at the answer, of which most must be good.
const REPEATS: usize = 3;

/// What repeats at the answer showed.
struct Repeats {
    made: usize,
    good: usize,
    invalid: usize,
}

impl Series<'_> {
    /// Doubles the rate until it is too high, halves the interval in which it becomes so, and
    /// repeats the run at the highest good one.
    pub(super) fn search(&mut self, p99_us: f64) -> Result<Conclusion, String> {
        let (mut low, mut best) = (0.0, None);
        let mut high = self.scenario.rate.max(1.0);
        for _ in 0..DOUBLINGS_MAX {
            let Some(result) = self.try_at(high, p99_us)? else { break };
            (low, best) = (high, Some(result));
            high *= 2.0;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            match self.try_at(middle, p99_us)? {
                Some(result) => (low, best) = (middle, Some(result)),
                None => high = middle,
            }
        }
        let mut repeats = Repeats { made: 0, good: 0, invalid: 0 };
        while best.is_some() && repeats.made < REPEATS && !self.is_enough() {
            let good = self.try_at(low, p99_us)?;
            let last = self.rows.last().expect("the run just made");
            repeats.made += 1;
            repeats.invalid += usize::from(last.verdict == Verdict::Invalid);
            if good.is_some() {
                (repeats.good, best) = (repeats.good + 1, good);
            }
        }
        let Some(best) = best else { return Ok(self.nothing_found(p99_us)) };
        report::print(&best, &mut self.out).map_err(|e| cannot_print(&e))?;
        Ok(self.found(low, p99_us, &repeats))
    }

    /// The run at `rate` if it is a good one. Not made when the user has enough, and not good when
    /// that was during the run, which was cut short.
    fn try_at(&mut self, rate: f64, p99_us: f64) -> Result<Option<RunResult>, String> {
        if self.is_enough() {
            return Ok(None);
        }
        let result = self.run_at(rate)?;
        let row = self.rows.last().expect("the run just made");
        Ok((is_good(row, p99_us) && !self.is_enough()).then_some(result))
    }

    fn nothing_found(&self, p99_us: f64) -> Conclusion {
        let sentence = if self.is_enough() {
            format!("interrupted after {} runs, none of which was good enough", self.rows.len())
        } else if let Some(why) = self.invalid_above(0.0) {
            format!("no answer: even the lowest rate was too much for the generator ({why})")
        } else {
            format!(
                "no rate keeps the 99th percentile under {p99_us} µs: allow more, lower --rate, or \
                 measure for longer if there were too few deliveries for a percentile"
            )
        };
        let invalid = self.invalid_above(0.0).is_some();
        let verdict = if invalid { Verdict::Invalid } else { Verdict::Failed };
        Conclusion { sentence, verdict }
    }

    fn found(&self, rate: f64, p99_us: f64, repeats: &Repeats) -> Conclusion {
        let Repeats { made, good, invalid } = *repeats;
        let target = format!("p99 under {p99_us} µs");
        if made < REPEATS {
            let sentence = format!(
                "interrupted: {rate} messages/s is the highest rate that kept {target} so far, \
                 which says little before it was repeated"
            );
            return Conclusion { sentence, verdict: Verdict::Failed };
        }
        if good * 2 <= made {
            let which = match invalid {
                0 => String::new(),
                _ => format!(", {invalid} of which were invalid"),
            };
            let sentence = format!(
                "no answer: {rate} messages/s kept {target} once, and then in {good} of {made} \
                 repeats{which}; measure for longer, or on a machine with less else to do"
            );
            return Conclusion { sentence, verdict: Verdict::Failed };
        }
        let kept = format!("{rate} messages/s: {good} of {made} repeats kept {target}");
        match self.invalid_above(rate) {
            None => Conclusion { sentence: kept, verdict: Verdict::Passed },
            Some(why) => Conclusion {
                sentence: format!(
                    "{kept}. The server may be able to do more: at the next higher rate the run is \
                     invalid ({why})"
                ),
                verdict: Verdict::Invalid,
            },
        }
    }

    /// Why the run at the lowest rate above `rate` says nothing about the server, if it does not.
    fn invalid_above(&self, rate: f64) -> Option<&str> {
        let above = self.rows.iter().filter(|row| row.rate > rate);
        let next = above.min_by(|a, b| a.rate.total_cmp(&b.rate))?;
        (next.verdict == Verdict::Invalid).then(|| next.reasons.first().map_or("", String::as_str))
    }
}

fn is_good(row: &Row, p99_us: f64) -> bool {
    row.verdict == Verdict::Passed && row.p99_ns.is_some_and(|ns| ns as f64 <= p99_us * 1e3)
}
