//! Fuzz targets: what is known is tried again, and more is looked for.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::{cargo, root, succeed, target_folder};
use crate::{reports, tools};

/// The targets under `fuzz/fuzz_targets`.
pub(crate) const TARGETS: &[&str] = &["commands", "decoder", "frames", "proxy", "scenario"];
/// What looking for new inputs may take for each target, as a part of `cargo xtask test`.
const SECONDS: u64 = 20;
/// Lines of a fuzzer's log that are shown when it has found something.
const SHOWN_LINES: usize = 40;
/// An input that takes longer than this is one that hangs.
const INPUT_SECONDS_MAX: u32 = 10;
/// The longest input; those for games hold some thousand decisions.
const INPUT_BYTES_MAX: u32 = 4096;
/// What every command line has: no sanitizer, because without `unsafe` it would find nothing and
/// because the stable toolchain has none.
const CARGO_FUZZ: [&str; 3] = ["--sanitizer", "none", "--fuzz-dir"];

/// What a fuzzer did.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// Committed inputs that were tried first.
    pub(crate) replayed: usize,
    /// Inputs in all.
    pub(crate) tried: u64,
    /// Edges of the program that were reached.
    pub(crate) edges: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// The step of `cargo xtask test`.
pub(crate) fn run() -> Result<(), String> {
    let fmt = ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"];
    succeed(cargo().args(fmt))?;
    build()?;
    // Each fuzzer is one thread.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    for targets in TARGETS.chunks(cores) {
        thread::scope(|scope| {
            let fuzzers = targets.iter().map(|target| scope.spawn(|| look_for_more(target)));
            let fuzzers: Vec<_> = fuzzers.collect();
            fuzzers.into_iter().try_for_each(|it| it.join().expect("a fuzzer does not panic"))
        })?;
    }
    Ok(())
}

/// Fuzzes `target` for a while, and tells what that came to.
fn look_for_more(target: &str) -> Result<(), String> {
    let found = fuzz(target, Duration::from_secs(SECONDS))?;
    println!(
        "{target}: {} known inputs and {} more in {} s, {} edges, nothing wrong",
        found.replayed,
        found.tried.saturating_sub(found.replayed as u64),
        found.took.as_secs(),
        found.edges
    );
    Ok(())
}

/// The command line for one target, as one would type it.
pub(crate) fn line() -> String {
    format!("cargo fuzz run --sanitizer none TARGET -- -max_total_time={SECONDS}")
}

/// Builds all targets, so that none of the time for fuzzing is spent on it.
pub(crate) fn build() -> Result<(), String> {
    let mut cargo = tools::FUZZ.cargo()?;
    cargo.args(["fuzz", "build"]).args(CARGO_FUZZ).arg("fuzz");
    cargo.arg("--target-dir").arg(target_folder()?.join("fuzz"));
    succeed(&mut cargo)
}

/// Tries the committed inputs of `target`, then looks for new ones for as long as `duration`.
pub(crate) fn fuzz(target: &str, duration: Duration) -> Result<Found, String> {
    let known = root().join("fuzz/corpus").join(target);
    let folder = target_folder()?.join("fuzz");
    // What it finds worth keeping goes to the first of the folders that it is given.
    let new = folder.join("corpus").join(target);
    fs::create_dir_all(&new).map_err(|error| format!("{}: {error}", new.display()))?;
    let log = folder.join(format!("{target}.log"));
    let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut cargo = tools::FUZZ.cargo()?;
    cargo.args(["fuzz", "run"]).args(CARGO_FUZZ).arg("fuzz");
    cargo.arg("--target-dir").arg(&folder).arg(target).arg(&new).arg(&known).arg("--");
    cargo.arg(format!("-max_total_time={}", duration.as_secs()));
    cargo.arg(format!("-timeout={INPUT_SECONDS_MAX}")).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    cargo.arg("-print_final_stats=1").stderr(file);
    let began = Instant::now();
    let ended = succeed(&mut cargo);
    let said = reports::read(&log)?;
    if let Err(why) = ended {
        return Err(format!("{}\n{target}: {why}", end_of(&said)));
    }
    let replayed = files(&known)?;
    let found =
        read(&said).map(|(tried, edges)| Found { replayed, tried, edges, took: began.elapsed() });
    found.ok_or_else(|| format!("{}\n{target}: no statistics", end_of(&said)))
}

/// How many files there are in a folder.
fn files(folder: &Path) -> Result<usize, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(entries.count())
}

/// The last lines of a log: where a fuzzer tells what it has found, and how to see it again.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// Inputs that were tried and edges that were reached, from what libFuzzer says.
fn read(log: &str) -> Option<(u64, u64)> {
    let after = |line: &str, word: &str| {
        let mut words = line.split_whitespace().skip_while(|it| *it != word);
        words.nth(1)?.parse().ok()
    };
    let tried = |line| after(line, "stat::number_of_executed_units:");
    let edges = log.lines().filter_map(|line| after(line, "cov:")).next_back();
    Some((log.lines().find_map(tried)?, edges?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_source_an_entry_and_a_corpus() {
        let manifest = reports::read(&root().join("fuzz/Cargo.toml")).expect("a manifest");
        let entries = manifest.lines().filter_map(|line| line.strip_prefix("path = \""));
        let entries: Vec<&str> = entries.map(|line| line.trim_end_matches('"')).collect();
        let sources: Vec<String> =
            TARGETS.iter().map(|target| format!("fuzz_targets/{target}.rs")).collect();
        assert_eq!(entries, sources);
        for target in TARGETS {
            let known = files(&root().join("fuzz/corpus").join(target));
            assert!(known.is_ok_and(|known| known > 0), "{target}");
        }
    }

    #[test]
    fn a_log_is_read_to_its_end() {
        let log = "#3\tINITED cov: 74 ft: 75 corp: 1/1b exec/s: 0 rss: 44Mb\n\
                   #99\tNEW    cov: 90 ft: 99 corp: 2/3b\n\
                   #812\tDONE   cov: 91 ft: 99 corp: 2/3b lim: 8\nDone 812 runs in 2 second(s)\n\
                   stat::number_of_executed_units: 812\nstat::average_exec_per_sec:     406\n";
        assert_eq!(read(log), Some((812, 91)));
        assert_eq!(read("error: no such target\n"), None);
    }
}
