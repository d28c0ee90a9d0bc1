//! Well-behaved clients, and the proof that somebody else's misbehaviour costs them nothing.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Client, Server, at_the_end};

/// How many talk to each other. The server places newcomers where there are fewest, so these sit on
/// several shards if there are any.
const VICTIMS: usize = 4;

/// The fewest messages from which a 99th percentile is taken.
const TRIPS_MIN: usize = 200;

/// How long a victim rests between two messages: they chat, they do not load the server.
const REST: Duration = Duration::from_millis(2);

/// How often a time is taken before the server is found guilty, see [`Victims::unharmed_by`].
pub const ATTEMPTS_MAX: usize = 5;

/// What somebody else may add to the 99th percentile, in per cent of what it is without them.
const SLOWER_PERCENT_MAX: u32 = 150;

/// How many times what the machine takes to wake two threads may come on top of that. A message
/// wakes the speaker's shard, the room's, the members' and their reader, one after another.
const WAKEUPS: u32 = 4;

/// What may come on top of that: turns of a shard that serve an abuser before a victim. They are
/// bounded by what a shard reads and flushes at once; a storm of connections was seen to make them
/// 3 to 6 ms in a build for tests. Victims that wait for an abuser wait for hundreds.
const TURNS: Duration = Duration::from_millis(6);

/// Members of a room of their own, who take turns in saying something.
///
/// One message is on its way at a time, and every victim must read exactly that line next. So a
/// message that is lost, doubled, out of order or not theirs ends the test.
pub struct Victims {
    members: Vec<Client>,
    said: usize,
}

/// How long messages took from being sent until the last victim had read them.
#[derive(Default)]
pub struct Trips(Vec<Duration>);

impl Victims {
    /// Connects them, and has them meet in `room`.
    pub fn in_room(server: &Server, room: &str) -> Self {
        let name = |number| format!("{room}-{number}");
        let mut members: Vec<Client> = Vec::with_capacity(VICTIMS);
        for number in 0..VICTIMS {
            let mut newcomer = Client::named(server, &name(number));
            newcomer.go(room);
            for member in &mut members {
                member.expect(&format!("{} joined", name(number)));
            }
            members.push(newcomer);
        }
        Self { members, said: 0 }
    }

    /// Says so many things.
    pub fn talk(&mut self, messages: usize) -> Trips {
        Trips((0..messages).map(|_| self.say_one()).collect())
    }

    /// Talks for as long as `abuse` takes, which runs meanwhile, and at least a few times.
    pub fn talk_during<T: Send>(&mut self, abuse: impl FnOnce() -> T + Send) -> (T, Trips) {
        let over = AtomicBool::new(false);
        let mut trips = Trips::default();
        let result = thread::scope(|scope| {
            let abuse = scope.spawn(|| {
                let _over = at_the_end(|| over.store(true, Ordering::Relaxed));
                abuse()
            });
            while !over.load(Ordering::Relaxed) || trips.0.len() < TRIPS_MIN {
                trips.0.push(self.say_one());
            }
            abuse.join()
        });
        (result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), trips)
    }

    /// Asserts that `abuse` costs the victims nothing: no message, and no time.
    ///
    /// They are compared with themselves: they talk undisturbed, then while `abuse` runs, and the
    /// 99th percentile of the second may be half as much again as that of the first, and what the
    /// machine itself takes longer to wake threads then, which an echo without any server tells; an
    /// abuser needs its processors, too. On a shared machine any single comparison can go wrong,
    /// but only to one side: whatever else runs adds time and takes none away. A server without its
    /// defence is slow in *every* comparison. So a few are made, in alternation, and one good one
    /// is proof enough; that nothing is lost must hold in all of them.
    pub fn unharmed_by(&mut self, mut abuse: impl FnMut() + Send) {
        let mut seen = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            let calm = self.talk(TRIPS_MIN).p99();
            let echo = Echo::start();
            let ((), abused) = self.talk_during(&mut abuse);
            let (abused, machine) = (abused.p99(), echo.stop().p99());
            if abused <= calm * SLOWER_PERCENT_MAX / 100 + machine * WAKEUPS + TURNS {
                return;
            }
            seen.push((calm, abused, machine));
        }
        panic!("victims were slowed down in every attempt; p99 calm, abused, echo: {seen:?}");
    }

    fn say_one(&mut self) -> Duration {
        thread::sleep(REST);
        let speaker = self.said % self.members.len();
        self.said += 1;
        let started = Instant::now();
        let line = self.members[speaker].say_something();
        self.members.iter_mut().for_each(|it| it.expect(&line));
        started.elapsed()
    }
}

/// Two threads that wake each other, as often as a victim speaks, and how long that takes them.
struct Echo {
    over: Arc<AtomicBool>,
    asks: thread::JoinHandle<Trips>,
}

impl Echo {
    fn start() -> Self {
        let (mut asking, mut answering) = UnixStream::pair().expect("a pair of sockets");
        // Ends when the other end is closed.
        thread::spawn(move || {
            let mut byte = [0];
            while answering.read_exact(&mut byte).is_ok() && answering.write_all(&byte).is_ok() {}
        });
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let asks = thread::spawn(move || {
            let mut trips = Trips::default();
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(REST);
                let started = Instant::now();
                asking.write_all(&[0]).expect("the other end is open");
                asking.read_exact(&mut [0]).expect("it answers");
                trips.0.push(started.elapsed());
            }
            trips
        });
        Self { over, asks }
    }

    fn stop(self) -> Trips {
        self.over.store(true, Ordering::Relaxed);
        self.asks.join().expect("an echo does not fail")
    }
}

impl Trips {
    /// The time that one in a hundred was slower than.
    pub fn p99(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * 99).div_ceil(100) - 1]
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.0.iter().copied().max().unwrap_or_default()
    }
}
