//! The files for the HdrHistogram tools, read back by their Python package.
//!
//! `cargo xtask test` installs the package into `target/python`; without it, this is skipped.
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

use std::path::Path;
use std::process::Command;
use std::{fs, io};

use loadgen::{report, result, scenario, words};

mod fixture;

/// Where cargo lets tests put their files: reports stay there, to be looked at.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hdr_read_back.py");

fn write(name: &str, folder: &Path) -> io::Result<()> {
    let run = fixture::named(name);
    report::write(&run, &report::Environment::gather(&run.command), folder)
}

#[test]
fn python_reads_the_same_percentiles() {
    let python = Path::new(FOLDER).with_file_name("python").join("bin/python");
    if !python.is_file() {
        let python = python.display();
        eprintln!("skipped: there is no {python}; `cargo xtask test python` makes it");
        return;
    }
    for name in fixture::NAMES {
        let folder = Path::new(FOLDER).join(format!("report-{name}"));
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => panic!("{e}"),
            _ => {}
        }
        write(name, &folder).expect("a report");
        let output = Command::new(&python).arg(SCRIPT).arg(&folder).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}{problem}");
    }
}

#[test]
fn a_report_never_replaces_another_one() {
    let folder = Path::new(FOLDER).join("report-exists");
    let _ = fs::remove_dir_all(&folder);
    write("empty", &folder).expect("it is new");
    let error = write("empty", &folder).expect_err("it was written");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("report-exists/run.json exists already"), "{error}");
}
