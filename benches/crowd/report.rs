//! The report, on the terminal and in a file.

use std::fs;
use std::io;

use serde_json::{Value, json};

use crate::Cpus;
use crate::arrivals::Arrival;
use crate::cli::Cli;
use crate::fit::{exponent, slope};
use crate::idleness::Memory;
use crate::support::figures::{grouped, short};
use crate::support::procfs;

/// Raised when a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;

const ARRIVAL_COLUMNS: [(&str, usize); 10] = [
    ("connections", 11),
    ("wall s", 8),
    ("conn/s", 8),
    ("CPU s", 8),
    ("CPU µs", 8),
    ("user", 7),
    ("system", 7),
    ("told µs", 8),
    ("lines", 7),
    ("gen %", 6),
];

const IDLE_COLUMNS: [(&str, usize); 5] =
    [("connections", 11), ("RSS KiB", 9), ("PSS KiB", 9), ("anonymous", 10), ("bytes each", 11)];

/// Above this the generator may have been the limit, not the server.
const GENERATOR_BUSY_MAX: f64 = 0.95;

/// Says where everything runs and what the columns mean.
pub(crate) fn print_legend(cli: &Cli, cpus: &Cpus) {
    let (shards, rounds) = (cli.shards, cli.rounds());
    let Cpus { server, generator } = cpus;
    println!("shards: {shards}; server on CPUs {server:?}, generator on CPU {generator}");
    println!("arrivals: medians of {rounds} rounds, each with a new server and one member before");
    println!(
        "wall s, conn/s, CPU s: from the first connection until everyone is named and in main"
    );
    println!("CPU µs, user, system: of the server, per connection; the split is sampled in ticks");
    println!("told µs: the same as CPU µs, until everyone has been told how many came");
    println!("lines: how many each client got, 9 of them its own; gen %: how busy we were");
    println!("disturbed: in how many rounds others took more than a tenth of the time\n");
}

/// Prints what arrivals cost.
pub(crate) fn print_arrivals(arrivals: &[Arrival]) {
    println!("{}", line(&ARRIVAL_COLUMNS, ARRIVAL_COLUMNS.map(|(head, _)| head.to_owned())));
    for arrival in arrivals {
        let each = arrival.us_each(arrival.cpu_s);
        let cells = [
            grouped(arrival.connections as f64),
            format!("{:.3}", arrival.wall_s),
            grouped(arrival.connections as f64 / arrival.wall_s),
            format!("{:.3}", arrival.cpu_s),
            short(each),
            short(each * arrival.user_share),
            short(each * (1.0 - arrival.user_share)),
            short(arrival.us_each(arrival.settled_cpu_s)),
            short(arrival.lines),
            grouped(arrival.generator_busy * 100.0),
        ];
        println!("{}{}", line(&ARRIVAL_COLUMNS, cells), stamps(arrival));
    }
    let [joined, told] = growth(arrivals);
    println!(
        "CPU grows with connections to the power of {:.2}; with telling {:.2}",
        joined.0, told.0
    );
    if let ([first, .., last], [(_, joined), (_, told)]) = (arrivals, [joined, told]) {
        let (few, many) = (grouped(first.connections as f64), grouped(last.connections as f64));
        println!("CPU µs at {many} are {joined:.2} times those at {few}; with telling {told:.2}");
    }
    println!();
}

/// Of the CPU without and with telling: the exponent, and what one of the largest crowd costs in
/// multiples of one of the smallest.
fn growth(arrivals: &[Arrival]) -> [(f64, f64); 2] {
    [|arrival: &Arrival| arrival.cpu_s, |arrival: &Arrival| arrival.settled_cpu_s].map(|cost| {
        let points: Vec<_> = arrivals.iter().map(|a| (a.connections as f64, cost(a))).collect();
        let (first, last) = (points[0], points[points.len() - 1]);
        (exponent(&points), last.1 / last.0 / (first.1 / first.0))
    })
}

/// What a reader must know before using the figures on this line.
fn stamps(arrival: &Arrival) -> String {
    let mut stamps = String::new();
    if arrival.generator_busy > GENERATOR_BUSY_MAX {
        stamps += "  generator-bound";
    }
    if arrival.disturbed > 0 {
        stamps += &format!("  disturbed {}/{}", arrival.disturbed, arrival.rounds);
    }
    stamps
}

/// Prints what idle connections take.
pub(crate) fn print_idleness(moments: &[Memory]) {
    println!("{}", line(&IDLE_COLUMNS, IDLE_COLUMNS.map(|(head, _)| head.to_owned())));
    let empty = moments[0];
    for moment in moments {
        let more = moment.connections - empty.connections;
        let each = moment.rss.saturating_sub(empty.rss) as f64 / more as f64;
        let kib = |bytes: u64| grouped((bytes >> 10) as f64);
        let cells = [
            grouped(moment.connections as f64),
            kib(moment.rss),
            kib(moment.pss),
            kib(moment.anonymous),
            if more > 0 { grouped(each) } else { "-".to_owned() },
        ];
        println!("{}", line(&IDLE_COLUMNS, cells));
    }
    let [rss, pss] = slopes(moments);
    println!("each idle connection takes {rss:.0} bytes of RSS, {pss:.0} of PSS (least squares)");
}

/// How RSS and PSS grow with connections, once there are some.
fn slopes(moments: &[Memory]) -> [f64; 2] {
    [|moment: &Memory| moment.rss, |moment: &Memory| moment.pss].map(|size| {
        let points = moments[1..].iter().map(|m| (m.connections as f64, size(m) as f64));
        slope(&points.collect::<Vec<_>>())
    })
}

fn line<const N: usize>(columns: &[(&str, usize); N], cells: [String; N]) -> String {
    let cells = cells.iter().zip(columns).map(|(cell, (_, width))| format!("{cell:>width$}"));
    cells.collect::<Vec<_>>().join(" ")
}

/// Writes everything to the file that was asked for, if any.
pub(crate) fn write_json(cli: &Cli, arrivals: &[Arrival], moments: &[Memory]) -> io::Result<()> {
    let Some(path) = &cli.json else { return Ok(()) };
    let [joined, told] = growth(arrivals);
    let [rss, pss] = slopes(moments);
    let report = json!({
        "schema_version": SCHEMA_VERSION,
        "machine": procfs::machine(),
        "arguments": {"shards": cli.shards, "rounds": cli.rounds()},
        "arrivals": arrivals.iter().map(arrival).collect::<Vec<_>>(),
        "cpu_exponent": rounded(joined.0),
        "cpu_each_last_to_first": rounded(joined.1),
        "told_cpu_exponent": rounded(told.0),
        "told_cpu_each_last_to_first": rounded(told.1),
        "idle": moments.iter().map(moment).collect::<Vec<_>>(),
        "rss_bytes_per_connection": rounded(rss),
        "pss_bytes_per_connection": rounded(pss),
    });
    fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
}

fn arrival(arrival: &Arrival) -> Value {
    json!({
        "connections": arrival.connections,
        "wall_s": rounded(arrival.wall_s),
        "cpu_s": rounded(arrival.cpu_s),
        "told_cpu_s": rounded(arrival.settled_cpu_s),
        "user_share": rounded(arrival.user_share),
        "generator_busy": rounded(arrival.generator_busy),
        "lines_each": rounded(arrival.lines),
        "rounds": arrival.rounds,
        "disturbed_rounds": arrival.disturbed,
    })
}

fn moment(moment: &Memory) -> Value {
    json!({
        "connections": moment.connections,
        "rss_bytes": moment.rss,
        "pss_bytes": moment.pss,
        "anonymous_bytes": moment.anonymous,
    })
}

/// A figure without the digits nobody measured.
fn rounded(value: f64) -> Value {
    json!((value * 1e3).round() / 1e3)
}
