//! Whether the runs of one folder differ from those of another. The run is the sample: messages of
//! one run share its luck, so however many there are they say nothing about the next run.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::report::RUN_FILE;
use crate::report::figures::PERCENTILES;
use crate::report::recorded::{Place, Recorded, read};
use crate::statistics::{SIGNIFICANCE, Shift, mann_whitney, median, shift};

/// Below this many runs on a side no difference is significant.
pub const RUNS_MIN: usize = 4;

/// Settings that do not change what a run does to a server.
const SETTINGS_IGNORED: &[&str] = &["name", "description", "seed"];

/// The percentiles that are compared, of each distribution, by the names that reports have for
/// them.
const TIMES: &[(&str, &[&str])] = &[
    ("delivery", &["p50", "p99", "p99_9"]),
    ("service", &["p50", "p99"]),
    ("completion", &["p50", "p99"]),
    ("connect", &["p50", "p99"]),
    ("greeting", &["p50", "p99"]),
    ("join", &["p50", "p99"]),
];

/// What is known of one run: under what conditions it was made, and its figures, by name.
#[derive(Clone, Debug)]
struct Run {
    conditions: Map<String, Value>,
    is_valid: bool,
    /// It was not cut short.
    is_whole: bool,
    is_failed: bool,
    figures: Vec<(Metric, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Metric {
    name: String,
    unit: Unit,
    more_is_better: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanoseconds,
    Bytes,
    PerSecond,
}

/// Runs of a folder.
#[derive(Clone, Debug)]
struct Side {
    label: char,
    folder: PathBuf,
    runs: Vec<Run>,
    invalid: usize,
    interrupted: usize,
    failed: usize,
}

/// What is to be said about two folders of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// A line for each figure.
    pub rows: Vec<Row>,
    /// What to know when reading them.
    pub notes: Vec<String>,
}

/// What became of one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is called.
    pub metric: String,
    /// Its median in the first folder, in nanoseconds, bytes or a second.
    pub median_a: f64,
    /// Its median in the second.
    pub median_b: f64,
    /// By which part it changed, with an interval; none where that says nothing.
    pub change: Option<Shift>,
    /// How likely chance does as much; none for too few runs.
    pub p: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
    unit: Unit,
}

/// What a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The second folder is better.
    Better,
    /// The second folder is worse.
    Worse,
    /// It may be chance, or there are too few runs.
    CannotTell,
}

/// Compares the runs in the folders below `a` and `b`; those of different scenarios, machines or
/// builds only if `force` says so.
///
/// # Errors
/// A sentence when there is nothing to compare, or not with each other.
pub fn compare(a: &Path, b: &Path, force: bool) -> Result<Comparison, String> {
    let (a, b) = (Side::read('A', a)?, Side::read('B', b)?);
    let differences = differences(&a, &b);
    if !differences.is_empty() && !force {
        return Err(format!(
            "these runs are of different scenarios, machines or builds, so a difference would say \
             nothing of the server; --force compares them all the same\n  {}",
            differences.join("\n  ")
        ));
    }
    let mut metrics: Vec<&Metric> = vec![];
    for (metric, _) in a.runs.iter().chain(&b.runs).flat_map(|run| &run.figures) {
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    let rows: Vec<Row> = metrics.into_iter().filter_map(|metric| row(metric, &a, &b)).collect();
    let mut notes = vec![a.note(), b.note()];
    notes.extend(differences.into_iter().map(|difference| format!("different: {difference}")));
    if a.runs.len().min(b.runs.len()) < RUNS_MIN {
        notes.push(format!("cannot tell anything: it takes {RUNS_MIN} valid runs on each side"));
    } else {
        notes.push(format!(
            "p is how likely chance does as much (Mann–Whitney, two-sided); above {SIGNIFICANCE} \
             nobody can tell.\nOf {} figures that do not change, {:.1} seem to on average.",
            rows.len(),
            rows.len() as f64 * SIGNIFICANCE
        ));
    }
    Ok(Comparison { rows, notes })
}

impl Comparison {
    /// Whether any figure differs by more than chance would do.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.rows.iter().any(|row| row.verdict != Verdict::CannotTell)
    }
}

fn row(metric: &Metric, a: &Side, b: &Side) -> Option<Row> {
    let (of_a, of_b) = (a.figures(metric), b.figures(metric));
    let (median_a, median_b) = (median(&of_a)?, median(&of_b)?);
    let shift = shift(&of_a, &of_b)?;
    let part = |by: f64| by / median_a;
    let change = (median_a > 0.0).then(|| Shift {
        by: part(shift.by),
        interval: shift.interval.map(|(from, to)| (part(from), part(to))),
    });
    let enough = of_a.len().min(of_b.len()) >= RUNS_MIN;
    let p = enough.then(|| mann_whitney(&of_a, &of_b).p);
    let verdict = match p {
        Some(p) if p <= SIGNIFICANCE && shift.by != 0.0 => {
            if (shift.by > 0.0) == metric.more_is_better { Verdict::Better } else { Verdict::Worse }
        }
        _ => Verdict::CannotTell,
    };
    let metric_name = metric.name.clone();
    Some(Row { metric: metric_name, median_a, median_b, change, p, verdict, unit: metric.unit })
}

/// In which conditions the runs differ.
fn differences(a: &Side, b: &Side) -> Vec<String> {
    let runs = || a.runs.iter().chain(&b.runs);
    let keys: BTreeSet<&String> = runs().flat_map(|run| run.conditions.keys()).collect();
    let values = |side: &Side, key: &str| {
        let value = |run: &Run| run.conditions.get(key).unwrap_or(&Value::Null).to_string();
        let values: BTreeSet<String> = side.runs.iter().map(value).collect();
        values.into_iter().collect::<Vec<_>>().join(" or ")
    };
    let same = |key: &str| {
        let mut all = runs().map(|run| run.conditions.get(key));
        let first = all.next();
        all.all(|value| Some(value) == first)
    };
    keys.into_iter()
        .filter(|key| !same(key))
        .map(|key| format!("`{key}` is {} in A, {} in B", values(a, key), values(b, key)))
        .collect()
}

impl Side {
    fn read(label: char, folder: &Path) -> Result<Self, String> {
        let cannot = |e| format!("cannot read {}: {e}", folder.display());
        let mut folders = vec![folder.to_owned()];
        for entry in fs::read_dir(folder).map_err(cannot)? {
            folders.push(entry.map_err(cannot)?.path());
        }
        folders.retain(|folder| folder.join(RUN_FILE).is_file());
        folders.sort();
        let read = |folder: &PathBuf| {
            let (run, place) = read(folder)?;
            Run::new(&run, &place).map_err(|e| format!("{}: {e}", folder.display()))
        };
        let runs: Vec<Run> = folders.iter().map(read).collect::<Result<_, _>>()?;
        let all = runs.len();
        if all == 0 {
            return Err(format!(
                "there are no runs in {}: it should have a folder for each, made by --out",
                folder.display()
            ));
        }
        let (valid, invalid): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.is_valid);
        let (whole, cut): (Vec<Run>, Vec<Run>) = valid.into_iter().partition(|run| run.is_whole);
        if whole.is_empty() {
            let folder = folder.display();
            return Err(format!("all {all} runs in {folder} are invalid or were interrupted"));
        }
        let failed = whole.iter().filter(|run| run.is_failed).count();
        let (invalid, interrupted) = (invalid.len(), cut.len());
        let folder = folder.to_owned();
        Ok(Self { label, folder, runs: whole, invalid, interrupted, failed })
    }

    fn figures(&self, metric: &Metric) -> Vec<f64> {
        let figure = |run: &Run| run.figures.iter().find(|(m, _)| m == metric).map(|(_, f)| *f);
        self.runs.iter().filter_map(figure).collect()
    }

    fn note(&self) -> String {
        let mut note =
            format!("{}: {} runs in {}", self.label, self.runs.len(), self.folder.display());
        if self.invalid > 0 {
            note += &format!(", {} more are invalid and left out", self.invalid);
        }
        if self.interrupted > 0 {
            note += &format!(", {} more were interrupted and left out", self.interrupted);
        }
        if self.failed > 0 {
            note += &format!(", {} of them failed", self.failed);
        }
        note
    }
}

impl Run {
    fn new(run: &Recorded, place: &Place) -> Result<Self, String> {
        let mut conditions = run.scenario.clone();
        conditions.retain(|key, _| !SETTINGS_IGNORED.contains(&key.as_str()));
        let Place { cpu, cores, kernel, profile } = place;
        conditions.insert("processor".to_owned(), json!(format!("{cpu}, {cores} cores")));
        conditions.insert("kernel".to_owned(), json!(kernel));
        conditions.insert("build".to_owned(), json!(profile));
        // Where a server listens does not matter, how it was started does.
        for key in ["shards", "spawned", "processes"] {
            conditions.insert(key.to_owned(), run.setup.get(key).cloned().unwrap_or_default());
        }
        Ok(Self {
            conditions,
            is_valid: run.invalid.is_empty(),
            is_whole: run.interrupted.is_none(),
            is_failed: !run.failures.is_empty(),
            figures: figures(run)?,
        })
    }
}

/// What of a run is compared. What was never measured is left out; CPU time that was too short for
/// the kernel's clock was measured, and is zero.
fn figures(run: &Recorded) -> Result<Vec<(Metric, f64)>, String> {
    let mut figures = vec![];
    let mut add = |name: String, unit, more_is_better, value: Option<f64>| {
        if let Some(value) = value {
            figures.push((Metric { name, unit, more_is_better }, value));
        }
    };
    for (time, percentiles) in TIMES {
        let times = run.times(time)?;
        for (key, label, _) in PERCENTILES.iter().filter(|(key, ..)| percentiles.contains(key)) {
            let value = times.percentile(key)?;
            add(format!("{time} {label}"), Unit::Nanoseconds, false, value);
        }
        if *time == "delivery" {
            add("delivery max".to_owned(), Unit::Nanoseconds, false, times.max_ns);
        }
    }
    let delivered = Some(run.figures.delivered_per_second).filter(|rate| *rate > 0.0);
    add("deliveries".to_owned(), Unit::PerSecond, true, delivered);
    if let Some(costs) = &run.figures.server {
        for (name, cost) in
            [("user", costs.user_ns_per_delivery), ("system", costs.system_ns_per_delivery)]
        {
            add(format!("server CPU a delivery, {name}"), Unit::Nanoseconds, false, cost);
        }
    }
    let memory = run.server.as_ref().map(|server| server.rss_after);
    add("server memory".to_owned(), Unit::Bytes, false, memory);
    Ok(figures)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Better => "B is better",
            Self::Worse => "B is worse",
            Self::CannotTell => "cannot tell",
        })
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        let (steps, base): (&[&str], f64) = match self {
            Self::Nanoseconds => (&["ns", "µs", "ms", "s"], 1000.0),
            Self::Bytes => (&["B", "KiB", "MiB", "GiB"], 1024.0),
            Self::PerSecond => (&["/s", "k/s", "M/s"], 1000.0),
        };
        let mut value = value;
        let mut step = 0;
        while value >= base && step + 1 < steps.len() {
            value /= base;
            step += 1;
        }
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.decimals$} {}", steps[step])
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let percent = |part: f64| format!("{:+.1}", 100.0 * part);
        let change = self.change.map_or_else(String::new, |change| {
            let by = percent(change.by);
            change.interval.map_or_else(
                || format!("{by} %"),
                |(from, to)| format!("{by} % [{}, {}]", percent(from), percent(to)),
            )
        });
        [
            self.metric.clone(),
            self.unit.show(self.median_a),
            self.unit.show(self.median_b),
            change,
            self.p.map_or_else(String::new, |p| format!("{p:.4}")),
            self.verdict.to_string(),
        ]
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["figure", "median A", "median B", "change [95 %]", "p", ""].map(str::to_owned);
        let lines: Vec<[String; 6]> =
            [head].into_iter().chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
        let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
        for [metric, a, b, change, p, verdict] in &lines {
            let line = format!(
                "{metric:<0$}  {a:>1$}  {b:>2$}  {change:>3$}  {p:>4$}  {verdict}",
                widths[0], widths[1], widths[2], widths[3], widths[4]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

#[cfg(test)]
mod tests;
