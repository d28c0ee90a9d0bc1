//! Saying things at the right moment, or when earlier ones have come back.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering;

use super::{Stage, State, Worker};
use crate::ledger::SentBy;
use crate::message::Header;
use crate::plan::room_name;
use crate::scenario::{Arrivals, Text};
use crate::schedule::{Plan as SchedulePlan, Schedule, now_ns};

/// What a client may have to say that its socket does not take: more is offered, and not sent.
const OUT_BYTES_MAX: usize = 256 << 10;

/// What bots say, one after the other.
const SENTENCES: &[&str] = &[
    "good morning everyone!",
    "has anybody tried the new tea place by the station?",
    "I finally fixed that bug. It was one character.",
    "one character is all it ever is",
    "who is up for a game tonight?",
    "my cat has opinions about my keyboard",
    "brb, coffee",
    "that reminds me, did the build go green?",
    "greener than my plants",
    "I read a paper on queues today and had to wait for the end",
    "lovely weather for staying inside",
    "does anyone know a good book about the sea?",
    "several, and they are all wet",
    "hello to whoever just came in!",
    "I am off to lunch, be nice to each other",
];

/// Someone who speaks.
#[derive(Debug)]
pub(super) struct Sender {
    client: usize,
    /// Its number in messages; another one after it has come back.
    pub(super) id: u32,
    pub(super) room: u32,
    /// What comes before each message in the server's dialect.
    before: Vec<u8>,
    /// Its messages that count.
    pub(super) sent: SentBy,
    /// Its next message that does not.
    warm_up: u32,
    schedule: Schedule,
    /// Messages it keeps on their way; 0 if it goes by its schedule.
    window: u32,
}

impl Worker {
    /// Makes the client a sender.
    pub(super) fn add_sender(&mut self, client: usize, number: u32, room: u32) {
        let scenario = &self.shared.scenario;
        let plan = SchedulePlan {
            arrivals: scenario.arrivals,
            rate: scenario.rate,
            burst: scenario.burst,
            seed: scenario.seed,
            senders: self.plan.senders(),
        };
        let sender = Sender {
            client,
            id: number,
            room,
            before: scenario
                .dialect
                .before(&room_name(self.shared.run, room), scenario.message_bytes as usize),
            sent: SentBy::default(),
            warm_up: 0,
            schedule: plan.schedule(number % self.plan.senders().max(1)),
            window: if scenario.arrivals == Arrivals::Window { scenario.window } else { 0 },
        };
        self.clients[client].sender = Some(self.senders.len());
        self.senders.push(sender);
        if self.stage >= Stage::Send {
            // It goes on where its schedule is by now.
            self.start_sender(self.senders.len() - 1, now_ns());
        }
    }

    pub(super) fn start_senders(&mut self) {
        if !self.dialect().echoes() {
            self.appoint_witnesses();
        }
        for sender in 0..self.senders.len() {
            self.start_sender(sender, 0);
        }
    }

    /// Where nobody gets back what they say, the next one in the room does it for them: like an
    /// echo, that is one of the members whom the server gives the message to, and no extra work
    /// for the server, as asking it for a sign of life after each message would be.
    fn appoint_witnesses(&mut self) {
        let mut rooms: HashMap<u32, Vec<usize>> = HashMap::new();
        for (client, who) in self.clients.iter().enumerate() {
            if let Some(seat) = who.seat.filter(|_| who.state == State::Seated) {
                rooms.entry(seat.room).or_default().push(client);
            }
        }
        for members in rooms.into_values() {
            let next = members.iter().cycle().skip(1);
            for (member, &next) in members.iter().zip(next) {
                if let Some(sender) = self.clients[*member].sender {
                    self.clients[next].witness_of = Some(sender);
                }
            }
        }
    }

    /// The sender that waits for what this client gets.
    pub(super) fn returns_to(&self, client: usize) -> Option<usize> {
        let who = &self.clients[client];
        if self.dialect().echoes() { who.sender } else { who.witness_of }
    }

    fn start_sender(&mut self, sender: usize, not_before: u64) {
        let from = self.shared.send_from.load(Ordering::Relaxed);
        for _ in 0..self.senders[sender].window {
            self.due.push(Reverse((from.max(not_before), sender)));
        }
        let schedule = &mut self.senders[sender].schedule;
        if let Some(first) = schedule.find(|at| from + at >= not_before) {
            let first = from + first;
            self.due.push(Reverse((first, sender)));
        }
    }

    /// Sends everything that is due.
    pub(super) fn send_due(&mut self, now: u64) {
        let until = self.shared.send_until.load(Ordering::Relaxed);
        let from = self.shared.send_from.load(Ordering::Relaxed);
        let mut now = now;
        while let Some(&Reverse((at, sender))) = self.due.peek() {
            if at > now {
                return;
            }
            self.due.pop();
            if at >= until {
                // Its last message may have waited for this one, to leave together.
                self.flush(self.senders[sender].client);
                continue;
            }
            self.say(sender, at, now);
            if self.senders[sender].window == 0
                && let Some(next) = self.senders[sender].schedule.next()
            {
                self.due.push(Reverse((from + next, sender)));
            }
            // Several messages of one sender that are due together leave together.
            let more =
                matches!(self.due.peek(), Some(&Reverse((at, s))) if s == sender && at <= now);
            if !more {
                self.flush(self.senders[sender].client);
                now = now_ns();
            }
        }
    }

    /// Messages have come back, seen by this client: with a window, as many may follow.
    pub(super) fn came_back(&mut self, client: usize, count: u32) {
        let Some(sender) = self.returns_to(client) else { return };
        if self.senders[sender].window == 0 || count == 0 {
            return;
        }
        let now = now_ns();
        if now >= self.shared.send_until.load(Ordering::Relaxed) {
            return;
        }
        for _ in 0..count {
            self.say(sender, now, now);
        }
        self.flush(self.senders[sender].client);
    }

    /// Puts the sender's next message into its client's outgoing bytes, to be sent at once.
    fn say(&mut self, index: usize, intended_ns: u64, sent_ns: u64) {
        let dialect = self.dialect();
        let is_measured = self.shared.scenario.text == Text::Measured;
        let counts = is_measured && self.shared.counts(intended_ns);
        self.outcome.sums.offered += u64::from(counts);
        let sender = &mut self.senders[index];
        let client = &mut self.clients[sender.client];
        if client.state != State::Seated || client.out.len() > OUT_BYTES_MAX {
            return;
        }
        let sequence = if counts { sender.sent.count() } else { sender.warm_up };
        if is_measured {
            let header = Header {
                run: self.shared.run,
                sender: sender.id,
                room: sender.room,
                warm_up: !counts,
                sequence,
                intended_ns,
                sent_ns,
            };
            client.out.extend_from_slice(&sender.before);
            let text = client.out.len();
            header.write(self.shared.scenario.message_bytes as usize, &mut client.out);
            dialect.wrap(&mut client.out[text..]);
            client.out.extend_from_slice(dialect.after());
        } else {
            let sentence = SENTENCES[self.sentence % SENTENCES.len()];
            client.out.extend_from_slice(&dialect.line(sentence));
            self.sentence += 1;
        }
        self.tick.sent += 1;
        if counts {
            sender.sent.add(sent_ns, self.shared.scenario.has_newcomers());
            self.outcome.sums.sent += 1;
            if sender.window == 0 {
                self.outcome.times.lag.saturating_record(sent_ns.saturating_sub(intended_ns));
            }
        } else {
            sender.warm_up += 1;
            self.outcome.sums.uncounted += 1;
        }
    }

    /// Writes what the client has to say, as far as its socket takes it.
    pub(super) fn flush(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let Some(link) = &mut client.link else { return };
        let mut written = 0;
        while written < client.out.len() {
            match link.write(&client.out[written..]) {
                Ok(count) => written += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // What cannot be written now is when there is room; a broken connection is read.
                Err(_) => break,
            }
        }
        client.out.drain(..written);
        // The same holds for what TLS has to send.
        let _ = link.flush();
    }
}
