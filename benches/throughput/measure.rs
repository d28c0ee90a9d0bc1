//! One run: a server that is started for it, the load, and what came of both.

use std::process;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use loadgen::capture::Snapshot;
use loadgen::result::{RunResult, ServerUse, ThreadUse};
use loadgen::run::{Options, Progress, run};
use loadgen::scenario::Scenario;
use loadgen::spawn::{self, Server, Stopped};

use crate::cases::{Case, Kind};
use crate::cli::{Cli, Subject};
use crate::figures::{Run, percentile};
use crate::reference;

/// The cores that servers and generator run on.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    /// Of a server that has a core of its own.
    pub(crate) server: usize,
    /// Of the generator.
    pub(crate) generator: usize,
}

/// A moment between two phases of a run. Looking takes time, which is in neither.
struct Mark {
    phase: &'static str,
    before: Instant,
    after: Instant,
    delivered: u64,
    server: Snapshot,
    generator: Snapshot,
}

impl Mark {
    fn take(phase: &'static str, delivered: u64, pid: u32) -> Result<Self, String> {
        let before = Instant::now();
        let of = |pid| Snapshot::of(pid).map_err(|e| e.to_string());
        let (server, generator) = (of(pid)?, of(process::id())?);
        Ok(Self { phase, before, after: Instant::now(), delivered, server, generator })
    }
}

/// From the mark of one phase's end to that of another's.
struct Span<'a> {
    from: &'a Mark,
    to: &'a Mark,
}

impl Span<'_> {
    fn seconds(&self) -> f64 {
        self.to.before.duration_since(self.from.after).as_secs_f64()
    }

    fn server(&self) -> ServerUse {
        ServerUse::between(&self.from.server, &self.to.server)
    }

    fn cpu_ns(&self) -> f64 {
        self.server().threads.iter().map(|thread| thread.cpu_ns as f64).sum()
    }

    fn generator_busy(&self) -> f64 {
        let threads = ServerUse::between(&self.from.generator, &self.to.generator).threads;
        let busiest = threads.iter().map(|thread: &ThreadUse| thread.cpu_ns).max().unwrap_or(0);
        busiest as f64 / 1e9 / self.seconds()
    }
}

/// Loads a server that did so many deliveries a second in the case this one is a part of.
pub(crate) fn measure(
    cli: &Cli,
    case: &Case,
    subject: Subject,
    cores: &Cores,
    saturated: Option<f64>,
    interrupted: &AtomicBool,
) -> Result<Run, String> {
    let scenario = case.scenario_at(saturated)?;
    let server = start(cli, case, subject, cores)?;
    let (result, marks) = load(&server, &scenario, case, cores, interrupted)
        .map_err(|e| format!("{e}; {} said:\n  {}", subject.name(), server.log().join("\n  ")))?;
    let stopped = server.stop().map_err(|e| format!("cannot stop {}: {e}", subject.name()))?;
    figures(case, result, &marks, &stopped)
}

fn start(cli: &Cli, case: &Case, subject: Subject, cores: &Cores) -> Result<Server, String> {
    let own = || std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"));
    let (program, extra, history_messages) = match subject {
        Subject::Hubbub => (cli.server_path(), vec![], Some(cli.history_messages)),
        reference => (own()?, vec![reference::FLAG.to_owned(), reference.name().to_owned()], None),
    };
    let mut cpus = vec![cores.server];
    if case.shares_cores {
        cpus.push(cores.generator);
    }
    Server::start(&spawn::Options {
        program: Some(program),
        shards: case.shards,
        cpus,
        extra,
        web: false,
        history_messages,
    })
}

fn load(
    server: &Server,
    scenario: &Scenario,
    case: &Case,
    cores: &Cores,
    interrupted: &AtomicBool,
) -> Result<(RunResult, Vec<Mark>), String> {
    let pid = server.pid();
    let options = Options {
        shards: case.shards,
        pid: Some(pid),
        cpus: vec![cores.generator],
        ..Options::to(server.address())
    };
    let mut marks = vec![Mark::take("start", 0, pid)?];
    let mut unseen = None;
    let mut watch = |progress: &Progress<'_>| {
        if progress.done >= 1.0 {
            match Mark::take(progress.phase, progress.delivered, pid) {
                Ok(mark) => marks.push(mark),
                Err(why) => unseen = Some(why),
            }
        }
    };
    let result = run(scenario, &options, interrupted, &mut watch)?;
    unseen.map_or(Ok((result, marks)), Err)
}

fn figures(
    case: &Case,
    mut result: RunResult,
    marks: &[Mark],
    stopped: &Stopped,
) -> Result<Run, String> {
    result.server_stopped(stopped);
    let mark = |phase: &str| {
        let found = marks.iter().find(|mark| mark.phase == phase);
        found.ok_or_else(|| format!("it was broken off before the end of its {phase} phase"))
    };
    let (from, to) = match case.kind {
        Kind::Saturated | Kind::Scheduled => ("warm-up", "measure"),
        Kind::Arrivals => ("start", "ramp"),
        Kind::JoinStorm => ("ramp", "join"),
    };
    let span = Span { from: mark(from)?, to: mark(to)? };
    let settled = Span { from: span.from, to: mark("measure")? };
    let crowd = f64::from(case.scenario.connections);
    let (count, is_crowd, times) = match case.kind {
        Kind::Saturated | Kind::Scheduled => {
            let count = span.to.delivered - span.from.delivered;
            (count as f64, false, &result.times.delivery)
        }
        Kind::Arrivals => (crowd, true, &result.times.greeting),
        Kind::JoinStorm => (crowd, true, &result.times.join),
    };
    if count == 0.0 {
        return Err("nothing was delivered".to_owned());
    }
    let messages = &result.messages;
    let used = span.server();
    let lines = stopped.total("deliveries") as f64;
    let each_line = |name| Some(stopped.total(name) as f64 / lines).filter(|it| it.is_finite());
    Ok(Run {
        per_second: count / span.seconds(),
        cpu_ns: span.cpu_ns() / count,
        sampled_user_ns: used.user_ns,
        sampled_system_ns: used.system_ns,
        told_cpu_ns: is_crowd.then(|| settled.cpu_ns() / count),
        lines_per_write: each_line("writes").map(f64::recip).filter(|it| it.is_finite()),
        rings: each_line("rings"),
        p50_ns: percentile(times, 0.5),
        p99_ns: percentile(times, 0.99),
        p999_ns: percentile(times, 0.999),
        lost: messages.lost + messages.missed,
        damaged: messages.duplicated + messages.reordered + messages.corrupted + messages.misrouted,
        rss: settled.to.server.rss(),
        generator_busy: span.generator_busy(),
        steal_share: result.generator.steal_share,
        invalid: result.invalid,
        failures: result.failures,
    })
}
