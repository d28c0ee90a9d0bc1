//! Running the bench `icount` under callgrind, case by case.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::programs::{answer, built, cargo, target_folder};
use crate::reports::read;

/// Each case and its instructions for one operation, in the bench's order.
pub(crate) type Counts = Vec<(String, f64)>;

/// The bench, in `Cargo.toml`.
const BENCH: &str = "icount";
/// With `--workspace`, the crates it is built of are those of `cargo bench --workspace`.
const BUILD: &str = "bench --locked --workspace --no-run --bench icount \
                     --message-format=json-render-diagnostics";
/// The bench's function outside of which nothing is counted.
const COUNTED: &str = "icount::counted*";

/// Builds the bench and counts all its cases.
pub(crate) fn count_all() -> Result<Counts, String> {
    let (bench, profiles) = (build()?, profiles()?);
    let cases = answer(Command::new(&bench).arg("--list"))?;
    cases.lines().map(|case| Ok((case.to_owned(), count(&bench, case, &profiles)?))).collect()
}

/// Builds the bench; where it is.
pub(crate) fn build() -> Result<PathBuf, String> {
    let messages = answer(cargo().args(BUILD.split(' ')).stderr(Stdio::inherit()))?;
    built(&messages, BENCH).ok_or_else(|| format!("cargo built no bench {BENCH}"))
}

/// The folder for what callgrind writes.
pub(crate) fn profiles() -> Result<PathBuf, String> {
    let profiles = target_folder()?.join(BENCH);
    fs::create_dir_all(&profiles).map_err(|error| format!("{}: {error}", profiles.display()))?;
    Ok(profiles)
}

/// Instructions of one operation. To the tenth: what is behind that is chance.
fn count(bench: &Path, case: &str, profiles: &Path) -> Result<f64, String> {
    let (total, operations) =
        instructions(bench, &[case], &profiles.join(format!("{case}.callgrind")))?;
    match operations.trim().parse::<u64>() {
        Ok(operations @ 1..) => Ok((total as f64 * 10.0 / operations as f64).round() / 10.0),
        _ => Err(format!("{case} did nothing")),
    }
}

/// Instructions inside the function that is counted, when the bench is run with `arguments`, and
/// what it answers.
pub(crate) fn instructions(
    bench: &Path,
    arguments: &[&str],
    profile: &Path,
) -> Result<(u64, String), String> {
    let said = answer(
        Command::new("valgrind")
            .args(["--tool=callgrind", &format!("--toggle-collect={COUNTED}")])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(bench)
            .args(arguments)
            // The environment's size moves the stack, and a short `memcmp` near the end of a page
            // takes another way; GLIBC_TUNABLES can make libc choose other functions altogether.
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path))),
    )?;
    match total(&read(profile)?) {
        Some(total @ 1..) => Ok((total, said)),
        _ => Err(format!("nothing was counted: is there still a function {COUNTED}?")),
    }
}

/// The sum at the end of callgrind's output.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_not_the_summary_nor_a_line_of_the_profile() {
        let profile = "events: Ir\nsummary: 11\n\nfn=(1) totals\n5 9\n\ntotals: 7195632\n";
        assert_eq!(total(profile), Some(7_195_632));
        assert_eq!(total("summary: 11\nfn=(1) totals: 12\n"), None);
        assert_eq!(total("totals: many\n"), None);
    }
}
