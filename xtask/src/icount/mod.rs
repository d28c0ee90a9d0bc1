//! `cargo xtask icount`: what the hot path costs in instructions, against a committed baseline. Two
//! runs of the same program hardly differ, so unlike a time this can fail a build.

mod baseline;
pub(crate) mod callgrind;
mod comparison;
mod surroundings;

use baseline::Baseline;
use comparison::Comparison;

use crate::programs::root;
use crate::steps::Outcome;

/// Where the baseline is, from the repository's root.
const BASELINE_PATH: &str = "results/icount/baseline.json";

/// What the counts are wanted for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Purpose {
    /// To see that none is above the baseline.
    Compare,
    /// To be the next baseline.
    Bless,
}

/// Counts the instructions of every case and compares them with the baseline, or makes them the
/// baseline.
pub(crate) fn run(purpose: Purpose) -> Result<Outcome, String> {
    let here = surroundings::find_out()?;
    let counts = callgrind::count_all()?;
    let path = root().join(BASELINE_PATH);
    if purpose == Purpose::Bless {
        let before = Baseline::read(&path).map_or_else(|_| Vec::new(), |it| it.counts);
        print!("{}", Comparison::new(&counts, &before).table());
        Baseline { made_with: here, counts }.write(&path)?;
        println!("{BASELINE_PATH} is rewritten: commit it with the reason for the change.");
        return Ok(Outcome::Passed);
    }
    let baseline = Baseline::read(&path)?;
    let comparison = Comparison::new(&counts, &baseline.counts);
    print!("{}", comparison.table());
    let differences = surroundings::differences(&baseline.made_with, &here);
    if !differences.is_empty() {
        print!("Not judged, because the baseline was made with something else:\n{differences}");
        println!("If that has changed for good: cargo xtask icount --bless");
        return Ok(Outcome::Skipped);
    }
    comparison.judge().map(|advice| {
        print!("{advice}");
        Outcome::Passed
    })
}
