//! The page about faults, checked: it has every number, and every test that it or the tests' names
//! speak of exists.

use std::fs;
use std::path::{Path, PathBuf};

use super::tidy::files;

/// How many faults have a number.
const FAULTS: usize = 64;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the page, each a fault's number and the rest.
fn rows() -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/faults.md")).expect("the page");
    let row = |line: &str| {
        let (number, rest) = line.strip_prefix("| ")?.split_once(" |")?;
        number.starts_with('F').then(|| (number.to_owned(), rest.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

/// The tests that a row names, as file and name.
fn tests_of(row: &str) -> impl Iterator<Item = (PathBuf, &str)> {
    let quoted = row.split('`').skip(1).step_by(2);
    quoted.filter_map(|it| {
        let (file, name) = it.rsplit_once("::")?;
        let path = file.replace("::", "/");
        let places = ["tests/", "src/"].map(|folder| [".rs", "/mod.rs"].map(|end| (folder, end)));
        let mut places = places.as_flattened().iter();
        let place = |(folder, end): &(&str, &str)| root().join(format!("{folder}{path}{end}"));
        let found = places.clone().map(place).find(|it| it.exists());
        Some((found.unwrap_or_else(|| place(places.next().expect("a first"))), name))
    })
}

/// The names of the tests in a source.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    let names = source.split("#[test]").skip(1).filter_map(|after| after.split("fn ").nth(1));
    names.filter_map(|rest| rest.split('(').next())
}

#[test]
fn every_fault_has_a_row_and_every_row_a_word() {
    let numbers: Vec<String> = rows().into_iter().map(|(number, _)| number).collect();
    let all: Vec<String> = (1..=FAULTS).map(|number| format!("F{number:02}")).collect();
    assert_eq!(numbers, all);
    for (number, row) in rows() {
        let proof = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let says_why = ["not yet", "does not apply", "with F"].iter().any(|it| proof.contains(it));
        assert!(says_why || tests_of(proof).next().is_some(), "{number} has no proof: {proof}");
    }
}

#[test]
fn every_test_on_the_page_exists() {
    for (number, row) in rows() {
        for (file, name) in tests_of(&row) {
            let source = fs::read_to_string(&file).unwrap_or_default();
            let exists = tests_in(&source).any(|it| it == name);
            assert!(exists, "{number}: there is no test {name} in {}", file.display());
        }
    }
}

#[test]
fn every_test_with_a_number_is_on_the_page_under_it() {
    let rows = rows();
    let mut numbered = 0;
    for (path, source) in files().into_iter().filter(|(path, _)| path.starts_with("tests")) {
        for name in tests_in(&source) {
            let Some(number) = name.strip_prefix('f').and_then(|it| it.split('_').next()) else {
                continue;
            };
            if number.is_empty() || !number.bytes().all(|it| it.is_ascii_digit()) {
                continue;
            }
            numbered += 1;
            let row = rows.iter().find(|(it, _)| *it == format!("F{number}"));
            let there = row.is_some_and(|(_, row)| tests_of(row).any(|(_, it)| it == name));
            assert!(there, "{name} of {} is not in the row of its number", path.display());
        }
    }
    assert!(numbered > 0, "no test has a number");
}
