//! The clients, all of them in one thread around one readiness set: a descriptor and a byte each.

use std::io::{self, ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use memchr::memchr_iter;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::witness::Witness;

/// The last thing a new client is told: it is in.
const GREETING: &[u8] = b"You joined main\n";

/// Clients on their way in at any moment: fewer than a listener's queue holds, because a connection
/// that finds it full is tried again only a second later.
const IN_FLIGHT_MAX: usize = 1_000;
/// New connections before the others are looked at.
const CONNECTS_PER_TURN: usize = 64;

/// More than a new client or a turn of the server has to say.
const READ_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN_MAX: usize = 1024;

/// No turn waits longer than this, so that every deadline is noticed.
const TURN_TIME_MAX: Duration = Duration::from_millis(20);
const ARRIVAL_TIME_MAX: Duration = Duration::from_secs(60);
const SETTLE_TIME_MAX: Duration = Duration::from_secs(20);
/// When nothing arrives for this long after everything was told, the server is quiet.
const SILENCE: Duration = Duration::from_millis(200);

/// Clients that come from the same address. The kernel looks for a free port in one half of its
/// range first, which is some fourteen thousand, and looks longer the fewer are left.
const CLIENTS_PER_SOURCE: usize = 4_000;

/// The addresses clients come from, none of which is used by two swarms: a port is not free again
/// for a minute after its connection was closed.
#[derive(Default)]
pub(crate) struct Sources(u16);

/// All clients of one server.
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    server: SocketAddr,
    /// One for so many clients, see [`CLIENTS_PER_SOURCE`].
    sources: Vec<Ipv4Addr>,
    clients: Vec<Client>,
    joined: usize,
    lines: u64,
    witness: Witness,
    last_arrival: Instant,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    /// How much of the greeting has been read.
    greeted: u8,
}

impl Sources {
    fn next(&mut self) -> Ipv4Addr {
        self.0 += 1;
        let [high, low] = self.0.to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    }
}

impl Swarm {
    /// A first client, the one that hears what the room is told, of the server at `port`. There may
    /// be so many clients in all.
    pub(crate) fn new(port: u16, all: usize, sources: &mut Sources) -> io::Result<Self> {
        let mut swarm = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_TURN_MAX),
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            sources: (0..=all / CLIENTS_PER_SOURCE).map(|_| sources.next()).collect(),
            clients: Vec::with_capacity(all),
            joined: 0,
            lines: 0,
            witness: Witness::default(),
            last_arrival: Instant::now(),
            buffer: vec![0; READ_BYTES],
        };
        swarm.arrive(1)?;
        swarm.settle()?;
        Ok(swarm)
    }

    /// Has so many clients connect, as fast as they can, and returns when all of them are in.
    pub(crate) fn arrive(&mut self, clients: usize) -> io::Result<()> {
        let deadline = Instant::now() + ARRIVAL_TIME_MAX;
        let all = self.clients.len() + clients;
        while self.joined < all {
            let wanted = all.min(self.joined + IN_FLIGHT_MAX);
            let burst = wanted.min(self.clients.len() + CONNECTS_PER_TURN);
            while self.clients.len() < burst {
                self.connect()?;
            }
            if Instant::now() > deadline {
                let joined = self.joined;
                return Err(io::Error::other(format!("{joined} of {all} clients joined in time")));
            }
            let more = self.clients.len() < all.min(self.joined + IN_FLIGHT_MAX);
            self.turn(if more { Duration::ZERO } else { TURN_TIME_MAX })?;
        }
        Ok(())
    }

    /// Waits until the room has been told of everyone, and the server has nothing more to say.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + SETTLE_TIME_MAX;
        let others = self.clients.len() - 1;
        while self.witness.told() < others || self.last_arrival.elapsed() < SILENCE {
            if Instant::now() > deadline {
                let told = self.witness.told();
                return Err(io::Error::other(format!("the room was told of {told} of {others}")));
            }
            self.turn(TURN_TIME_MAX)?;
        }
        Ok(())
    }

    /// Lines that have arrived, at all clients together.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    fn connect(&mut self) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        let source = self.sources[self.clients.len() / CLIENTS_PER_SOURCE];
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&self.server.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let token = Token(self.clients.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
        self.clients.push(Client { stream, greeted: 0 });
        Ok(())
    }

    fn turn(&mut self, wait: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let received = events.iter().try_for_each(|event| self.receive(event.token().0));
        self.events = events;
        received
    }

    /// Reads until the socket is empty, which a read that leaves space in the buffer proves.
    fn receive(&mut self, client: usize) -> io::Result<()> {
        loop {
            let read = match self.clients[client].stream.read(&mut self.buffer) {
                Ok(0) => {
                    return Err(io::Error::other(format!("server closed connection {client}")));
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = &self.buffer[..read];
            self.lines += memchr_iter(b'\n', bytes).count() as u64;
            self.joined += usize::from(self.clients[client].greet(bytes));
            if client == 0 {
                self.witness.hear(bytes);
            }
            self.last_arrival = Instant::now();
            if read < self.buffer.len() {
                return Ok(());
            }
        }
    }
}

impl Client {
    /// Whether these bytes complete the greeting.
    fn greet(&mut self, bytes: &[u8]) -> bool {
        let all = GREETING.len() as u8;
        if self.greeted == all {
            return false;
        }
        for &byte in bytes {
            // Nothing in the greeting looks like its start, so that a mismatch begins anew.
            self.greeted = match byte {
                _ if byte == GREETING[usize::from(self.greeted)] => self.greeted + 1,
                _ => u8::from(byte == GREETING[0]),
            };
            if self.greeted == all {
                return true;
            }
        }
        false
    }
}
