//! How clients connect, get their seats and hang up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Socket, Type};

use super::{Client, Stage, State, Worker};
use crate::ledger::Receiver;
use crate::plan::{LOBBY, room_name};
use crate::schedule::now_ns;

/// Connections of one thread that the kernel works on at a time.
const CONNECTING_MAX: usize = 256;
/// Clients that share a source address: beyond some thousands the kernel is slow to find a port.
const CLIENTS_PER_ADDRESS: usize = 4_000;
/// One client in so many has its every line looked at.
const WATCHED_ONE_IN: usize = 64;
/// All are watched when there are no more than this.
const WATCHED_ALL_MAX: u32 = 256;
/// Tries of a client to be placed on a shard that suits it.
const SEAT_TRIES: u32 = 64;

impl Client {
    pub(super) fn new() -> Self {
        Self {
            stream: None,
            state: State::Closed,
            since_ns: 0,
            name: String::new(),
            seat: None,
            receiver: None,
            sender: None,
            tail: vec![],
            out: vec![],
            slow: false,
            watched: false,
            comes_back: false,
        }
    }
}

impl Worker {
    /// Starts connections that are due.
    pub(super) fn connect_more(&mut self, now: u64) {
        let rate = self.shared.scenario.connects_per_second / f64::from(self.workers);
        let gap = if rate > 0.0 { (1e9 / rate) as u64 } else { 0 };
        while self.connecting < CONNECTING_MAX && now >= self.next_connect_ns {
            let Some(client) = self.waiting.pop_front() else { return };
            self.next_connect_ns = if gap == 0 { 0 } else { self.next_connect_ns.max(now) + gap };
            if self.connect(client).is_err() {
                self.give_up(client);
            }
        }
    }

    fn connect(&mut self, client: usize) -> io::Result<()> {
        let address = self.shared.address;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            socket.bind(&self.source(client).into())?;
        }
        if self.clients[client].slow {
            socket.set_recv_buffer_size(16 << 10)?;
        }
        match socket.connect(&address.into()) {
            Err(e) if e.raw_os_error() != Some(EINPROGRESS) => return Err(e),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(client), both)?;
        self.connecting += 1;
        let watched = self.shared.scenario.connections <= WATCHED_ALL_MAX
            || client.is_multiple_of(WATCHED_ONE_IN);
        let who = &mut self.clients[client];
        (who.stream, who.state, who.since_ns) = (Some(stream), State::Connecting, now_ns());
        who.watched = watched;
        Ok(())
    }

    /// Where the client connects from: one address has too few ports for all.
    fn source(&self, client: usize) -> SocketAddr {
        let group = client * self.workers as usize / CLIENTS_PER_ADDRESS;
        let host = 2 + u8::try_from(group % 250).expect("less than 250");
        let net = u8::try_from(self.index % 250).expect("less than 250");
        SocketAddr::from((Ipv4Addr::new(127, net, 0, host), 0))
    }

    /// The client's socket can be written: if it was connecting, it is connected now, or cannot be.
    pub(super) fn connected(&mut self, client: usize) {
        if self.clients[client].state != State::Connecting {
            return;
        }
        self.connecting -= 1;
        let who = &mut self.clients[client];
        let failed = who.stream.as_ref().is_none_or(|stream| {
            stream.take_error().ok().flatten().is_some() || stream.peer_addr().is_err()
        });
        if failed {
            who.stream = None;
            who.state = State::Closed;
            self.give_up(client);
            return;
        }
        who.state = State::Greeting;
        self.outcome.connections.opened += 1;
        self.outcome.times.connect.saturating_record(now_ns() - who.since_ns);
    }

    /// The client cannot be where it should: the run goes on without it.
    pub(super) fn give_up(&mut self, client: usize) {
        let who = &mut self.clients[client];
        if who.state == State::Closed && who.stream.is_none() && !who.comes_back {
            self.outcome.connections.failed += 1;
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The server has let the client into a room.
    pub(super) fn joined(&mut self, client: usize, room: &str, now: u64) {
        let who = &mut self.clients[client];
        match who.state {
            State::Greeting => {
                self.outcome.times.greeting.saturating_record(now - who.since_ns);
                self.find_seat(client);
            }
            State::Joining => {
                let seat = who.seat.expect("who joins has a seat");
                if room == room_name(self.shared.run, seat.room) {
                    self.outcome.times.join.saturating_record(now - who.since_ns);
                    self.seated(client);
                }
            }
            State::Closed | State::Connecting | State::Seated => {}
        }
    }

    fn find_seat(&mut self, client: usize) {
        let seat = match self.clients[client].seat {
            Some(seat) => Some(seat),
            None => {
                let mut plan = self.shared.plan.lock().expect("no thread has died");
                plan.seat(&self.clients[client].name)
            }
        };
        let who = &mut self.clients[client];
        let Some(seat) = seat else {
            // Not on a shard that suits any room with a free seat: comes again, to be placed anew.
            who.since_ns = 0;
            self.hang_up(client);
            self.try_again(client);
            return;
        };
        who.seat = Some(seat);
        if seat.room == LOBBY {
            self.seated(client);
        } else {
            self.go_to(client, seat.room);
        }
    }

    fn try_again(&mut self, client: usize) {
        let tries = self.outcome.connections.opened;
        if tries < u64::from(SEAT_TRIES) * self.clients.len() as u64 {
            self.waiting.push_back(client);
        } else {
            self.give_up(client);
        }
    }

    /// Sends the client to another room.
    pub(super) fn go_to(&mut self, client: usize, room: u32) {
        let who = &mut self.clients[client];
        (who.state, who.since_ns) = (State::Joining, now_ns());
        let line = format!("/join {}\n", room_name(self.shared.run, room));
        who.out.extend_from_slice(line.as_bytes());
        self.flush(client);
    }

    /// The client is where it should be.
    fn seated(&mut self, client: usize) {
        let early = self.shared.stage() == Stage::Gather;
        let who = &mut self.clients[client];
        let seat = who.seat.expect("who is seated has a seat");
        who.state = State::Seated;
        let receiver = Receiver::new(seat.room, early && !who.comes_back);
        if let Some(before) = who.receiver.replace(receiver) {
            self.outcome.ledger.left(&before);
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
        who.stream = None;
        who.state = State::Closed;
        who.tail.clear();
        who.out.clear();
        if let Some(receiver) = who.receiver.take() {
            self.outcome.ledger.left(&receiver);
        }
    }
}

const EINPROGRESS: i32 = 115;
