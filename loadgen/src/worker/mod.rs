//! One generator thread: its connections, its senders, its clock. A loop around one readiness set
//! and one buffer; a connection has no task, no codec and no buffer of its own.

mod coming;
mod link;
mod mirror;
mod receiving;
mod sending;
mod wandering;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender as Channel;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use serde::{Deserialize, Serialize};

use crate::address::Target;
use crate::dialect::Dialect;
use crate::ledger::{Receiver, Sent};
use crate::plan::{Part, Plan, Seat};
use crate::result::{Connections, Messages, Times, distribution, times};
use crate::scenario::Scenario;
use crate::schedule::{Pacer, Random, now_ns};
use crate::words::Words;
use link::{Link, Tls};
use mirror::Mirrors;
use sending::Sender;

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 256 << 10;
const PACER: Token = Token(usize::MAX);
/// How often a loop that waits for nothing in particular looks around.
const LOOK_AROUND: Duration = Duration::from_millis(20);
/// Who has been on the way for so long at the end is not where it should be.
const ON_THE_WAY_MAX_NS: u64 = 5 * SECOND_NS;
/// Clients that go to their rooms before the loop looks at what has arrived.
const SEATS_PER_TURN_MAX: usize = 32;
const SECOND_NS: u64 = 1_000_000_000;

/// What all threads do at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stage {
    /// Make connections.
    Ramp,
    /// Go to rooms.
    Join,
    /// Send.
    Send,
    /// Only receive.
    Drain,
    /// Hang up.
    Stop,
}

/// What the threads of a process share.
#[derive(Debug)]
pub struct Shared {
    /// What is asked for.
    pub scenario: Scenario,
    /// Tells this run's messages from others'.
    pub run: u16,
    /// The server.
    pub server: Target,
    /// Its shards.
    pub shards: u16,
    /// See [`Stage`].
    pub stage: AtomicU8,
    /// When sending begins, on the monotonic clock.
    pub send_from: AtomicU64,
    /// When what is sent begins to count.
    pub measure_from: AtomicU64,
    /// When sending ends.
    pub send_until: AtomicU64,
    /// Clients whom the server has said hello.
    pub greeted: AtomicU32,
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
            0 => Stage::Ramp,
            1 => Stage::Join,
            2 => Stage::Send,
            3 => Stage::Drain,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tick {
    /// Which second of the run.
    pub second: u32,
    /// Connections it has.
    pub connections: u64,
    /// Messages it sent.
    pub sent: u64,
    /// Deliveries it got.
    pub delivered: u64,
    /// The times of those that count.
    #[serde(with = "distribution")]
    pub times: Histogram<u64>,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Not connected, and not to be.
    Closed,
    /// The kernel is connecting.
    Connecting,
    /// The server has not said hello.
    Greeting,
    /// Has been given a name, and waits to be given a seat. It need not be in the lobby yet: that
    /// is where its first line brings it, or some time.
    Greeted,
    /// On its way to a room.
    Joining,
    /// Where it should be.
    Seated,
    /// Has said that it goes, and reads what is still on its way.
    Leaving,
}

/// One client.
#[derive(Debug)]
struct Client {
    link: Option<Link>,
    state: State,
    /// When what it waits for began.
    since_ns: u64,
    /// The name the server gave it.
    name: String,
    seat: Option<Seat>,
    receiver: Option<Receiver>,
    /// Its sender, if it has one.
    sender: Option<usize>,
    /// Somebody else's, where nobody gets back what they say: what this client gets of it counts as
    /// having come back.
    witness_of: Option<usize>,
    /// An unfinished line or frame.
    tail: Vec<u8>,
    /// What the socket did not take.
    out: Vec<u8>,
    /// It is in the lobby, or was: the server lets everyone in there by itself.
    in_lobby: bool,
    /// The server has said why it does not let it in.
    rejected: bool,
    /// It reads slowly.
    slow: bool,
    /// It has been here before, under another name.
    comes_back: bool,
    /// When its connection broke, if it did; 0 if not.
    broken_ns: u64,
}

/// A message that is followed to its last receiver.
pub type Sample = (u32, u32);

/// What threads found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// See [`Times`].
    pub times: Times,
    /// What became of the messages, as far as it shows while they come.
    pub sums: Messages,
    /// Accounts of receivers, those who left too.
    pub receivers: Vec<Receiver>,
    /// What senders sent.
    pub sent: Sent,
    /// When sampled messages were due, their last arrival, and their arrivals.
    pub samples: HashMap<Sample, (u64, u64, u32)>,
    /// See [`Connections`].
    pub connections: Connections,
    /// Why the first connection that could not be made was not.
    pub connect_error: Option<String>,
    /// What the server said beside answers and messages.
    pub server_words: Words,
    /// Reads that brought something.
    pub reads: u64,
    /// Bytes they brought.
    pub bytes_read: u64,
}

impl Outcome {
    /// Adds what other threads of the run found out.
    pub fn add(&mut self, other: Self) {
        self.times.add(&other.times);
        self.sums.add(&other.sums);
        self.receivers.extend(other.receivers);
        self.sent.extend(other.sent);
        for (key, (due, last, count)) in other.samples {
            let sample = self.samples.entry(key).or_insert((due, 0, 0));
            *sample = (due, sample.1.max(last), sample.2 + count);
        }
        self.connections.add(&other.connections);
        self.connect_error = self.connect_error.take().or(other.connect_error);
        self.server_words.add_all(other.server_words);
        self.reads += other.reads;
        self.bytes_read += other.bytes_read;
    }
}

/// One generator thread.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    /// Which thread of the process it is.
    thread: usize,
    /// Which part of the run it has.
    part: Part,
    plan: Plan,
    poll: Poll,
    pacer: Pacer,
    clients: Vec<Client>,
    /// Clients that are to be connected.
    waiting: VecDeque<usize>,
    /// Clients that are to be seated.
    greeted: VecDeque<usize>,
    connecting: usize,
    /// The kernel has no more ports for the address that it takes by itself.
    spreads: bool,
    /// When the next may be connected.
    next_connect_ns: u64,
    senders: Vec<Sender>,
    /// When senders have something to send next.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// The stage it has come to.
    stage: Stage,
    random: Random,
    wander: wandering::Wander,
    buffer: Vec<u8>,
    mirrors: Mirrors,
    /// What a bot says next.
    sentence: usize,
    outcome: Outcome,
    tick: Tick,
    /// Deliveries in seconds before this one.
    delivered_before: u64,
    ticks: Channel<Tick>,
    /// If clients speak TLS.
    tls: Option<Tls>,
}

impl Worker {
    /// Thread number `thread` of its process, which serves the clients of `part` of the run.
    ///
    /// # Errors
    /// When the operating system has no readiness set or timer for us.
    pub fn new(
        shared: Arc<Shared>,
        thread: usize,
        part: Part,
        ticks: Channel<Tick>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let pacer = Pacer::new(poll.registry(), PACER)?;
        let all = shared.scenario.connections;
        let mine = (0..all).filter(|client| client % part.of == part.index);
        let clients: Vec<Client> =
            mine.map(|client| Client::new(is_slow(client, shared.scenario.slow_share))).collect();
        let random = Random::for_one(shared.scenario.seed, u64::from(part.index) << 32);
        let tick = Tick { second: 0, connections: 0, sent: 0, delivered: 0, times: times() };
        Ok(Self {
            thread,
            part,
            plan: Plan::new(&shared.scenario, shared.run, shared.shards, part),
            poll,
            pacer,
            waiting: (0..clients.len()).collect(),
            clients,
            greeted: VecDeque::new(),
            connecting: 0,
            spreads: false,
            next_connect_ns: 0,
            senders: vec![],
            due: BinaryHeap::new(),
            stage: Stage::Ramp,
            random,
            wander: wandering::Wander::new(&shared.scenario, part),
            buffer: vec![0; READ_BYTES_MAX * 2],
            mirrors: Mirrors::default(),
            sentence: 0,
            outcome: Outcome::default(),
            tick,
            delivered_before: 0,
            ticks,
            tls: shared.scenario.tls.then(Tls::new),
            shared,
        })
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
            if stage >= Stage::Send && self.stage < Stage::Send {
                self.start_senders();
            }
            self.stage = stage;
            self.connect_more(now);
            self.seat_more();
            self.send_due(now_ns());
            self.wander(now);
            self.read_slow(now);
            self.end_second(now);
            let delivered = self.delivered_before + self.tick.delivered;
            self.shared.delivered[self.thread].store(delivered, Ordering::Relaxed);
            self.pacer.wake_at(self.next_moment(now))?;
            let more_to_seat = stage >= Stage::Join && !self.greeted.is_empty();
            let wait = if more_to_seat { Duration::ZERO } else { LOOK_AROUND };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in events.iter().filter(|event| event.token() != PACER) {
                let has_ended = event.is_read_closed() || event.is_error();
                let readable = event.is_readable() || has_ended;
                let client = event.token().0;
                if event.is_writable() {
                    self.connected(client);
                    self.flush(client);
                }
                if readable && !self.is_withholding(client) {
                    self.receive(client, has_ended);
                }
                // Receiving must not keep anything from being sent in time.
                self.send_due(now_ns());
            }
        }
        self.finish();
        Ok(self.outcome)
    }

    fn dialect(&self) -> Dialect {
        self.shared.scenario.dialect
    }

    /// When this thread has something to do at a certain moment even if no socket has, if that is
    /// before it looks around anyway.
    fn next_moment(&self, now: u64) -> Option<u64> {
        let look = now + u64::try_from(LOOK_AROUND.as_nanos()).expect("a short time");
        let send = self.due.peek().map(|Reverse((at, _))| *at);
        let connect = (!self.waiting.is_empty() && self.connecting < coming::CONNECTING_MAX)
            .then(|| self.next_connect_ns.max(now + 1_000));
        let wander = (self.stage == Stage::Send).then(|| self.wander.next_moment());
        let moments = [send, connect, wander];
        moments.into_iter().flatten().min().filter(|at| *at < look)
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
        self.outcome.times.delivery.add(&tick.times).expect("distributions of one kind");
        tick.connections = self.clients.iter().filter(|c| c.link.is_some()).count() as u64;
        // Nobody listens any more when the run was broken off.
        let _ = self.ticks.send(tick);
    }

    fn finish(&mut self) {
        self.end_second(now_ns() + SECOND_NS);
        for client in 0..self.clients.len() {
            self.miss(client);
        }
        for client in &mut self.clients {
            let Some(receiver) = client.receiver.take() else { continue };
            let stayed = client.state == State::Seated;
            let receiver = if stayed { receiver.stayed() } else { receiver.gone() };
            self.outcome.receivers.push(receiver);
        }
        for sender in self.senders.drain(..).filter(|sender| sender.sent.count() > 0) {
            self.outcome.sent.insert((sender.room, sender.id), sender.sent);
        }
    }
}

/// Whether this client of the run is among the slow ones, who are spread evenly.
fn is_slow(client: u32, share: f64) -> bool {
    let slow_up_to = |clients: u32| (f64::from(clients) * share).floor();
    slow_up_to(client + 1) > slow_up_to(client)
}
