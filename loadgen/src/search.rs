//! Runs at many rates: a row of them, or in search of the highest that is good enough.

use std::io::Write;

use crate::result::RunResult;
use crate::scenario::{Arrivals, Scenario};

/// Doublings before a search gives up finding a rate that is too high.
const DOUBLINGS_MAX: u32 = 16;
/// Halvings of the interval, after which the rate is known to a few percent.
const HALVINGS: u32 = 5;
/// Runs at the answer, of which most must be good.
const REPEATS: u32 = 3;

/// Something that runs a scenario.
pub type Once<'a> = &'a mut dyn FnMut(&Scenario) -> Result<RunResult, String>;

/// Runs `scenario` at each of `rates`, with a line for each; the last run.
///
/// # Errors
/// What keeps a run from being made.
pub fn sweep(
    scenario: &Scenario,
    rates: &[f64],
    once: Once<'_>,
    out: &mut impl Write,
) -> Result<RunResult, String> {
    let mut last = None;
    for &rate in rates {
        let result = at(scenario, rate, once)?;
        tell(out, rate, &result)?;
        last = Some(result);
    }
    last.ok_or_else(|| "--sweep wants one rate at least".to_owned())
}

/// Finds the highest rate at which the 99th percentile of delivery times is below `p99_us` and
/// nothing is lost; the run at that rate.
///
/// # Errors
/// What keeps a run from being made, or that even the first rate is too high.
pub fn search(
    scenario: &Scenario,
    p99_us: f64,
    once: Once<'_>,
    out: &mut impl Write,
) -> Result<RunResult, String> {
    let mut good = None;
    let mut low = 0.0;
    let mut high = scenario.rate.max(1.0);
    for _ in 0..DOUBLINGS_MAX {
        let result = at(scenario, high, once)?;
        tell(out, high, &result)?;
        if !is_good(&result, p99_us) {
            break;
        }
        (low, good) = (high, Some(result));
        high *= 2.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        let result = at(scenario, middle, once)?;
        tell(out, middle, &result)?;
        if is_good(&result, p99_us) {
            (low, good) = (middle, Some(result));
        } else {
            high = middle;
        }
    }
    let mut best = good.ok_or_else(|| {
        format!("no rate keeps the 99th percentile under {p99_us} µs: allow more, or less --rate")
    })?;
    let mut kept = 0;
    for _ in 0..REPEATS {
        let result = at(scenario, low, once)?;
        if is_good(&result, p99_us) {
            (kept, best) = (kept + 1, result);
        }
    }
    writeln!(out, "{low:.0} messages/s: {kept} of {REPEATS} repeats kept the target")
        .map_err(|e| e.to_string())?;
    Ok(best)
}

fn at(scenario: &Scenario, rate: f64, once: Once<'_>) -> Result<RunResult, String> {
    let arrivals = match scenario.arrivals {
        Arrivals::Window => Arrivals::Poisson,
        open => open,
    };
    once(&Scenario { rate, arrivals, ..scenario.clone() })
}

fn is_good(result: &RunResult, p99_us: f64) -> bool {
    let p99 = result.times.delivery.value_at_quantile(0.99) as f64 / 1e3;
    result.invalid.is_empty() && result.failures.is_empty() && p99 <= p99_us
}

fn tell(out: &mut impl Write, rate: f64, result: &RunResult) -> Result<(), String> {
    let times = &result.times.delivery;
    let micros = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1e3;
    let verdict = match (result.invalid.first(), result.failures.first()) {
        (Some(reason), _) => format!("INVALID: {reason}"),
        (None, Some(reason)) => format!("FAILED: {reason}"),
        (None, None) => "valid".to_owned(),
    };
    let (p50, p99) = (micros(0.5), micros(0.99));
    writeln!(out, "{rate:>12.0} messages/s  p50 {p50:>9.0} µs  p99 {p99:>9.0} µs  {verdict}")
        .map_err(|e| e.to_string())
}
