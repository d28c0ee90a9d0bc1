//! Who does the work of a run: the threads of this process, or of others that it starts. Whoever
//! leads the run gives orders, and hears how far they are and what they found out.

mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Ticks, channel};
use std::thread::{self, JoinHandle};
use std::{io, process as this_process};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

pub use process::{Process, serve};

use crate::address::Target;
use crate::plan::Part;
use crate::scenario::Scenario;
use crate::worker::{Outcome, Shared, Stage, Tick, Worker};

/// What a crew has to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// The scenario of the whole run.
    pub scenario: Scenario,
    /// Tells this run's messages from others'.
    pub run: u16,
    /// The server.
    pub server: Target,
    /// Its shards, for scenarios that place clients.
    pub shards: u16,
    /// Cores for the crew's threads, one each; a single thread that may run anywhere if empty.
    pub cpus: Vec<usize>,
    /// The part of the run that its first thread has. The others have those that follow.
    pub first: Part,
    /// When the run began, on the monotonic clock.
    pub started_ns: u64,
}

impl Assignment {
    /// How many threads a crew with these cores has.
    #[must_use]
    pub fn threads(cpus: &[usize]) -> u32 {
        u32::try_from(cpus.len().max(1)).expect("a few threads")
    }
}

/// What a crew is told, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Those who have been greeted go to their rooms.
    Join,
    /// Sending begins; moments are on the monotonic clock.
    Send {
        /// When the first message may be due.
        from_ns: u64,
        /// When messages begin to count.
        measure_from_ns: u64,
        /// When the last message may be due.
        until_ns: u64,
    },
    /// Sending ends earlier, at this moment.
    EndSending(u64),
    /// Nothing is sent any more.
    Drain,
    /// Everyone hangs up.
    Stop,
}

/// How far a crew is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Clients whom the server has said hello, while that was all they waited for.
    pub greeted: u32,
    /// Clients that have come to where they should be.
    pub seated: u32,
    /// Clients that could not.
    pub failed: u32,
    /// Deliveries up to now.
    pub delivered: u64,
    /// A thread has ended before it should.
    pub broken: bool,
}

impl Standing {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            greeted: self.greeted + other.greeted,
            seated: self.seated + other.seated,
            failed: self.failed + other.failed,
            delivered: self.delivered + other.delivered,
            broken: self.broken || other.broken,
        }
    }
}

/// Threads that load a server, wherever they are.
pub trait Crew {
    /// Has them do something.
    fn order(&mut self, order: Order);
    /// How far they are.
    fn standing(&mut self) -> Standing;
    /// What they did in seconds that have not been asked for.
    fn ticks(&mut self) -> Vec<Tick>;
    /// The process they are in.
    fn pid(&self) -> u32;
    /// Waits for their end, which has been ordered.
    ///
    /// # Errors
    /// A sentence when a thread could not go on.
    fn finish(self: Box<Self>) -> Result<(Outcome, Vec<Tick>), String>;
}

/// The threads of this process.
#[derive(Debug)]
pub struct Threads {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<io::Result<Outcome>>>,
    ticks: Ticks<Tick>,
}

impl Threads {
    /// Starts them; they begin to connect at once.
    ///
    /// # Errors
    /// A sentence when the operating system has no more threads for us.
    pub fn start(assignment: &Assignment) -> Result<Self, String> {
        let threads = Assignment::threads(&assignment.cpus);
        let shared = Arc::new(Shared {
            scenario: assignment.scenario.clone(),
            run: assignment.run,
            server: assignment.server.clone(),
            shards: assignment.shards,
            stage: AtomicU8::new(Stage::Ramp as u8),
            send_from: AtomicU64::new(u64::MAX),
            measure_from: AtomicU64::new(u64::MAX),
            send_until: AtomicU64::new(u64::MAX),
            greeted: AtomicU32::new(0),
            seated: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            delivered: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            started_ns: assignment.started_ns,
        });
        let (sender, ticks) = channel();
        let mut workers = vec![];
        for thread in 0..threads {
            let (shared, ticks) = (Arc::clone(&shared), sender.clone());
            let part = Part { index: assignment.first.index + thread, ..assignment.first };
            let cpu = assignment.cpus.get(thread as usize).copied();
            let body = move || {
                if let Some(cpu) = cpu {
                    let mut set = CpuSet::new();
                    set.set(cpu);
                    // Floating threads measure less precisely, and the guard looks at the result.
                    let _ = sched_setaffinity(None, &set);
                }
                Worker::new(shared, thread as usize, part, ticks)?.run()
            };
            let name = format!("load-{}", part.index);
            let spawned = thread::Builder::new().name(name).spawn(body);
            workers.push(spawned.map_err(|e| format!("cannot start a thread: {e}"))?);
        }
        Ok(Self { shared, workers, ticks })
    }
}

impl Crew for Threads {
    fn order(&mut self, order: Order) {
        let shared = &self.shared;
        match order {
            Order::Join => shared.enter(Stage::Join),
            Order::Send { from_ns, measure_from_ns, until_ns } => {
                shared.send_from.store(from_ns, Ordering::Relaxed);
                shared.measure_from.store(measure_from_ns, Ordering::Relaxed);
                shared.send_until.store(until_ns, Ordering::Relaxed);
                shared.enter(Stage::Send);
            }
            Order::EndSending(until_ns) => shared.send_until.store(until_ns, Ordering::Relaxed),
            Order::Drain => shared.enter(Stage::Drain),
            Order::Stop => shared.enter(Stage::Stop),
        }
    }

    fn standing(&mut self) -> Standing {
        let shared = &self.shared;
        Standing {
            greeted: shared.greeted.load(Ordering::Relaxed),
            seated: shared.seated.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
            delivered: shared.delivered.iter().map(|all| all.load(Ordering::Relaxed)).sum(),
            broken: self.workers.iter().any(JoinHandle::is_finished),
        }
    }

    fn ticks(&mut self) -> Vec<Tick> {
        self.ticks.try_iter().collect()
    }

    fn pid(&self) -> u32 {
        this_process::id()
    }

    fn finish(mut self: Box<Self>) -> Result<(Outcome, Vec<Tick>), String> {
        let mut outcome = Outcome::default();
        for worker in std::mem::take(&mut self.workers) {
            let found = worker.join().map_err(|_| "a thread of ours died".to_owned())?;
            outcome.add(found.map_err(|e| format!("a thread of ours cannot go on: {e}"))?);
        }
        let ticks = self.ticks();
        Ok((outcome, ticks))
    }
}
