//! How much one core of the generator can take, beside what one core of the server delivers.
//!
//! The *sink* stands in for a server: it writes bytes that were built beforehand to everyone, as
//! fast as their sockets take them: once as much at a time as it likes, once the *same* as the
//! server.
//! In the *crowded* run somebody else is on the generator's core, so that the generator is the
//! limit, and its guard has to say so.
#![allow(clippy::print_stdout, reason = "a bench talks to its terminal")]

mod sink;

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::{env, fs};

use clap::Parser;
use loadgen::dialect::Dialect;
use loadgen::result::RunResult;
use loadgen::run::{Options, run};
use loadgen::scenario::{Arrivals, Scenario};
use loadgen::spawn::{self, Server};
use serde_json::json;

/// Seconds of each run that are measured from their beginning to their end.
const WHOLE_SECONDS: usize = 4;
/// Lines in a write, for a sink that is as fast as it can be, and for one that writes as little at
/// a time as the server does with as many in flight: that costs it as much as the server.
const LINES_FAST: usize = 1024;
const LINES_SAME: usize = 64;
/// What the ceiling must be of what the server delivers, so that the server is what is measured.
const RATIO_MIN: f64 = 2.0;

/// Measures how much the generator can take on one core, beside what the server delivers on one.
#[derive(Debug, Parser)]
struct Cli {
    /// Rounds, each with a run against the sink and one against the server.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// The server's program [default: the one of this build].
    #[arg(long)]
    server: Option<PathBuf>,
    /// Over WebSocket.
    #[arg(long)]
    websocket: bool,
    /// Write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What cargo passes to benches.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the sink, for so many seconds from the first message.
    #[arg(long, hide = true)]
    sink: Option<f64>,
    /// Lines in each write of the sink.
    #[arg(long, hide = true, default_value_t = 0)]
    lines: usize,
}

/// A sink in a process of its own.
struct Sink {
    child: Child,
    address: SocketAddr,
}

impl Sink {
    fn start(cli: &Cli, lines: usize) -> io::Result<Self> {
        let seconds = cli.seconds + 1.0;
        let mut child = Command::new("taskset")
            .args(["--cpu-list", "0"])
            .arg(env::current_exe()?)
            .args(["--sink", &seconds.to_string(), "--lines", &lines.to_string()])
            .args(cli.websocket.then_some("--websocket"))
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a run.
struct Figures {
    deliveries_per_second: f64,
    generator_busy: f64,
    server_busy: f64,
    invalid: Vec<String>,
}

impl Figures {
    fn of(result: &RunResult) -> Self {
        let busiest = |threads: &[loadgen::result::ThreadUse], seconds: f64| {
            let most = threads.iter().map(|thread| thread.cpu_ns).max().unwrap_or(0);
            most as f64 / 1e9 / seconds
        };
        // Of whole seconds, because the sink writes for longer than is measured; and the median of
        // them, because somebody else may have had the core in some.
        let mut seconds: Vec<u64> = result.timeline.iter().map(|second| second.delivered).collect();
        seconds.sort_unstable();
        let whole = &seconds[seconds.len().saturating_sub(WHOLE_SECONDS)..];
        let arrived = whole[whole.len() / 2];
        let server = result.server.as_ref().expect("it was watched");
        Self {
            deliveries_per_second: arrived as f64,
            generator_busy: busiest(&result.generator.threads, result.generator.seconds),
            server_busy: busiest(&server.threads, server.seconds),
            invalid: result.invalid.clone(),
        }
    }

    fn print(&self, name: &str) {
        let verdict = if self.invalid.is_empty() { "valid" } else { "INVALID" };
        println!(
            "{name:7} {:>12.0} deliveries/s  generator {:>5.1} %  server {:>5.1} %  {verdict}",
            self.deliveries_per_second,
            100.0 * self.generator_busy,
            100.0 * self.server_busy,
        );
    }
}

fn scenario(cli: &Cli) -> Scenario {
    Scenario {
        dialect: if cli.websocket { Dialect::HubbubWebSocket } else { Dialect::Hubbub },
        name: "1 × 1000, 64 in flight".to_owned(),
        connections: 1_000,
        rooms: 1,
        arrivals: Arrivals::Window,
        window: 64,
        warm_up_seconds: 0.0,
        measure_seconds: cli.seconds,
        lossless: false,
        ..Scenario::default()
    }
}

fn load(cli: &Cli, address: SocketAddr, pid: u32) -> Result<Figures, String> {
    let options = Options { pid: Some(pid), cpus: vec![1], ..Options::to(address) };
    let result = run(&scenario(cli), &options, &AtomicBool::new(false), &mut |_| ())?;
    Ok(Figures::of(&result))
}

/// Somebody else on the generator's core, for as long as this is kept.
struct Crowd(Child);

impl Crowd {
    fn start() -> io::Result<Self> {
        let spin = "end=$(($(date +%s) + 60)); while [ $(date +%s) -lt $end ]; do :; done";
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "1", "sh", "-c", spin]);
        command.spawn().map(Self)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run against a sink that writes so many lines at a time.
fn load_sink(cli: &Cli, lines: usize) -> Result<Figures, String> {
    let sink = Sink::start(cli, lines).map_err(|e| format!("no sink: {e}"))?;
    load(cli, sink.address, sink.child.id())
}

/// A run against the server, with its core to itself and the generator's shared or not.
fn load_server(cli: &Cli, is_crowded: bool) -> Result<Figures, String> {
    let program = cli.server.clone().or_else(beside);
    let (cpus, web) = (vec![0], cli.websocket);
    let options = spawn::Options { program, shards: 1, cpus, web, ..Default::default() };
    let server = Server::start(&options)?;
    let crowd = is_crowded.then(Crowd::start).transpose().map_err(|e| format!("no crowd: {e}"))?;
    let figures = load(cli, server.address(), server.pid())?;
    drop(crowd);
    server.stop().map_err(|e| e.to_string())?;
    Ok(figures)
}

fn measure(cli: &Cli) -> Result<(), String> {
    let (mut ratios, mut rows) = (vec![], vec![]);
    for _ in 0..cli.rounds {
        let of_sink = load_sink(cli, LINES_FAST)?;
        of_sink.print("sink");
        let of_same = load_sink(cli, LINES_SAME)?;
        of_same.print("same");
        let of_server = load_server(cli, false)?;
        of_server.print("server");
        let crowded = load_server(cli, true)?;
        crowded.print("crowded");
        ratios.push(of_sink.deliveries_per_second / of_server.deliveries_per_second);
        rows.push(json!({
            "sink": as_json(&of_sink),
            "same": as_json(&of_same),
            "server": as_json(&of_server),
            "crowded": as_json(&crowded),
        }));
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    let verdict = if median >= RATIO_MIN { "enough" } else { "NOT ENOUGH" };
    println!("the generator takes {median:.2} × what the server delivers: {verdict}");
    if let Some(file) = &cli.json {
        let text = json!({ "rounds": rows, "ratio_median": median }).to_string() + "\n";
        fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(())
}

/// The server that was built together with this bench.
fn beside() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.parent()?.with_file_name("hubbub"))
}

fn as_json(figures: &Figures) -> serde_json::Value {
    json!({
        "deliveries_per_second": figures.deliveries_per_second,
        "generator_busy": figures.generator_busy,
        "server_busy": figures.server_busy,
        "invalid": figures.invalid,
    })
}

fn main() -> Result<(), String> {
    let cli = Cli::parse();
    match cli.sink {
        Some(seconds) => sink::serve(seconds, cli.lines, cli.websocket).map_err(|e| e.to_string()),
        None => measure(&cli),
    }
}
