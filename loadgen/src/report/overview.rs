//! Several runs at a glance: what a sweep or a search leaves in its folder, beside the folders of
//! its runs.

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::environment::Environment;
use super::figures::{Figures, quantile};
use super::{json, overview_page, plots_rates, settings, write_files};
use crate::result::{RunResult, SCHEMA_VERSION};
use crate::scenario::Scenario;

/// What a run comes to, the worst last. A promise that was broken is one however busy the generator
/// was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The server kept what the scenario promises.
    Passed,
    /// The figures say nothing about the server.
    Invalid,
    /// The server did not keep what the scenario promises.
    Failed,
}

impl Verdict {
    /// What `result` comes to.
    #[must_use]
    pub fn of(result: &RunResult) -> Self {
        match (result.invalid.is_empty(), result.failures.is_empty()) {
            (_, false) => Self::Failed,
            (false, true) => Self::Invalid,
            (true, true) => Self::Passed,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Invalid => "INVALID",
        })
    }
}

/// One of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is called, and the folder of its report.
    pub run: String,
    /// Messages that were to be sent, a second.
    pub rate: f64,
    /// What it comes to.
    pub verdict: Verdict,
    /// Whether its figures say anything about the server.
    pub valid: bool,
    /// Why it is not better than that.
    pub reasons: Vec<String>,
    /// When it began, in seconds since 1970.
    pub started_unix_seconds: u64,
    /// Messages sent a second.
    pub sent_per_second: f64,
    /// Deliveries a second.
    pub delivered_per_second: f64,
    /// Median delivery time, in nanoseconds; this one and the others are none where too few samples
    /// are above.
    pub p50_ns: Option<u64>,
    /// 99th percentile of delivery times.
    pub p99_ns: Option<u64>,
    /// Percentile 99.9 of delivery times.
    pub p99_9_ns: Option<u64>,
    /// Longest delivery time.
    pub max_ns: Option<u64>,
    /// Server CPU, in cores; none if it could not be watched.
    pub server_cores: Option<f64>,
    /// Server CPU for each delivery, in nanoseconds.
    pub server_ns_per_delivery: Option<f64>,
    /// CPU time of the busiest generator thread, as a part of the time.
    pub generator_busiest: f64,
}

impl Row {
    /// The row of `result`, whose report is in the folder `run`.
    #[must_use]
    pub fn of(run: String, result: &RunResult) -> Self {
        let figures = Figures::of(result);
        let times = &result.times.delivery;
        let cost = figures.server.as_ref().and_then(|server| {
            server.user_ns_per_delivery.zip(server.system_ns_per_delivery).map(|(u, s)| u + s)
        });
        Self {
            run,
            rate: result.scenario.rate,
            verdict: Verdict::of(result),
            valid: result.invalid.is_empty(),
            reasons: result.failures.iter().chain(&result.invalid).cloned().collect(),
            started_unix_seconds: result.started_unix_seconds,
            sent_per_second: figures.sent_per_second,
            delivered_per_second: figures.delivered_per_second,
            p50_ns: quantile(times, 0.5),
            p99_ns: quantile(times, 0.99),
            p99_9_ns: quantile(times, 0.999),
            max_ns: (!times.is_empty()).then(|| times.max()),
            server_cores: figures.server.as_ref().map(|server| server.cores),
            server_ns_per_delivery: cost,
            generator_busiest: figures.generator_busiest,
        }
    }
}

/// Several runs and what they come to together.
#[derive(Clone, Debug)]
pub struct Overview<'a> {
    /// What it is: `sweep` or `search`.
    pub kind: &'static str,
    /// Where it took place.
    pub environment: &'a Environment,
    /// What was run, but for the rate.
    pub scenario: &'a Scenario,
    /// The runs, in the order in which they were made.
    pub rows: &'a [Row],
    /// What the 99th percentile of delivery times had to be at most, in nanoseconds.
    pub target_p99_ns: Option<f64>,
    /// What came of it.
    pub conclusion: &'a str,
    /// Whether that is good.
    pub verdict: Verdict,
}

/// Writes the files of an overview into `folder`, which has those of its runs already.
///
/// # Errors
/// A sentence that names the file and says what is wrong with it.
pub fn write_overview(overview: &Overview<'_>, folder: &Path) -> io::Result<()> {
    let plot = plots_rates::plot(overview.rows, overview.target_p99_ns)
        .map_err(|why| io::Error::other(format!("sweep.svg: {why}")))?;
    let mut files = vec![
        ("sweep.json".to_owned(), whole(overview)?),
        ("sweep.csv".to_owned(), csv(overview.rows)),
        ("scenario.toml".to_owned(), settings::file(overview.scenario)),
    ];
    files.extend(plot.iter().map(|svg| ("sweep.svg".to_owned(), svg.clone())));
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let page = overview_page::page(overview, plot.as_deref(), &names);
    files.push(("report.html".to_owned(), page));
    write_files(folder, files)
}

/// `sweep.json`: everything that the overview has, for programs.
fn whole(overview: &Overview<'_>) -> io::Result<String> {
    json::pretty(&json!({
        "schema_version": SCHEMA_VERSION,
        "loadgen": env!("CARGO_PKG_VERSION"),
        "kind": overview.kind,
        "command": overview.environment.command,
        "scenario": overview.scenario,
        "target_p99_ns": overview.target_p99_ns,
        "conclusion": overview.conclusion,
        "verdict": overview.verdict,
        "runs": overview.rows,
    }))
}

/// The columns of the table for spreadsheets.
const COLUMNS: &str = "run,rate,verdict,sent_per_second,delivered_per_second,p50_us,p99_us,\
    p99_9_us,max_us,server_cores,server_ns_per_delivery,generator_busiest";

/// `sweep.csv`: a line for the columns and one for each run. What there is not is left empty.
fn csv(rows: &[Row]) -> String {
    let micros = |ns: Option<u64>| ns.map_or(String::new(), |ns| format!("{:.1}", ns as f64 / 1e3));
    let some = |n: Option<f64>| n.map_or(String::new(), |n| format!("{n:.3}"));
    let mut text = format!("{COLUMNS}\n");
    for row in rows {
        let times = [row.p50_ns, row.p99_ns, row.p99_9_ns, row.max_ns].map(micros).join(",");
        let server = [row.server_cores, row.server_ns_per_delivery].map(some).join(",");
        let _ = writeln!(
            text,
            "{},{},{},{:.1},{:.1},{times},{server},{:.3}",
            row.run,
            row.rate,
            row.verdict.to_string().to_lowercase(),
            row.sent_per_second,
            row.delivered_per_second,
            row.generator_busiest
        );
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;
    use crate::report::fixture;

    /// A made-up run at `rate` that takes the longer the more is sent.
    pub(crate) fn result_at(rate: f64) -> RunResult {
        let mut result = fixture::named("fanout");
        result.scenario.rate = rate;
        let times = &mut result.times.delivery;
        times.reset();
        for n in 1..=20_000_u32 {
            let rare = 20_000.0 / f64::from(n);
            times.saturating_record((rate * 2e3 * rare.sqrt()) as u64 + 200_000);
        }
        result
    }

    /// Rows of a sweep whose fourth run failed and whose last one is invalid.
    pub(crate) fn rows() -> Vec<Row> {
        let rates = [100.0, 200.0, 400.0, 800.0, 1_600.0];
        let mut rows: Vec<Row> =
            rates.iter().map(|rate| Row::of(format!("rate-{rate}"), &result_at(*rate))).collect();
        rows[3].verdict = Verdict::Failed;
        rows[3].reasons = vec!["3 deliveries <never> came".to_owned()];
        (rows[4].verdict, rows[4].valid) = (Verdict::Invalid, false);
        rows[4].reasons = vec!["the thread load-0 was busy".to_owned()];
        rows
    }

    #[test]
    fn a_run_is_as_good_as_its_worst() {
        let verdict = |name| Verdict::of(&fixture::named(name));
        assert_eq!((verdict("fanout"), verdict("mixed")), (Verdict::Passed, Verdict::Failed));
        let failed = RunResult { invalid: vec![], ..fixture::named("mixed") };
        assert_eq!(Verdict::of(&failed), Verdict::Failed);
        assert!(Verdict::Passed < Verdict::Invalid && Verdict::Invalid < Verdict::Failed);
    }

    #[test]
    fn every_line_has_every_column() {
        let mut rows = rows();
        rows.push(Row::of("rate-0".to_owned(), &fixture::named("empty")));
        let text = csv(&rows);
        let columns = |line: &str| line.split(',').count();
        assert!(text.lines().all(|line| columns(line) == columns(COLUMNS)), "{text}");
        assert_eq!(text.lines().count(), rows.len() + 1);
        assert!(text.contains("\nrate-800,800,failed,100.0,100000.0,"), "{text}");
        assert!(text.ends_with("rate-0,100,passed,0.0,0.0,,,,,,,0.000\n"), "{text}");
    }

    #[test]
    fn an_overview_has_all_its_files() {
        let folder = std::env::temp_dir().join(format!("loadgen-sweep-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let (scenario, rows) = (Scenario::default(), rows());
        let mut overview = Overview {
            kind: "sweep",
            environment: &Environment::gather(&["loadgen".to_owned()]),
            scenario: &scenario,
            rows: &rows,
            target_p99_ns: Some(5e6),
            conclusion: "5 runs",
            verdict: Verdict::Invalid,
        };
        write_overview(&overview, &folder).expect("an overview");
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
        let json: Value = serde_json::from_str(&read("sweep.json")).expect("JSON");
        let [csv, svg, page] = ["sweep.csv", "sweep.svg", "report.html"].map(read);
        // Without a single delivery there is nothing to draw, and the rest is there all the same.
        let nothing = [Row::of("rate-1".to_owned(), &fixture::named("empty"))];
        overview.rows = &nothing;
        write_overview(&overview, &folder).expect("an overview");
        let bare = read("report.html");
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(json["runs"][4]["verdict"], "invalid");
        assert_eq!(json["runs"][3]["p99_ns"], rows[3].p99_ns.expect("a percentile"));
        assert_eq!((&json["target_p99_ns"], &json["kind"]), (&json!(5e6), &json!("sweep")));
        assert!(csv.starts_with("run,rate,") && page.contains(&svg), "the page has its plot");
        assert!(!bare.contains("<figure") && !bare.contains("href=\"sweep.svg\""), "{bare}");
    }
}
