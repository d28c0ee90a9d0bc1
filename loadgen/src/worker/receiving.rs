//! Reading what the server sends, at the speed at which it comes: scanned where it was read.

use std::io::{ErrorKind, Read as _};

use super::mirror::Mirrors;
use super::{Client, READ_BYTES_MAX, Stage, State, Worker};
use crate::dialect::Heard;
use crate::message::{self, Header};
use crate::schedule::now_ns;

/// One message in so many is followed to its last receiver.
const SAMPLE_EVERY: u32 = 64;
/// Fewer bytes than this at once are looked at line by line.
const RUN_BYTES_MIN: usize = 512;

/// What came of reading once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// As much as was asked for: there may be more.
    Full,
    /// Less.
    Some,
    /// Nothing: there is none, or the connection has ended.
    Nothing,
}

/// A message of which not all lines have been taken in.
#[derive(Clone, Copy)]
struct Unfinished {
    /// Where it begins.
    at: usize,
    /// Lines that are still to come.
    lines: u32,
}

impl Worker {
    /// Reads all that has arrived for the client. After data and the end arrived together there is
    /// no further event: then, to the end.
    pub(super) fn receive(&mut self, client: usize, to_the_end: bool) {
        loop {
            match self.receive_once(client, READ_BYTES_MAX) {
                Read::Full => {}
                Read::Some if to_the_end => {}
                Read::Some | Read::Nothing => break,
            }
        }
    }

    /// Reads once, `max` bytes at most.
    pub(super) fn receive_once(&mut self, client: usize, max: usize) -> Read {
        let who = &mut self.clients[client];
        let Some(link) = &mut who.link else { return Read::Nothing };
        let tail = std::mem::take(&mut who.tail);
        let start = tail.len();
        if self.buffer.len() < start + max {
            self.buffer.resize(start + max, 0);
        }
        self.buffer[..start].copy_from_slice(&tail);
        let read = link.read(&mut self.buffer[start..start + max]);
        let reads_short = link.reads_short();
        match read {
            Ok(0) => self.ended(client),
            Ok(count) => {
                let now = now_ns();
                self.outcome.reads += 1;
                self.outcome.bytes_read += count as u64;
                self.take_in(client, start + count, now);
                return if count == max || reads_short { Read::Full } else { Read::Some };
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.clients[client].tail = tail,
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                self.clients[client].tail = tail;
                return Read::Full;
            }
            Err(_) => self.ended(client),
        }
        Read::Nothing
    }

    /// Takes in the whole lines among the first `len` bytes of the buffer, and keeps the rest, with
    /// the message that it belongs to: others find it again by its first line.
    fn take_in(&mut self, client: usize, len: usize, now: u64) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut mirrors = std::mem::take(&mut self.mirrors);
        let dialect = self.dialect();
        let (begins, lines) = dialect.message();
        let is_run = len >= RUN_BYTES_MIN && self.clients[client].state == State::Seated;
        let (mut at, mut echoes) = (0, 0);
        let mut message: Option<Unfinished> = None;
        loop {
            if buffer[at..len].starts_with(begins) {
                if is_run {
                    at += self.take_known(client, &mirrors, &buffer[at..len], now, &mut echoes);
                }
                message = Some(Unfinished { at, lines });
            }
            let Some((line, bytes)) = dialect.first_line(&buffer[at..len]) else { break };
            let header = self.take_line(client, line, now, &mut echoes);
            at += bytes;
            let Some(part) = &mut message else { continue };
            part.lines -= 1;
            if part.lines == 0 {
                if let Some(header) = header.filter(|_| is_run) {
                    mirrors.learn(&header, &buffer[part.at..at]);
                }
                message = None;
            }
        }
        let rest = message.map_or(at, |part| part.at);
        self.clients[client].tail.extend_from_slice(&buffer[rest..len]);
        (self.buffer, self.mirrors) = (buffer, mirrors);
        self.came_back(client, echoes);
    }

    /// Takes in the messages with which `bytes` begin, as far as others got the same before, and
    /// they are those that are expected next; how many bytes these are.
    fn take_known(
        &mut self,
        client: usize,
        mirrors: &Mirrors,
        bytes: &[u8],
        now: u64,
        echoes: &mut u32,
    ) -> usize {
        let Some(receiver) = &mut self.clients[client].receiver else { return 0 };
        let Some((sender, sequence)) = receiver.expects() else { return 0 };
        let (headers, bytes) = mirrors.known(sender, sequence, bytes);
        let Some(first) = headers.first().filter(|first| first.room == receiver.room()) else {
            return 0;
        };
        receiver.expected_messages(headers, &mut self.outcome.sums);
        let count = u32::try_from(headers.len()).expect("messages of one read");
        *echoes += count * self.echo(client, first);
        // What was sent together is recorded together.
        for together in headers.chunk_by(|a, b| times_of(a) == times_of(b)) {
            self.record(client, &together[0], now, together.len() as u64);
        }
        headers.iter().for_each(|header| self.sample(client, header, now));
        bytes
    }

    /// Takes in a line; its header, if it is a message that counts.
    fn take_line(
        &mut self,
        client: usize,
        line: &[u8],
        now: u64,
        echoes: &mut u32,
    ) -> Option<Header> {
        let Some(text) = self.dialect().text(line) else {
            self.take_text(client, line, now);
            return None;
        };
        match message::read(text) {
            Some(header) if header.run != self.shared.run => {}
            Some(header) if header.warm_up => {
                self.tick.delivered += 1;
                *echoes += self.echo(client, &header);
            }
            Some(header) => {
                if let Some(receiver) = &mut self.clients[client].receiver {
                    receiver.message(&header, &mut self.outcome.sums);
                }
                self.record(client, &header, now, 1);
                self.sample(client, &header, now);
                *echoes += self.echo(client, &header);
                return Some(header);
            }
            None => self.outcome.sums.corrupted += 1,
        }
        None
    }

    /// 1 if the sender that waits for what this client gets sent this.
    fn echo(&self, client: usize, header: &Header) -> u32 {
        let sender = self.returns_to(client).map(|sender| self.senders[sender].id);
        u32::from(sender == Some(header.sender))
    }

    /// Notes when `count` messages like this one arrived.
    fn record(&mut self, client: usize, header: &Header, now: u64, count: u64) {
        self.tick.delivered += count;
        if !self.shared.counts(header.intended_ns) {
            return;
        }
        let delivery = now.saturating_sub(header.intended_ns);
        if self.clients[client].slow {
            self.outcome.times.slow.saturating_record_n(delivery, count);
        } else {
            let service = now.saturating_sub(header.sent_ns);
            self.tick.times.saturating_record_n(delivery, count);
            self.outcome.times.service.saturating_record_n(service, count);
        }
    }

    /// Follows some messages to the last receiver who keeps up.
    fn sample(&mut self, client: usize, header: &Header, now: u64) {
        if header.sequence.is_multiple_of(SAMPLE_EVERY)
            && !self.clients[client].slow
            && self.shared.counts(header.intended_ns)
        {
            let key = (header.sender, header.sequence);
            let seen = self.outcome.samples.entry(key).or_insert((header.intended_ns, 0, 0));
            *seen = (seen.0, seen.1.max(now), seen.2 + 1);
        }
    }

    /// Takes in what is no measured message.
    fn take_text(&mut self, client: usize, text: &[u8], now: u64) {
        let who = &mut self.clients[client];
        match self.shared.scenario.dialect.hear(text) {
            Heard::Name(name) => {
                name.clone_into(&mut who.name);
                self.greeted(client, now);
            }
            Heard::In(room) => self.joined(client, room, now),
            Heard::Ping(asked) => {
                who.out.extend_from_slice(&self.shared.scenario.dialect.pong(asked));
                self.flush(client);
            }
            Heard::Missed(count) => {
                if let Some(receiver) = &mut who.receiver {
                    receiver.told_missed(count, &mut self.outcome.sums);
                }
            }
            Heard::Rejected(why) => {
                let is_first = !std::mem::replace(&mut who.rejected, true);
                self.outcome.connections.refused += u64::from(is_first);
                self.outcome.server_words.add(why);
            }
            // The client is closed, or never comes to where it should be.
            Heard::Refused(why) => {
                self.outcome.connect_error.get_or_insert_with(|| why.to_owned());
                self.outcome.server_words.add(why);
            }
            Heard::Notice(text) => self.outcome.server_words.add(text),
            Heard::Nothing => {}
        }
    }

    /// The server has closed the connection.
    fn ended(&mut self, client: usize) {
        let Client { state, comes_back, .. } = self.clients[client];
        if state == State::Leaving {
            self.hang_up(client);
            self.waiting.push_back(client);
            return;
        }
        if state >= State::Greeted && self.shared.stage() < Stage::Stop {
            self.outcome.connections.closed_by_server += 1;
        }
        self.hang_up(client);
        if state < State::Greeted || (state < State::Seated && !comes_back) {
            self.give_up(client, "the server closed it before the client was in its room");
        }
    }
}

/// When a message was due and when it was sent.
fn times_of(header: &Header) -> (u64, u64) {
    (header.intended_ns, header.sent_ns)
}
