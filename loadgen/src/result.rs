//! What a run found out: everything that reports are made from. Times are in nanoseconds unless a
//! name says otherwise; distributions are HDR histograms of nanoseconds with three digits.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::guard;
use crate::scenario::Scenario;
use crate::spawn::Stopped;
use crate::words::Words;

/// Raised when a field of `run.json` changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// The shortest time that is told apart, in nanoseconds.
pub const TIME_MIN_NS: u64 = 1_000;
/// The longest time that is recorded as it is, in nanoseconds: two minutes.
pub const TIME_MAX_NS: u64 = 120_000_000_000;
/// Significant decimal digits of recorded times.
pub const TIME_DIGITS: u8 = 3;

/// An empty distribution of times.
#[must_use]
pub fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(TIME_MIN_NS, TIME_MAX_NS, TIME_DIGITS).expect("valid bounds")
}

/// A distribution on its way between processes, exactly as it is.
pub(crate) mod distribution {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer as From, Serializer as Into};

    pub(crate) fn serialize<S: Into>(times: &Histogram<u64>, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = vec![];
        V2Serializer::new().serialize(times, &mut bytes).map_err(S::Error::custom)?;
        to.serialize_bytes(&bytes)
    }

    pub(crate) fn deserialize<'a, D: From<'a>>(from: D) -> Result<Histogram<u64>, D::Error> {
        let bytes = <&[u8]>::deserialize(from)?;
        Deserializer::new().deserialize(&mut &*bytes).map_err(D::Error::custom)
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// What was asked for, flags included.
    pub scenario: Scenario,
    /// Where and how it was made, beside what the scenario says.
    pub setup: Setup,
    /// The words of the command line.
    pub command: Vec<String>,
    /// When it began, in seconds since 1970.
    pub started_unix_seconds: u64,
    /// Phases it went through, in order.
    pub phases: Vec<Phase>,
    /// The phase that a signal cut short, and with it the run; none if none did.
    pub interrupted: Option<&'static str>,
    /// The distributions it measured.
    pub times: Times,
    /// What became of the messages.
    pub messages: Messages,
    /// What became of the connections.
    pub connections: Connections,
    /// Why the first connection that could not be made was not.
    pub connect_error: Option<String>,
    /// What the server said to clients beside answers and messages.
    pub server_words: Words,
    /// Deliveries had come to an end when the run did.
    pub caught_up: bool,
    /// What is wrong with how the server ended, if it was started for this run.
    pub server_end: Option<String>,
    /// A row for every second, from the first connection on.
    pub timeline: Vec<Second>,
    /// The delivery times that arrived in each second, by its number; together they are
    /// [`Times::delivery`].
    pub intervals: Vec<(u32, Compressed)>,
    /// What the server used while messages counted; none if it could not be watched.
    pub server: Option<ServerUse>,
    /// What the generator used while messages counted.
    pub generator: GeneratorUse,
    /// Why the run says nothing about the server; empty for a valid one.
    pub invalid: Vec<String>,
    /// What the scenario promises and the server did not keep.
    pub failures: Vec<String>,
}

impl RunResult {
    /// Adds what became of the server whose life was this run.
    pub fn server_stopped(&mut self, stopped: &Stopped) {
        if let Some(server) = &mut self.server {
            server.counted = stopped.counts();
        }
        self.server_end = stopped.problem();
        self.invalid = guard::judge(self);
        self.failures = guard::failures(self);
    }

    /// Whether it was cut short before anything counted.
    #[must_use]
    pub fn is_cut_before_measuring(&self) -> bool {
        self.interrupted.is_some_and(|phase| !matches!(phase, "measure" | "drain"))
    }
}

/// Where and how a run was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Setup {
    /// Where the server listened, by the name that it was given by.
    pub server: String,
    /// Its shards, as far as the generator knows.
    pub shards: u16,
    /// How it was started; none for a server that ran already.
    pub spawned: Option<Spawned>,
    /// Cores of the generator, a thread on each; none if its thread may run on any.
    pub generator_cpus: Vec<usize>,
    /// Processes of the generator.
    pub processes: u32,
}

/// How a server was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spawned {
    /// Messages of a room that it keeps for newcomers; none for as many as it keeps by itself.
    pub history_messages: Option<u32>,
    /// Cores it may use; none for all.
    pub cpus: Vec<usize>,
    /// More flags that it was given.
    pub args: Vec<String>,
}

/// A distribution that takes as little memory as it can: a long run keeps one for every second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compressed(Vec<u8>);

impl Compressed {
    /// `times`, compressed.
    ///
    /// # Panics
    /// Never: memory takes everything.
    #[must_use]
    pub fn new(times: &Histogram<u64>) -> Self {
        let mut bytes = vec![];
        V2DeflateSerializer::new().serialize(times, &mut bytes).expect("memory takes everything");
        Self(bytes)
    }

    /// What was compressed.
    ///
    /// # Panics
    /// Never: it was compressed by us.
    #[must_use]
    pub fn times(&self) -> Histogram<u64> {
        Deserializer::new().deserialize(&mut &*self.0).expect("compressed by us")
    }
}

/// A part of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// `ramp`, `join`, `warm-up`, `measure`, `drain` or `teardown`.
    pub name: &'static str,
    /// When it began, in seconds since the run did.
    pub start_seconds: f64,
    /// How long it took.
    pub seconds: f64,
}

/// Distributions of times in the measured part of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Times {
    /// From when a message should have been sent to when a receiver had it: the headline.
    #[serde(with = "distribution")]
    pub delivery: Histogram<u64>,
    /// The same for receivers that read slowly, who have nobody but themselves to thank for it.
    #[serde(with = "distribution")]
    pub slow: Histogram<u64>,
    /// From when it was sent to when a receiver had it.
    #[serde(with = "distribution")]
    pub service: Histogram<u64>,
    /// From when it should have been sent to when it was: the generator's own lateness.
    #[serde(with = "distribution")]
    pub lag: Histogram<u64>,
    /// From when it should have been sent to when the last receiver had it, on a sample.
    #[serde(with = "distribution")]
    pub completion: Histogram<u64>,
    /// From the start of a connection until the kernel had it.
    #[serde(with = "distribution")]
    pub connect: Histogram<u64>,
    /// From the start of a connection until the server had given it a name.
    #[serde(with = "distribution")]
    pub greeting: Histogram<u64>,
    /// From asking for a room until being in it.
    #[serde(with = "distribution")]
    pub join: Histogram<u64>,
    /// From when a connection broke until its client was back in its room.
    #[serde(with = "distribution")]
    pub comeback: Histogram<u64>,
}

impl Times {
    /// Nothing measured yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            delivery: times(),
            slow: times(),
            service: times(),
            lag: times(),
            completion: times(),
            connect: times(),
            greeting: times(),
            join: times(),
            comeback: times(),
        }
    }

    /// Adds another part of the same run.
    ///
    /// # Panics
    /// Never: all distributions have the same bounds.
    pub fn add(&mut self, other: &Self) {
        let mine = [
            &mut self.delivery,
            &mut self.slow,
            &mut self.service,
            &mut self.lag,
            &mut self.completion,
            &mut self.connect,
            &mut self.greeting,
            &mut self.join,
            &mut self.comeback,
        ];
        for (mine, (_, other)) in mine.into_iter().zip(other.each()) {
            mine.add(other).expect("distributions of one kind");
        }
    }

    /// All distributions with their names.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Histogram<u64>)> {
        [
            ("delivery", &self.delivery),
            ("slow", &self.slow),
            ("service", &self.service),
            ("lag", &self.lag),
            ("completion", &self.completion),
            ("connect", &self.connect),
            ("greeting", &self.greeting),
            ("join", &self.join),
            ("comeback", &self.comeback),
        ]
        .into_iter()
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of the messages that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// Messages due in the measured time.
    pub offered: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages sent besides: to warm up, or for people to read.
    pub uncounted: u64,
    /// Deliveries there should have been: for each message, one for each member at that time.
    pub expected: u64,
    /// Deliveries there were.
    pub delivered: u64,
    /// Expected, and never came.
    pub lost: u64,
    /// Came again.
    pub duplicated: u64,
    /// Came after a later one of the same sender.
    pub reordered: u64,
    /// Came with a wrong checksum.
    pub corrupted: u64,
    /// Came to somebody who is not in the room.
    pub misrouted: u64,
    /// Notices of the server that a receiver missed messages.
    pub gap_notices: u64,
    /// Messages missed by their own account.
    pub missed: u64,
    /// The part of them that receivers missed who read slowly.
    pub missed_by_slow: u64,
    /// Pairs of receivers that saw the messages of a room in different orders, on a sample.
    pub disagreements: u64,
}

impl Messages {
    /// Adds another part of the same run.
    pub fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.sent += other.sent;
        self.uncounted += other.uncounted;
        self.expected += other.expected;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.misrouted += other.misrouted;
        self.gap_notices += other.gap_notices;
        self.missed += other.missed;
        self.missed_by_slow += other.missed_by_slow;
        self.disagreements += other.disagreements;
    }
}

/// What became of the connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// Made, those that replaced others too.
    pub opened: u64,
    /// That could not be made.
    pub failed: u64,
    /// That the server rejected, and said why.
    pub refused: u64,
    /// That the server closed without being asked.
    pub closed_by_server: u64,
    /// Most at a time.
    pub most: u64,
}

impl Connections {
    /// Adds another part of the same run.
    pub fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.refused += other.refused;
        self.closed_by_server += other.closed_by_server;
    }
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// The second, from 0.
    pub second: u32,
    /// Connections at its end.
    pub connections: u64,
    /// Messages sent in it.
    pub sent: u64,
    /// Deliveries in it.
    pub delivered: u64,
    /// Median delivery time, in microseconds.
    pub p50_us: f64,
    /// 99th percentile of delivery times, in microseconds.
    pub p99_us: f64,
    /// Longest delivery time, in microseconds.
    pub max_us: f64,
    /// Server CPU used in it, in cores.
    pub server_cpu: f64,
    /// Server memory at its end, in bytes.
    pub server_rss: u64,
    /// The busiest generator thread's CPU, in cores.
    pub generator_cpu: f64,
}

/// What the server used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServerUse {
    /// Its process.
    pub pid: u32,
    /// Time it was watched, in seconds.
    pub seconds: f64,
    /// CPU time of every thread, by name.
    pub threads: Vec<ThreadUse>,
    /// CPU time in user code, in nanoseconds.
    pub user_ns: u64,
    /// CPU time in the kernel, in nanoseconds.
    pub system_ns: u64,
    /// CPU time from the first connection until everyone was where they should be, in nanoseconds.
    pub gather_ns: u64,
    /// Resident memory before the first connection and at the end, in bytes.
    pub rss_before: u64,
    /// See `rss_before`.
    pub rss_after: u64,
    /// Resident memory, with what is shared counted in part, at the end, in bytes.
    pub pss_after: u64,
    /// Descriptors open at the end.
    pub descriptors: u64,
    /// Times a thread gave up its core by itself.
    pub voluntary_switches: u64,
    /// Times a thread was taken off its core.
    pub involuntary_switches: u64,
    /// Memory of the kernel's TCP sockets before and after, in bytes, of the whole machine.
    pub socket_bytes_before: u64,
    /// See `socket_bytes_before`.
    pub socket_bytes_after: u64,
    /// What it says it did in its whole life; none for a server that was not started for this run.
    pub counted: Option<ServerCounts>,
}

/// What a server counted itself, from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ServerCounts {
    /// Messages that clients said.
    pub said: u64,
    /// Lines of rooms that it handed to sockets, one for each member.
    pub deliveries: u64,
    /// Calls that wrote to sockets.
    pub writes: u64,
    /// Bytes they took.
    pub bytes_written: u64,
    /// Times it left a client's input unread for a while, as that had spent its rate limit.
    pub throttled: u64,
}

/// What one thread used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ThreadUse {
    /// Its name.
    pub name: String,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// Time it could have run and did not get a core, in nanoseconds.
    pub waited_ns: u64,
}

/// What the generator used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GeneratorUse {
    /// Time it was watched, in seconds.
    pub seconds: f64,
    /// CPU time of every thread.
    pub threads: Vec<ThreadUse>,
    /// Reads that brought something.
    pub reads: u64,
    /// Bytes they brought.
    pub bytes_read: u64,
    /// The part of the machine's time that its hypervisor took away.
    pub steal_share: f64,
}
