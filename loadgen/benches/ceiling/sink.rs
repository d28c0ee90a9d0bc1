//! A server that only writes: what it has to say was built before.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use loadgen::dialect::Dialect;
use loadgen::frames;
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
    /// Over WebSocket.
    web: bool,
    buffer: Vec<u8>,
}

/// Serves, with so many `lines` in a write, until `seconds` after the first message, or until
/// nobody says anything.
pub(crate) fn serve(seconds: f64, lines: usize, web: bool) -> io::Result<()> {
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    println!("{}", listener.local_addr()?);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (clients, text, buffer) = (vec![], vec![], vec![0; 64 << 10]);
    let mut sink = Sink { poll, clients, text, lines, write_bytes: 0, web, buffer };
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
            if self.web {
                stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
            }
            stream.write_all(&self.sent(format!("You are guest{number}").as_bytes()))?;
            stream.write_all(&self.sent(b"You joined main"))?;
            self.clients.push(Client { stream, tail: vec![], at: 0, is_blocked: false });
        }
        Ok(())
    }

    /// Answers who joins, and takes the first message as the model of all.
    fn read(&mut self, client: usize) -> io::Result<()> {
        while let Ok(count @ 1..) = self.clients[client].stream.read(&mut self.buffer) {
            self.clients[client].tail.extend_from_slice(&self.buffer[..count]);
            let take = if self.web { take_frame } else { take_line };
            while let Some(line) = take(&mut self.clients[client].tail) {
                if let Some(room) = line.strip_prefix(b"/join ") {
                    let answer = self.sent(&[b"You joined ", room].concat());
                    self.clients[client].stream.write_all(&answer)?;
                } else if self.text.is_empty()
                    && let Some(first) = Dialect::Hubbub.text(&line).and_then(message::read)
                {
                    self.text = self.build(&first, line.len());
                    self.write_bytes = self.text.len() / MESSAGES as usize * self.lines;
                }
            }
        }
        Ok(())
    }

    /// How clients get a line.
    fn sent(&self, line: &[u8]) -> Vec<u8> {
        match u8::try_from(line.len()) {
            _ if !self.web => [line, b"\n"].concat(),
            Ok(bytes @ 0..126) => [&[0x81, bytes], line].concat(),
            bytes => [&[0x81, 126, 0, bytes.expect("a short line")], line].concat(),
        }
    }

    fn build(&self, first: &Header, bytes: usize) -> Vec<u8> {
        let each = |sequence| {
            let mut line = b"PrudentSunBear: ".to_vec();
            Header { sequence, ..*first }.write(bytes, &mut line);
            self.sent(&line)
        };
        (0..MESSAGES).flat_map(each).collect()
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

/// Takes a line that is whole out of what has come.
fn take_line(tail: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = tail.iter().position(|byte| *byte == b'\n')?;
    let mut line: Vec<u8> = tail.drain(..=end).collect();
    line.pop();
    Some(line)
}

/// The same where lines are in frames, short ones, behind a handshake in lines.
fn take_frame(tail: &mut Vec<u8>) -> Option<Vec<u8>> {
    if !frames::begin(tail) {
        return take_line(tail);
    }
    let end = 6 + usize::from(tail.get(1)? & 0x7f);
    let mut line = tail.get(6..end)?.to_vec();
    frames::mask(&mut line);
    tail.drain(..end);
    Some(line)
}
