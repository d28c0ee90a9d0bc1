//! Going down without losing anything: proof, by counting rounds, that no message is on its way
//! between shards; then everyone is seen off, not all at once.

use std::time::Duration;

use crate::core::Core;
use crate::core::session::Gate;
use crate::core::timers::Timer;
use crate::model::{CloseReason, Moment, Reply, SessionId, ShardId, ShardMsg};

/// Rounds after which nothing can be on its way any more. The longest chain of messages that one
/// command sets off is six long: leave a room, its home's answer, enter another, its home's
/// refusal, enter the lobby, its home's answer to all shards. A session that is to take over waits
/// for that, and adds four: its place in a room, the room's answer, leaving it again as it is gone,
/// the room's answer.
const ROUNDS: u8 = 10;
/// Clients of the whole server seen off in a second, if there is time for that; and how many are
/// asked to come back in one. A server lets in as many, unless told otherwise.
const CLIENTS_PER_SECOND: u64 = 1_000;
/// How often some of them are seen off.
const SLICE: Duration = Duration::from_millis(20);

/// How far a shard has come in going down.
#[derive(Debug)]
pub struct Drain {
    /// The round this shard is in: 0 before the drain begins, `ROUNDS + 1` when it is sure.
    round: u8,
    /// The last round each shard has begun.
    heard: Vec<u8>,
}

impl Drain {
    /// Not begun, in a server of `shards` shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self { round: 0, heard: vec![0; usize::from(shards)] }
    }

    /// Whether no more input is to be read.
    #[inline]
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.round > 0
    }

    /// Whether nothing is on its way to this shard any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.round > ROUNDS
    }

    /// Notes that `shard` has begun `round`: all it sent before has arrived.
    pub fn heard(&mut self, shard: ShardId, round: u8) {
        let last = &mut self.heard[shard.index()];
        *last = round.max(*last);
    }

    /// The next round this shard begins, if it can: to be told to all shards, itself too. The first
    /// begins by `order`, each other when all shards have begun the one before.
    pub fn advance(&mut self, order: bool) -> Option<u8> {
        let all_heard = self.has_begun() && self.heard.iter().all(|&heard| heard >= self.round);
        let ready = if order { !self.has_begun() } else { all_heard && !self.is_settled() };
        ready.then(|| {
            self.round += 1;
            self.round
        })
    }
}

/// Those who are still to be seen off, and how fast that goes.
#[derive(Debug, Default)]
pub struct Farewells {
    waiting: Vec<SessionId>,
    /// How many there were.
    total: usize,
    /// How many of them in each [`SLICE`].
    slice: usize,
}

impl Farewells {
    /// Sees `waiting` off, this shard's share of a server of `shards`, within `spread_max`.
    fn new(waiting: Vec<SessionId>, shards: u16, spread_max: Duration) -> Self {
        let total = waiting.len();
        let seconds = total as f64 * f64::from(shards) / CLIENTS_PER_SECOND as f64;
        let spread = seconds.min(spread_max.as_secs_f64());
        let slices = (spread / SLICE.as_secs_f64()).max(1.0);
        Self { waiting, total, slice: (total as f64 / slices).ceil() as usize }
    }

    /// The next to be seen off, each with the seconds after which to come back.
    fn next_slice(&mut self, shards: u16) -> Vec<(SessionId, u64)> {
        let left = self.waiting.len().saturating_sub(self.slice);
        let gone = self.total - self.waiting.len();
        let slice = self.waiting.split_off(left).into_iter().zip(gone..);
        slice
            .map(|(session, n)| (session, 1 + n as u64 * u64::from(shards) / CLIENTS_PER_SECOND))
            .collect()
    }
}

impl Core {
    /// The server goes down: reads no more input, proves that nothing is on its way between shards,
    /// and sees everyone off with all they are owed. No session may be opened after this.
    pub fn handle_drain(&mut self, now: Moment) {
        self.drain_on(true, now);
    }

    pub(super) fn drain_on(&mut self, order: bool, now: Moment) {
        let Some(round) = self.drain.advance(order) else { return };
        if self.drain.is_settled() {
            let all = self.sessions.iter().map(|(slot, _)| self.sessions.id(slot)).collect();
            self.farewells = Farewells::new(all, self.shards, self.limits.drain_spread_max);
            self.see_off(now);
            return;
        }
        for shard in ShardId::all(self.shards).filter(|&s| s != self.shard) {
            self.outgoing.push(shard, ShardMsg::Marker { round });
        }
        self.handle_message(self.shard, ShardMsg::Marker { round }, now);
    }

    /// Sees some of those off who are left, and the others in a moment.
    pub(super) fn see_off(&mut self, now: Moment) {
        for (session, seconds) in self.farewells.next_slice(self.shards) {
            if let Some(slot) = self.sessions.find(session)
                && !matches!(self.sessions[slot].gate, Gate::Closing(_))
            {
                self.reply(slot, &Reply::Farewell { seconds });
                let closing = Gate::Closing(CloseReason::Drain.into());
                self.sessions.change(slot, |it| it.gate = closing);
                self.part(slot);
            }
        }
        if !self.farewells.waiting.is_empty() {
            self.timers.set(now.after(SLICE), Timer::SeeOff);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many slices it takes to see so many off, and the seconds that the last is told.
    fn seen_off(clients: u32, shards: u16, spread_max: Duration) -> (usize, u64) {
        let session = |slot| SessionId { shard: ShardId(0), slot, generation: 1 };
        let waiting = (0..clients).map(session).collect();
        let mut farewells = Farewells::new(waiting, shards, spread_max);
        let (mut slices, mut last, mut seen) = (0, 0, 0);
        while !farewells.waiting.is_empty() {
            let slice = farewells.next_slice(shards);
            slices += 1;
            seen += slice.len();
            last = slice.last().expect("some in each").1;
        }
        assert_eq!(seen, clients as usize);
        (slices, last)
    }

    #[test]
    fn a_crowd_is_seen_off_at_a_pace_and_asked_to_come_back_at_one() {
        let long = Duration::from_secs(3600);
        assert_eq!(seen_off(0, 2, long), (0, 0));
        assert_eq!(seen_off(10, 2, long), (1, 1), "a few at once");
        assert_eq!(seen_off(1_000, 1, long), (50, 1), "a second");
        assert_eq!(seen_off(10_000, 2, long), (1_000, 20), "20 000 of the whole server");
        assert_eq!(seen_off(10_000, 2, Duration::from_secs(2)), (100, 20), "in the time there is");
        assert_eq!(seen_off(10_000, 2, Duration::ZERO), (1, 20));
    }

    #[test]
    fn a_shard_is_sure_only_after_every_shard_has_begun_every_round() {
        let (mut drain, peer) = (Drain::new(2), ShardId(1));
        drain.heard(peer, 1);
        assert_eq!(drain.advance(false), None, "no order yet");
        assert_eq!(drain.advance(true), Some(1));
        assert_eq!(drain.advance(true), None, "once only");
        for round in 1..=ROUNDS {
            drain.heard(ShardId(0), round);
            if round > 1 {
                assert_eq!(drain.advance(false), None, "round {round} of the peer is missing");
                drain.heard(peer, round);
            }
            assert!(!drain.is_settled());
            assert_eq!(drain.advance(false), Some(round + 1));
        }
        assert!(drain.is_settled());
        assert_eq!(drain.advance(false), None);
    }
}
