//! The report in a file: every run, the medians with their spread, and the machine.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::ptr;

use serde_json::{Map, Value, json};

use crate::cli::{Cli, Subject};
use crate::row::{METRICS, Ratios, Row, Spread};
use crate::support::procfs::{self, AllCpus};

/// Raised when a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;

const NOTES: [&str; 6] = [
    "closed loop over loopback, 100-byte messages: latency is that of the load the server itself \
     allowed, the generator's own queue included",
    "cpu_ns is server CPU per delivery from schedstat; its split into user and system is sampled \
     by the kernel's timer tick",
    "messages_per_write counted by `server` covers its whole life; counted by `reads` it is \
     messages per read of the generator, which merges writes",
    "clients acknowledge as soon as they read, so that on loopback the generator's CPU pays for \
     most acknowledgements, the server's side of them included",
    "lost, gaps, reordered and misrouted cover the whole run, everything else the measured window",
    "a ratio is the server under test divided by the reference, medians of both",
];

/// What becomes the file; without `--json` it is built and dropped.
pub(crate) struct Report {
    path: Option<PathBuf>,
    machine: Value,
    arguments: Value,
    steal_ms_before: u64,
    rows: Vec<Row>,
}

impl Report {
    /// An empty report.
    pub(crate) fn new(cli: &Cli) -> io::Result<Self> {
        Ok(Self {
            path: cli.json.clone(),
            machine: procfs::machine(),
            arguments: json!({
                "shards": cli.shards,
                "warmup_s": cli.warmup().as_secs_f64(),
                "window_s": cli.window().as_secs_f64(),
                "rounds": cli.rounds(),
            }),
            steal_ms_before: AllCpus::read()?.steal_ms,
            rows: Vec::new(),
        })
    }

    /// Adds a workload's runs and writes what there is, so that an early end loses only the rest.
    pub(crate) fn add(&mut self, rows: Vec<Row>) -> io::Result<()> {
        self.rows.extend(rows);
        let Some(path) = &self.path else { return Ok(()) };
        let report = json!({
            "schema_version": SCHEMA_VERSION,
            "machine": self.machine,
            "arguments": self.arguments,
            "notes": NOTES,
            "steal_ms": AllCpus::read()?.steal_ms.saturating_sub(self.steal_ms_before),
            "summary": summary(&self.rows),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        });
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
    }
}

fn summary(rows: &[Row]) -> Vec<Value> {
    let of = |workload: &str, subject: Subject| -> Vec<&Row> {
        rows.iter().filter(|row| row.workload == workload && row.subject == subject).collect()
    };
    let mut entries = Vec::new();
    for first in rows {
        let group = of(&first.workload, first.subject);
        if !ptr::eq(group[0], first) {
            continue;
        }
        let mut entry = Map::new();
        entry.insert("workload".to_owned(), json!(first.workload));
        entry.insert("server".to_owned(), json!(first.subject.name()));
        for (name, metric) in METRICS {
            let Spread { median, min, max } = Spread::of(&group, metric);
            let spread = [median, min, max].map(rounded);
            let spread = json!({"median": spread[0], "min": spread[1], "max": spread[2]});
            entry.insert(name.to_owned(), spread);
        }
        if first.subject != Subject::Hubbub
            && let Some(ratios) = Ratios::of(&of(&first.workload, Subject::Hubbub), &group)
        {
            let (throughput, cpu) = (rounded(ratios.throughput), rounded(ratios.cpu));
            let ratios = json!({"throughput": throughput, "cpu": cpu});
            entry.insert("hubbub_to_this".to_owned(), ratios);
        }
        entries.push(Value::Object(entry));
    }
    entries
}

fn row(row: &Row) -> Value {
    let mut entry = Map::new();
    for (name, metric) in METRICS {
        entry.insert(name.to_owned(), rounded(metric(row)));
    }
    let facts = [
        ("workload", json!(row.workload)),
        ("server", json!(row.subject.name())),
        ("round", json!(row.round)),
        ("writes_counted_by", json!(row.writes_counted_by)),
        ("latency_samples", json!(row.samples)),
        ("latency_sampled_one_in", json!(row.sampled_one_in)),
        ("sent", json!(row.sent)),
        ("gaps", json!(row.gaps)),
        ("reordered", json!(row.reordered)),
        ("misrouted", json!(row.misrouted)),
        ("other_lines", json!(row.other_lines)),
        ("generator_bound", json!(row.generator_bound())),
        ("disturbed", json!(row.disturbed())),
        ("window_s", json!(row.seconds)),
    ];
    entry.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(entry)
}

/// A figure without the digits nobody measured.
fn rounded(value: f64) -> Value {
    json!((value * 1e3).round() / 1e3)
}
