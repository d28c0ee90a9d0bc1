//! Going down without losing anything: proof, by counting rounds, that no message is on its way
//! between shards.

use crate::model::ShardId;

/// Rounds after which nothing can be on its way any more. The longest chain of messages that one
/// command sets off is four long: leave a room, its home's answer, enter another, its home's answer
/// to all shards.
const ROUNDS: u8 = 4;

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

#[cfg(test)]
mod tests {
    use super::*;

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
