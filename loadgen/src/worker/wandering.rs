//! What happens beside talking: clients leave and are replaced, go to other rooms, take other
//! names, read slowly, or all break at once.

use socket2::SockRef;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Stage, State, Worker};
use crate::plan::{LOBBY, Part, Seat};
use crate::scenario::{Scenario, Text};
use crate::schedule::{Random, now_ns};

/// How often slow readers read.
const SLOW_EVERY_NS: u64 = 50_000_000;
/// Tries to find a client that something can happen to.
const PICK_TRIES: u32 = 16;

/// What bots call themselves when they are tired of their names.
const NAMES: &[&str] = &[
    "amber",
    "night-owl",
    "juniper",
    "oatmeal",
    "tin-robot",
    "ferryman",
    "paperclip",
    "moss",
    "marigold",
    "two-spoons",
    "lamplighter",
    "pebble",
];

/// When what happens next.
#[derive(Debug)]
pub(super) struct Wander {
    churn: Happening,
    joins: Happening,
    renames: Happening,
    next_slow_ns: u64,
    slow_bytes: usize,
    herds_left: u32,
}

/// Something that happens at random moments.
#[derive(Debug)]
struct Happening {
    per_second: f64,
    next_ns: u64,
}

impl Happening {
    fn new(per_second: f64, part: Part) -> Self {
        Self { per_second: per_second / f64::from(part.of), next_ns: u64::MAX }
    }

    /// How often it has happened up to `now`.
    fn due(&mut self, now: u64, random: &mut Random) -> u32 {
        if self.per_second <= 0.0 {
            return 0;
        }
        let mut count = 0;
        if self.next_ns == u64::MAX {
            self.next_ns = now;
        }
        while self.next_ns <= now {
            count += 1;
            let gap = -random.next_unit().ln() / self.per_second;
            self.next_ns += (gap * 1e9) as u64;
        }
        count
    }
}

impl Wander {
    pub(super) fn new(scenario: &Scenario, part: Part) -> Self {
        let slow = f64::from(scenario.slow_bytes_per_second) * SLOW_EVERY_NS as f64 / 1e9;
        Self {
            churn: Happening::new(scenario.churn_per_second, part),
            joins: Happening::new(scenario.joins_per_second, part),
            renames: Happening::new(scenario.renames_per_second, part),
            next_slow_ns: 0,
            slow_bytes: slow as usize,
            herds_left: scenario.herds,
        }
    }

    pub(super) fn next_moment(&self) -> u64 {
        self.churn.next_ns.min(self.joins.next_ns).min(self.renames.next_ns)
    }
}

impl Worker {
    /// Has happen what is due.
    pub(super) fn wander(&mut self, now: u64) {
        if self.stage != Stage::Send || now < self.shared.send_from.load(Ordering::Relaxed) {
            return;
        }
        for _ in 0..self.wander.churn.due(now, &mut self.random) {
            if let Some(client) = self.pick() {
                self.leave(client);
            }
        }
        for _ in 0..self.wander.joins.due(now, &mut self.random) {
            self.move_one();
        }
        for _ in 0..self.wander.renames.due(now, &mut self.random) {
            self.rename_one();
        }
        self.herd(now);
    }

    /// A client that is seated, reads all it gets, and has had its say.
    fn pick(&mut self) -> Option<usize> {
        let count = self.clients.len() as u64;
        (0..PICK_TRIES).find_map(|_| {
            let client = (self.random.next_u64() % count) as usize;
            let who = &self.clients[client];
            let free = who.state == State::Seated && !who.slow && who.out.is_empty();
            free.then_some(client)
        })
    }

    /// The client goes as people do, and another one comes in its place when it has gone.
    fn leave(&mut self, client: usize) {
        self.retire_sender(client);
        let quit = self.dialect().line("/quit");
        let who = &mut self.clients[client];
        (who.state, who.comes_back, who.since_ns) = (State::Leaving, true, now_ns());
        who.out.extend_from_slice(&quit);
        self.flush(client);
    }

    fn move_one(&mut self) {
        let room = self.plan.any_room(self.random.next_u64());
        let is_elsewhere = |seat: Seat| seat.room != room && seat.room != LOBBY;
        let client = self.pick().filter(|it| self.clients[*it].seat.is_some_and(is_elsewhere));
        let Some(client) = client else { return };
        self.retire_sender(client);
        let seat = self.clients[client].seat.as_mut().expect("who is seated has a seat");
        seat.room = room;
        self.clients[client].comes_back = true;
        self.go_to(client, room);
    }

    fn rename_one(&mut self) {
        let Some(client) = self.pick() else { return };
        let number = self.random.next_u64();
        let line = match self.shared.scenario.text {
            Text::Measured => format!("/name lg{:x}", number >> 16),
            // Somebody may have it already, and keep it.
            Text::Chatter => format!("/name {}", NAMES[number as usize % NAMES.len()]),
        };
        let line = self.dialect().line(&line);
        self.clients[client].out.extend_from_slice(&line);
        self.flush(client);
    }

    /// All connections break at once, at even moments of the measured time.
    fn herd(&mut self, now: u64) {
        let from = self.shared.measure_from.load(Ordering::Relaxed);
        let until = self.shared.send_until.load(Ordering::Relaxed);
        let all = u64::from(self.shared.scenario.herds);
        let done = all - u64::from(self.wander.herds_left);
        if done == all || now < from + (until - from) / (all + 1) * (done + 1) {
            return;
        }
        self.wander.herds_left -= 1;
        for client in 0..self.clients.len() {
            let who = &mut self.clients[client];
            // Who has none is on the way back already.
            let Some(link) = &who.link else { continue };
            // Reset, so that no port has to wait before it is used again.
            let _ = SockRef::from(link.socket()).set_linger(Some(Duration::ZERO));
            who.broken_ns = now;
            self.retire_sender(client);
            self.hang_up(client);
            self.clients[client].comes_back = true;
            self.waiting.push_back(client);
        }
    }

    /// A sender that comes back counts its messages anew, as another one.
    fn retire_sender(&mut self, client: usize) {
        let Some(old) = self.clients[client].sender.take() else { return };
        let sender = &mut self.senders[old];
        let sent = std::mem::take(&mut sender.sent);
        self.outcome.sent.insert((sender.room, sender.id), sent);
        let id = sender.id + self.plan.senders();
        self.due.retain(|std::cmp::Reverse((_, sender))| *sender != old);
        if let Some(seat) = &mut self.clients[client].seat {
            seat.sender = Some(id);
        }
    }

    /// Whether the client does not read when it could.
    pub(super) fn is_withholding(&self, client: usize) -> bool {
        let who = &self.clients[client];
        who.slow && who.state == State::Seated && self.stage == Stage::Send
    }

    /// Has slow readers read their share, and all there is once sending is over.
    pub(super) fn read_slow(&mut self, now: u64) {
        if self.shared.scenario.slow_share == 0.0 || now < self.wander.next_slow_ns {
            return;
        }
        self.wander.next_slow_ns = now + SLOW_EVERY_NS;
        for client in 0..self.clients.len() {
            let who = &self.clients[client];
            if who.slow && who.state == State::Seated {
                match self.stage {
                    Stage::Send if self.wander.slow_bytes > 0 => {
                        self.receive_once(client, self.wander.slow_bytes);
                    }
                    Stage::Drain => self.receive(client, false),
                    _ => {}
                }
            }
        }
    }
}
