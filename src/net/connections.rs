//! All connections of a shard in one readiness set: no task, timer or buffer of their own.

mod opening;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::ops::Range;
use std::task::{Context, Poll as TaskPoll};
use std::time::Duration;

use mio::{Events, Interest, Token};
use socket2::SockRef;

use crate::metrics::{NetCounters, PROTOCOLS};
use crate::model::{CloseReason, Command, Limits, Moment, ShardId, Slot, Ticket};
use crate::net::Loads;
use crate::net::lingering::Lingering;
use crate::net::readiness::ReadinessSet;
use crate::net::user_timeout::UserTimeout;
use crate::net::visitors::Visitors;
use crate::proto::web::End;
use crate::proto::{Decoder, Wire};
use crate::socket::{Brought, Framed, READ_ROOM, Scratch, Socket};

/// Readiness events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// Tokens from here on are lingering connections'.
const LINGERING: usize = 1 << 32;

/// One connection: what an idle one costs beside its session.
#[derive(Debug)]
struct Connection {
    socket: Socket,
    ticket: Ticket,
    /// What is spoken, as a place in [`PROTOCOLS`].
    protocol: u8,
    decoder: Decoder,
    /// Input that has arrived and is not decoded: an unfinished line, or more if the session may
    /// not be read for now.
    tail: Box<[u8]>,
    /// There may be whole commands in the tail.
    pending: bool,
    /// The socket may have something to read.
    readable: bool,
    /// The kernel has told of an end of input, or of urgent data, at which a read stops short:
    /// there is something behind whatever the next read brings.
    more_in_sight: bool,
    /// The client will send no more.
    ended: bool,
    /// No line has arrived yet.
    awaits_first_line: bool,
    /// The log has been told of it.
    announced: bool,
    /// Nothing reaches the client any more.
    broken: bool,
    /// The connection is on the list of those to be read.
    queued: bool,
    /// The socket takes no more for now, so its user timeout is suspended.
    blocked: bool,
}

/// The connections of one shard, by slot.
#[derive(Debug)]
pub struct Connections {
    shard: ShardId,
    set: ReadinessSet,
    events: Events,
    table: Vec<Option<Connection>>,
    lingering: Lingering,
    visitors: Visitors,
    ready: VecDeque<Slot>,
    /// Where input is decoded, of whichever connection is being read.
    buffer: Box<[u8]>,
    clean: String,
    scratch: Scratch,
    user_timeout: UserTimeout,
    /// Connections by what they speak, in the order of [`PROTOCOLS`].
    by_protocol: [u64; PROTOCOLS.len()],
    /// Bytes in all tails.
    tail_bytes: usize,
    limits: Limits,
    loads: Loads,
    /// What the sockets have done.
    pub counters: NetCounters,
}

/// Input of one connection, in the shard's buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// The part of the buffer to decode.
    Input(Range<usize>),
    /// The connection is broken.
    Broken,
}

impl Connections {
    /// An empty set for `shard`. To be called in the runtime that will wait for it. The log shows
    /// addresses `masked` or whole.
    ///
    /// # Errors
    /// When the operating system has no readiness set for us.
    pub fn new(shard: ShardId, limits: Limits, loads: Loads, masked: bool) -> io::Result<Self> {
        Ok(Self {
            shard,
            set: ReadinessSet::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            table: vec![],
            lingering: Lingering::new(LINGERING),
            visitors: Visitors::new(shard, masked),
            ready: VecDeque::new(),
            buffer: vec![0; buffer_bytes(&limits)].into(),
            clean: String::new(),
            scratch: Scratch::default(),
            user_timeout: UserTimeout::default(),
            by_protocol: [0; PROTOCOLS.len()],
            tail_bytes: 0,
            limits,
            loads,
            counters: NetCounters::default(),
        })
    }

    /// Other limits hold from now on.
    pub fn change_limits(&mut self, limits: Limits) {
        // Never smaller: what has been kept may be as long as it might be before.
        if buffer_bytes(&limits) > self.buffer.len() {
            self.buffer = vec![0; buffer_bytes(&limits)].into();
        }
        self.limits = limits;
    }

    /// Takes in a connection that has been placed on this shard, for the session in `slot`.
    ///
    /// # Errors
    /// When the readiness set does not take it.
    pub fn insert(
        &mut self,
        slot: Slot,
        mut socket: Socket,
        (ticket, from): (Ticket, SocketAddr),
        wire: Wire,
    ) -> io::Result<()> {
        let all = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        let registry = self.set.registry();
        if let Err(e) = registry.register(socket.stream_mut(), Token(slot as usize), all) {
            self.loads.went(self.shard, ticket);
            return Err(e);
        }
        if self.table.len() <= slot as usize {
            self.table.resize_with(slot as usize + 1, || None);
        }
        self.visitors.came(slot, ticket, from, socket.stream());
        if !wire.starts_in_lobby() {
            self.visitors.announce(slot, ticket, socket.stream());
        }
        self.scratch.adopt(&mut socket);
        let readable = socket.has_input();
        let protocol = protocol(wire, socket.is_tls());
        self.by_protocol[usize::from(protocol)] += 1;
        self.table[slot as usize] = Some(Connection {
            socket,
            ticket,
            protocol,
            decoder: wire.decoder(),
            tail: Box::default(),
            pending: false,
            readable,
            more_in_sight: false,
            ended: false,
            awaits_first_line: wire.starts_in_lobby(),
            announced: !wire.starts_in_lobby(),
            broken: false,
            queued: false,
            blocked: false,
        });
        self.make_ready(slot);
        Ok(())
    }

    /// Drops a connection that was placed here and cannot be served.
    pub fn decline(&mut self, socket: Socket, ticket: Ticket) {
        drop(socket);
        self.loads.went(self.shard, ticket);
    }

    /// Asks the kernel, without waiting, what has become ready. Puts what can be read on the ready
    /// list, and calls `writable` for each connection that can be written. Whether there may be
    /// more to ask for.
    ///
    /// # Errors
    /// When the operating system refuses to say.
    pub fn poll(&mut self, mut writable: impl FnMut(Slot)) -> io::Result<bool> {
        match self.set.poll(&mut self.events) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(true),
            polled => polled?,
        }
        let mut lingering = vec![];
        let mut count = 0;
        for event in &self.events {
            count += 1;
            if let Some(key) = self.lingering.key(event.token()) {
                lingering.push(key);
                continue;
            }
            let slot = Slot::try_from(event.token().0).expect("a slot's token");
            let Some(Some(connection)) = self.table.get_mut(slot as usize) else { continue };
            let is_writable = event.is_writable() || event.is_error();
            if is_writable && connection.socket.flush(&mut self.scratch).is_ok() {
                if std::mem::take(&mut connection.blocked) {
                    self.user_timeout.resume(connection.socket.stream());
                }
                writable(slot);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                connection.readable = true;
                connection.more_in_sight |= event.is_read_closed() || event.is_priority();
                connection.broken |= event.is_error() || event.is_write_closed();
                if !std::mem::replace(&mut connection.queued, true) {
                    self.ready.push_back(slot);
                }
            }
        }
        for key in lingering {
            self.drain_lingering(key);
        }
        Ok(count == EVENTS_MAX)
    }

    /// Bytes of memory for connections: their table, input that waits to be decoded, output to be
    /// sent.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.table.capacity() * size_of::<Option<Connection>>()
            + self.visitors.held_bytes()
            + self.ready.capacity() * size_of::<Slot>()
            + self.tail_bytes
            + self.scratch.held_bytes()
    }

    /// What each connection holds that holds anything beside its place in the table, in bytes.
    pub fn holders(&self) -> impl Iterator<Item = (Slot, usize)> {
        let held = |it: &Connection| it.tail.len() + it.socket.held_bytes();
        let each = self.table.iter().zip(0..);
        let each = each.filter_map(move |(it, slot)| Some((slot, held(it.as_ref()?))));
        each.filter(|&(_, bytes)| bytes > 0)
    }

    /// The connections that are counted under `network`.
    pub fn within(&self, network: Ticket) -> impl Iterator<Item = Slot> {
        let is_within = move |it: &Connection| self.loads.is_within(it.ticket, network);
        let each = self.table.iter().zip(0..);
        each.filter_map(move |(it, slot)| it.as_ref().is_some_and(is_within).then_some(slot))
    }

    /// Connections by what they speak, in the order of [`PROTOCOLS`].
    #[must_use]
    pub fn by_protocol(&self) -> [u64; PROTOCOLS.len()] {
        self.by_protocol
    }

    /// How many connections have something to read.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The next connection that has something to read.
    pub fn next_ready(&mut self) -> Option<Slot> {
        let slot = self.ready.pop_front()?;
        if let Some(Some(connection)) = self.table.get_mut(slot as usize) {
            connection.queued = false;
        }
        Some(slot)
    }

    /// Puts the connection in `slot` on the ready list: its input is welcome again, or was not read
    /// to its end.
    pub fn make_ready(&mut self, slot: Slot) {
        if let Some(Some(connection)) = self.table.get_mut(slot as usize)
            && (connection.pending || connection.readable || connection.ended)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.ready.push_back(slot);
        }
    }

    /// Whether there is a connection in `slot`.
    #[must_use]
    pub fn contains(&self, slot: Slot) -> bool {
        matches!(self.table.get(slot as usize), Some(Some(_)))
    }

    /// Whether there may be input of the connection in `slot` that has not been decoded.
    #[must_use]
    pub fn has_unread(&self, slot: Slot) -> bool {
        matches!(
            self.table.get(slot as usize),
            Some(Some(it)) if it.queued || it.pending || it.readable
        )
    }

    /// Brings the input of the connection in `slot` into the buffer: what is left from before and,
    /// unless that has to be decoded first, what has arrived.
    pub fn receive(&mut self, slot: Slot) -> Received {
        let connection = self.table[slot as usize].as_mut().expect("a connection that is ready");
        let tail = std::mem::take(&mut connection.tail);
        self.tail_bytes -= tail.len();
        let mut end = tail.len();
        self.buffer[..end].copy_from_slice(&tail);
        if connection.pending || !connection.readable {
            return Received::Input(0..end);
        }
        match connection.socket.read(&mut self.buffer[end..], &mut self.scratch) {
            Ok(Brought::End) => {
                (connection.readable, connection.ended) = (false, true);
                end = connection.decoder.end_input(&mut self.buffer, end);
            }
            Ok(Brought::Bytes { count, taken, more }) => {
                connection.readable = more || connection.more_in_sight;
                self.counters.reads += 1;
                self.counters.bytes_read += taken as u64;
                end = connection.decoder.admit(&mut self.buffer, end..end + count);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                (connection.readable, connection.more_in_sight) = (false, false);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Received::Broken,
        }
        Received::Input(0..end)
    }

    /// Decodes the next command from `input`, a part of the buffer, and moves its start behind it.
    #[inline]
    pub fn decode(&mut self, slot: Slot, input: &mut Range<usize>) -> Option<Command<'_>> {
        let connection = self.table[slot as usize].as_mut().expect("a connection that is read");
        let Connection { socket, decoder, .. } = connection;
        let (bytes, at) = (&self.buffer[..input.end], &mut input.start);
        match socket {
            Socket::Framed(framed) => {
                next_of_frames(framed, decoder, (bytes, at), &self.limits, &mut self.clean)
            }
            _ => decoder.next(bytes, at, &self.limits, &mut self.clean),
        }
    }

    /// Keeps `input`, a part of the buffer, until the connection in `slot` is read again. Unless
    /// `exhausted`, there may be whole commands in it. Whether the client is done.
    pub fn keep(&mut self, slot: Slot, input: Range<usize>, exhausted: bool) -> bool {
        let connection = self.table[slot as usize].as_mut().expect("a connection that was read");
        connection.tail = self.buffer[input].into();
        self.tail_bytes += connection.tail.len();
        connection.pending = !exhausted;
        exhausted && connection.ended
    }

    /// Whether nothing reaches the client of the connection in `slot` any more.
    #[must_use]
    pub fn is_broken(&self, slot: Slot) -> bool {
        matches!(self.table.get(slot as usize), Some(Some(Connection { broken: true, .. })))
    }

    /// Closes the connection in `slot`, for this reason. A client that has not closed its side gets
    /// a while to do so: closing with input unread would have the kernel throw away what the client
    /// has not read.
    pub fn close(&mut self, slot: Slot, reason: CloseReason, now: Moment) {
        let Some(connection) = self.table[slot as usize].take() else { return };
        self.tail_bytes -= connection.tail.len();
        self.by_protocol[usize::from(connection.protocol)] -= 1;
        let Connection { ticket, announced, .. } = connection;
        self.visitors.went(slot, (ticket, announced), reason, connection.socket.stream());
        let reads_not = matches!(reason, CloseReason::Slow | CloseReason::Memory);
        if reads_not {
            // Or else the kernel would go on offering it what it does not read. It is no matter if
            // this fails.
            let _ = SockRef::from(connection.socket.stream()).set_linger(Some(Duration::ZERO));
        }
        let Connection { mut socket, ticket, ended, .. } = connection;
        let is_over = ended && !socket.must_end();
        if reads_not || reason == CloseReason::HangUp || is_over {
            self.scratch.release(&mut socket);
            self.loads.went(self.shard, ticket);
            return;
        }
        let (registry, scratch) = (self.set.registry(), &mut self.scratch);
        match self.lingering.add((socket, ticket), ended, registry, scratch, now) {
            Ok(key) => self.drain_lingering(key),
            Err(ticket) => self.loads.went(self.shard, ticket),
        }
    }

    fn drain_lingering(&mut self, key: usize) {
        let (registry, scratch) = (self.set.registry(), &mut self.scratch);
        if let Some(ticket) = self.lingering.drain(key, registry, scratch, &mut self.buffer) {
            self.loads.went(self.shard, ticket);
        }
    }

    /// Whether connections that were closed by us have not been closed by their clients.
    #[must_use]
    pub fn is_lingering(&self) -> bool {
        !self.lingering.is_empty()
    }

    /// Closes for good what has lingered long enough.
    pub fn handle_tick(&mut self, now: Moment) {
        while let Some(ticket) = self.lingering.expire(&mut self.scratch, now) {
            self.loads.went(self.shard, ticket);
        }
    }

    /// When [`Connections::handle_tick`] is next needed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.lingering.next_deadline()
    }

    /// Waits until the kernel has something for us. With `forget`, what it had before the last
    /// [`Connections::poll`] does not count.
    pub fn poll_readiness(&self, cx: &mut Context<'_>, forget: bool) -> TaskPoll<io::Result<()>> {
        self.set.poll_ready(cx, forget)
    }

    /// Writes to the connection in `slot`: how many bytes it took. One that is broken takes all,
    /// and is put on the ready list: reading it brings what its client sent before, then the error.
    #[inline]
    pub fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        self.write_with(slot, bytes.len(), |socket, scratch| socket.write(bytes, scratch))
    }

    /// As [`Connections::write`], from several places.
    pub fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
        let len = parts.iter().map(|part| part.len()).sum();
        self.write_with(slot, len, |socket, scratch| socket.write_parts(parts, scratch))
    }

    /// Writes `len` bytes: how many were taken.
    #[inline]
    fn write_with(
        &mut self,
        slot: Slot,
        len: usize,
        write: impl Fn(&mut Socket, &mut Scratch) -> io::Result<usize>,
    ) -> usize {
        let Some(connection) = self.table[slot as usize].as_mut() else { return len };
        let taken = loop {
            self.counters.writes += 1;
            match write(&mut connection.socket, &mut self.scratch) {
                Ok(count) => break count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break 0,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    (connection.readable, connection.more_in_sight) = (true, true);
                    self.make_ready(slot);
                    return len;
                }
            }
        };
        self.counters.bytes_written += taken as u64;
        if taken < len && !std::mem::replace(&mut connection.blocked, true) {
            self.user_timeout.suspend(connection.socket.stream());
        }
        taken
    }
}

/// What is spoken on a connection, as a place in [`PROTOCOLS`].
fn protocol(wire: Wire, is_tls: bool) -> u8 {
    let first = match wire {
        Wire::Line | Wire::Telnet => 0,
        Wire::WebLine => 2,
        Wire::WebJson => 4,
    };
    first + u8::from(is_tls)
}

/// Bytes of the buffer: one more than can arrive, see [`Decoder::admit`], after an unfinished line.
fn buffer_bytes(limits: &Limits) -> usize {
    Decoder::unfinished_bytes_max(limits).max(READ_ROOM) + READ_ROOM + 2
}

/// As [`Decoder::next`]; besides texts there are frames that are none, and the end of all.
#[inline(never)]
fn next_of_frames<'a>(
    framed: &'a mut Framed,
    decoder: &mut Decoder,
    (input, at): (&'a [u8], &mut usize),
    limits: &Limits,
    clean: &'a mut String,
) -> Option<Command<'a>> {
    if framed.frames().has_control() {
        return framed.control().map(|payload| payload.map_or(Command::Pong, Command::Ping));
    }
    decoder.next(input, at, limits, clean).or_else(|| match framed.frames().end()? {
        End::Asked(code) => Some(Command::Close(code)),
        End::Failed(code) => Some(Command::BadFrame(code)),
    })
}
