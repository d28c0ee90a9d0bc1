//! A server that only writes: what it has to say was built before.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use loadgen::dialect::Dialect;
use loadgen::message::{self, Header};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
/// Messages that are built; whoever has got them all gets no more.
const MESSAGES: u32 = 1_000_000;
/// Writes that anybody may be ahead of the slowest.
const AHEAD: usize = 2;
const SILENCE_MAX: Duration = Duration::from_secs(60);

struct Client {
    stream: TcpStream,
    tail: Vec<u8>,
    /// How far into the text it is.
    at: usize,
    is_blocked: bool,
}

struct Sink {
    poll: Poll,
    clients: Vec<Client>,
    text: Vec<u8>,
    lines: usize,
    write_bytes: usize,
    buffer: Vec<u8>,
}

/// Serves, with so many `lines` in a write, until `seconds` after the first message, or until
/// nobody says anything.
pub(crate) fn serve(seconds: f64, lines: usize) -> io::Result<()> {
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    println!("{}", listener.local_addr()?);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (clients, text, buffer) = (vec![], vec![], vec![0; 64 << 10]);
    let mut sink = Sink { poll, clients, text, lines, write_bytes: 0, buffer };
    let mut events = Events::with_capacity(1024);
    let mut until = Instant::now() + SILENCE_MAX;
    while Instant::now() < until {
        let was_silent = sink.text.is_empty();
        let wait = if was_silent { Duration::from_millis(100) } else { Duration::ZERO };
        sink.poll.poll(&mut events, Some(wait))?;
        for event in &events {
            match event.token() {
                LISTENER => sink.accept(&listener)?,
                Token(client) => {
                    sink.clients[client].is_blocked &= !event.is_writable();
                    sink.read(client)?;
                }
            }
        }
        if was_silent && !sink.text.is_empty() {
            until = Instant::now() + Duration::from_secs_f64(seconds);
        }
        sink.pour();
    }
    Ok(())
}

impl Sink {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        while let Ok((mut stream, _)) = listener.accept() {
            let number = self.clients.len();
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(number), both)?;
            write!(stream, "You are guest{number}\nYou joined main\n")?;
            self.clients.push(Client { stream, tail: vec![], at: 0, is_blocked: false });
        }
        Ok(())
    }

    /// Answers who joins, and takes the first message as the model of all.
    fn read(&mut self, client: usize) -> io::Result<()> {
        while let Ok(count @ 1..) = self.clients[client].stream.read(&mut self.buffer) {
            let who = &mut self.clients[client];
            who.tail.extend_from_slice(&self.buffer[..count]);
            let whole = who.tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let lines: Vec<u8> = who.tail.drain(..whole).collect();
            for line in lines.split(|byte| *byte == b'\n') {
                if let Some(room) = line.strip_prefix(b"/join ") {
                    self.clients[client].stream.write_all(b"You joined ")?;
                    self.clients[client].stream.write_all(&[room, b"\n"].concat())?;
                } else if self.text.is_empty()
                    && let Some(first) = Dialect::Hubbub.text(line).and_then(message::read)
                {
                    self.text = build(&first, line.len());
                    self.write_bytes = self.text.len() / MESSAGES as usize * self.lines;
                }
            }
        }
        Ok(())
    }

    /// Gives everyone a write's worth at a time, nobody many more than anybody else: like a feed.
    fn pour(&mut self) {
        let Some(least) = self.clients.iter().map(|client| client.at).min() else { return };
        let write = self.write_bytes;
        let end =
            self.text.len().min(least - least.checked_rem(write).unwrap_or(0) + AHEAD * write);
        for client in self.clients.iter_mut().filter(|client| !client.is_blocked) {
            let rest = &self.text[client.at.min(end)..end];
            if rest.is_empty() {
                continue;
            }
            match client.stream.write(&rest[..rest.len().min(write)]) {
                Ok(count) => client.at += count,
                Err(_) => client.is_blocked = true,
            }
        }
    }
}

fn build(first: &Header, bytes: usize) -> Vec<u8> {
    let mut text = vec![];
    for sequence in 0..MESSAGES {
        text.extend_from_slice(b"PrudentSunBear: ");
        Header { sequence, ..*first }.write(bytes, &mut text);
        text.push(b'\n');
    }
    text
}
