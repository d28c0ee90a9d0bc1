//! The table: a line for each case, with the server under test beside its references.

use loadgen::guard::BUSY_MAX;
use loadgen::report::{count, number, time};

use crate::cases::{Block, Case, Kind};
use crate::cli::Subject;
use crate::figures::Run;
use crate::summary::{Entry, Growth, Metric, Summary};

/// The columns and their widths: the first is set to the left, the others to the right.
const COLUMNS: [(&str, usize); 14] = [
    ("rooms × members, load", 44),
    ("a second", 11),
    ("± %", 4),
    ("CPU ns", 8),
    ("user", 7),
    ("system", 7),
    ("× floor", 8),
    ("× tutorial", 11),
    ("lines/write", 12),
    ("p50", 8),
    ("p99", 8),
    ("p99.9", 8),
    ("tutorial/s", 11),
    ("its p99", 8),
];

/// Stands for a figure there is not, or that would mean nothing.
const NONE: &str = "–";

/// What the columns mean.
pub(crate) const LEGEND: &str = "\
a second: deliveries, or connections and joins of a crowd; ± %: from the median to its extremes
CPU ns: of the server, for each delivery, connection or join, user and system in it as sampled
× floor, × tutorial: that CPU in multiples of what the coalescing floor and the tutorial need
p50, p99, p99.9: of a delivery from when it was due, a connection until greeted, a join
tutorial/s, its p99: the tutorial in the same case; – where there are too few samples, or where
  the figure means nothing
invalid: in so many runs the generator or the machine was the limit, so that a second and times
  are its own, and the server could do more; CPU ns still holds";

/// The names of the columns.
pub(crate) fn head() -> String {
    line(&COLUMNS.map(|(name, _)| name.to_owned()))
}

/// The heading of a part of the table.
pub(crate) fn heading(block: &Block) -> String {
    format!("\n{}", block.heading)
}

/// One case.
pub(crate) fn row(case: &Case, entries: &[Entry]) -> String {
    let of = |subject| Summary::of(entries, &case.name, subject);
    let [hubbub, floor, tutorial] =
        [Subject::Hubbub, Subject::FloorCoalesced, Subject::Tutorial].map(of);
    // A server that shares the generator's core is as fast as that lets it be.
    let free = |summary: Option<f64>| summary.filter(|_| !case.shares_cores);
    let median = |summary: &Option<Summary<'_>>, metric: Metric| summary.as_ref()?.median(metric);
    let ratio = |other: &Option<Summary<'_>>| {
        hubbub.as_ref()?.ratio(other.as_ref()?, |run| Some(run.cpu_ns))
    };
    let rate: Metric = |run| Some(run.per_second);
    let spread = hubbub.as_ref().and_then(|it| Some(it.spread(rate)?.relative() * 50.0));
    let split = hubbub.as_ref().and_then(Summary::user_and_system_ns);
    let cells = [
        case.words.clone(),
        cell(free(median(&hubbub, rate)), whole),
        cell(free(spread), |it| format!("{it:.0}")),
        cell(median(&hubbub, |run| Some(run.cpu_ns)), number),
        cell(split.map(|it| it.0), number),
        cell(split.map(|it| it.1), number),
        cell(ratio(&floor), |it| format!("{it:.2}")),
        cell(ratio(&tutorial), |it| format!("{it:.3}")),
        cell(median(&hubbub, |run| run.lines_per_write), number),
        cell(free(median(&hubbub, |run| run.p50_ns)), time),
        cell(free(median(&hubbub, |run| run.p99_ns)), time),
        cell(free(median(&hubbub, |run| run.p999_ns)), time),
        cell(median(&tutorial, rate), whole),
        cell(median(&tutorial, |run| run.p99_ns), time),
    ];
    let notes = notes(case, entries, hubbub.as_ref());
    format!("{}{notes}", line(&cells)).trim_end().to_owned()
}

fn cell(figure: Option<f64>, words: impl Fn(f64) -> String) -> String {
    figure.map_or_else(|| NONE.to_owned(), words)
}

fn whole(figure: f64) -> String {
    count(figure.round() as u64)
}

/// What a reader must know before using the figures on a line, and figures of few cases.
fn notes(case: &Case, entries: &[Entry], hubbub: Option<&Summary<'_>>) -> String {
    let all: Vec<(Subject, Summary<'_>)> = Subject::ALL
        .into_iter()
        .filter_map(|subject| Some((subject, Summary::of(entries, &case.name, subject)?)))
        .collect();
    // What is wrong, and with whose figures.
    let list = |what: &str, words: &dyn Fn(&Summary<'_>) -> Option<String>| {
        let of = |(subject, summary): &(Subject, _)| {
            Some(format!("{} {}", subject.name(), words(summary)?))
        };
        let list: Vec<String> = all.iter().filter_map(of).collect();
        (!list.is_empty()).then(|| format!("{what}: {}", list.join(", ")))
    };
    let runs = |some: usize, of: usize| (some > 0).then(|| format!("{some}/{of}"));
    let messages = |some: u64| (some > 0).then(|| count(some));
    let wrong = [
        list("failed", &|it| runs(it.failed, it.of)),
        // Who shares the generator's core keeps it from its work, as the heading says.
        list("invalid", &|it| runs(it.invalid, it.of).filter(|_| !case.shares_cores)),
        list("lost", &|it| messages(it.lost)),
        list("damaged", &|it| messages(it.damaged)),
    ];
    let mut notes: Vec<String> = wrong.into_iter().flatten().collect();
    if let Some(hubbub) = hubbub {
        if matches!(case.kind, Kind::Arrivals | Kind::JoinStorm) {
            notes.extend(of_crowd(case, hubbub));
        }
        if case.shards > 1 {
            let rings = hubbub.median(|run| run.rings);
            notes.extend(rings.map(|rings| format!("{rings:.4} rings a line, joins too")));
        }
    }
    notes.iter().map(|note| format!("  {note}")).collect()
}

/// What is told of crowds only.
fn of_crowd(case: &Case, hubbub: &Summary<'_>) -> Vec<String> {
    let told = hubbub.median(|run| run.told_cpu_ns);
    let each = hubbub.median(|run| Some(run.cpu_ns));
    let busy = hubbub.median(|run| Some(run.generator_busy)).filter(|busy| *busy > BUSY_MAX);
    let words = [
        each.map(|ns| format!("{} a second of server CPU", whole(1e9 / ns))),
        told.map(|ns| format!("{} ns until all are told", number(ns))),
        // Judges look at the time in which messages count, which is after this.
        busy.map(|busy| {
            format!("generator {:.0} % busy: a {} may be faster", busy * 100.0, case.unit())
        }),
    ];
    words.into_iter().flatten().collect()
}

fn line(cells: &[String; COLUMNS.len()]) -> String {
    let pad = |(at, (cell, (_, width))): (usize, (&String, (&str, usize)))| match at {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    };
    cells.iter().zip(COLUMNS).enumerate().map(pad).collect()
}

/// How a server's costs grow with the crowd in a block of a small and a large one.
pub(crate) fn growth(block: &Block, entries: &[Entry], subject: Subject) -> Option<Growth> {
    let [small, large] = &block.cases[..] else { return None };
    let crowd = |case: &Case| {
        let summary = Summary::of(entries, &case.name, subject)?;
        let median = |metric: Metric| summary.median(metric);
        let connections = f64::from(case.scenario.connections);
        Some((connections, median(|run| Some(run.cpu_ns))?, median(|run| Some(run.rss as f64))?))
    };
    is_crowd(block).then(|| Some(Growth::between(crowd(small)?, crowd(large)?)))?
}

fn is_crowd(block: &Block) -> bool {
    block.cases.iter().all(|case| matches!(case.kind, Kind::Arrivals | Kind::JoinStorm))
}

/// What follows from a small and a large crowd; nothing for other blocks.
pub(crate) fn conclusion(block: &Block, entries: &[Entry]) -> Vec<String> {
    let all: Vec<(Subject, Growth)> = block
        .subjects
        .iter()
        .filter_map(|&subject| Some((subject, growth(block, entries, subject)?)))
        .collect();
    let list = |words: &dyn Fn(&Growth) -> String| {
        let each =
            all.iter().map(|(subject, growth)| format!("{} {}", subject.name(), words(growth)));
        each.collect::<Vec<_>>().join(", ")
    };
    if all.is_empty() {
        return vec![];
    }
    let mut lines = vec![format!(
        "  CPU of all grows with their number to the power of: {}",
        list(&|growth| format!("{:.2}", growth.exponent))
    )];
    // Who has moved has left memory behind that says nothing of idling.
    if block.cases.iter().all(|case| case.kind == Kind::Arrivals) {
        let bytes = list(&|growth| number(growth.bytes_each));
        lines.push(format!("  bytes of resident memory for each idle connection: {bytes}"));
    }
    lines
}

/// A line for whoever waits: what came of a run.
pub(crate) fn progress(case: &Case, run: &Run) -> String {
    let invalid = if run.invalid.is_empty() { "" } else { ", invalid" };
    let plural = match case.unit() {
        "delivery" => "deliveries",
        "join" => "joins",
        _ => "connections",
    };
    format!("{} {plural}/s, {} ns{invalid}", whole(run.per_second), number(run.cpu_ns))
}
