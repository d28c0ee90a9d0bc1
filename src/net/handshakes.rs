//! Connections that have not come to terms with us about TLS. Each has a task until it has, or its
//! time is up; only then does it take a place on a shard.
//!
//! Who floods us with handshakes must not keep honest people out, nor take the processor from those
//! who chat. So there are so many places for handshakes and no more, and when all are taken, the
//! one goes whose client has kept us waiting: honest clients answer in a blink. While no client
//! has, it is we who are slow, and newcomers wait in the kernel. And the handshakes take turns in
//! what is work for the processor, which rests for as long as it worked.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::server::ServerConfig;
use socket2::SockRef;
use tokio::net::TcpStream as TokioStream;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use crate::model::{CloseReason, Ticket};
use crate::net::Certificates;
use crate::socket::{READ_ROOM, Session, Socket, Tls};

/// How long a client may take to come to terms.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a client may have kept us waiting, in all, when others need its place.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// Handshakes at a time, after which room is made for more.
const HANDSHAKES_MAX: usize = 1024;
/// How many more there may be: those that were accepted together.
const HANDSHAKES_SPARE: usize = 64;
/// How many clients there may be for each handshake at a time, so that these leave room for those.
const CLIENTS_PER_HANDSHAKE: usize = 4;
/// Bytes that a client may send before it has come to terms: several times what one needs.
const HANDSHAKE_BYTES_MAX: usize = READ_ROOM;
/// Bytes read at once.
const READ_BYTES_MAX: usize = 4 << 10;
/// What is owed in rest before it is worth a timer.
const REST_MIN: Duration = Duration::from_millis(1);
/// How long whoever is turned away may take to close its side.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// What every handshake begins with.
const HANDSHAKE_RECORD: u8 = 0x16;

/// How a handshake ended.
#[derive(Debug)]
pub struct Settled {
    /// Where the client comes from.
    pub from: SocketAddr,
    /// What it is counted under.
    pub ticket: Ticket,
    /// The connection, or why there is none.
    pub outcome: Result<Socket, CloseReason>,
}

/// All handshakes under way.
#[derive(Debug)]
pub struct Handshakes {
    certificates: Certificates,
    places: usize,
    tasks: JoinSet<Settled>,
    /// The oldest first. Some handshakes are over already.
    taken: VecDeque<Place>,
    started: Instant,
    turn: Turn,
    /// What clients are told who do not speak TLS.
    hint: Arc<[u8]>,
}

/// A place for a handshake, which ends when this is dropped.
#[derive(Debug)]
struct Place {
    end: oneshot::Sender<()>,
    waits_since: WaitsSince,
}

/// Since when we would have been waiting for a client had we done so without a break, in
/// milliseconds from some moment; [`FOR_US`] while it is waiting for us.
type WaitsSince = Arc<AtomicU64>;

const FOR_US: u64 = u64::MAX;

/// Whose turn it is to work, and for how much work no rest has been taken.
type Turn = Arc<Mutex<Duration>>;

/// One handshake's turns.
struct Turns {
    turn: Turn,
    started: Instant,
    waits_since: WaitsSince,
}

/// One handshake.
struct Handshake {
    stream: TokioStream,
    session: Session,
    /// Text that has come with the end of the handshake.
    early: Vec<u8>,
    received: usize,
    /// The first byte that was received.
    first: Option<u8>,
}

impl Handshakes {
    /// Handshakes with these `certificates`, for a server of `clients_max`. A client that does not
    /// speak TLS is told `hint`.
    #[must_use]
    pub fn new(certificates: Certificates, clients_max: u32, hint: &[u8]) -> Self {
        let places = (clients_max as usize / CLIENTS_PER_HANDSHAKE).clamp(1, HANDSHAKES_MAX);
        Self {
            certificates,
            places,
            tasks: JoinSet::new(),
            taken: VecDeque::new(),
            started: Instant::now(),
            turn: Turn::default(),
            hint: hint.into(),
        }
    }

    /// What the server shows.
    pub fn certificates(&mut self) -> &mut Certificates {
        &mut self.certificates
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are places for newcomers, or some that can be had.
    pub fn has_room(&mut self) -> bool {
        !self.is_full() || self.overdue().is_some()
    }

    fn is_full(&mut self) -> bool {
        if self.taken.len() >= self.places {
            self.taken.retain(|place| !place.end.is_closed());
        }
        self.taken.len() >= self.places
    }

    /// The place of the oldest whose client has kept us waiting.
    fn overdue(&self) -> Option<usize> {
        let now = millis(self.started);
        let due = |place: &Place| {
            let since = place.waits_since.load(Ordering::Relaxed);
            since != FOR_US && since + ANSWER_WAIT_MAX.as_millis() as u64 <= now
        };
        self.taken.iter().position(due)
    }

    /// Begins one with a client that has been let in. Whether there was a place for it.
    pub fn begin(&mut self, stream: TcpStream, from: SocketAddr, ticket: Ticket) -> bool {
        if self.is_full() {
            match self.overdue() {
                Some(place) => drop(self.taken.remove(place)),
                None if self.taken.len() >= self.places + HANDSHAKES_SPARE => return false,
                None => {}
            }
        }
        let (end, ended) = oneshot::channel();
        let waits_since = Arc::new(AtomicU64::new(millis(self.started)));
        self.taken.push_back(Place { end, waits_since: Arc::clone(&waits_since) });
        let turns = Turns { turn: Arc::clone(&self.turn), started: self.started, waits_since };
        let (config, hint) = (self.certificates.config(), Arc::clone(&self.hint));
        self.tasks.spawn(async move {
            let outcome = tokio::select! {
                outcome = settle(stream, config, &turns, &hint) => outcome,
                _ = ended => Err(CloseReason::BadHandshake),
            };
            Settled { from, ticket, outcome }
        });
        true
    }

    /// Waits for the next that is over, for ever while there is none.
    pub async fn next(&mut self) -> Settled {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(settled)) => return settled,
                // One that was ended with the runtime, and nobody will ask for.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Comes to terms with a client, in time.
async fn settle(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    turns: &Turns,
    hint: &[u8],
) -> Result<Socket, CloseReason> {
    let mut handshake = Handshake::new(stream, config).map_err(|_| CloseReason::BadHandshake)?;
    let end = tokio::time::timeout(HANDSHAKE_WAIT_MAX, handshake.run(turns)).await;
    let is_in_time = end.is_ok();
    match end {
        Ok(Ok(())) => handshake.into_socket().map_err(|_| CloseReason::BadHandshake),
        _ if handshake.is_plain(is_in_time) => {
            let _ = tokio::time::timeout(LINGER_MAX, handshake.turn_away(hint)).await;
            Err(CloseReason::NoTls)
        }
        _ => Err(CloseReason::BadHandshake),
    }
}

impl Handshake {
    fn new(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let stream = TokioStream::from_std(stream.into())?;
        let session = Session::new(config).map_err(io::Error::other)?;
        Ok(Self { stream, session, early: vec![], received: 0, first: None })
    }

    async fn run(&mut self, turns: &Turns) -> io::Result<()> {
        while self.session.is_handshaking() {
            let mut incoming = self.receive().await?;
            if self.first != Some(HANDSHAKE_RECORD) {
                return Err(ErrorKind::InvalidData.into());
            }
            let (session, early) = (&mut self.session, &mut self.early);
            let mut answers = vec![];
            let open =
                || session.open(&mut incoming, &mut answers, |text| early.extend_from_slice(text));
            turns.take(open).await;
            self.send(&answers).await?;
            if self.session.has_failed()
                || self.session.has_ended() && self.session.is_handshaking()
            {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    /// What has been received and not been used, with something more at its end.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let kept = self.session.partial().len();
        let room = READ_BYTES_MAX.min(HANDSHAKE_BYTES_MAX - self.received);
        if room == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
        loop {
            // There is no buffer while it waits.
            self.stream.readable().await?;
            let mut incoming = self.session.partial().to_vec();
            incoming.resize(kept + room, 0);
            match self.stream.try_read(&mut incoming[kept..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    incoming.truncate(kept + count);
                    self.received += count;
                    self.first = self.first.or(incoming.first().copied());
                    return Ok(incoming);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Whether the client seems not to know that this is TLS: it sends something else, or waits
    /// until its time is up.
    fn is_plain(&self, is_in_time: bool) -> bool {
        self.first.map_or(!is_in_time, |first| first != HANDSHAKE_RECORD)
    }

    /// Tells the client something that is not TLS, and waits until it has closed its side: closing
    /// with input unread would have the kernel throw away what the client has not read.
    async fn turn_away(&self, line: &[u8]) -> io::Result<()> {
        self.send(line).await?;
        SockRef::from(&self.stream).shutdown(Shutdown::Write)?;
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut [0; READ_BYTES_MAX]) {
                Ok(0) => return Ok(()),
                Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(e),
                _ => {}
            }
        }
    }

    fn into_socket(self) -> io::Result<Socket> {
        let stream = TcpStream::from_std(self.stream.into_std()?);
        Ok(Socket::Tls(Box::new(Tls::new(stream, self.session, self.early))))
    }
}

impl Turns {
    /// Does some work for a handshake, when it is its turn. Whoever else waits for the processor
    /// gets it between two turns, and for as long as the work has taken in all.
    async fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let since = self.waits_since.swap(FOR_US, Ordering::Relaxed);
        let waited = millis(self.started) - since;
        let mut worked = self.turn.lock().await;
        let started = Instant::now();
        let done = work();
        *worked += started.elapsed();
        self.waits_since.store(millis(self.started) - waited, Ordering::Relaxed);
        if *worked >= REST_MIN {
            tokio::time::sleep(std::mem::take(&mut *worked)).await;
        } else {
            tokio::task::yield_now().await;
        }
        done
    }
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}
