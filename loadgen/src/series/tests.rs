//! Series of made-up runs.

use std::env;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::report::fixture;

/// What a made-up server and its generator can take, in messages a second.
#[derive(Clone, Copy)]
struct Limits {
    /// From here on deliveries take too long.
    slow: f64,
    /// From here on the generator is the limit.
    invalid: f64,
    /// From here on the server loses messages.
    lossy: f64,
}

const FAR: f64 = f64::INFINITY;
const TARGET_US: f64 = 1_000.0;

impl Limits {
    fn run(self, scenario: &Scenario) -> RunResult {
        let mut result = fixture::named("fanout");
        result.scenario = scenario.clone();
        result.times.delivery.reset();
        let ns = if scenario.rate >= self.slow { 5_000_000 } else { 200_000 };
        result.times.delivery.record_n(ns, 10_000).expect("in range");
        if scenario.rate >= self.invalid {
            result.invalid.push("the generator was busy".to_owned());
        }
        if scenario.rate >= self.lossy {
            result.failures.push("1 delivery never came".to_owned());
        }
        result
    }
}

/// What a series printed, and what it came to.
fn made(
    kind: &Kind,
    once: Once<'_>,
    enough: &AtomicBool,
    folder: Option<&Path>,
) -> (String, Result<Verdict, String>) {
    let scenario = Scenario { rate: 100.0, ..Scenario::default() };
    let mut out = vec![];
    let environment = Environment::gather(&[]);
    let series = Series::new(&scenario, once, enough, folder, &environment, &mut out);
    let verdict = series.make(kind);
    (String::from_utf8(out).expect("text"), verdict)
}

fn undisturbed(kind: &Kind, limits: Limits) -> (String, Verdict) {
    let mut once = |scenario: &Scenario| Ok(limits.run(scenario));
    let (text, verdict) = made(kind, &mut once, &AtomicBool::new(false), None);
    (text, verdict.expect("it runs"))
}

fn search(limits: Limits) -> (String, Verdict) {
    undisturbed(&Kind::Search { p99_us: TARGET_US }, limits)
}

fn last_line(text: &str) -> &str {
    text.lines().last().expect("a line")
}

/// A folder that does not exist yet, and goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("loadgen-series-{name}-{}", std::process::id())))
    }

    /// What is in it, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
        let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_series_is_as_bad_as_its_worst_run() {
    let rates = |rates: &[f64]| Kind::Sweep(rates.to_vec());
    let limits = Limits { slow: FAR, invalid: 400.0, lossy: 200.0 };
    let (text, verdict) = undisturbed(&rates(&[50.0, 100.0]), limits);
    assert_eq!((last_line(&text), verdict), ("2 runs: 2 valid and passed", Verdict::Passed));
    let (text, verdict) = undisturbed(&rates(&[200.0, 100.0]), limits);
    let expected = "2 runs: 1 valid and passed, 1 failed";
    assert_eq!((last_line(&text), verdict), (expected, Verdict::Failed));
    let limits = Limits { slow: FAR, invalid: 400.0, lossy: FAR };
    let (text, verdict) = undisturbed(&rates(&[100.0, 400.0]), limits);
    let expected = "2 runs: 1 valid and passed, 1 invalid";
    assert_eq!((last_line(&text), verdict), (expected, Verdict::Invalid));
    assert!(text.contains("INVALID: the generator was busy"), "{text}");
    let limits = Limits { slow: FAR, invalid: 200.0, lossy: 400.0 };
    let (text, verdict) = undisturbed(&rates(&[100.0, 400.0, 200.0]), limits);
    let expected = "3 runs: 1 valid and passed, 1 failed, 1 invalid";
    assert_eq!((last_line(&text), verdict), (expected, Verdict::Failed));
    assert!(text.contains("FAILED: 1 delivery never came"), "{text}");
    let (text, verdict) = undisturbed(&Kind::Repeat(1), limits);
    assert_eq!((last_line(&text), verdict), ("1 run: 1 valid and passed", Verdict::Passed));
}

#[test]
fn repeats_can_be_compared() {
    let (a, b) = (Folder::new("repeat-a"), Folder::new("repeat-b"));
    for (folder, ns) in [(&a, 200_000), (&b, 900_000)] {
        let mut once = |scenario: &Scenario| {
            let mut result = fixture::named("fanout");
            result.scenario = scenario.clone();
            result.times.delivery.record_n(ns, 10_000_000).expect("in range");
            Ok(result)
        };
        let enough = AtomicBool::new(false);
        let (_, verdict) = made(&Kind::Repeat(4), &mut once, &enough, Some(&folder.0));
        assert_eq!(verdict, Ok(Verdict::Passed));
        assert_eq!(folder.names(), ["1", "2", "3", "4"]);
    }
    let comparison = crate::compare::compare(&a.0, &b.0, false).expect("comparable");
    assert!(comparison.to_string().contains("B is worse"), "{comparison}");
}

#[test]
fn a_sweep_has_an_overview_above_its_runs() {
    let folder = Folder::new("sweep");
    let limits = Limits { slow: FAR, invalid: FAR, lossy: FAR };
    let mut once = |scenario: &Scenario| Ok(limits.run(scenario));
    let kind = Kind::Sweep(vec![100.0, 12.5, 100.0]);
    let (text, verdict) = made(&kind, &mut once, &AtomicBool::new(false), Some(&folder.0));
    assert_eq!(verdict, Ok(Verdict::Passed), "{text}");
    let runs = ["rate-100", "rate-100-2", "rate-12.5"];
    let files = ["report.html", "scenario.toml", "sweep.csv", "sweep.json", "sweep.svg"];
    assert_eq!(folder.names(), [&runs[..], &files[..]].concat());
    let scenario = fs::read_to_string(folder.0.join("rate-12.5/scenario.toml")).expect("a file");
    assert_eq!(Scenario::parse(&scenario).expect("a scenario").rate, 12.5);
}

#[test]
fn no_run_is_made_after_the_user_has_enough() {
    let limits = Limits { slow: FAR, invalid: FAR, lossy: FAR };
    for kind in [
        Kind::Repeat(5),
        Kind::Sweep(vec![1.0, 2.0, 3.0, 4.0, 5.0]),
        Kind::Search { p99_us: TARGET_US },
    ] {
        let (enough, mut runs) = (AtomicBool::new(false), 0);
        let mut once = |scenario: &Scenario| {
            runs += 1;
            enough.store(runs == 2, Ordering::Relaxed);
            Ok(limits.run(scenario))
        };
        let (text, verdict) = made(&kind, &mut once, &enough, None);
        assert_eq!(runs, 2, "{text}");
        assert!(last_line(&text).starts_with("interrupted"), "{text}");
        let expected = match kind {
            Kind::Search { .. } => Verdict::Failed,
            _ => Verdict::Passed,
        };
        assert_eq!(verdict, Ok(expected));
    }
}

#[test]
fn what_was_done_is_reported_when_a_run_cannot_be_made() {
    let folder = Folder::new("ended");
    let limits = Limits { slow: FAR, invalid: FAR, lossy: FAR };
    let mut once = |scenario: &Scenario| {
        if scenario.rate > 1.0 { Err("no server".to_owned()) } else { Ok(limits.run(scenario)) }
    };
    let kind = Kind::Sweep(vec![1.0, 2.0]);
    let (_, verdict) = made(&kind, &mut once, &AtomicBool::new(false), Some(&folder.0));
    assert_eq!(verdict, Err("no server".to_owned()));
    let page = fs::read_to_string(folder.0.join("report.html")).expect("a page");
    assert!(page.contains("ended early: no server"));
}

#[test]
fn a_search_finds_where_deliveries_begin_to_be_slow() {
    let (text, verdict) = search(Limits { slow: 730.0, invalid: FAR, lossy: FAR });
    let expected = "725 messages/s: 3 of 3 repeats kept p99 under 1000 µs";
    assert_eq!((last_line(&text), verdict), (expected, Verdict::Passed), "{text}");
    let (text, _) = search(Limits { slow: FAR, invalid: FAR, lossy: 730.0 });
    assert_eq!(last_line(&text), expected, "{text}");
    let (text, _) = search(Limits { slow: 40.0, invalid: FAR, lossy: FAR });
    assert!(last_line(&text).starts_with("37.5 messages/s"), "it goes down too: {text}");
}

#[test]
fn a_search_that_the_generator_ended_says_so() {
    let (text, verdict) = search(Limits { slow: FAR, invalid: 730.0, lossy: FAR });
    assert_eq!(verdict, Verdict::Invalid);
    let line = last_line(&text);
    assert!(line.contains("725 messages/s") && line.contains("the generator was busy"), "{line}");
    assert!(line.contains("The server may be able to do more"), "{line}");
    // Only the run just above the answer counts.
    let (text, verdict) = search(Limits { slow: 730.0, invalid: 760.0, lossy: FAR });
    assert_eq!(verdict, Verdict::Passed, "{text}");
    let (text, verdict) = search(Limits { slow: FAR, invalid: 0.0, lossy: FAR });
    assert_eq!(verdict, Verdict::Invalid);
    assert!(last_line(&text).contains("too much for the generator"), "{text}");
}

#[test]
fn an_answer_that_does_not_repeat_is_none() {
    let limits = Limits { slow: 730.0, invalid: FAR, lossy: FAR };
    for (good_repeats, expected) in [(1, Verdict::Failed), (2, Verdict::Passed)] {
        let mut at_answer = 0;
        let mut once = |scenario: &Scenario| {
            at_answer += u32::from(scenario.rate == 725.0);
            let is_bad = scenario.rate == 725.0 && at_answer > 1 + good_repeats;
            let limits = if is_bad { Limits { slow: 0.0, ..limits } } else { limits };
            Ok(limits.run(scenario))
        };
        let kind = Kind::Search { p99_us: TARGET_US };
        let (text, verdict) = made(&kind, &mut once, &AtomicBool::new(false), None);
        assert_eq!(verdict, Ok(expected), "{text}");
        assert!(last_line(&text).contains(&format!("{good_repeats} of 3 repeats")), "{text}");
        assert_eq!(last_line(&text).starts_with("no answer"), expected == Verdict::Failed);
    }
}

#[test]
fn repeats_that_are_invalid_are_not_held_against_the_server() {
    let mut at_answer = 0;
    let mut once = |scenario: &Scenario| {
        at_answer += u32::from(scenario.rate == 725.0);
        let invalid = if at_answer > 2 { 0.0 } else { FAR };
        Ok(Limits { slow: 730.0, invalid, lossy: FAR }.run(scenario))
    };
    let kind = Kind::Search { p99_us: TARGET_US };
    let (text, verdict) = made(&kind, &mut once, &AtomicBool::new(false), None);
    assert_eq!(verdict, Ok(Verdict::Failed));
    assert!(last_line(&text).contains("1 of 3 repeats, 2 of which were invalid"), "{text}");
}

#[test]
fn a_search_without_an_answer_says_what_to_do() {
    let (text, verdict) = search(Limits { slow: 0.0, invalid: FAR, lossy: FAR });
    assert_eq!(verdict, Verdict::Failed);
    assert!(last_line(&text).contains("allow more, lower --rate"), "{text}");
}
