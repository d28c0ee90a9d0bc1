//! How much one shard may have on its way to another, and what happens when that is too much.
//!
//! Every message uses one credit of its destination, which gives it back when it has handled the
//! message. A shard that is over its credit to somebody is *strained*. Nobody waits: a strained
//! shard goes on handling what arrives and sending what follows from it, but it leaves its clients'
//! input unread, and so do all its peers, whom it tells. With no new input what is on its way can
//! only become less, so the strain always passes. What a mailbox can hold is bounded by the credits
//! of all peers and what one turn of each adds.

use crate::model::ShardId;

/// One shard's credits.
#[derive(Debug)]
pub struct Credit {
    max: u32,
    /// Messages on their way to each shard, or there and not yet handled.
    in_flight: Vec<u32>,
    /// Messages of each shard that were handled here, not yet given back.
    owed: Vec<u32>,
    /// Which shards have said that they are strained.
    strained_peers: Vec<bool>,
    strained: bool,
    /// Which shards know of the present `strained`.
    told: Vec<bool>,
}

/// What every parcel carries beside its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slip {
    /// Credits given back.
    pub returned: u32,
    /// Whether the sender is strained.
    pub strained: bool,
}

impl Credit {
    /// Nothing on its way yet; `max` messages may be, to each of `shards` shards.
    #[must_use]
    pub fn new(shards: u16, max: u32) -> Self {
        let shards = usize::from(shards);
        Self {
            max,
            in_flight: vec![0; shards],
            owed: vec![0; shards],
            strained_peers: vec![false; shards],
            strained: false,
            told: vec![true; shards],
        }
    }

    /// Takes note of what came with a parcel from `peer`.
    pub fn received(&mut self, peer: ShardId, slip: Slip) {
        let in_flight = &mut self.in_flight[peer.index()];
        *in_flight = in_flight.checked_sub(slip.returned).expect("only what was used comes back");
        self.strained_peers[peer.index()] = slip.strained;
    }

    /// Takes note that a message from `peer` has been handled.
    #[inline]
    pub fn handled(&mut self, peer: ShardId) {
        self.owed[peer.index()] += 1;
    }

    /// Uses up `messages` credits of each shard, then decides whether this shard is strained. To be
    /// asked once a turn.
    pub fn used(&mut self, peer: ShardId, messages: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        let in_flight = &mut self.in_flight[peer.index()];
        *in_flight = in_flight.saturating_add(messages);
        if *in_flight > self.max {
            self.become_strained(true);
        }
    }

    /// Ends the strain when all shards have handled at least half of what they may have.
    pub fn relax(&mut self) {
        if self.strained && self.in_flight.iter().all(|&n| n <= self.max / 2) {
            self.become_strained(false);
        }
    }

    fn become_strained(&mut self, strained: bool) {
        if self.strained != strained {
            self.strained = strained;
            self.told.fill(false);
        }
    }

    /// Whether `peer` must hear from this shard even if there are no messages for it.
    #[must_use]
    pub fn must_write(&self, peer: ShardId) -> bool {
        !self.told[peer.index()] || self.owed[peer.index()] >= self.max.div_ceil(4)
    }

    /// What goes with the next parcel to `peer`.
    pub fn slip(&mut self, peer: ShardId) -> Slip {
        self.told[peer.index()] = true;
        let returned = std::mem::take(&mut self.owed[peer.index()]);
        Slip { returned, strained: self.strained }
    }

    /// Whether clients may be read: no shard of this server is strained, as far as is known here.
    #[inline]
    #[must_use]
    pub fn may_read_clients(&self) -> bool {
        !self.strained && !self.strained_peers.contains(&true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: ShardId = ShardId(1);

    #[test]
    fn input_stops_over_the_credit_and_goes_on_well_under_it() {
        let mut credit = Credit::new(2, 100);
        credit.used(PEER, 100);
        assert!(credit.may_read_clients());
        credit.used(PEER, 1);
        assert!(!credit.may_read_clients() && credit.must_write(PEER), "the peer is to know");
        assert_eq!(credit.slip(PEER), Slip { returned: 0, strained: true });
        assert!(!credit.must_write(PEER));
        credit.received(PEER, Slip { returned: 50, strained: false });
        credit.relax();
        assert!(!credit.may_read_clients(), "51 are still on their way");
        credit.received(PEER, Slip { returned: 1, strained: false });
        credit.relax();
        assert!(credit.may_read_clients());
        assert_eq!(credit.slip(PEER), Slip { returned: 0, strained: false });
    }

    #[test]
    fn a_strained_peer_stops_our_input_too() {
        let mut credit = Credit::new(2, 100);
        credit.received(PEER, Slip { returned: 0, strained: true });
        assert!(!credit.may_read_clients());
        credit.received(PEER, Slip { returned: 0, strained: false });
        assert!(credit.may_read_clients());
    }

    #[test]
    fn credit_goes_back_by_itself_before_the_peer_runs_out() {
        let mut credit = Credit::new(2, 100);
        for _ in 0..24 {
            credit.handled(PEER);
        }
        assert!(!credit.must_write(PEER));
        credit.handled(PEER);
        assert!(credit.must_write(PEER));
        assert_eq!(credit.slip(PEER).returned, 25);
        assert_eq!(credit.slip(PEER).returned, 0);
    }

    #[test]
    fn with_a_credit_of_one_there_is_something_to_give_back_before_it_is_given_back() {
        let mut credit = Credit::new(2, 1);
        assert!(!credit.must_write(PEER), "shards would write to each other for ever");
        credit.handled(PEER);
        assert!(credit.must_write(PEER));
    }
}
