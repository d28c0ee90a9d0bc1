//! One run: warm up, measure, stop, drain.

use std::io;
use std::time::{Duration, Instant};

use crate::support::procfs::{self, AllCpus, CpuTime};
use crate::swarm::Swarm;

/// How long messages may take to arrive after the last one was sent: enough for the slowest
/// reference to work off its full queues, so that late is not mistaken for lost.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(15);

/// When nothing arrives for this long, what is missing is lost.
const SILENCE_MAX: Duration = Duration::from_secs(1);

const DRAIN_STEP: Duration = Duration::from_millis(20);

/// What happened within the measured window.
pub(crate) struct Window {
    /// Its length.
    pub(crate) seconds: f64,
    /// Messages that arrived in it.
    pub(crate) deliveries: u64,
    /// Reads that brought them.
    pub(crate) reads: u64,
    /// What the server used.
    pub(crate) server: CpuTime,
    /// What the generator used.
    pub(crate) generator_ns: u64,
    /// What all CPUs ran.
    pub(crate) busy_ms: u64,
    /// What the hypervisor took from all CPUs.
    pub(crate) steal_ms: u64,
}

impl Window {
    /// What processes other than the server and this one ran.
    pub(crate) fn others_ms(&self) -> u64 {
        self.busy_ms.saturating_sub((self.server.total_ns + self.generator_ns) / 1_000_000)
    }
}

/// The counters a window is the difference of.
struct Reading {
    at: Instant,
    deliveries: u64,
    reads: u64,
    server: CpuTime,
    generator_ns: u64,
    machine: AllCpus,
}

impl Reading {
    fn take(swarm: &Swarm, pid: u32) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            deliveries: swarm.tally().deliveries,
            reads: swarm.tally().reads,
            server: CpuTime::of_process(pid)?,
            generator_ns: procfs::thread_cpu_ns()?,
            machine: AllCpus::read()?,
        })
    }

    fn since(&self, earlier: &Self) -> Window {
        Window {
            seconds: (self.at - earlier.at).as_secs_f64(),
            deliveries: self.deliveries - earlier.deliveries,
            reads: self.reads - earlier.reads,
            server: self.server.since(earlier.server),
            generator_ns: self.generator_ns - earlier.generator_ns,
            busy_ms: self.machine.busy_ms.saturating_sub(earlier.machine.busy_ms),
            steal_ms: self.machine.steal_ms.saturating_sub(earlier.machine.steal_ms),
        }
    }
}

/// Loads the server with this process number; afterwards the swarm is quiet, its tally complete.
pub(crate) fn drive(
    swarm: &mut Swarm,
    pid: u32,
    warmup: Duration,
    window: Duration,
) -> io::Result<Window> {
    swarm.start()?;
    swarm.run_for(warmup)?;
    swarm.tally_mut().record_latency(true);
    let before = Reading::take(swarm, pid)?;
    swarm.run_for(window)?;
    let after = Reading::take(swarm, pid)?;
    swarm.tally_mut().record_latency(false);
    swarm.stop();
    drain(swarm)?;
    Ok(after.since(&before))
}

fn drain(swarm: &mut Swarm) -> io::Result<()> {
    let expected = swarm.expected();
    let deadline = Instant::now() + DRAIN_TIME_MAX;
    let mut last_arrival = Instant::now();
    while swarm.tally().deliveries < expected {
        let arrived = swarm.tally().deliveries;
        swarm.run_for(DRAIN_STEP)?;
        let now = Instant::now();
        if swarm.tally().deliveries > arrived {
            last_arrival = now;
        }
        if now > deadline || now - last_arrival > SILENCE_MAX {
            return Ok(());
        }
    }
    Ok(())
}
