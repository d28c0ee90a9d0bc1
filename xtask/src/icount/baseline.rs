//! The committed counts, and what they were made with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::callgrind::Counts;
use super::surroundings::Surroundings;

/// Names in the file.
const MADE_WITH: &str = "made_with";
const COUNTS: &str = "instructions_per_operation";

/// What later counts are compared with.
#[derive(Debug, PartialEq)]
pub(crate) struct Baseline {
    /// Whatever decides the counts and is not in this repository.
    pub(crate) made_with: Surroundings,
    /// Instructions of an operation, case by case.
    pub(crate) counts: Counts,
}

impl Baseline {
    /// From a file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| {
            format!("{shown}: {error}; `cargo xtask icount --bless` makes a new one")
        })?;
        Self::parse(&text).map_err(|error| {
            format!(
                "{shown} is no baseline ({error}); `cargo xtask icount --bless` makes a new one"
            )
        })
    }

    /// To a file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        fs::write(path, self.text()).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> serde_json::Result<Self> {
        let mut file: Value = serde_json::from_str(text)?;
        let made_with = serde_json::from_value(file[MADE_WITH].take())?;
        let counts: BTreeMap<String, f64> = serde_json::from_value(file[COUNTS].take())?;
        Ok(Self { made_with, counts: counts.into_iter().collect() })
    }

    /// One line for each value, so that a change of one shows as one.
    fn text(&self) -> String {
        let counts: BTreeMap<_, _> = self.counts.iter().cloned().collect();
        format!("{:#}\n", json!({ MADE_WITH: self.made_with, COUNTS: counts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let baseline = Baseline {
            made_with: [("rustc".to_owned(), "rustc 1.95.0".to_owned())].into(),
            counts: vec![("decode".to_owned(), 487.5), ("say".to_owned(), 489.0)],
        };
        let text = baseline.text();
        assert_eq!(Baseline::parse(&text).expect("our own text"), baseline, "{text}");
        assert_eq!(text.lines().count(), 9, "{text}");
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        for text in ["", "{}", r#"{"made_with": {}, "instructions_per_operation": {"say": "?"}}"#] {
            assert!(Baseline::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_baseline_one_is_told_how_to_make_it() {
        let error = Baseline::read(Path::new("/no/such/file")).expect_err("there is none");
        assert!(error.contains("/no/such/file") && error.contains("--bless"), "{error}");
    }

    #[test]
    fn the_committed_baseline_can_be_read() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(super::super::BASELINE_PATH);
        let baseline = Baseline::read(&path).expect("it is committed");
        assert!(!baseline.counts.is_empty() && baseline.made_with.contains_key("rustc"));
    }
}
