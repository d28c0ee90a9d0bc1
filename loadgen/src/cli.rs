//! The command line.

use std::env::current_exe;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use clap::{Parser, Subcommand};
use loadgen::dialect::Dialect;
use loadgen::run::{Options, Processes};
use loadgen::scenario::{BUILT_IN, Placement, Scenario, Setting};
use loadgen::series::Kind;
use loadgen::spawn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of ours that are no clients.
const DESCRIPTORS_OWN: u64 = 64;

/// Where Hubbub speaks lines, and WebSocket, if nobody says otherwise.
const PORT: u16 = 42069;
const WEB_PORT: u16 = 8080;

/// A load generator for chat servers that speak Hubbub's line protocol, plain or over WebSocket.
///
/// `loadgen fanout --spawn` is the quickest way to a first figure. Latency counts from when a
/// message should have been sent, whatever the server did at that time.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all is well, 1 the server broke a promise, 2 it could not be run, 3 it is invalid.
A run is invalid when the generator or the machine, not the server, was the limit. Several runs are
as bad as the worst of them. Ctrl-C ends the present phase of a run and still accounts for all of
it; no further run is made.

Does a change make the server faster? Make five runs before and five after it, then compare:
  loadgen fanout --spawn --repeat 5 --out before
  loadgen fanout --spawn --repeat 5 --out after
  loadgen compare before after";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the built-in scenarios.
    List,
    /// Print a built-in scenario as a file to edit.
    Show {
        /// Which.
        scenario: String,
    },
    /// Tell whether the runs in one folder differ from those in another.
    ///
    /// One run says little: the next one of the same server differs too. So a folder has several,
    /// four at least, as `--repeat` leaves them, and the answer says how likely chance alone
    /// would do as much. Invalid runs are left out.
    Compare {
        /// A folder of run folders, four at least.
        a: PathBuf,
        /// Another.
        b: PathBuf,
        /// Compare runs of different scenarios, machines or builds too.
        #[arg(long)]
        force: bool,
    },
    /// Be one of the processes of --procs.
    #[command(hide = true)]
    Crew,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// A built-in scenario, or a file.
    #[arg(default_value = "fanout")]
    scenario: String,
    /// The server, at the port where it speaks the dialect [default: Hubbub's own port for it].
    #[arg(long)]
    address: Option<SocketAddr>,
    /// Start a server on a free port, and stop it after.
    #[arg(long)]
    pub(crate) spawn: bool,
    /// The server's program, with --spawn [default: the `hubbub` beside this one].
    #[arg(long, value_name = "PATH", requires = "spawn")]
    server: Option<PathBuf>,
    /// Cores the server may use, with --spawn, such as 0 or 0,1.
    #[arg(long, value_name = "CORES", value_delimiter = ',', requires = "spawn")]
    server_cpus: Vec<usize>,
    /// The server's shards: what --spawn starts, and what placing clients needs to know [default:
    /// 1, or 2 for scenarios that place clients].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: Option<u16>,
    /// A server's process, to be watched while it is loaded.
    #[arg(long, conflicts_with = "spawn")]
    pid: Option<u32>,
    /// Cores for the generator, a thread on each [default: the last one].
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Processes to spread the clients over, when one may not have descriptors enough for all.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    procs: u32,

    /// What the server speaks: hubbub, hubbub-websocket, resp, nats, irc or websocket.
    #[arg(long, help_heading = "Settings of the scenario")]
    dialect: Option<String>,
    /// Whether it is spoken within TLS, on the port of --address; certificates are not looked at.
    #[arg(long, help_heading = "Settings of the scenario", conflicts_with = "spawn")]
    tls: bool,
    /// Clients.
    #[arg(long, help_heading = "Settings of the scenario")]
    connections: Option<u32>,
    /// Rooms.
    #[arg(long, help_heading = "Settings of the scenario")]
    rooms: Option<u32>,
    /// Messages a second.
    #[arg(long, help_heading = "Settings of the scenario")]
    rate: Option<f64>,
    /// Messages of each sender on their way, instead of a rate.
    #[arg(long, help_heading = "Settings of the scenario", conflicts_with = "rate")]
    window: Option<u32>,
    /// Seconds that are measured.
    #[arg(long, help_heading = "Settings of the scenario")]
    seconds: Option<f64>,
    /// Decides everything that is random.
    #[arg(long, help_heading = "Settings of the scenario")]
    seed: Option<u32>,
    /// Any setting, as in a scenario file.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Settings of the scenario")]
    set: Vec<String>,

    /// Run so many times, each into a folder of its own: what `compare` wants.
    #[arg(long, value_name = "N", help_heading = "Several runs", conflicts_with_all = ["sweep",
        "search"], value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Run once at each of these rates, such as 100,200,400.
    #[arg(
        long,
        value_name = "RATES",
        help_heading = "Several runs",
        value_delimiter = ',',
        conflicts_with = "search"
    )]
    sweep: Option<Vec<f64>>,
    /// Find the highest rate that keeps the 99th percentile under this, with nothing lost.
    ///
    /// Doubles the rate until it is too high, halves the interval, and repeats the answer.
    #[arg(long, value_name = "MICROSECONDS", help_heading = "Several runs")]
    search: Option<f64>,
    /// Write a report to this folder, which must be new. Several runs have a folder each in it.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) fn no_such_scenario(name: &str) -> String {
    let names: Vec<&str> = BUILT_IN.iter().map(|&(name, _)| name).collect();
    format!("there is no scenario `{name}`, and no such file; there are {}", names.join(", "))
}

impl RunArgs {
    /// The scenario, with the flags' settings over its own.
    pub(crate) fn scenario(&self) -> Result<Scenario, String> {
        let mut scenario = match Scenario::built_in(&self.scenario) {
            Some(scenario) => scenario,
            None => read(Path::new(&self.scenario))?,
        };
        for (key, value) in self.settings()? {
            scenario.set(&key, &value)?;
        }
        if let Some(problem) = scenario.contradictions().first() {
            return Err(problem.to_string());
        }
        if scenario.placement == Placement::CrossShard && self.shards_for(&scenario) < 2 {
            return Err("where all are on one shard nobody is on another: --shards 2".to_owned());
        }
        Ok(scenario)
    }

    fn shards_for(&self, scenario: &Scenario) -> u16 {
        self.shards.unwrap_or(if scenario.placement == Placement::Any { 1 } else { 2 })
    }

    fn settings(&self) -> Result<Vec<(String, Setting)>, String> {
        let count = |n: u32| Setting::Integer(i64::from(n));
        let window = self.window.map(|_| Setting::Text("window".to_owned()));
        let flags = [
            ("dialect", self.dialect.clone().map(Setting::Text)),
            ("tls", self.tls.then_some(Setting::Boolean(true))),
            ("connections", self.connections.map(count)),
            ("rooms", self.rooms.map(count)),
            ("rate", self.rate.map(Setting::Float)),
            ("arrivals", window),
            ("window", self.window.map(count)),
            ("measure_seconds", self.seconds.map(Setting::Float)),
            ("seed", self.seed.map(count)),
        ];
        let flags = flags.into_iter().filter_map(|(key, v)| Some((key.to_owned(), v?)));
        let mut settings: Vec<(String, Setting)> = flags.collect();
        for word in &self.set {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("--set wants KEY=VALUE, and `{word}` is not that"))?;
            settings.push((key.to_owned(), Setting::guess(value)));
        }
        Ok(settings)
    }

    /// The runs to make, if there are several.
    pub(crate) fn series(&self) -> Option<Kind> {
        let sweep = || self.sweep.clone().map(Kind::Sweep);
        let search = || self.search.map(|p99_us| Kind::Search { p99_us });
        self.repeat.map(Kind::Repeat).or_else(sweep).or_else(search)
    }

    /// The server to start.
    pub(crate) fn server(&self, scenario: &Scenario) -> spawn::Options {
        spawn::Options {
            program: self.server.clone(),
            shards: self.shards_for(scenario),
            cpus: self.server_cpus.clone(),
            extra: vec![],
            web: scenario.dialect == Dialect::HubbubWebSocket,
        }
    }

    /// Where and how to run.
    pub(crate) fn options(
        &self,
        scenario: &Scenario,
        server: Option<&spawn::Server>,
    ) -> Result<Options, String> {
        let cores = available_parallelism().map_err(|e| e.to_string())?.get();
        let program =
            || current_exe().map_err(|e| format!("cannot tell where this program is: {e}"));
        let usual = match scenario.dialect {
            Dialect::HubbubWebSocket => WEB_PORT,
            _ => PORT,
        };
        let address = self.address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, usual)));
        let processes = match self.procs {
            1 => None,
            count => Some(Processes { program: program()?, count }),
        };
        Ok(Options {
            address: server.map_or(address, spawn::Server::address),
            shards: self.shards_for(scenario),
            pid: server.map(spawn::Server::pid).or(self.pid),
            cpus: if self.cpus.is_empty() { vec![cores - 1] } else { self.cpus.clone() },
            processes,
        })
    }

    /// Raises the descriptor limit as far as it goes, which must be far enough.
    pub(crate) fn check_descriptors(&self, scenario: &Scenario) -> Result<(), String> {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
        let have = now.current.unwrap_or(u64::MAX);
        let connections = u64::from(scenario.connections);
        let need = connections.div_ceil(u64::from(self.procs)) + DESCRIPTORS_OWN;
        if have >= need {
            return Ok(());
        }
        let procs = connections.div_ceil(have.saturating_sub(DESCRIPTORS_OWN).max(1));
        Err(format!(
            "{connections} connections in {} processes need {need} descriptors each, and a process \
             may open {have}: spread them with --procs {procs}, raise the limit (ulimit -n) or \
             lower --connections",
            self.procs
        ))
    }
}

fn read(path: &Path) -> Result<Scenario, String> {
    let shown = path.display();
    if !path.exists() {
        return Err(no_such_scenario(&shown.to_string()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    Scenario::parse(&text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
        format!("{shown} cannot be run:\n{}", lines.join("\n"))
    })
}
