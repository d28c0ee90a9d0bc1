//! Reports that are read again, as far as comparing them needs. A name that is missing from a file
//! is an error, not a gap: or else what is written and what is read could drift apart unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ENVIRONMENT_FILE, RUN_FILE};
use crate::result::SCHEMA_VERSION;

/// A run as its report has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Recorded {
    /// Why it says nothing about the server.
    pub(crate) invalid: Vec<String>,
    /// What the server did not keep.
    pub(crate) failures: Vec<String>,
    /// The phase in which it was cut short, if it was.
    pub(crate) interrupted: Option<String>,
    /// Where and how it was made; nothing in reports that do not say it.
    #[serde(default)]
    pub(crate) setup: Map<String, Value>,
    /// Its settings.
    pub(crate) scenario: Map<String, Value>,
    times: BTreeMap<String, Distribution>,
    /// What follows from its measurements.
    pub(crate) figures: RecordedFigures,
    /// What the server used, if it could be watched.
    pub(crate) server: Option<RecordedServer>,
}

/// A distribution in numbers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Distribution {
    /// The longest time; none without samples.
    pub(crate) max_ns: Option<f64>,
    percentiles_ns: BTreeMap<String, Option<f64>>,
}

/// What is compared of [`super::Figures`].
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordedFigures {
    pub(crate) delivered_per_second: f64,
    pub(crate) server: Option<RecordedCosts>,
}

/// What is compared of [`super::ServerFigures`].
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordedCosts {
    pub(crate) user_ns_per_delivery: Option<f64>,
    pub(crate) system_ns_per_delivery: Option<f64>,
}

/// What is compared of [`crate::result::ServerUse`].
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordedServer {
    pub(crate) rss_after: f64,
}

/// What must be the same about the machine and the build for runs to be comparable.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) profile: String,
}

/// Reads the report in `folder`.
///
/// # Errors
/// A sentence that names the file and says what is wrong with it.
pub(crate) fn read(folder: &Path) -> Result<(Recorded, Place), String> {
    let run: Value = parse(&folder.join(RUN_FILE))?;
    let version = run["schema_version"].as_u64();
    if version != Some(u64::from(SCHEMA_VERSION)) {
        return Err(format!(
            "{} has schema version {}, this program reads {SCHEMA_VERSION}",
            folder.join(RUN_FILE).display(),
            version.map_or("none".to_owned(), |version| version.to_string())
        ));
    }
    let run = serde_json::from_value(run).map_err(|e| not_ours(&folder.join(RUN_FILE), &e))?;
    Ok((run, parse(&folder.join(ENVIRONMENT_FILE))?))
}

impl Recorded {
    /// The distribution called `name`.
    ///
    /// # Errors
    /// That there is none.
    pub(crate) fn times(&self, name: &str) -> Result<&Distribution, String> {
        self.times.get(name).ok_or_else(|| format!("`times.{name}` is missing"))
    }
}

impl Distribution {
    /// The percentile called `key`; none where too few samples are above it.
    ///
    /// # Errors
    /// That it is missing.
    pub(crate) fn percentile(&self, key: &str) -> Result<Option<f64>, String> {
        let found = self.percentiles_ns.get(key).copied();
        found.ok_or_else(|| format!("`percentiles_ns.{key}` is missing"))
    }
}

fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|e| format!("cannot read {shown}: {e}"))?;
    serde_json::from_str(&text).map_err(|e| not_ours(file, &e))
}

fn not_ours(file: &Path, error: &serde_json::Error) -> String {
    format!("{} was not written by this version of loadgen: {error}", file.display())
}
