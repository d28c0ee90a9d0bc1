//! One run, from the first connection to the last account.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Ticks, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, io};

use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::capture::{Probe, Snapshot, Threads};
use crate::guard;
use crate::ledger::{Ledger, Receiver, Sent};
use crate::plan::Plan;
use crate::result::{GeneratorUse, Phase, RunResult, Second, ServerUse, Times, times};
use crate::scenario::Scenario;
use crate::schedule::now_ns;
use crate::worker::{Outcome, Shared, Stage, Tick, Worker};

/// Between the order to send and the first message, for all threads to hear of it.
const HEAD_START: Duration = Duration::from_millis(100);
/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Without another client seated for so long, the run goes on with those there are.
const GATHER_PATIENCE: Duration = Duration::from_secs(10);
/// Without another delivery for so long, everything has arrived.
const QUIET: Duration = Duration::from_millis(500);

/// Where and how to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub address: SocketAddr,
    /// Its shards, for scenarios that place clients.
    pub shards: u16,
    /// Its process, to be watched.
    pub pid: Option<u32>,
    /// Cores for the generator's threads, one each.
    pub cpus: Vec<usize>,
}

/// Where a run has got to, for whoever watches.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The phase, as in [`Phase`].
    pub phase: &'static str,
    /// How much of it is done, from 0 to 1.
    pub done: f64,
    /// The last whole second, if there was one.
    pub second: Option<&'a Second>,
}

/// A run in progress.
struct Run<'a> {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<io::Result<Outcome>>>,
    ticks: Ticks<Tick>,
    seconds: BTreeMap<u32, (Second, Histogram<u64>)>,
    phases: Vec<Phase>,
    probe: Option<Probe>,
    probed: Option<(u32, u64)>,
    /// Our threads at the end of the last second that was looked at.
    own_threads: Option<(u32, Threads)>,
    interrupted: &'a AtomicBool,
    watch: &'a mut dyn FnMut(&Progress<'_>),
}

/// What is left of a run that is over.
struct Ended {
    phases: Vec<Phase>,
    timeline: Vec<Second>,
    outcomes: Vec<Outcome>,
}

/// Runs `scenario`. Ends the present phase early when `interrupted` is set, and still accounts for
/// everything.
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
    let watch_server = |pid: u32| Snapshot::of(pid).map_err(|e| e.to_string());
    let before = options.pid.map(watch_server).transpose()?;
    let mut run = Run::start(scenario, options, interrupted, watch)?;
    run.gather();
    run.send()?;
    let (server_from, own_from) = (options.pid.map(watch_server).transpose()?, own()?);
    run.measure();
    let (server_to, own_to) = (options.pid.map(watch_server).transpose()?, own()?);
    run.drain();
    let server = match (server_from, server_to, before) {
        (Some(from), Some(to), Some(before)) => {
            Some(ServerUse::between(&from, &to).counted_from(&before))
        }
        _ => None,
    };
    let generator = GeneratorUse::between(&own_from, &own_to);
    let ended = run.finish()?;
    let mut result = account(scenario, ended.outcomes);
    (result.phases, result.timeline) = (ended.phases, ended.timeline);
    (result.server, result.started_unix_seconds) = (server, started_unix_seconds);
    let (reads, bytes_read) = (result.generator.reads, result.generator.bytes_read);
    result.generator = GeneratorUse { reads, bytes_read, ..generator };
    result.invalid = guard::judge(&result);
    result.failures = guard::failures(&result);
    Ok(result)
}

fn own() -> Result<Snapshot, String> {
    Snapshot::own().map_err(|e| format!("cannot watch ourselves: {e}"))
}

impl<'a> Run<'a> {
    fn start(
        scenario: &Scenario,
        options: &Options,
        interrupted: &'a AtomicBool,
        watch: &'a mut dyn FnMut(&Progress<'_>),
    ) -> Result<Self, String> {
        let run = (now_ns() >> 16) as u16;
        let threads = u32::try_from(options.cpus.len().max(1)).expect("a few threads");
        let plan = Plan::new(scenario, run, options.shards);
        let shared = Arc::new(Shared {
            scenario: scenario.clone(),
            run,
            address: options.address,
            senders: plan.senders(),
            plan: Mutex::new(plan),
            stage: AtomicU8::new(Stage::Gather as u8),
            send_from: AtomicU64::new(u64::MAX),
            measure_from: AtomicU64::new(u64::MAX),
            send_until: AtomicU64::new(u64::MAX),
            seated: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            delivered: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            started_ns: now_ns(),
        });
        let (sender, ticks) = channel();
        let mut workers = vec![];
        for index in 0..threads {
            let (shared, ticks) = (Arc::clone(&shared), sender.clone());
            let cpu = options.cpus.get(index as usize).copied();
            let body = move || {
                if let Some(cpu) = cpu {
                    let mut set = CpuSet::new();
                    set.set(cpu);
                    // Floating threads measure less precisely, and the guard looks at the result.
                    let _ = sched_setaffinity(None, &set);
                }
                Worker::new(shared, index, threads, ticks)?.run()
            };
            let spawned = thread::Builder::new().name(format!("load-{index}")).spawn(body);
            workers.push(spawned.map_err(|e| format!("cannot start a thread: {e}"))?);
        }
        let probe = options.pid.and_then(|pid| Probe::new(pid).ok());
        let (seconds, phases) = (BTreeMap::new(), vec![]);
        Ok(Self {
            shared,
            workers,
            ticks,
            seconds,
            phases,
            probe,
            probed: None,
            own_threads: None,
            interrupted,
            watch,
        })
    }

    fn since_start(&self) -> f64 {
        (now_ns() - self.shared.started_ns) as f64 / 1e9
    }

    /// Looks around until `done`, which tells how far the phase is, says 1, or the user has enough.
    fn phase(&mut self, name: &'static str, mut done: impl FnMut(&Shared) -> f64) {
        let start_seconds = self.since_start();
        loop {
            self.collect();
            let part = done(&self.shared);
            let second = self.seconds.values().next_back().map(|(second, _)| second);
            (self.watch)(&Progress { phase: name, done: part.min(1.0), second });
            let dead = self.workers.iter().any(JoinHandle::is_finished);
            if part >= 1.0 || dead || self.interrupted.swap(false, Ordering::Relaxed) {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        let seconds = self.since_start() - start_seconds;
        self.phases.push(Phase { name, start_seconds, seconds });
    }

    /// Everyone comes and finds their seat.
    fn gather(&mut self) {
        let all = self.shared.scenario.connections;
        let (mut last, mut since) = (0, now_ns());
        self.phase("connect", |shared| {
            let seated = shared.seated.load(Ordering::Relaxed);
            let there = seated + shared.failed.load(Ordering::Relaxed);
            if there != last {
                (last, since) = (there, now_ns());
            }
            let stuck = now_ns() - since > GATHER_PATIENCE.as_nanos() as u64;
            if stuck { 1.0 } else { f64::from(there) / f64::from(all) }
        });
    }

    fn send(&mut self) -> Result<(), String> {
        if self.shared.seated.load(Ordering::Relaxed) == 0 {
            let address = self.shared.address;
            self.shared.enter(Stage::Stop);
            return Err(format!(
                "no client could connect to {address}: start a server with `cargo run --release`, \
                 or have one started with --spawn"
            ));
        }
        let from = now_ns() + HEAD_START.as_nanos() as u64;
        let nanos = |seconds: f64| (seconds * 1e9) as u64;
        let measure = from + nanos(self.shared.scenario.warm_up_seconds);
        let until = measure + nanos(self.shared.scenario.measure_seconds);
        self.shared.send_from.store(from, Ordering::Relaxed);
        self.shared.measure_from.store(measure, Ordering::Relaxed);
        self.shared.send_until.store(until, Ordering::Relaxed);
        self.shared.enter(Stage::Send);
        self.phase("warm-up", |_| part(from, measure));
        Ok(())
    }

    fn measure(&mut self) {
        let from = self.shared.measure_from.load(Ordering::Relaxed);
        let until = self.shared.send_until.load(Ordering::Relaxed);
        self.phase("measure", |_| part(from, until));
        let ended = now_ns().min(until);
        self.shared.send_until.store(ended, Ordering::Relaxed);
    }

    /// What is on its way arrives.
    fn drain(&mut self) {
        self.shared.enter(Stage::Drain);
        let from = now_ns();
        let max = from + (self.shared.scenario.drain_seconds_max * 1e9) as u64;
        let (mut last, mut since) = (0, from);
        self.phase("drain", |shared| {
            let all: u64 = shared.delivered.iter().map(|d| d.load(Ordering::Relaxed)).sum();
            if all != last {
                (last, since) = (all, now_ns());
            }
            let quiet = now_ns() - since > QUIET.as_nanos() as u64;
            if quiet { 1.0 } else { part(from, max) }
        });
    }

    /// Puts what threads and the server's process tell into seconds.
    fn collect(&mut self) {
        while let Ok(tick) = self.ticks.try_recv() {
            let fresh = || (Second { second: tick.second, ..Second::default() }, times());
            let (second, all) = self.seconds.entry(tick.second).or_insert_with(fresh);
            second.connections += tick.connections;
            second.sent += tick.sent;
            second.delivered += tick.delivered;
            all.add(&tick.times).expect("distributions of one kind");
            let micros = |value: u64| value as f64 / 1e3;
            second.p50_us = micros(all.value_at_quantile(0.5));
            second.p99_us = micros(all.value_at_quantile(0.99));
            second.max_us = micros(all.max());
            self.probe_server(tick.second);
            self.probe_ourselves(tick.second);
        }
    }

    fn probe_server(&mut self, second: u32) {
        if self.probed.is_some_and(|(last, _)| last == second) {
            return;
        }
        let Some(Ok(reading)) = self.probe.as_ref().map(Probe::read) else { return };
        let before = self.probed.replace((second, reading.cpu_ns));
        if let Some((row, _)) = self.seconds.get_mut(&second) {
            row.server_rss = reading.rss;
            if let Some((last, cpu_ns)) = before {
                let seconds = f64::from(second.saturating_sub(last).max(1));
                row.server_cpu = reading.cpu_ns.saturating_sub(cpu_ns) as f64 / 1e9 / seconds;
            }
        }
    }

    fn probe_ourselves(&mut self, second: u32) {
        if self.own_threads.as_ref().is_some_and(|(last, _)| *last == second) {
            return;
        }
        let Ok(threads) = Threads::own() else { return };
        let before = self.own_threads.replace((second, threads));
        if let (Some((last, before)), Some((_, threads)), Some((row, _))) =
            (before, &self.own_threads, self.seconds.get_mut(&second))
        {
            let used = threads.since(&before).into_iter().map(|thread| thread.cpu_ns).max();
            let seconds = f64::from(second.saturating_sub(last).max(1));
            row.generator_cpu = used.unwrap_or(0) as f64 / 1e9 / seconds;
        }
    }

    fn finish(mut self) -> Result<Ended, String> {
        let start_seconds = self.since_start();
        self.shared.enter(Stage::Stop);
        let mut outcomes = vec![];
        for worker in std::mem::take(&mut self.workers) {
            let outcome = worker.join().map_err(|_| "a thread of ours died".to_owned())?;
            outcomes.push(outcome.map_err(|e| format!("a thread of ours cannot go on: {e}"))?);
        }
        self.collect();
        let seconds = self.since_start() - start_seconds;
        self.phases.push(Phase { name: "teardown", start_seconds, seconds });
        let timeline = self.seconds.into_values().map(|(second, _)| second).collect();
        Ok(Ended { phases: self.phases, timeline, outcomes })
    }
}

/// How much of the time from `from` to `until` has passed.
fn part(from: u64, until: u64) -> f64 {
    let now = now_ns();
    if now >= until { 1.0 } else { now.saturating_sub(from) as f64 / (until - from) as f64 }
}

/// Puts together what all threads found out.
fn account(scenario: &Scenario, outcomes: Vec<Outcome>) -> RunResult {
    let (mut ledger, mut sent, mut receivers) = (Ledger::default(), Sent::new(), vec![]);
    let mut all = Times::new();
    let mut samples: HashMap<(u32, u32), (u64, u64, u32)> = HashMap::new();
    let mut connections = crate::result::Connections::default();
    let mut generator = GeneratorUse::default();
    for outcome in outcomes {
        all.add(&outcome.times);
        ledger.merge(outcome.ledger);
        sent.extend(outcome.sent);
        receivers.extend(outcome.receivers);
        for (key, (due, last, count)) in outcome.samples {
            let sample = samples.entry(key).or_insert((due, 0, 0));
            *sample = (due, sample.1.max(last), sample.2 + count);
        }
        connections.add(&outcome.connections);
        generator.reads += outcome.reads;
        generator.bytes_read += outcome.bytes_read;
    }
    connections.most = receivers.len() as u64;
    complete(&sent, &receivers, &samples, &mut all.completion);
    let mut by_room: HashMap<u32, Vec<(u32, u32)>> = HashMap::new();
    for (&(room, sender), &count) in &sent {
        by_room.entry(room).or_default().push((sender, count));
    }
    for receiver in &receivers {
        ledger.stayed(receiver, by_room.get(&receiver.room()).map_or(&[], Vec::as_slice));
    }
    ledger.compare_orders();
    RunResult {
        scenario: scenario.clone(),
        command: env::args().collect(),
        started_unix_seconds: 0,
        phases: vec![],
        times: all,
        messages: ledger.sums,
        connections,
        timeline: vec![],
        server: None,
        generator,
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
    for receiver in receivers {
        *members.entry(receiver.room()).or_default() += 1;
    }
    for ((sender, _), (due, last, count)) in samples {
        let size = rooms.get(sender).and_then(|room| members.get(room));
        if size == Some(count) {
            completion.saturating_record(last.saturating_sub(*due));
        }
    }
}
