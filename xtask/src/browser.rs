//! The step `browser`: the page, in a real browser and against a real server.

use std::process::Command;

use crate::programs::{cargo, root, succeed, target_folder};

/// Makes sure that there is a server, and that it is this one.
const BUILD: &str = "build --locked --package hubbub --bin hubbub";
/// Where the tests are, and what they need.
const FOLDER: &str = "tests/browser";
/// Installs what the lock file says, and nothing else.
const INSTALL: [&str; 3] = ["ci", "--no-audit", "--no-fund"];

/// Builds the server, installs what the tests use, and runs them.
pub(crate) fn run() -> Result<(), String> {
    succeed(cargo().args(BUILD.split(' ')))?;
    let folder = root().join(FOLDER);
    succeed(Command::new("npm").args(INSTALL).current_dir(&folder))?;
    let server = target_folder()?.join("debug/hubbub");
    let mut tests = Command::new("node");
    tests.arg("--test").current_dir(&folder).env("HUBBUB_BIN", server);
    succeed(&mut tests)
}

/// The commands as one would type them.
pub(crate) fn line() -> String {
    format!("cd {FOLDER} && npm ci && HUBBUB_BIN=../../target/debug/hubbub node --test")
}
