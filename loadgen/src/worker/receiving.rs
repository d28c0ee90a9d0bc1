//! Reading what the server sends, at the speed at which it comes: scanned where it was read.

use std::io::{ErrorKind, Read};

use memchr::{memchr, memchr_iter, memrchr};

use super::{READ_BYTES_MAX, Stage, State, Worker};
use crate::message::{self, Header, Line};
use crate::schedule::now_ns;

/// One message in so many is followed to its last receiver.
const SAMPLE_EVERY: u32 = 64;
/// Fewer lines than this at once are looked at one by one.
const RUN_LINES_MIN: usize = 8;

impl Worker {
    /// Reads all that has arrived for the client.
    pub(super) fn receive(&mut self, client: usize) {
        while self.receive_once(client, READ_BYTES_MAX) {}
    }

    /// Reads once, `max` bytes at most; whether there may be more.
    pub(super) fn receive_once(&mut self, client: usize, max: usize) -> bool {
        let who = &mut self.clients[client];
        let Some(stream) = &mut who.stream else { return false };
        let tail = std::mem::take(&mut who.tail);
        let start = tail.len();
        if self.buffer.len() < start + max {
            self.buffer.resize(start + max, 0);
        }
        self.buffer[..start].copy_from_slice(&tail);
        let read = stream.read(&mut self.buffer[start..start + max]);
        match read {
            Ok(0) => self.ended(client),
            Ok(count) => {
                let now = now_ns();
                self.outcome.reads += 1;
                self.outcome.bytes_read += count as u64;
                self.take_in(client, start + count, now);
                return count == max;
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.clients[client].tail = tail,
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                self.clients[client].tail = tail;
                return true;
            }
            Err(_) => self.ended(client),
        }
        false
    }

    /// Takes in the whole lines among the first `len` bytes of the buffer, and keeps the rest.
    fn take_in(&mut self, client: usize, len: usize, now: u64) {
        let buffer = std::mem::take(&mut self.buffer);
        let whole = memrchr(b'\n', &buffer[..len]).map_or(0, |at| at + 1);
        let mut echoes = 0;
        if !self.take_run(client, &buffer[..whole], now, &mut echoes) {
            let mut at = 0;
            while let Some(end) = memchr(b'\n', &buffer[at..whole]) {
                self.take_line(client, &buffer[at..at + end], now, &mut echoes);
                at += end + 1;
            }
        }
        self.clients[client].tail.extend_from_slice(&buffer[whole..len]);
        self.buffer = buffer;
        self.came_back(client, echoes);
    }

    /// Takes in many lines at a glance: if the first and the last are messages of one sender, as
    /// far apart as there are lines, so are all between them. Only for clients that are not
    /// watched, whose every line is looked at instead. Whether it was possible.
    fn take_run(&mut self, client: usize, lines: &[u8], now: u64, echoes: &mut u32) -> bool {
        let who = &self.clients[client];
        if who.watched || who.state != State::Seated {
            return false;
        }
        let count = memchr_iter(b'\n', lines).count();
        let Some(receiver) = who.receiver.as_ref().filter(|_| count >= RUN_LINES_MIN) else {
            return false;
        };
        let first_end = memchr(b'\n', lines).expect("there are lines");
        let last_start = memrchr(b'\n', &lines[..lines.len() - 1]).map_or(0, |at| at + 1);
        let Line::Message(first) = message::read(&lines[..first_end]) else { return false };
        let last = &lines[last_start..lines.len() - 1];
        let Line::Message(last) = message::read(last) else { return false };
        let apart = last.sequence.wrapping_sub(first.sequence) as usize;
        let one_run = first.sender == last.sender
            && (first.room, last.room) == (receiver.room(), receiver.room())
            && apart + 1 == count
            && !(first.warm_up || last.warm_up)
            && first.run == self.shared.run
            && receiver.expects(first.sender).is_none_or(|next| next == first.sequence);
        if !one_run {
            return false;
        }
        let count = u32::try_from(count).expect("lines of one read");
        let sums = &mut self.outcome.ledger.sums;
        let receiver = self.clients[client].receiver.as_mut().expect("looked at above");
        receiver.run_of_messages(&first, count, sums);
        let half = count / 2;
        self.record(&first, now, u64::from(half));
        self.record(&last, now, u64::from(count - half));
        *echoes += self.echo(client, &first) * count;
        true
    }

    fn take_line(&mut self, client: usize, line: &[u8], now: u64, echoes: &mut u32) {
        match message::read(line) {
            Line::Message(header) if header.run != self.shared.run => {}
            Line::Message(header) if header.warm_up => {
                self.tick.delivered += 1;
                *echoes += self.echo(client, &header);
            }
            Line::Message(header) => {
                if let Some(receiver) = &mut self.clients[client].receiver {
                    receiver.message(&header, &mut self.outcome.ledger.sums);
                }
                self.record(&header, now, 1);
                self.sample(&header, now);
                *echoes += self.echo(client, &header);
            }
            Line::Corrupted => self.outcome.ledger.sums.corrupted += 1,
            Line::Other(text) => self.take_text(client, text, now),
        }
    }

    /// 1 if the client's own sender sent this.
    fn echo(&self, client: usize, header: &Header) -> u32 {
        let sender = self.clients[client].sender.map(|sender| self.senders[sender].id);
        u32::from(sender == Some(header.sender))
    }

    /// Notes when `count` messages like this one arrived.
    fn record(&mut self, header: &Header, now: u64, count: u64) {
        self.tick.delivered += count;
        if self.shared.counts(header.intended_ns) {
            let times = &mut self.outcome.times;
            let delivery = now.saturating_sub(header.intended_ns);
            times.delivery.saturating_record_n(delivery, count);
            times.service.saturating_record_n(now.saturating_sub(header.sent_ns), count);
            self.tick.times.saturating_record_n(delivery, count);
        }
    }

    /// Follows some messages to their last receiver.
    fn sample(&mut self, header: &Header, now: u64) {
        if header.sequence.is_multiple_of(SAMPLE_EVERY) && self.shared.counts(header.intended_ns) {
            let key = (header.sender, header.sequence);
            let seen = self.outcome.samples.entry(key).or_insert((header.intended_ns, 0, 0));
            *seen = (seen.0, seen.1.max(now), seen.2 + 1);
        }
    }

    /// Takes in what is no measured message.
    fn take_text(&mut self, client: usize, text: &[u8], now: u64) {
        let Ok(text) = std::str::from_utf8(text) else { return };
        if let Some(rest) = text.strip_prefix("You are ") {
            rest.clone_into(&mut self.clients[client].name);
        } else if let Some(room) = text.strip_prefix("You joined ") {
            self.joined(client, room, now);
        } else if let Some(count) = missed(text) {
            if let Some(receiver) = &mut self.clients[client].receiver {
                receiver.told_missed(count, &mut self.outcome.ledger.sums);
            }
        } else if text.starts_with("Server is full") {
            self.outcome.connections.refused += 1;
        }
    }

    /// The server has closed the connection.
    fn ended(&mut self, client: usize) {
        if self.shared.stage() < Stage::Stop {
            self.outcome.connections.closed_by_server += 1;
        }
        self.hang_up(client);
        self.give_up(client);
    }
}

/// How many messages a notice says were missed.
fn missed(text: &str) -> Option<u64> {
    let count = text.strip_prefix("Server is very busy and dropped ")?;
    count.split(' ').next()?.parse().ok()
}
