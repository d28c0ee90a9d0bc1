//! The report in a file: every run, the medians with their spread, and the machine.

use loadgen::report::Environment;
use serde_json::{Map, Value, json};

use crate::cases::{Block, Case};
use crate::cli::{Cli, Subject};
use crate::figures::Run;
use crate::summary::{Entry, METRICS, Spread, Summary};
use crate::table;

/// Raised when a field changes its meaning.
const SCHEMA_VERSION: u32 = 2;

const NOTES: [&str; 6] = [
    "loopback, 100-byte messages; per_second and cpu_ns are of what arrived in the measured time, \
     lost and damaged of the whole run",
    "cpu_ns is server CPU from schedstat; its split into user and system is sampled by the \
     kernel's timer tick, over all runs together",
    "lines_per_write and rings_per_line are counted by the server over its whole life, the lines \
     that everyone gets when others join included",
    "a closed loop's times are those of the load the server itself allowed; an open loop's count \
     from when a message was due",
    "a server with more than one shard shares a core with the generator: its rate and times mean \
     nothing",
    "medians are of valid runs if there are any; hubbub_to_this divides the server under test's by \
     the reference's",
];

/// The whole report.
pub(crate) fn report(
    cli: &Cli,
    environment: &Environment,
    blocks: &[Block],
    entries: &[Entry],
) -> Result<String, String> {
    let pace = cli.pace();
    let cases = || blocks.iter().flat_map(|block| &block.cases);
    let report = json!({
        "schema_version": SCHEMA_VERSION,
        "environment": environment,
        "arguments": {
            "warm_up_seconds": pace.warm_up,
            "measure_seconds": pace.seconds,
            "settle_seconds": pace.settle,
            "rounds": cli.rounds(),
            "history_messages": cli.history_messages,
        },
        "notes": NOTES,
        "summary": cases().flat_map(|case| summary(case, entries)).collect::<Vec<_>>(),
        "growth": blocks.iter().flat_map(|block| growth(block, entries)).collect::<Vec<_>>(),
        "runs": entries.iter().map(entry).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

fn summary(case: &Case, entries: &[Entry]) -> Vec<Value> {
    let of = |subject| Summary::of(entries, &case.name, subject);
    let hubbub = of(Subject::Hubbub);
    let each = Subject::ALL.into_iter().filter_map(|subject| Some((subject, of(subject)?)));
    each.map(|(subject, summary)| {
        let mut fields = Map::new();
        for (name, metric) in METRICS {
            let Some(Spread { median, min, max }) = summary.spread(metric) else { continue };
            let [median, min, max] = [median, min, max].map(rounded);
            fields.insert(name.to_owned(), json!({ "median": median, "min": min, "max": max }));
        }
        let ratio = |metric| {
            let hubbub = hubbub.as_ref().filter(|_| subject != Subject::Hubbub)?;
            hubbub.ratio(&summary, metric).map(rounded)
        };
        let facts = [
            ("case", Some(json!(case.name))),
            ("each", Some(json!(case.unit()))),
            ("shards", Some(json!(case.shards))),
            ("server", Some(json!(subject.name()))),
            ("runs", Some(json!(summary.of))),
            ("invalid_runs", Some(json!(summary.invalid))),
            ("failed_runs", Some(json!(summary.failed))),
            ("user_ns", summary.user_and_system_ns().map(|it| rounded(it.0))),
            ("system_ns", summary.user_and_system_ns().map(|it| rounded(it.1))),
            ("hubbub_to_this_per_second", ratio(|run| Some(run.per_second))),
            ("hubbub_to_this_cpu_ns", ratio(|run| Some(run.cpu_ns))),
        ];
        fields.extend(facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))));
        Value::Object(fields)
    })
    .collect()
}

fn growth(block: &Block, entries: &[Entry]) -> Vec<Value> {
    let each = block.subjects.iter().filter_map(|&subject| {
        let growth = table::growth(block, entries, subject)?;
        Some(json!({
            "cases": block.cases.iter().map(|case| &case.name).collect::<Vec<_>>(),
            "server": subject.name(),
            "cpu_exponent": rounded(growth.exponent),
            "rss_bytes_each": rounded(growth.bytes_each),
        }))
    });
    each.collect()
}

fn entry(entry: &Entry) -> Value {
    let mut fields = Map::new();
    let facts = [
        ("case", json!(entry.case)),
        ("server", json!(entry.subject.name())),
        ("round", json!(entry.round)),
    ];
    fields.extend(facts.map(|(name, fact)| (name.to_owned(), fact)));
    match &entry.run {
        Ok(run) => fields.extend(of_run(run)),
        Err(why) => drop(fields.insert("failed".to_owned(), json!(why))),
    }
    Value::Object(fields)
}

fn of_run(run: &Run) -> Map<String, Value> {
    let figures = METRICS.iter().filter_map(|(name, metric)| Some((*name, rounded(metric(run)?))));
    let facts = [
        ("sampled_user_ns", json!(run.sampled_user_ns)),
        ("sampled_system_ns", json!(run.sampled_system_ns)),
        ("invalid", json!(run.invalid)),
        ("failures", json!(run.failures)),
    ];
    figures.chain(facts).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A figure without the digits nobody measured.
fn rounded(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}
