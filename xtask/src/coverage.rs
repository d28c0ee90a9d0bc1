//! `cargo xtask coverage`: which lines the tests run.

use std::process::Command;

use crate::programs::{succeed, target_folder};
use crate::{packages, python, tools};

/// What is run: all tests there are. One that fails, because counting makes it slow, is shown and
/// does not keep the others from being counted.
const TESTS: &str =
    "llvm-cov --locked --workspace --lib --bins --tests --no-report --ignore-run-fail";
/// What is left out of the report, beside tests and benches: chores.
const LEFT_OUT: &str = "xtask/";
/// Where the page goes, below `target/`.
const FOLDER: &str = "coverage";

/// Runs the tests, prints a table of all files, and writes a page with all lines.
pub(crate) fn run() -> Result<(), String> {
    packages::install_missing(packages::TESTS)?;
    packages::install_missing(packages::COVERAGE)?;
    python::install_missing(&python::TESTS)?;
    let folder = target_folder()?.join(FOLDER);
    succeed(cargo()?.args(TESTS.split_whitespace()))?;
    let report = ["llvm-cov", "report", "--ignore-filename-regex", LEFT_OUT];
    succeed(cargo()?.args(report).args(["--html", "--output-dir"]).arg(&folder))?;
    succeed(cargo()?.args(report).arg("--summary-only"))?;
    println!("Every line: {}", folder.join("html/index.html").display());
    Ok(())
}

/// A cargo that counts lines, with the programs that read its counts: the toolchain's own would be
/// a component of it, and are not always to be had.
fn cargo() -> Result<Command, String> {
    let mut cargo = tools::LLVM_COV.cargo()?;
    cargo.env("LLVM_COV", packages::LLVM_COV).env("LLVM_PROFDATA", packages::LLVM_PROFDATA);
    Ok(cargo)
}
