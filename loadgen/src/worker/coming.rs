//! How clients connect, get their seats and hang up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Socket, Type};

use super::link::Link;
use super::{Client, ON_THE_WAY_MAX_NS, SEATS_PER_TURN_MAX, Stage, State, Worker};
use crate::ledger::Receiver;
use crate::plan::{LOBBY, room_name};
use crate::schedule::now_ns;

/// Connections of one thread that the kernel works on at a time.
pub(super) const CONNECTING_MAX: usize = 256;
/// Connections that are started before the loop looks at what has arrived and what is due.
const CONNECTS_PER_TURN_MAX: usize = 32;
/// Connections of a run from the source address that the kernel takes by itself. It has some
/// 28 000 ports for each pair of addresses, and is slow to find one when half of them are in use.
const CONNECTIONS_UNSPREAD: u64 = 12_000;
/// Connections one after the other from each source address of those that come after them: ports
/// that closed connections had cannot be used again for a minute.
const CONNECTIONS_PER_ADDRESS: u64 = 4_000;
/// What the kernel may keep for a slow reader, so that it does not read for it.
const SLOW_RECEIVE_BYTES: usize = 16 << 10;
/// Tries of a client to be placed on a shard that suits it.
const SEAT_TRIES: u32 = 64;

impl Client {
    pub(super) fn new(slow: bool) -> Self {
        Self {
            link: None,
            state: State::Closed,
            since_ns: 0,
            name: String::new(),
            seat: None,
            receiver: None,
            sender: None,
            witness_of: None,
            tail: vec![],
            out: vec![],
            in_lobby: false,
            rejected: false,
            slow,
            comes_back: false,
            broken_ns: 0,
        }
    }
}

impl Worker {
    /// Starts connections that are due.
    pub(super) fn connect_more(&mut self, now: u64) {
        let rate = self.shared.scenario.connects_per_second / f64::from(self.part.of);
        let gap = if rate > 0.0 { (1e9 / rate) as u64 } else { 0 };
        for _ in 0..CONNECTS_PER_TURN_MAX {
            if self.connecting >= CONNECTING_MAX || now < self.next_connect_ns {
                return;
            }
            let Some(client) = self.waiting.pop_front() else { return };
            self.next_connect_ns = if gap == 0 { 0 } else { self.next_connect_ns.max(now) + gap };
            let mut connected = self.connect(client);
            let is_out_of_ports =
                |e: &io::Error| e.kind() == io::ErrorKind::AddrNotAvailable && !self.spreads;
            if connected.as_ref().is_err_and(is_out_of_ports) {
                self.spreads = true;
                connected = self.connect(client);
            }
            if let Err(e) = connected {
                self.give_up(client, &explain(&e));
            }
        }
    }

    fn connect(&mut self, client: usize) -> io::Result<()> {
        let address = self.shared.server.address;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) && self.spreads() {
            socket.bind(&self.source().into())?;
        }
        if self.clients[client].slow {
            socket.set_recv_buffer_size(SLOW_RECEIVE_BYTES)?;
        }
        match socket.connect(&address.into()) {
            Err(e) if e.raw_os_error() != Some(EINPROGRESS) => return Err(e),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(client), both)?;
        let link = Link::new(stream, self.tls.as_ref(), &self.shared.server.host)?;
        self.connecting += 1;
        let who = &mut self.clients[client];
        (who.link, who.state, who.since_ns) = (Some(link), State::Connecting, now_ns());
        (who.in_lobby, who.rejected) = (false, false);
        Ok(())
    }

    /// Whether the kernel's own choice of a source address is no longer good enough. Until then
    /// clients come from where any would: some servers take other addresses for another machine's.
    fn spreads(&self) -> bool {
        let opened = self.outcome.connections.opened * u64::from(self.part.of);
        self.spreads || opened >= CONNECTIONS_UNSPREAD
    }

    /// Where the next client connects from: one address has too few ports for all, and those that
    /// the last runs used are not free yet.
    fn source(&self) -> SocketAddr {
        let group = self.outcome.connections.opened / CONNECTIONS_PER_ADDRESS;
        let host = 2 + u8::try_from(group % 250).expect("less than 250");
        let net = u8::try_from(self.part.index % 250).expect("less than 250");
        let [_, run] = self.shared.run.to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, net, run, host), 0))
    }

    /// The client's socket can be written: if it was connecting, it is connected now, or cannot be.
    pub(super) fn connected(&mut self, client: usize) {
        if self.clients[client].state != State::Connecting {
            return;
        }
        // Unique in the run, and in runs before it that a server may still remember.
        let number = client as u64 * u64::from(self.part.of) + u64::from(self.part.index);
        let name = format!("lg{:04x}{number:x}", self.shared.run);
        let who = &mut self.clients[client];
        let stream = who.link.as_ref().expect("who connects has a socket").socket();
        let error = stream.take_error().and_then(|error| match error {
            Some(error) => Err(error),
            None => stream.peer_addr().map(drop),
        });
        if let Err(e) = error {
            self.hang_up(client);
            self.give_up(client, &explain(&e));
            return;
        }
        self.connecting -= 1;
        who.state = State::Greeting;
        let hello = self.shared.scenario.dialect.hello(&name, &self.shared.server.authority());
        if !hello.is_empty() {
            who.out.extend_from_slice(hello.as_bytes());
            who.name = name;
        }
        self.outcome.connections.opened += 1;
        self.outcome.times.connect.saturating_record(now_ns() - who.since_ns);
    }

    /// The client cannot be where it should: the run goes on without it.
    pub(super) fn give_up(&mut self, client: usize, why: &str) {
        if !self.clients[client].comes_back {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
        // Who is rejected is counted as that.
        if !self.clients[client].rejected {
            self.outcome.connections.failed += 1;
            self.outcome.connect_error.get_or_insert_with(|| why.to_owned());
        }
    }

    /// Counts the client, at the end of the run, if it should long have been where it wanted to.
    pub(super) fn miss(&mut self, client: usize) {
        let who = &self.clients[client];
        let is_late = now_ns() > who.since_ns.saturating_add(ON_THE_WAY_MAX_NS);
        if who.link.is_none() || (who.comes_back && !is_late) {
            return;
        }
        match who.state {
            State::Seated => {}
            State::Leaving => self.give_up(client, "the server never let it go"),
            _ => self.give_up(client, "the server never let it into its room"),
        }
    }

    /// The server has greeted the client: it has its name, where the server gives one, and may ask
    /// for a room.
    pub(super) fn greeted(&mut self, client: usize, now: u64) {
        let who = &mut self.clients[client];
        if who.state != State::Greeting {
            return;
        }
        self.outcome.times.greeting.saturating_record(now - who.since_ns);
        who.state = State::Greeted;
        self.greeted.push_back(client);
        if self.stage == Stage::Ramp {
            self.shared.greeted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The server has let the client into a room.
    pub(super) fn joined(&mut self, client: usize, room: Option<&str>, now: u64) {
        let who = &mut self.clients[client];
        who.in_lobby |= room.is_some_and(|room| room == room_name(self.shared.run, LOBBY));
        match who.state {
            State::Greeting => self.greeted(client, now),
            State::Joining => {
                let seat = who.seat.expect("who joins has a seat");
                if room.is_none_or(|room| room == room_name(self.shared.run, seat.room)) {
                    // Nobody asks for the lobby.
                    if seat.room != LOBBY {
                        self.outcome.times.join.saturating_record(now - who.since_ns);
                    }
                    self.seated(client, now);
                }
            }
            _ => {}
        }
    }

    /// Gives seats to clients that have been greeted, once it is time to.
    pub(super) fn seat_more(&mut self) {
        if self.stage < Stage::Join {
            return;
        }
        for _ in 0..SEATS_PER_TURN_MAX {
            let Some(client) = self.greeted.pop_front() else { return };
            // It may have been hung up on since.
            if self.clients[client].state == State::Greeted {
                self.find_seat(client);
            }
        }
    }

    fn find_seat(&mut self, client: usize) {
        let who = &self.clients[client];
        let Some(seat) = who.seat.or_else(|| self.plan.seat(&who.name, who.slow)) else {
            // Not on a shard that suits any room with a free seat: comes again, to be placed anew.
            self.hang_up(client);
            self.try_again(client);
            return;
        };
        let who = &mut self.clients[client];
        who.seat = Some(seat);
        if seat.room != LOBBY {
            self.go_to(client, seat.room);
        } else if who.in_lobby {
            self.seated(client, now_ns());
        } else {
            (who.state, who.since_ns) = (State::Joining, now_ns());
        }
    }

    fn try_again(&mut self, client: usize) {
        let tries = self.outcome.connections.opened;
        if tries < u64::from(SEAT_TRIES) * self.clients.len() as u64 {
            self.waiting.push_back(client);
        } else {
            self.give_up(client, "the server never put it on a shard that suits `placement`");
        }
    }

    /// Sends the client to another room.
    pub(super) fn go_to(&mut self, client: usize, room: u32) {
        let who = &mut self.clients[client];
        (who.state, who.since_ns) = (State::Joining, now_ns());
        let room = room_name(self.shared.run, room);
        who.out.extend_from_slice(&self.shared.scenario.dialect.join(&room));
        self.flush(client);
    }

    /// The client is where it should be.
    fn seated(&mut self, client: usize, now: u64) {
        let is_early = now < self.shared.send_from.load(Ordering::Relaxed);
        let who = &mut self.clients[client];
        let seat = who.seat.expect("who is seated has a seat");
        who.state = State::Seated;
        let mut receiver = Receiver::new(seat.room, if is_early { 0 } else { now }, who.slow);
        if !self.shared.scenario.dialect.echoes() {
            receiver.get_all_but(seat.sender);
        }
        let before = who.receiver.replace(receiver);
        self.outcome.receivers.extend(before.map(Receiver::gone));
        if who.broken_ns > 0 {
            let away = now.saturating_sub(std::mem::take(&mut who.broken_ns));
            self.outcome.times.comeback.saturating_record(away);
        }
        if !who.comes_back {
            self.shared.seated.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(number) = seat.sender.filter(|_| self.clients[client].sender.is_none()) {
            self.add_sender(client, number, seat.room);
        }
    }

    /// Closes the client's connection and forgets what it was about to do.
    pub(super) fn hang_up(&mut self, client: usize) {
        let who = &mut self.clients[client];
        if who.state == State::Connecting {
            self.connecting -= 1;
        }
        who.link = None;
        who.state = State::Closed;
        who.tail.clear();
        who.out.clear();
        self.outcome.receivers.extend(who.receiver.take().map(Receiver::gone));
    }
}

/// Why a connection cannot be made, and what to do about it.
fn explain(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrNotAvailable => "the source addresses have run out of ports",
        io::ErrorKind::ConnectionRefused => "nothing listens there",
        _ if error.raw_os_error() == Some(EMFILE) => {
            "no descriptors are left: raise the limit (ulimit -n) or add --procs"
        }
        _ => return error.to_string(),
    };
    advice.to_owned()
}

const EINPROGRESS: i32 = 115;
const EMFILE: i32 = 24;
