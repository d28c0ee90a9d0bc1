//! Folders of runs that are compared.

use serde_json::json;

use super::*;

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadgen-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, run: &str, json: &Value) {
        let folder = self.0.join(run);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("run.json"), json.to_string()).expect("written");
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

fn run(p99_us: u64) -> Value {
    json!({
        "schema_version": SCHEMA_VERSION,
        "scenario": { "name": "fanout", "rate": 100.0, "measure_seconds": 10.0, "seed": p99_us },
        "times": {
            "delivery": { "p50": 100_000, "p99": p99_us * 1000, "p999": 9_000_000 },
            "join": { "p50": 0, "p99": 0 },
        },
        "messages": { "delivered": 1_000_000 },
        "server": { "threads": [{ "cpu_ns": 3_000_000_000_u64 }, { "cpu_ns": p99_us * 1_000_000 }],
            "rss_after": 50 << 20 },
        "invalid": [],
        "failures": [],
    })
}

fn find<'a>(comparison: &'a Comparison, metric: &str) -> &'a Row {
    comparison.rows.iter().find(|row| row.metric == metric).expect("the row")
}

#[test]
fn four_runs_apart_tell_and_say_by_how_much() {
    let a = Folder::with("apart-a", &[1000, 1010, 1020, 1030]);
    let b = Folder::with("apart-b", &[1200, 1210, 1220, 1230]);
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    let p99 = find(&comparison, "delivery p99");
    assert_eq!((p99.median_a, p99.median_b), (1_015_000.0, 1_215_000.0));
    assert!((p99.p.expect("enough runs") - 2.0 / 70.0).abs() < 1e-12, "{p99:?}");
    let change = p99.change.expect("a change");
    assert!((change.by - 200.0 / 1015.0).abs() < 1e-12, "{change:?}");
    let (from, to) = change.interval.expect("an interval");
    assert!((from - 170.0 / 1015.0).abs() < 1e-12 && (to - 230.0 / 1015.0).abs() < 1e-12);
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
        run["messages"]["delivered"] = json!(1_000_000 + number);
        a.write(&number.to_string(), &run);
        run["messages"]["delivered"] = json!(2_000_000 + number);
        run["server"]["threads"][0]["cpu_ns"] = json!(12_000_000_000_u64);
        b.write(&number.to_string(), &run);
    }
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    assert_eq!(find(&comparison, "deliveries").verdict, Verdict::Better);
    let cpu = find(&comparison, "server CPU a delivery");
    let rate = find(&comparison, "deliveries");
    assert_eq!((rate.median_a.round(), rate.median_b.round()), (100_000.0, 200_000.0));
    assert_eq!((cpu.median_a.round(), cpu.median_b.round()), (4000.0, 6500.0));
    assert_eq!(cpu.verdict, Verdict::Worse);
}

#[test]
fn the_rate_is_that_of_the_time_that_was_measured() {
    let mut run = run(1000);
    run["phases"] =
        json!([{ "name": "warm-up", "seconds": 1 }, { "name": "measure", "seconds": 4 }]);
    let rate = figures(&run).into_iter().find(|(metric, _)| metric.name == "deliveries");
    assert_eq!(rate.expect("a rate").1, 250_000.0);
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
    let mut invalid = run(1);
    invalid["invalid"] = json!(["steal"]);
    b.write("noisy", &invalid);
    let mut failed = run(1240);
    failed["failures"] = json!(["lost"]);
    b.write("failed", &failed);
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    assert_eq!(find(&comparison, "delivery p99").median_b, 1_220_000.0);
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
    other["scenario"]["rate"] = json!(200.0);
    other["scenario"]["burst"] = json!(2.0);
    b.write("other", &other);
    let error = compare(&a.0, &b.0, false).expect_err("different");
    assert!(error.contains("`rate` is 100.0 in A, 100.0 or 200.0 in B"), "{error}");
    assert!(error.contains("`burst` is null in A, 2.0 or null in B"), "{error}");
    assert!(error.contains("--force") && !error.contains("seed"), "{error}");
    let comparison = compare(&a.0, &b.0, true).expect("forced");
    assert!(comparison.to_string().contains("different: `rate`"), "{comparison}");
}

#[test]
fn a_run_without_a_server_is_compared_by_the_rest() {
    let (a, b) = (Folder::new("alone-a"), Folder::new("alone-b"));
    for number in 0..4 {
        let mut run = run(1000);
        run["server"] = Value::Null;
        a.write(&number.to_string(), &run);
        b.write(&number.to_string(), &run);
    }
    let comparison = compare(&a.0, &b.0, false).expect("comparable");
    assert!(comparison.rows.iter().all(|row| !row.metric.starts_with("server")));
    assert!(comparison.rows.iter().any(|row| row.metric == "deliveries"));
}

#[test]
fn folders_that_are_none_are_explained() {
    let a = Folder::with("none-a", &[1000]);
    let empty = Folder::new("none-b");
    let error = compare(&a.0, &empty.0, false).expect_err("no runs");
    assert!(error.contains("there are no runs in"), "{error}");
    let error = compare(&a.0, Path::new("/nowhere"), false).expect_err("no folder");
    assert!(error.contains("cannot read /nowhere"), "{error}");
    empty.write("new", &json!({ "schema_version": SCHEMA_VERSION + 1 }));
    let error = compare(&a.0, &empty.0, false).expect_err("another version");
    assert!(error.contains("this program reads"), "{error}");
    fs::write(empty.0.join("new/run.json"), "{").expect("written");
    let error = compare(&a.0, &empty.0, false).expect_err("broken");
    assert!(error.contains("is not a run"), "{error}");
}

#[test]
fn the_table_is_tidy() {
    let a = Folder::with("table-a", &[1000, 1010, 1020, 1030]);
    let b = Folder::with("table-b", &[1200, 1210, 1220, 1230]);
    let text = compare(&a.0, &b.0, false).expect("comparable").to_string();
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "figure                 median A  median B           change [95 %]       p",
        "delivery p50             100 µs    100 µs     +0.0 % [+0.0, +0.0]  1.0000  cannot tell",
        "delivery p99            1.01 ms   1.22 ms  +19.7 % [+16.7, +22.7]  0.0286  B is worse",
    ];
    assert_eq!(lines[..3], expected);
}
