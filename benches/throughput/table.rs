//! The report on the terminal: a block per workload, a line per server.

use crate::cli::{Cli, Subject};
use crate::row::{Metric, Ratios, Row, Spread};
use crate::support::figures::{grouped, short};
use crate::workload::Workload;

/// Takes one count out of a row.
type Count = fn(&Row) -> u64;

/// Says whether a row is to be doubted for one reason.
type Doubt = fn(&Row) -> bool;

/// A percentile is shown when at least ten samples lie above it.
const SAMPLES_MIN_P999: u64 = 10_000;

/// The columns: the first is set to the left, the others to the right.
const COLUMNS: [(&str, usize); 13] = [
    ("server", 16),
    ("deliveries/s", 12),
    ("CPU ns", 8),
    ("user", 8),
    ("system", 8),
    ("msg/wr", 7),
    ("p50 µs", 8),
    ("p99 µs", 8),
    ("p99.9 µs", 9),
    ("lost", 10),
    ("gen %", 6),
    ("rate ×", 7),
    ("CPU ×", 6),
];

/// Says what the columns mean and where everything runs.
pub(crate) fn print_legend(cli: &Cli, server_cpus: &[usize], generator_cpu: usize) {
    let (shards, rounds) = (cli.shards, cli.rounds());
    println!("shards: {shards}; server on CPUs {server_cpus:?}, generator on CPU {generator_cpu}");
    println!("medians of {rounds} rounds; CPU, user, system: ns of server time per delivery");
    println!("msg/wr: messages per write as the server counted them, ~ as our reads suggest");
    println!("rate ×, CPU ×: hubbub divided by this server; gen %: how busy the generator was");
    println!(
        "generator-bound, disturbed: in how many rounds the generator was the limit, or other"
    );
    println!("processes or the hypervisor took more than a tenth of the time\n");
}

/// Prints the medians of one workload.
pub(crate) fn print_block(workload: &Workload, subjects: &[Subject], rows: &[Row]) {
    println!("{}", workload.describe());
    println!("{}", line(&COLUMNS.map(|(head, _)| head.to_owned())));
    let of = |subject| rows.iter().filter(|row| row.subject == subject).collect::<Vec<_>>();
    let hubbub = of(Subject::Hubbub);
    for &subject in subjects {
        let group = of(subject);
        if group.is_empty() {
            println!("{:<16} failed", subject.name());
            continue;
        }
        let ratios = Ratios::of(&hubbub, &group).filter(|_| subject != Subject::Hubbub);
        let figures = line(&cells(subject, &group, ratios.as_ref()));
        println!("{}", (figures + &stamps(&group)).trim_end());
    }
    println!();
}

fn cells(subject: Subject, group: &[&Row], ratios: Option<&Ratios>) -> [String; COLUMNS.len()] {
    let median = |metric: Metric| Spread::of(group, metric).median;
    let estimated = group.iter().any(|row| row.writes_counted_by != "server");
    let enough = group.iter().all(|row| row.samples >= SAMPLES_MIN_P999);
    let ratio = |value: fn(&Ratios) -> f64| {
        ratios.map_or_else(String::new, |ratios| format!("{:.2}", value(ratios)))
    };
    [
        subject.name().to_owned(),
        grouped(median(|row| row.deliveries_per_s)),
        short(median(|row| row.cpu_ns)),
        short(median(|row| row.user_ns)),
        short(median(|row| row.system_ns)),
        format!("{}{}", if estimated { "~" } else { "" }, short(median(|r| r.messages_per_write))),
        short(median(|row| row.p50_us)),
        short(median(|row| row.p99_us)),
        if enough { short(median(|row| row.p999_us)) } else { "-".to_owned() },
        grouped(median(|row| row.lost as f64)),
        short(median(|row| row.generator_busy)),
        ratio(|ratios| ratios.throughput),
        ratio(|ratios| ratios.cpu),
    ]
}

/// What a reader must know before using the figures on this line.
fn stamps(group: &[&Row]) -> String {
    let mut stamps = String::new();
    let doubts: [(&str, Doubt); 2] =
        [("generator-bound", Row::generator_bound), ("disturbed", Row::disturbed)];
    for (name, doubt) in doubts {
        let doubtful = group.iter().filter(|row| doubt(row)).count();
        if doubtful > 0 {
            stamps.push_str(&format!("  {name} {doubtful}/{}", group.len()));
        }
    }
    let counts: [(&str, Count); 3] = [
        ("lost in all", |row| row.lost),
        ("reordered", |row| row.reordered),
        ("misrouted", |row| row.misrouted),
    ];
    for (name, count) in counts {
        let sum: u64 = group.iter().map(|row| count(row)).sum();
        if sum > 0 {
            stamps.push_str(&format!("  {name}: {}", grouped(sum as f64)));
        }
    }
    stamps
}

fn line(cells: &[String; COLUMNS.len()]) -> String {
    let mut line = String::new();
    for (at, (cell, (_, width))) in cells.iter().zip(COLUMNS).enumerate() {
        line += &if at == 0 { format!("{cell:<width$}") } else { format!(" {cell:>width$}") };
    }
    line
}
