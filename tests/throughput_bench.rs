//! What the bench `throughput` works out from its runs: a bench without a harness has no tests of
//! its own.

#![allow(dead_code, reason = "the bench uses the rest")]

#[path = "../benches/throughput/cases.rs"]
mod cases;
#[path = "../benches/throughput/cli.rs"]
mod cli;
#[path = "../benches/throughput/figures.rs"]
mod figures;
#[path = "../benches/throughput/summary.rs"]
mod summary;

use hdrhistogram::Histogram;

use cases::{Block, Pace, plan};
use cli::Subject;
use figures::{Run, percentile};
use summary::{Entry, Growth, Metric, Spread, Summary};

fn entry(subject: Subject, cpu_ns: f64, is_valid: bool) -> Entry {
    let invalid = if is_valid { vec![] } else { vec!["stolen".to_owned()] };
    let run = Run {
        cpu_ns,
        sampled_user_ns: 1,
        sampled_system_ns: 3,
        lost: 2,
        invalid,
        ..Run::default()
    };
    Entry { case: "some".to_owned(), subject, round: 1, run: Ok(run) }
}

const CPU: Metric = |run| Some(run.cpu_ns);

#[test]
fn runs_that_say_nothing_are_left_out_unless_there_are_no_others() {
    let mut entries = vec![entry(Subject::Hubbub, 9.0, false)];
    let all = Summary::of(&entries, "some", Subject::Hubbub).expect("a run");
    assert_eq!((all.median(CPU), all.invalid), (Some(9.0), 1));
    entries.push(entry(Subject::Hubbub, 3.0, true));
    entries.push(Entry { run: Err("gone".to_owned()), ..entry(Subject::Hubbub, 0.0, true) });
    let valid = Summary::of(&entries, "some", Subject::Hubbub).expect("runs");
    assert_eq!((valid.median(CPU), valid.invalid, valid.failed), (Some(3.0), 1, 1));
    assert_eq!((valid.lost, valid.of), (4, 3), "what was lost was lost");
    assert!(Summary::of(&entries, "some", Subject::Tutorial).is_none());
    assert!(Summary::of(&entries, "other", Subject::Hubbub).is_none());
}

#[test]
fn medians_are_compared_and_spread() {
    let cpu = [8.0, 4.0, 6.0].map(|cpu| entry(Subject::Hubbub, cpu, true));
    let other = [3.0, 9.0].map(|cpu| entry(Subject::Tutorial, cpu, true));
    let entries: Vec<Entry> = cpu.into_iter().chain(other).collect();
    let of = |subject| Summary::of(&entries, "some", subject).expect("runs");
    let (hubbub, tutorial) = (of(Subject::Hubbub), of(Subject::Tutorial));
    let spread = hubbub.spread(CPU).expect("figures");
    assert_eq!(spread, Spread { median: 6.0, min: 4.0, max: 8.0 });
    assert_eq!(hubbub.ratio(&tutorial, CPU), Some(1.0));
    assert_eq!(hubbub.ratio(&tutorial, |run| run.p50_ns), None);
    assert_eq!(hubbub.user_and_system_ns(), Some((1.5, 4.5)));
    assert!((spread.relative() - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn growth_is_that_of_the_cost_of_all() {
    let even = Growth::between((1_000.0, 30.0, 1e6), (4_000.0, 30.0, 4e6));
    assert!((even.exponent - 1.0).abs() < 1e-9);
    assert!((even.bytes_each - 1_000.0).abs() < 1e-9);
    let square = Growth::between((1_000.0, 30.0, 0.0), (4_000.0, 120.0, 0.0));
    assert!((square.exponent - 2.0).abs() < 1e-9);
}

#[test]
fn a_percentile_needs_ten_samples_above_it() {
    let mut times = Histogram::new(3).expect("three digits");
    times.record_n(1_000, 990).expect("in range");
    assert_eq!(percentile(&times, 0.99), None);
    assert!(percentile(&times, 0.5).is_some());
    times.record_n(1_000, 20).expect("in range");
    assert!(percentile(&times, 0.99).is_some());
    assert_eq!(percentile(&times, 0.999), None);
}

const PACE: Pace = Pace { warm_up: 0.3, seconds: 0.7, settle: 1.3, crowds: [1_000, 4_000] };
const ALL: [Subject; 4] = Subject::ALL;

fn names(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().flat_map(|block| &block.cases).map(|case| case.name.as_str()).collect()
}

#[test]
fn a_case_brings_the_one_whose_rate_it_needs_and_that_comes_first() {
    let blocks = plan(&PACE, "500x2-w1-half", &ALL);
    assert_eq!(names(&blocks), ["500x2-w1", "500x2-w1-half"]);
    assert_eq!(names(&plan(&PACE, "arrivals", &ALL)), ["arrivals-1000", "arrivals-4000"]);
    assert!(
        plan(&PACE, "shard", &[Subject::Tutorial]).iter().all(|it| it.heading.contains("loop"))
    );
    assert!(plan(&PACE, "no such case", &ALL).is_empty());
    let all = plan(&PACE, "", &ALL);
    let names = names(&all);
    for (at, case) in all.iter().flat_map(|block| &block.cases).enumerate() {
        assert_eq!(names.iter().position(|name| *name == case.name), Some(at), "{}", case.name);
        if let Some((other, _)) = &case.part_of {
            assert!(names[..at].contains(&other.as_str()), "{} comes before {other}", case.name);
        }
        assert_eq!(case.scenario.contradictions(), [], "{}", case.name);
    }
}

#[test]
fn a_part_of_a_rate_counts_messages_not_deliveries() {
    let blocks = plan(&PACE, "200x10-w1-half", &ALL);
    let half = &blocks[1].cases[0];
    let scenario = half.scenario_at(Some(40_000.0)).expect("a rate");
    assert!((scenario.rate - 2_000.0).abs() < 1e-9, "{}", scenario.rate);
    let error = half.scenario_at(None).expect_err("no rate");
    assert!(error.contains("200x10-w1"), "{error}");
}
