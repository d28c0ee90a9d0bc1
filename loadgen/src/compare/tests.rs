//! Folders of runs that are compared: real reports, so that what is read is what is written.

use super::*;
use crate::report::{self, Environment, fixture};
use crate::result::{RunResult, SCHEMA_VERSION, times};

/// How precisely a histogram keeps times.
const PRECISION: f64 = 1e-3;

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadgen-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, run: &RunResult) {
        let environment = Environment::gather(&run.command);
        report::write(run, &environment, &self.0.join(name)).expect("a report");
    }

    /// Changes a file of a report.
    fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let file = self.0.join(file);
        let mut value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
        change(&mut value);
        fs::write(file, value.to_string()).expect("written");
    }

    /// A folder with a run for each 99th percentile, in microseconds.
    fn with(name: &str, p99s: &[u64]) -> Self {
        let folder = Self::new(name);
        for (number, p99) in p99s.iter().enumerate() {
            folder.write(&format!("run-{number}"), &run(*p99));
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A run with this 99th percentile of delivery and none of coming in.
fn run(p99_us: u64) -> RunResult {
    let mut run = fixture::named("fanout");
    run.scenario.seed = p99_us;
    run.times.delivery = times();
    for (us, count) in [(100, 98_000), (p99_us, 1_500), (9_000, 500)] {
        run.times.delivery.record_n(us * 1_000, count).expect("in range");
    }
    run.times.join = times();
    run
}

fn find<'a>(comparison: &'a Comparison, metric: &str) -> &'a Row {
    comparison.rows.iter().find(|row| row.metric == metric).expect("the row")
}

fn is_near(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < PRECISION
}

#[test]
fn every_figure_of_a_real_report_is_compared() {
    let (a, b) = (Folder::new("real-a"), Folder::new("real-b"));
    for number in 0..RUNS_MIN {
        a.write(&number.to_string(), &fixture::named("fanout"));
        b.write(&number.to_string(), &fixture::named("fanout"));
    }
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    let names: Vec<&str> = comparison.rows.iter().map(|row| row.metric.as_str()).collect();
    let expected = [
        "delivery p50",
        "delivery p99",
        "delivery p99.9",
        "delivery max",
        "service p50",
        "service p99",
        // Of 400 sampled messages only four are above the 99th percentile of completion.
        "completion p50",
        "connect p50",
        "connect p99",
        "greeting p50",
        "greeting p99",
        "join p50",
        "join p99",
        "deliveries",
        "server CPU a delivery, user",
        "server CPU a delivery, system",
        "server memory",
    ];
    assert_eq!(names, expected);
    let median = |metric| find(&comparison, metric).median_a;
    assert!(is_near(median("server CPU a delivery, user"), 1_122.0), "{comparison}");
    assert!(is_near(median("server CPU a delivery, system"), 2_960.0), "{comparison}");
    assert!(is_near(median("deliveries"), 100_000.0), "{comparison}");
}

#[test]
fn four_runs_apart_tell_and_say_by_how_much() {
    let a = Folder::with("apart-a", &[1000, 1010, 1020, 1030]);
    let b = Folder::with("apart-b", &[1200, 1210, 1220, 1230]);
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    let p99 = find(&comparison, "delivery p99");
    assert!(is_near(p99.median_a, 1_015_000.0) && is_near(p99.median_b, 1_215_000.0), "{p99:?}");
    assert!((p99.p.expect("enough runs") - 2.0 / 70.0).abs() < 1e-12, "{p99:?}");
    let change = p99.change.expect("a change");
    assert!((change.by - 200.0 / 1015.0).abs() < PRECISION, "{change:?}");
    let (from, to) = change.interval.expect("an interval");
    assert!((from - 170.0 / 1015.0).abs() < PRECISION, "{change:?}");
    assert!((to - 230.0 / 1015.0).abs() < PRECISION, "{change:?}");
    assert_eq!(p99.verdict, Verdict::Worse);
    let back = compare(&b.0, &a.0, false).expect("comparable");
    assert_eq!(find(&back, "delivery p99").verdict, Verdict::Better);
    // What is the same everywhere does not differ, and what was not measured is not there.
    assert_eq!(find(&comparison, "delivery p50").verdict, Verdict::CannotTell);
    assert!(comparison.rows.iter().all(|row| !row.metric.starts_with("join")));
}

#[test]
fn more_deliveries_are_better_and_more_work_for_each_is_worse() {
    let (a, b) = (Folder::new("more-a"), Folder::new("more-b"));
    for number in 0..4_u64 {
        let mut run = run(1000);
        run.messages.delivered = 1_000_000 + number;
        a.write(&number.to_string(), &run);
        run.messages.delivered = 2_000_000 + number;
        run.server.as_mut().expect("a server").user_ns *= 3;
        b.write(&number.to_string(), &run);
    }
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    let rate = find(&comparison, "deliveries");
    assert!(is_near(rate.median_a, 100_000.0) && is_near(rate.median_b, 200_000.0), "{rate:?}");
    assert_eq!(rate.verdict, Verdict::Better);
    let user = find(&comparison, "server CPU a delivery, user");
    assert_eq!(user.verdict, Verdict::Worse);
    let system = find(&comparison, "server CPU a delivery, system");
    assert_eq!(system.verdict, Verdict::Better);
}

#[test]
fn runs_that_overlap_or_are_too_few_cannot_tell() {
    let a = Folder::with("few-a", &[1000, 1010, 1020]);
    let b = Folder::with("few-b", &[1200, 1210, 1220, 1230]);
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    let p99 = find(&comparison, "delivery p99");
    assert_eq!((p99.verdict, p99.p), (Verdict::CannotTell, None));
    assert!(comparison.to_string().contains("it takes 4 valid runs on each side"));
    let mixed = Folder::with("few-c", &[1005, 1205, 1215, 1225, 1250]);
    let comparison = compare(&mixed.0, &b.0, false).expect("comparable");
    let p99 = find(&comparison, "delivery p99");
    assert!(p99.verdict == Verdict::CannotTell && p99.p > Some(SIGNIFICANCE), "{p99:?}");
}

#[test]
fn invalid_runs_are_left_out_and_counted() {
    let a = Folder::with("invalid-a", &[1000, 1010, 1020, 1030]);
    let b = Folder::with("invalid-b", &[1200, 1210, 1220, 1230]);
    let invalid = RunResult { invalid: vec!["steal".to_owned()], ..run(1) };
    b.write("noisy", &invalid);
    b.write("failed", &RunResult { failures: vec!["lost".to_owned()], ..run(1240) });
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    assert!(is_near(find(&comparison, "delivery p99").median_b, 1_220_000.0));
    let text = comparison.to_string();
    assert!(text.contains("1 more are invalid and left out, 1 of them failed"), "{text}");
    let only = Folder::new("invalid-c");
    only.write("noisy", &invalid);
    let error = compare(&a.0, &only.0, false).expect_err("nothing left");
    assert!(error.contains("all 1 runs"), "{error}");
}

#[test]
fn different_scenarios_are_refused_unless_forced() {
    let a = Folder::with("different-a", &[1000, 1010, 1020, 1030]);
    let b = Folder::with("different-b", &[1000, 1010, 1020]);
    let mut other = run(1030);
    (other.scenario.rate, other.scenario.herds) = (200.0, 2);
    b.write("other", &other);
    let error = compare(&a.0, &b.0, false).expect_err("different");
    assert!(error.contains("`rate` is 100.0 in A, 100.0 or 200.0 in B"), "{error}");
    assert!(error.contains("`herds` is 0 in A, 0 or 2 in B"), "{error}");
    assert!(error.contains("--force") && !error.contains("seed"), "{error}");
    let comparison = compare(&a.0, &b.0, true).expect("forced");
    assert!(comparison.to_string().contains("different: `rate`"), "{comparison}");
}

#[test]
fn different_machines_and_builds_are_refused_unless_forced() {
    let a = Folder::with("machine-a", &[1000]);
    for (key, other, said) in [
        ("cpu", json!("Z80"), "`processor` is "),
        ("cores", json!(4096), ", 4096 cores\" in B"),
        ("kernel", json!("Linux 0.1"), "`kernel` is "),
        ("profile", json!("other"), "\"other\" in B"),
    ] {
        let b = Folder::with("machine-b", &[1000]);
        b.edit("run-0/env.json", |place| place[key] = other);
        let error = compare(&a.0, &b.0, false).expect_err("different");
        assert!(error.contains(said) && error.contains("--force"), "{key}: {error}");
        assert!(compare(&a.0, &b.0, true).is_ok(), "{key}");
    }
    let b = Folder::with("machine-b", &[1000]);
    b.edit("run-0/env.json", |place| place["commit"] = json!("another"));
    assert!(compare(&a.0, &b.0, false).is_ok(), "commits are what is compared");
}

#[test]
fn a_run_without_a_server_is_compared_by_the_rest() {
    let (a, b) = (Folder::new("alone-a"), Folder::new("alone-b"));
    for number in 0..4 {
        let run = RunResult { server: None, ..run(1000) };
        a.write(&number.to_string(), &run);
        b.write(&number.to_string(), &run);
    }
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    assert!(comparison.rows.iter().all(|row| !row.metric.starts_with("server")));
    assert!(comparison.rows.iter().any(|row| row.metric == "deliveries"));
}

#[test]
fn a_cost_of_nothing_counts_as_much_as_any_other() {
    let (a, b) = (Folder::new("nothing-a"), Folder::new("nothing-b"));
    for (number, user_ns) in [0, 0, 0, 1_000_000].into_iter().enumerate() {
        let mut run = run(1000);
        run.server.as_mut().expect("a server").user_ns = 1_000_000;
        a.write(&number.to_string(), &run);
        run.server.as_mut().expect("a server").user_ns = user_ns;
        b.write(&number.to_string(), &run);
    }
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    let user = find(&comparison, "server CPU a delivery, user");
    assert!(user.median_b == 0.0 && user.p.is_some(), "{user:?}");
}

#[test]
fn folders_that_are_none_are_explained() {
    let a = Folder::with("none-a", &[1000]);
    let other = Folder::new("none-b");
    let error = compare(&a.0, &other.0, false).expect_err("no runs");
    assert!(error.contains("there are no runs in"), "{error}");
    let error = compare(&a.0, Path::new("/nowhere"), false).expect_err("no folder");
    assert!(error.contains("cannot read /nowhere"), "{error}");
    other.write("run", &run(1000));
    other.edit("run/run.json", |run| {
        run["times"]["delivery"]["percentiles_ns"] = json!({ "p50": 1 });
    });
    let error = compare(&a.0, &other.0, false).expect_err("a gap");
    assert!(error.contains("`percentiles_ns.p99` is missing"), "{error}");
    other.edit("run/run.json", |run| run["figures"] = json!({}));
    let error = compare(&a.0, &other.0, false).expect_err("a gap");
    assert!(error.contains("missing field `delivered_per_second`"), "{error}");
    other.edit("run/run.json", |run| run["schema_version"] = json!(SCHEMA_VERSION + 1));
    let error = compare(&a.0, &other.0, false).expect_err("another version");
    assert!(error.contains("this program reads"), "{error}");
    fs::write(other.0.join("run/run.json"), "{").expect("written");
    let error = compare(&a.0, &other.0, false).expect_err("broken");
    assert!(error.contains("was not written by this version"), "{error}");
}

#[test]
fn the_table_is_tidy() {
    let a = Folder::with("table-a", &[1000, 1010, 1020, 1030]);
    let b = Folder::with("table-b", &[1200, 1210, 1220, 1230]);
    let text = compare(&a.0, &b.0, false).expect("comparable").to_string();
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "figure                         median A  median B           change [95 %]       p",
        "delivery p50                     100 µs    100 µs     +0.0 % [+0.0, +0.0]  1.0000  \
         cannot tell",
        "delivery p99                    1.02 ms   1.22 ms  +19.7 % [+16.7, +22.7]  0.0286  \
         B is worse",
    ];
    assert_eq!(lines[..3], expected);
}
