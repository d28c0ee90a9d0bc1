//! The clients, all of them in one thread around one readiness set.
//!
//! The generator has to count faster than the fastest server writes, so it holds nothing per
//! connection but an unfinished line, allocates nothing per message and looks only at the header
//! and the end of each line.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use memchr::memchr;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::framing::Tail;
use crate::message::{self, TEXT_LEN, Text};
use crate::tally::Tally;
use crate::workload::Workload;

/// One read takes all a socket holds, most of the time, and still fits the second-level cache.
const READ_BYTES: usize = 256 * 1024;
const EVENTS_PER_TURN_MAX: usize = 1024;

/// Connecting in batches keeps the listener's queue short and `main` small.
const BATCH: usize = 200;
const BATCH_TIME_MAX: Duration = Duration::from_secs(10);

/// No turn waits longer than this, so that every deadline is noticed.
const TURN_TIME_MAX: Duration = Duration::from_millis(50);

/// All connections of one run.
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    crowd: Crowd,
}

struct Crowd {
    workload: Workload,
    clients: Vec<Client>,
    /// The next sequence number from each sender of its room, for every client in turn.
    next: Vec<u32>,
    tally: Tally,
    joined: usize,
    sending: bool,
    /// The origin of all times in messages.
    clock: Instant,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    tail: Tail,
    /// The length of the last message line, newline included: the next is likely to have it too.
    line_len: usize,
    joined: bool,
    voice: Voice,
}

/// The sending half of a client; it stays empty for those who only listen.
#[derive(Default)]
struct Voice {
    sent: u32,
    out: Vec<u8>,
    written: usize,
}

impl Swarm {
    /// Connects all clients and has each join its room; returns when all of them are in.
    pub(crate) fn gather(workload: &Workload, port: u16) -> io::Result<Self> {
        let clients = workload.clients();
        let crowd = Crowd {
            workload: workload.clone(),
            clients: Vec::with_capacity(clients),
            next: vec![0; clients * workload.senders],
            tally: Tally::new(workload.window)?,
            joined: 0,
            sending: false,
            clock: Instant::now(),
            buffer: vec![0; READ_BYTES],
        };
        let events = Events::with_capacity(EVENTS_PER_TURN_MAX);
        let mut swarm = Self { poll: Poll::new()?, events, crowd };
        while swarm.crowd.clients.len() < clients {
            swarm.gather_batch(port)?;
        }
        Ok(swarm)
    }

    fn gather_batch(&mut self, port: u16) -> io::Result<()> {
        let deadline = Instant::now() + BATCH_TIME_MAX;
        let all = self.crowd.workload.clients();
        let wanted = all.min(self.crowd.clients.len() + BATCH);
        while self.crowd.clients.len() < wanted {
            let client = self.crowd.clients.len();
            let mut stream = connect(port)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(client), interest)?;
            let join = format!("/join {}\n", self.crowd.workload.room_name(client));
            // A fresh socket has room for this line.
            stream.write_all(join.as_bytes())?;
            self.crowd.clients.push(Client {
                stream,
                tail: Tail::default(),
                line_len: TEXT_LEN + 1,
                joined: false,
                voice: Voice::default(),
            });
        }
        while self.crowd.joined < wanted {
            if Instant::now() > deadline {
                let joined = self.crowd.joined;
                return Err(io::Error::other(format!("{joined} of {wanted} clients joined")));
            }
            self.turn(TURN_TIME_MAX)?;
        }
        Ok(())
    }

    /// Lets every sender fill its window; from now on arrivals keep it full.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        self.crowd.sending = true;
        for client in 0..self.crowd.clients.len() {
            self.crowd.send_due(client)?;
        }
        Ok(())
    }

    /// Sends nothing more; what is on its way still arrives.
    pub(crate) fn stop(&mut self) {
        self.crowd.sending = false;
    }

    /// Keeps the load going for this long.
    pub(crate) fn run_for(&mut self, span: Duration) -> io::Result<()> {
        let end = Instant::now() + span;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left.min(TURN_TIME_MAX))?;
        }
    }

    /// How many messages the senders have sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.crowd.clients.iter().map(|client| u64::from(client.voice.sent)).sum()
    }

    /// How many deliveries the messages sent so far make.
    pub(crate) fn expected(&self) -> u64 {
        self.sent() * self.crowd.workload.members as u64
    }

    /// What has arrived so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.crowd.tally
    }

    /// The same, to switch the recording of latencies.
    pub(crate) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.crowd.tally
    }

    fn turn(&mut self, wait: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            let client = event.token().0;
            if event.is_readable() {
                self.crowd.receive(client)?;
            }
            if event.is_writable() {
                self.crowd.clients[client].write_pending()?;
            }
        }
        Ok(())
    }
}

impl Crowd {
    fn receive(&mut self, client: usize) -> io::Result<()> {
        let mut buffer = mem::take(&mut self.buffer);
        let received = self.receive_into(client, &mut buffer);
        self.buffer = buffer;
        received?;
        self.send_due(client)
    }

    /// Reads until the socket is empty, which a read that leaves space in the buffer proves.
    fn receive_into(&mut self, client: usize, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let Client { stream, tail, .. } = &mut self.clients[client];
            let kept = tail.restore(buffer);
            let filled = match stream.read(&mut buffer[kept..]) {
                Ok(0) => {
                    return Err(io::Error::other(format!("server closed connection {client}")));
                }
                Ok(read) => kept + read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.tally.reads += 1;
            let rest = self.take_lines(client, &buffer[..filled]);
            self.clients[client].tail.keep(rest);
            if filled < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Counts all complete lines and returns what is left.
    fn take_lines<'a>(&mut self, client: usize, bytes: &'a [u8]) -> &'a [u8] {
        let now_ns = self.now_ns();
        let senders = self.workload.senders;
        let first = self.workload.first_in_room(client) as u32;
        let mut rest = bytes;
        loop {
            let next = &mut self.next[client * senders..][..senders];
            let line_len = self.clients[client].line_len;
            if let Some(text) = message_of_length(rest, line_len) {
                self.tally.deliver(text, next, first, now_ns);
                rest = &rest[line_len..];
                continue;
            }
            let Some(length) = memchr(b'\n', rest) else { return rest };
            let line = &rest[..length];
            rest = &rest[length + 1..];
            if let Some(text) = Text::of_line(line) {
                self.clients[client].line_len = length + 1;
                self.tally.deliver(text, next, first, now_ns);
            } else {
                self.take_other_line(client, line);
            }
        }
    }

    fn take_other_line(&mut self, client: usize, line: &[u8]) {
        self.tally.other_lines += 1;
        let room = line.strip_prefix(b"You joined ");
        if room == Some(self.workload.room_name(client).as_bytes())
            && !mem::replace(&mut self.clients[client].joined, true)
        {
            self.joined += 1;
        }
    }

    /// Sends as many messages as this client's window is open for, in one write.
    ///
    /// A message is off the window when it, or a later one of the same sender, has come back: a
    /// server that loses messages does not stall its senders.
    fn send_due(&mut self, client: usize) -> io::Result<()> {
        if !self.sending || !self.workload.talks(client) {
            return Ok(());
        }
        let now_ns = self.now_ns();
        let place = client - self.workload.first_in_room(client);
        let returned = self.next[client * self.workload.senders + place];
        let speaker = &mut self.clients[client];
        let voice = &mut speaker.voice;
        let in_flight = voice.sent.saturating_sub(returned) as usize;
        let due = self.workload.window - in_flight;
        if due == 0 {
            return Ok(());
        }
        for _ in 0..due {
            message::append(&mut voice.out, client as u32, voice.sent, now_ns);
            voice.sent += 1;
        }
        speaker.write_pending()
    }

    fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }
}

impl Client {
    fn write_pending(&mut self) -> io::Result<()> {
        let Voice { out, written, .. } = &mut self.voice;
        while *written < out.len() {
            match self.stream.write(&out[*written..]) {
                Ok(more) => *written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        out.clear();
        *written = 0;
        Ok(())
    }
}

/// The message these bytes begin with if its line has this length. A shorter line in front of it
/// cannot hide a message: what precedes the text is shorter than one.
fn message_of_length(bytes: &[u8], length: usize) -> Option<Text<'_>> {
    let (newline, line) = bytes.get(..length)?.split_last()?;
    if *newline == b'\n' { Text::of_line(line) } else { None }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = std::net::TcpStream::connect_timeout(&address, BATCH_TIME_MAX)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}
