//! Crowds that arrive.

use std::io;
use std::time::Instant;

use crate::cli::Cli;
use crate::support::figures::median;
use crate::support::procfs::{self, AllCpus, CpuTime};
use crate::swarm::{Sources, Swarm};
use crate::{Cpus, with_server};

/// A round of which the hypervisor or other processes took more than this is not worth much.
const DISTURBANCE_MAX: f64 = 0.1;

/// One crowd in one round.
struct Round {
    /// From the first connection until everyone was in.
    wall_s: f64,
    /// What the server used until then.
    joined: CpuTime,
    /// What it had used when everyone had been told of everyone.
    settled: CpuTime,
    /// What the generator used until everyone was in.
    generator_ns: u64,
    /// What others took meanwhile.
    disturbance_ms: u64,
    /// Lines that all clients got.
    lines: u64,
}

/// What one size of crowd costs: medians over the rounds.
pub(crate) struct Arrival {
    /// How many came.
    pub(crate) connections: usize,
    /// Seconds until everyone was in.
    pub(crate) wall_s: f64,
    /// Server CPU seconds until everyone was in.
    pub(crate) cpu_s: f64,
    /// The part of them outside the kernel, sampled by the timer tick over all rounds.
    pub(crate) user_share: f64,
    /// Server CPU seconds until the room had been told of everyone.
    pub(crate) settled_cpu_s: f64,
    /// How busy the generator was, from 0 to 1.
    pub(crate) generator_busy: f64,
    /// Lines each client got.
    pub(crate) lines: f64,
    /// Rounds in which the machine was busy with something else as well.
    pub(crate) disturbed: usize,
    /// All rounds.
    pub(crate) rounds: usize,
}

impl Arrival {
    /// CPU microseconds for each connection, of so many seconds.
    pub(crate) fn us_each(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.connections as f64
    }

    fn new(connections: usize, rounds: &[Round]) -> Self {
        let middle = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        let sum = |part: fn(&CpuTime) -> u64| rounds.iter().map(|r| part(&r.joined)).sum();
        let all = CpuTime {
            total_ns: sum(|cpu| cpu.total_ns),
            user_ticks: sum(|cpu| cpu.user_ticks),
            system_ticks: sum(|cpu| cpu.system_ticks),
        };
        let disturbed =
            |r: &&Round| r.disturbance_ms as f64 > (r.wall_s * 1e3 * DISTURBANCE_MAX).max(20.0);
        Self {
            connections,
            wall_s: middle(|round| round.wall_s),
            cpu_s: middle(|round| round.joined.total_ns as f64 / 1e9),
            user_share: all.user_share(),
            settled_cpu_s: middle(|round| round.settled.total_ns as f64 / 1e9),
            generator_busy: middle(|round| round.generator_ns as f64 / 1e9 / round.wall_s),
            lines: middle(|round| round.lines as f64) / connections as f64,
            disturbed: rounds.iter().filter(disturbed).count(),
            rounds: rounds.len(),
        }
    }
}

/// Has crowds of all sizes arrive, each at a new server. The sizes take turns, so that a noisy
/// minute of a shared machine hits all of them.
pub(crate) fn measure(cli: &Cli, cpus: &Cpus, sources: &mut Sources) -> io::Result<Vec<Arrival>> {
    let sizes = cli.arrivals();
    let mut rounds: Vec<Vec<Round>> = sizes.iter().map(|_| vec![]).collect();
    for number in 1..=cli.rounds() {
        for (&connections, rounds) in sizes.iter().zip(&mut rounds) {
            let round = arrive(cli, cpus, sources, connections)?;
            let (wall, cpu) = (round.wall_s, round.joined.total_ns as f64 / 1e9);
            eprintln!("{connections} arrive, round {number}: {wall:.3} s, {cpu:.3} s of CPU");
            rounds.push(round);
        }
    }
    Ok(sizes.iter().zip(&rounds).map(|(&n, rounds)| Arrival::new(n, rounds)).collect())
}

fn arrive(cli: &Cli, cpus: &Cpus, sources: &mut Sources, connections: usize) -> io::Result<Round> {
    with_server(cli, cpus, |server| {
        let mut swarm = Swarm::new(server.port(), connections + 1, sources)?;
        let (lines, machine) = (swarm.lines(), AllCpus::read()?);
        let (before, generator) = (CpuTime::of_process(server.pid())?, procfs::thread_cpu_ns()?);
        let start = Instant::now();
        swarm.arrive(connections)?;
        let wall_s = start.elapsed().as_secs_f64();
        let joined = CpuTime::of_process(server.pid())?.since(before);
        let generator_ns = procfs::thread_cpu_ns()? - generator;
        let after = AllCpus::read()?;
        swarm.settle()?;
        let ours_ms = (joined.total_ns + generator_ns) / 1_000_000;
        let others_ms = after.busy_ms.saturating_sub(machine.busy_ms + ours_ms);
        Ok(Round {
            wall_s,
            joined,
            settled: CpuTime::of_process(server.pid())?.since(before),
            generator_ns,
            disturbance_ms: others_ms + after.steal_ms.saturating_sub(machine.steal_ms),
            lines: swarm.lines() - lines,
        })
    })
}
