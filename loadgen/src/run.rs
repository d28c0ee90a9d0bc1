//! One run, from the first connection to the last account.

use std::collections::{HashMap, HashSet};
use std::env;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use crate::address::Target;
use crate::capture::Snapshot;
use crate::crew::{Assignment, Crew, Order, Process, Standing, Threads};
use crate::guard;
use crate::ledger::{Receiver, Sent, settle};
use crate::plan::Part;
use crate::result::{
    Compressed, GeneratorUse, Phase, RunResult, Second, ServerUse, Setup, Spawned,
};
use crate::scenario::{Arrivals, Scenario};
use crate::schedule::now_ns;
use crate::seconds::Seconds;
use crate::words;
use crate::worker::Outcome;

/// Between the order to send and the first message, for all threads to hear of it.
const HEAD_START: Duration = Duration::from_millis(100);
/// How often progress is looked at, and so how precisely it is known when a phase ends: a crowd
/// that comes as fast as it can is there in some tenths of a second.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Without another client further for so long, the run goes on with those there are.
const GATHER_PATIENCE: Duration = Duration::from_secs(10);
/// Without another delivery for so long, everything has arrived.
const QUIET: Duration = Duration::from_millis(500);

/// Where and how to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub server: Target,
    /// How it was started, if it was for this run.
    pub spawned: Option<Spawned>,
    /// Its shards, for scenarios that place clients.
    pub shards: u16,
    /// Its process, to be watched.
    pub pid: Option<u32>,
    /// Cores for the generator's threads, one each.
    pub cpus: Vec<usize>,
    /// Other processes that do the work, each with a thread on each of the cores; none for this
    /// one.
    pub processes: Option<Processes>,
}

impl Options {
    /// To a server that runs already, with one thread of this process.
    pub fn to(server: impl Into<Target>) -> Self {
        let server = server.into();
        Self { server, spawned: None, shards: 1, pid: None, cpus: vec![], processes: None }
    }

    /// The same, for reports.
    fn setup(&self) -> Setup {
        Setup {
            server: self.server.authority(),
            shards: self.shards,
            spawned: self.spawned.clone(),
            generator_cpus: self.cpus.clone(),
            processes: self.processes.as_ref().map_or(1, |processes| processes.count),
        }
    }
}

/// Processes that load a server together.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The program of this crate.
    pub program: PathBuf,
    /// How many.
    pub count: u32,
}

/// Where a run has got to, for whoever watches.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The phase, as in [`Phase`].
    pub phase: &'static str,
    /// How much of it is done, from 0 to 1.
    pub done: f64,
    /// Deliveries up to now, those to warm up too.
    pub delivered: u64,
    /// The last whole second, if there was one.
    pub second: Option<&'a Second>,
}

/// A run in progress.
struct Run<'a> {
    scenario: &'a Scenario,
    server: Target,
    crews: Vec<Box<dyn Crew>>,
    /// On the monotonic clock: when the run began, messages begin to count, sending ends.
    started_ns: u64,
    measure_from_ns: u64,
    send_until_ns: u64,
    seconds: Seconds,
    phases: Vec<Phase>,
    interrupted: &'a AtomicBool,
    /// The phase that was cut short.
    cut: Option<&'static str>,
    watch: &'a mut dyn FnMut(&Progress<'_>),
}

/// What is left of a run that is over.
struct Ended {
    phases: Vec<Phase>,
    cut: Option<&'static str>,
    timeline: Vec<Second>,
    intervals: Vec<(u32, Compressed)>,
    outcome: Outcome,
}

/// Runs `scenario`. Once `interrupted` is set, nothing more is sent, and everything that was is
/// still accounted for.
///
/// # Errors
/// A sentence for the user when there is no server, or the operating system has no resources.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    interrupted: &AtomicBool,
    watch: &mut dyn FnMut(&Progress<'_>),
) -> Result<RunResult, String> {
    let started_unix_seconds =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let watch_server = || options.pid.map(|pid| Snapshot::of(pid).map_err(|e| e.to_string()));
    let before = watch_server().transpose()?;
    let mut run = Run::start(scenario, options, interrupted, watch)?;
    run.gather()?;
    // From here on a server that is gone is a finding.
    let watch_server = || watch_server().and_then(Result::ok);
    let gathered = watch_server();
    run.send();
    let (server_from, own_from) = (watch_server(), run.generator()?);
    run.measure();
    let (server_to, own_to) = (watch_server(), run.generator()?);
    let caught_up = run.drain();
    let server = match (before, gathered, server_from, server_to) {
        (Some(before), Some(gathered), Some(from), Some(to)) => {
            Some(ServerUse::between(&from, &to).counted_from(&before, &gathered))
        }
        _ => None,
    };
    let ended = run.finish()?;
    let (reads, bytes_read) = (ended.outcome.reads, ended.outcome.bytes_read);
    let generator = GeneratorUse { reads, bytes_read, ..GeneratorUse::between(&own_from, &own_to) };
    let mut result = account(scenario, ended);
    (result.server, result.generator) = (server, generator);
    (result.started_unix_seconds, result.caught_up) = (started_unix_seconds, caught_up);
    result.setup = options.setup();
    result.invalid = guard::judge(&result);
    result.failures = guard::failures(&result);
    Ok(result)
}

/// Starts everyone who takes part.
fn start_crews(
    scenario: &Scenario,
    options: &Options,
    started_ns: u64,
) -> Result<Vec<Box<dyn Crew>>, String> {
    let threads = Assignment::threads(&options.cpus);
    let count = options.processes.as_ref().map_or(1, |processes| processes.count);
    // The witness of a sender is found among the clients of its own thread.
    if !scenario.dialect.echoes() && scenario.arrivals == Arrivals::Window && count * threads > 1 {
        return Err(
            "with a window, servers that do not give back what somebody says are loaded by \
                    one thread: --cpus with one core, and --procs 1"
                .to_owned(),
        );
    }
    let run = (started_ns >> 16) as u16;
    let start = |number: u32| -> Result<Box<dyn Crew>, String> {
        let assignment = Assignment {
            scenario: scenario.clone(),
            run,
            server: options.server.clone(),
            shards: options.shards,
            cpus: options.cpus.clone(),
            first: Part { index: number * threads, of: count * threads },
            started_ns,
        };
        Ok(match &options.processes {
            Some(Processes { program, .. }) => Box::new(Process::start(program, &assignment)?),
            None => Box::new(Threads::start(&assignment)?),
        })
    };
    (0..count).map(start).collect()
}

impl<'a> Run<'a> {
    fn start(
        scenario: &'a Scenario,
        options: &Options,
        interrupted: &'a AtomicBool,
        watch: &'a mut dyn FnMut(&Progress<'_>),
    ) -> Result<Self, String> {
        let started_ns = now_ns();
        let crews = start_crews(scenario, options, started_ns)?;
        let pids: Vec<u32> = crews.iter().map(|crew| crew.pid()).collect();
        Ok(Self {
            scenario,
            server: options.server.clone(),
            crews,
            started_ns,
            measure_from_ns: 0,
            send_until_ns: 0,
            seconds: Seconds::new(options.pid, &pids),
            phases: vec![],
            interrupted,
            cut: None,
            watch,
        })
    }

    fn order(&mut self, order: Order) {
        self.crews.iter_mut().for_each(|crew| crew.order(order));
    }

    fn standing(&mut self) -> Standing {
        self.crews
            .iter_mut()
            .map(|crew| crew.standing())
            .fold(Standing::default(), |all, crew| all.and(crew))
    }

    /// What all our processes have used.
    fn generator(&self) -> Result<Vec<Snapshot>, String> {
        let snapshots = self.crews.iter().map(|crew| Snapshot::of(crew.pid()));
        let snapshots = snapshots.collect::<Result<_, _>>();
        snapshots.map_err(|e| format!("cannot watch ourselves: {e}"))
    }

    fn since_start(&self) -> f64 {
        (now_ns() - self.started_ns) as f64 / 1e9
    }

    /// Looks around until `done`, which tells how far the phase is, says 1, or the run is
    /// interrupted. What is on its way then may still arrive.
    fn phase(&mut self, name: &'static str, mut done: impl FnMut(&Standing) -> f64) {
        let start_seconds = self.since_start();
        loop {
            self.collect();
            let standing = self.standing();
            let part = done(&standing);
            let (done, delivered) = (part.min(1.0), standing.delivered);
            let second = self.seconds.last();
            (self.watch)(&Progress { phase: name, done, delivered, second });
            if part >= 1.0 || standing.broken {
                break;
            }
            if name != "drain" && self.interrupted.load(Ordering::Relaxed) {
                self.cut.get_or_insert(name);
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        let seconds = self.since_start() - start_seconds;
        self.phases.push(Phase { name, start_seconds, seconds });
    }

    /// Everyone comes, then finds their seat.
    fn gather(&mut self) -> Result<(), String> {
        let all = self.scenario.connections;
        self.phase("ramp", until_all(all, |standing| standing.greeted + standing.failed));
        if self.standing().greeted == 0 && self.cut.is_none() {
            return Err(self.nobody_came()?);
        }
        self.order(Order::Join);
        self.phase("join", until_all(all, |standing| standing.seated + standing.failed));
        Ok(())
    }

    /// Why no client is there, and what to do.
    fn nobody_came(&mut self) -> Result<String, String> {
        let dialect = self.scenario.dialect;
        let outcome = self.stop()?;
        let said = outcome.server_words.kinds.into_iter().next().map(|word| word.text);
        let server = &self.server;
        if let Some(said) = said {
            let advice = words::advice(dialect, &said).map(|it| format!(": {it}"));
            let advice = advice.unwrap_or_default();
            return Ok(format!("{server} let no client in; it said \"{said}\"{advice}"));
        }
        let why = outcome.connect_error.map_or_else(String::new, |why| format!(" ({why})"));
        let advice = if dialect.is_hubbub() {
            "start a server with `cargo run --release`, or have one started with --spawn"
        } else {
            "start one that speaks the dialect, or say where it is with --address"
        };
        Ok(format!("no client could connect to {server}{why}: {advice}"))
    }

    fn send(&mut self) {
        let nanos = |seconds: f64| (seconds * 1e9) as u64;
        let from_ns = now_ns() + HEAD_START.as_nanos() as u64;
        let measure_from_ns = from_ns + nanos(self.scenario.warm_up_seconds);
        let until_ns = measure_from_ns + nanos(self.scenario.measure_seconds);
        (self.measure_from_ns, self.send_until_ns) = (measure_from_ns, until_ns);
        self.order(Order::Send { from_ns, measure_from_ns, until_ns });
        self.phase("warm-up", |_| part(from_ns, measure_from_ns));
    }

    fn measure(&mut self) {
        let (from, until) = (self.measure_from_ns, self.send_until_ns);
        self.phase("measure", |_| part(from, until));
        if now_ns() < until {
            self.order(Order::EndSending(now_ns()));
        }
    }

    /// What is on its way arrives; whether that came to an end.
    fn drain(&mut self) -> bool {
        self.order(Order::Drain);
        let from = now_ns();
        let max = from + (self.scenario.drain_seconds_max * 1e9) as u64;
        let (mut last, mut since, mut is_quiet) = (0, from, false);
        self.phase("drain", |standing| {
            if standing.delivered != last {
                (last, since) = (standing.delivered, now_ns());
            }
            is_quiet = now_ns() - since > QUIET.as_nanos() as u64;
            if is_quiet { 1.0 } else { part(from, max) }
        });
        is_quiet
    }

    /// Puts what threads tell into seconds.
    fn collect(&mut self) {
        for tick in self.crews.iter_mut().flat_map(|crew| crew.ticks()) {
            self.seconds.add(&tick);
        }
    }

    /// Has everyone hang up; what they found out.
    fn stop(&mut self) -> Result<Outcome, String> {
        self.order(Order::Stop);
        let mut outcome = Outcome::default();
        for crew in std::mem::take(&mut self.crews) {
            let (found, ticks) = crew.finish()?;
            outcome.add(found);
            ticks.iter().for_each(|tick| self.seconds.add(tick));
        }
        Ok(outcome)
    }

    fn finish(mut self) -> Result<Ended, String> {
        let start_seconds = self.since_start();
        let outcome = self.stop()?;
        let seconds = self.since_start() - start_seconds;
        self.phases.push(Phase { name: "teardown", start_seconds, seconds });
        let (timeline, intervals) = self.seconds.finish();
        Ok(Ended { phases: self.phases, cut: self.cut, timeline, intervals, outcome })
    }
}

/// How many of `all` are there by `count`; all of them, too, when nobody has come for long.
fn until_all(all: u32, count: impl Fn(&Standing) -> u32) -> impl FnMut(&Standing) -> f64 {
    let (mut last, mut since) = (0, now_ns());
    move |standing| {
        let there = count(standing);
        if there != last {
            (last, since) = (there, now_ns());
        }
        let stuck = now_ns() - since > GATHER_PATIENCE.as_nanos() as u64;
        if stuck { 1.0 } else { f64::from(there) / f64::from(all) }
    }
}

/// How much of the time from `from` to `until` has passed.
fn part(from: u64, until: u64) -> f64 {
    let now = now_ns();
    if now >= until { 1.0 } else { now.saturating_sub(from) as f64 / (until - from) as f64 }
}

/// Puts together what all threads found out.
fn account(scenario: &Scenario, ended: Ended) -> RunResult {
    let Outcome { mut times, mut sums, receivers, sent, samples, mut connections, .. } =
        ended.outcome;
    connections.most = ended.timeline.iter().map(|second| second.connections).max().unwrap_or(0);
    complete(&sent, &receivers, &samples, &mut times.completion);
    settle(&receivers, &sent, &mut sums);
    RunResult {
        scenario: scenario.clone(),
        setup: Setup::default(),
        command: command_line(),
        started_unix_seconds: 0,
        phases: ended.phases,
        interrupted: ended.cut,
        times,
        messages: sums,
        connections,
        connect_error: ended.outcome.connect_error,
        server_words: ended.outcome.server_words,
        caught_up: true,
        server_end: None,
        timeline: ended.timeline,
        intervals: ended.intervals,
        server: None,
        generator: GeneratorUse::default(),
        invalid: vec![],
        failures: vec![],
    }
}

/// When sampled messages had reached everyone in their room.
fn complete(
    sent: &Sent,
    receivers: &[Receiver],
    samples: &HashMap<(u32, u32), (u64, u64, u32)>,
    completion: &mut Histogram<u64>,
) {
    let rooms: HashMap<u32, u32> = sent.keys().map(|&(room, sender)| (sender, room)).collect();
    let mut members: HashMap<u32, u32> = HashMap::new();
    for receiver in receivers.iter().filter(|receiver| receiver.kept_up()) {
        *members.entry(receiver.room()).or_default() += 1;
    }
    let excepted: HashSet<u32> = receivers.iter().filter_map(Receiver::except).collect();
    for ((sender, _), (due, last, count)) in samples {
        let size = rooms.get(sender).and_then(|room| members.get(room));
        if size == Some(&(count + u32::from(excepted.contains(sender)))) {
            completion.saturating_record(last.saturating_sub(*due));
        }
    }
}

/// The words that this program was started with. Of its own path only the name: where a machine
/// keeps its programs has no place in a report.
#[must_use]
pub fn command_line() -> Vec<String> {
    without_folder(env::args_os().map(|word| word.to_string_lossy().into_owned()))
}

fn without_folder(mut words: impl Iterator<Item = String>) -> Vec<String> {
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    std::iter::once(name).chain(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_all_but_the_programs_folder() {
        for program in ["/some/where/loadgen", "target/release/loadgen", "loadgen"] {
            let words = [program, "fanout", "--out", "/tmp/x"].map(str::to_owned);
            let told = without_folder(words.into_iter());
            assert_eq!(told, ["loadgen", "fanout", "--out", "/tmp/x"]);
        }
    }
}
