//! `cargo xtask nightly`: what `cargo xtask test` does in seconds, for hours.

mod advisories;
mod options;
mod soak;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::programs::{cargo, root, succeed};
use crate::{fuzz, reports};
pub(crate) use options::Options;

/// One game for every seed; with debug assertions, which are half of what it checks.
const SIMULATION: &str = "test --locked --package hubbub --lib -- --ignored --nocapture \
                          many_seeds_nobody_has_tried_come_out_right";
/// Where that looks for how many.
const SEEDS: &str = "SIMULATION_SEEDS";

/// A part that has come to its end.
struct Row {
    part: String,
    took: Duration,
    /// What came of it, good or bad.
    outcome: Result<String, String>,
}

/// Runs everything, whatever fails, and writes a page about it.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let out = match &options.out {
        Some(out) => out.clone(),
        None => format!("{}-nightly", reports::dated_folder()?),
    };
    let folder = root().join(&out);
    reports::prepare(&folder)?;
    let mut rows = vec![row("advisories", advisories::check)];
    if !options.fuzz.is_zero() {
        fuzz::build()?;
        for target in fuzz::TARGETS {
            rows.push(row(&format!("fuzz {target}"), || fuzzed(target, options.fuzz)));
        }
    }
    if options.seeds > 0 {
        rows.push(row("simulation", || simulated(options.seeds)));
    }
    let mut memory = None;
    if !options.soak.is_zero() {
        rows.push(row("soak", || {
            let soaked = soak::run(options.soak)?;
            memory = Some(soaked.memory());
            soaked.judge()
        }));
    }
    let page = page(options, &reports::commit()?, &rows);
    let memory = memory.map(|memory| ("memory.csv", memory));
    let files: Vec<_> = [("README.md", page.clone())].into_iter().chain(memory).collect();
    reports::write(&folder, &files)?;
    println!("\n{page}\nwritten to {out}; if it is to be kept, add it to the index of results/");
    match rows.iter().filter(|row| row.outcome.is_err()).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} parts failed", rows.len())),
    }
}

fn row(part: &str, run: impl FnOnce() -> Result<String, String>) -> Row {
    println!("\n== {part}");
    let began = Instant::now();
    let outcome = run();
    match &outcome {
        Ok(well) => println!("== {part}: {well}"),
        // All of it only here: it may have paths of this machine in it.
        Err(why) => println!("== {part} FAILED: {why}"),
    }
    Row { part: part.to_owned(), took: began.elapsed(), outcome }
}

fn fuzzed(target: &str, duration: Duration) -> Result<String, String> {
    let found = fuzz::fuzz(target, duration)?;
    Ok(format!("{} inputs, {} edges reached, nothing wrong", found.tried, found.edges))
}

fn simulated(seeds: u64) -> Result<String, String> {
    let mut cargo = cargo();
    cargo.args(SIMULATION.split_whitespace()).env(SEEDS, seeds.to_string());
    succeed(&mut cargo)?;
    Ok(format!("{seeds} games from seeds nobody had tried, nothing wrong"))
}

fn page(options: &Options, commit: &str, rows: &[Row]) -> String {
    let mut page = format!("# Long runs of {commit}\n\nMade by `{}`.\n\n", options.line());
    page.push_str("| part | minutes | what came of it |\n|---|---:|---|\n");
    for Row { part, took, outcome } in rows {
        let minutes = took.as_secs_f64() / 60.0;
        let outcome = match outcome {
            Ok(well) => well.as_str(),
            Err(why) => &format!("**failed**{}", last_words(why)),
        };
        let _ = writeln!(page, "| {part} | {minutes:.1} | {outcome} |");
    }
    page
}

/// The end of a reason, unless it has a path of this machine in it.
fn last_words(why: &str) -> String {
    let last = why.lines().last().filter(|line| !line.contains('/'));
    last.map(|line| format!(": {line}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_went_well_and_the_last_word_on_what_did_not() {
        let minute = Duration::from_secs(60);
        let rows = [
            Row { part: "fuzz x".to_owned(), took: minute, outcome: Ok("fine".to_owned()) },
            Row { part: "soak".to_owned(), took: minute * 2, outcome: Err("a\nb".to_owned()) },
        ];
        let options = Options::parse(&["--seeds", "5"]).expect("options");
        let page = page(&options, "abc", &rows);
        assert!(page.contains("| fuzz x | 1.0 | fine |\n| soak | 2.0 | **failed**: b |"), "{page}");
        assert_eq!(last_words("/some/where: no such file"), "");
        assert!(page.contains("# Long runs of abc") && page.contains("--seeds 5"), "{page}");
    }
}
