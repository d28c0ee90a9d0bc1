//! The command line.

use std::env::current_exe;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use loadgen::address::Target;
use loadgen::cores;
use loadgen::dialect::Dialect;
use loadgen::run::{Options, Processes};
use loadgen::scenario::{Arrivals, BUILT_IN, Placement, Scenario, Setting};
use loadgen::series::Kind;
use loadgen::spawn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of ours that are no clients.
const DESCRIPTORS_OWN: u64 = 64;

/// What a server that is started here keeps for newcomers, as it does by itself.
const HISTORY_MESSAGES: u32 = 50;

/// The port where servers of this kind usually listen.
fn usual_port(dialect: Dialect) -> u16 {
    match dialect {
        Dialect::Hubbub => 42069,
        Dialect::HubbubWebSocket | Dialect::WebSocket => 8080,
        Dialect::Resp => 6379,
        Dialect::Nats => 4222,
        Dialect::Irc => 6667,
    }
}

/// A load generator for chat servers that speak Hubbub's line protocol, plain or over WebSocket,
/// and for others to compare them with.
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
Exit codes:
  0  passed; of `compare`: some figure differs by more than chance would do
  1  failed: the server broke a promise, such as to lose nothing
  2  there is no run, or not all of its report could be written
  3  invalid: the generator, the machine or a rate limit, not the server, was what could do no more;
     of `compare`: it cannot tell
A run that is both failed and invalid ends with 1, and several runs as the worst of them do.

SIGINT (Ctrl-C), SIGTERM and SIGHUP end a run: nothing more is sent, a server that was started is
stopped, and the report accounts for all that was sent and says that it was interrupted. No further
run is made. A second signal ends everything at once, without a report, with 128 + its number.

Clients that come from outside of a server's --exempt networks are held to its limits. Its word on
that is in the report; to try it: loadgen fanout --spawn --server-args '--exempt none'

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
    /// The server, by address or by name, at the port where it speaks the dialect, such as
    /// chat.example:42069 [default: 127.0.0.1, and the usual port for the dialect].
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "spawn")]
    address: Option<String>,
    /// Start a Hubbub on a free port, and stop it after.
    #[arg(long)]
    spawn: bool,
    /// The server's program, with --spawn [default: the `hubbub` beside this one].
    #[arg(long, value_name = "PATH", requires = "spawn")]
    server: Option<PathBuf>,
    /// More flags for the server, with --spawn, such as '--exempt none'. HUBBUB_… variables do not
    /// reach it.
    #[arg(long, value_name = "FLAGS", requires = "spawn", allow_hyphen_values = true)]
    server_args: Option<String>,
    /// Messages of a room that the server keeps for newcomers, with --spawn.
    #[arg(long, value_name = "N", requires = "spawn", default_value_t = HISTORY_MESSAGES,
        value_parser = clap::value_parser!(u32).range(0..=1000))]
    history_messages: u32,
    /// Cores the server may use, with --spawn, such as 0 or 0,1.
    #[arg(long, value_name = "CORES", value_delimiter = ',', requires = "spawn")]
    server_cpus: Vec<usize>,
    /// The server's shards: what --spawn starts, and what placing clients needs to know [default:
    /// 1, or 2 for scenarios that place clients].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: Option<u16>,
    /// A server's process, to be watched while it is loaded.
    #[arg(long, conflicts_with = "spawn")]
    pub(crate) pid: Option<u32>,
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
    /// Write a report to this folder, which must be new and is made, and tried, before the run.
    /// Several runs have a folder each in it.
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
        let settings = self.settings(&scenario)?;
        let sets = |key: &str| settings.iter().any(|(set, _)| set == key);
        if sets("name") && !sets("description") {
            // What is described is another one.
            scenario.description.clear();
        }
        for (key, value) in &settings {
            scenario.set(key, value)?;
        }
        if scenario.arrivals == Arrivals::Window && sets("rate") {
            return Err(
                "with arrivals = \"window\" messages follow those that came back, and there \
                        is no rate: set one of the two"
                    .to_owned(),
            );
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

    /// What the flags set over `scenario`. A rate or a window makes arrivals of its kind.
    fn settings(&self, scenario: &Scenario) -> Result<Vec<(String, Setting)>, String> {
        let count = |n: u32| Setting::Integer(i64::from(n));
        let has_window = scenario.arrivals == Arrivals::Window;
        let arrivals = match (self.window, self.rate) {
            (Some(_), _) => Some("window"),
            (None, Some(_)) if has_window => Some("poisson"),
            (None, _) => None,
        };
        let arrivals = arrivals.map(|arrivals| Setting::Text(arrivals.to_owned()));
        let flags = [
            ("dialect", self.dialect.clone().map(Setting::Text)),
            ("tls", self.tls.then_some(Setting::Boolean(true))),
            ("connections", self.connections.map(count)),
            ("rooms", self.rooms.map(count)),
            ("rate", self.rate.map(Setting::Float)),
            ("arrivals", arrivals),
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

    /// The server to start, if one is to be started.
    pub(crate) fn server(&self, scenario: &Scenario) -> Option<spawn::Options> {
        let words = self.server_args.iter().flat_map(|words| words.split_whitespace());
        self.spawn.then(|| spawn::Options {
            program: self.server.clone(),
            shards: self.shards_for(scenario),
            cpus: self.server_cpus.clone(),
            extra: words.map(str::to_owned).collect(),
            web: scenario.dialect == Dialect::HubbubWebSocket,
            history_messages: Some(self.history_messages),
        })
    }

    /// The server that runs already; none if one is to be started.
    pub(crate) fn target(&self, scenario: &Scenario) -> Result<Option<Target>, String> {
        if self.spawn {
            return Ok(None);
        }
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, usual_port(scenario.dialect)));
        self.address.as_deref().map_or(Ok(usual.into()), Target::resolve).map(Some)
    }

    /// Where and how to run.
    pub(crate) fn options(&self, scenario: &Scenario, server: Target) -> Result<Options, String> {
        let program =
            || current_exe().map_err(|e| format!("cannot tell where this program is: {e}"));
        let last = || cores::allowed().pop().into_iter().collect();
        let processes = match self.procs {
            1 => None,
            count => Some(Processes { program: program()?, count }),
        };
        Ok(Options {
            shards: self.shards_for(scenario),
            cpus: if self.cpus.is_empty() { last() } else { self.cpus.clone() },
            processes,
            ..Options::to(server)
        })
    }

    /// Refuses what cannot be run here.
    pub(crate) fn check(&self, scenario: &Scenario) -> Result<(), String> {
        if self.spawn && !scenario.dialect.is_hubbub() {
            let port = usual_port(scenario.dialect);
            return Err(format!(
                "--spawn starts a Hubbub, which does not speak `{}`: start another server, and say \
                 where with --address 127.0.0.1:{port}",
                scenario.dialect.name()
            ));
        }
        if self.spawn && scenario.tls {
            return Err("--spawn starts a server without tls: start one with --tls-cert and \
                        --tls-key, and say where with --address"
                .to_owned());
        }
        for (flag, cpus) in [("--cpus", &self.cpus), ("--server-cpus", &self.server_cpus)] {
            cores::check(cpus).map_err(|why| format!("{flag}: {why}"))?;
        }
        self.check_descriptors(scenario)
    }

    /// Raises the descriptor limit as far as it goes, which must be far enough.
    fn check_descriptors(&self, scenario: &Scenario) -> Result<(), String> {
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
