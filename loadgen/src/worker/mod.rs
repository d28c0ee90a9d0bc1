//! One generator thread: its connections, its senders, its clock. A loop around one readiness set
//! and one buffer; a connection has no task, no codec and no buffer of its own.

mod coming;
mod receiving;
mod sending;
mod wandering;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender as Channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use crate::ledger::{Ledger, Receiver, Sent};
use crate::plan::{Plan, Seat};
use crate::result::{Connections, Times, times};
use crate::scenario::Scenario;
use crate::schedule::{Pacer, Random, now_ns};
use sending::Sender;

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 256 << 10;
const PACER: Token = Token(usize::MAX);
/// How often a loop that waits for nothing in particular looks around.
const LOOK_AROUND: Duration = Duration::from_millis(20);
const SECOND_NS: u64 = 1_000_000_000;

/// What all threads do at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// Make connections, go to rooms.
    Gather,
    /// Send.
    Send,
    /// Only receive.
    Drain,
    /// Hang up.
    Stop,
}

/// What all threads of a run share.
#[derive(Debug)]
pub struct Shared {
    /// What is asked for.
    pub scenario: Scenario,
    /// Tells this run's messages from others'.
    pub run: u16,
    /// The server.
    pub address: SocketAddr,
    /// Who goes where.
    pub plan: Mutex<Plan>,
    /// Senders of all threads.
    pub senders: u32,
    /// See [`Stage`].
    pub stage: AtomicU8,
    /// When sending begins, on the monotonic clock.
    pub send_from: AtomicU64,
    /// When what is sent begins to count.
    pub measure_from: AtomicU64,
    /// When sending ends.
    pub send_until: AtomicU64,
    /// Clients that are where they should be.
    pub seated: AtomicU32,
    /// Clients that could not be connected, or seated.
    pub failed: AtomicU32,
    /// Deliveries up to now, of each thread.
    pub delivered: Vec<AtomicU64>,
    /// When the run began.
    pub started_ns: u64,
}

impl Shared {
    /// What is to be done now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Gather,
            1 => Stage::Send,
            2 => Stage::Drain,
            _ => Stage::Stop,
        }
    }

    /// Has all threads go on to `stage`.
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    fn counts(&self, intended_ns: u64) -> bool {
        (self.measure_from.load(Ordering::Relaxed)..self.send_until.load(Ordering::Relaxed))
            .contains(&intended_ns)
    }
}

/// What a thread did in one second.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Which second of the run.
    pub second: u32,
    /// Connections it has.
    pub connections: u64,
    /// Messages it sent.
    pub sent: u64,
    /// Deliveries it got.
    pub delivered: u64,
    /// Their times.
    pub times: Histogram<u64>,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not connected, and not to be.
    Closed,
    /// The kernel is connecting.
    Connecting,
    /// The server has not said hello.
    Greeting,
    /// On its way to a room.
    Joining,
    /// Where it should be.
    Seated,
}

/// One client.
#[derive(Debug)]
struct Client {
    stream: Option<TcpStream>,
    state: State,
    /// When what it waits for began.
    since_ns: u64,
    /// The name the server gave it.
    name: String,
    seat: Option<Seat>,
    receiver: Option<Receiver>,
    /// Its sender, if it has one.
    sender: Option<usize>,
    /// An unfinished line.
    tail: Vec<u8>,
    /// What the socket did not take.
    out: Vec<u8>,
    /// It reads slowly.
    slow: bool,
    /// Every line it gets is looked at.
    watched: bool,
    /// It has been here before, under another name.
    comes_back: bool,
}

/// A message that is followed to its last receiver.
pub type Sample = (u32, u32);

/// What a thread found out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// See [`Times`].
    pub times: Times,
    /// Accounts of receivers who left.
    pub ledger: Ledger,
    /// Receivers who are still there.
    pub receivers: Vec<Receiver>,
    /// What its senders sent.
    pub sent: Sent,
    /// Last arrival and number of arrivals of sampled messages, and when they were due.
    pub samples: HashMap<Sample, (u64, u64, u32)>,
    /// See [`Connections`].
    pub connections: Connections,
    /// Reads that brought something.
    pub reads: u64,
    /// Bytes they brought.
    pub bytes_read: u64,
}

/// One generator thread.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    /// Which of the threads, and how many there are.
    index: u32,
    workers: u32,
    poll: Poll,
    pacer: Pacer,
    clients: Vec<Client>,
    /// Clients that are to be connected.
    waiting: VecDeque<usize>,
    connecting: usize,
    /// When the next may be connected.
    next_connect_ns: u64,
    senders: Vec<Sender>,
    /// When senders have something to send next.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    started: bool,
    random: Random,
    wander: wandering::Wander,
    buffer: Vec<u8>,
    outcome: Outcome,
    tick: Tick,
    /// Deliveries in seconds before this one.
    delivered_before: u64,
    ticks: Channel<Tick>,
}

impl Worker {
    /// Thread `index` of `workers`, which serves its share of the clients.
    ///
    /// # Errors
    /// When the operating system has no readiness set or timer for us.
    pub fn new(
        shared: Arc<Shared>,
        index: u32,
        workers: u32,
        ticks: Channel<Tick>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let pacer = Pacer::new(poll.registry(), PACER)?;
        let all = shared.scenario.connections;
        let mine = (0..all).filter(|client| client % workers == index).count();
        let random = Random::for_one(shared.scenario.seed, u64::from(index) << 32);
        let wander = wandering::Wander::new(&shared.scenario, workers);
        let tick = Tick { second: 0, connections: 0, sent: 0, delivered: 0, times: times() };
        let mut worker = Self {
            index,
            workers,
            poll,
            pacer,
            clients: (0..mine).map(|_| Client::new()).collect(),
            waiting: (0..mine).collect(),
            connecting: 0,
            next_connect_ns: 0,
            senders: vec![],
            due: BinaryHeap::new(),
            started: false,
            random,
            wander,
            buffer: vec![0; READ_BYTES_MAX * 2],
            outcome: Outcome::default(),
            tick,
            delivered_before: 0,
            ticks,
            shared,
        };
        worker.choose_slow();
        Ok(worker)
    }

    /// Serves its clients until the run is over.
    ///
    /// # Errors
    /// When the operating system no longer tells what is ready.
    pub fn run(mut self) -> io::Result<Outcome> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let now = now_ns();
            let stage = self.shared.stage();
            if stage == Stage::Stop {
                break;
            }
            self.connect_more(now);
            if stage >= Stage::Send && !std::mem::replace(&mut self.started, true) {
                self.start_senders();
            }
            self.send_due(now);
            self.wander(now, stage);
            self.read_slow(now, stage);
            self.end_second(now);
            let delivered = self.delivered_before + self.tick.delivered;
            self.shared.delivered[self.index as usize].store(delivered, Ordering::Relaxed);
            let at = self.next_moment(now);
            self.pacer.wake_at(Some(at))?;
            match self.poll.poll(&mut events, None) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in events.iter().filter(|event| event.token() != PACER) {
                let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                self.handle_event(event.token().0, readable, event.is_writable());
                // Receiving must not keep anything from being sent in time.
                self.send_due(now_ns());
            }
        }
        self.finish();
        Ok(self.outcome)
    }

    fn handle_event(&mut self, client: usize, readable: bool, writable: bool) {
        if writable {
            self.connected(client);
            self.flush(client);
        }
        if readable && !self.is_withholding(client) {
            self.receive(client);
        }
    }

    /// When this thread has something to do even if no socket has.
    fn next_moment(&self, now: u64) -> u64 {
        let look = now + u64::try_from(LOOK_AROUND.as_nanos()).expect("a short time");
        let send = self.due.peek().map_or(look, |Reverse((at, _))| *at);
        let connect = if self.waiting.is_empty() { look } else { self.next_connect_ns };
        look.min(send).min(connect.max(now + 1_000)).min(self.wander.next_moment())
    }

    fn end_second(&mut self, now: u64) {
        let second = (now - self.shared.started_ns) / SECOND_NS;
        let second = u32::try_from(second).expect("a run of some seconds");
        if second == self.tick.second {
            return;
        }
        let fresh = Tick { second, connections: 0, sent: 0, delivered: 0, times: times() };
        let mut tick = std::mem::replace(&mut self.tick, fresh);
        self.delivered_before += tick.delivered;
        tick.connections = self.clients.iter().filter(|c| c.stream.is_some()).count() as u64;
        // Nobody listens any more when the run was broken off.
        let _ = self.ticks.send(tick);
    }

    fn finish(&mut self) {
        self.end_second(now_ns() + SECOND_NS);
        for client in &mut self.clients {
            if client.state == State::Seated
                && let Some(receiver) = client.receiver.take()
            {
                self.outcome.receivers.push(receiver);
            }
        }
        for sender in &self.senders {
            self.outcome.sent.insert((sender.room, sender.id), sender.next);
        }
    }
}
