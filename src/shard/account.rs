//! What this shard holds of the memory that all may hold together.

use crate::model::ShardId;
use crate::net::Loads;

/// What a shard's account may change by before others are told, in bytes.
const STEP: u64 = 64 << 10;
/// Percent of the limit over which something is given back.
const RELIEVE_ABOVE: u64 = 90;
/// Percent of the limit that is left then.
const RELIEVE_TO: u64 = 75;
/// Percent of the limit over which nobody new is let in.
const REFUSE_ABOVE: u64 = 80;

/// A shard's account, as it was last told.
#[derive(Debug)]
pub(super) struct Account {
    shard: ShardId,
    /// What all may hold together.
    bytes_max: u64,
    /// The same, or for a while more: a limit that was lowered is come down to as memory is given
    /// back, and sends nobody away.
    bytes_max_now: u64,
    loads: Loads,
    told: u64,
}

/// Whether new connections are to be refused, when so many of at most `bytes_max` bytes are held.
#[must_use]
pub fn is_short(held: u64, bytes_max: u64) -> bool {
    held > percent(bytes_max, REFUSE_ABOVE)
}

fn percent(of: u64, percent: u64) -> u64 {
    of / 100 * percent
}

impl Account {
    /// That of `shard`, of which nothing is told, where all together may hold `bytes_max`.
    pub(super) fn new(shard: ShardId, bytes_max: u64, loads: Loads) -> Self {
        Self { shard, bytes_max, bytes_max_now: bytes_max, loads, told: 0 }
    }

    /// All together may hold `bytes_max` from now on.
    pub(super) fn change_limit(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
        self.come_down();
    }

    fn come_down(&mut self) {
        let held = self.loads.held_bytes();
        let enough = (held / REFUSE_ABOVE + 1).saturating_mul(100);
        self.bytes_max_now = self.bytes_max.max(enough.min(self.bytes_max_now));
    }

    /// The shard holds `held` bytes now: how many of them it is to give back.
    ///
    /// If all shards together hold too much, each gives back in proportion to what it holds.
    #[inline]
    pub(super) fn settle(&mut self, held: u64) -> u64 {
        if held.abs_diff(self.told) < STEP {
            return 0;
        }
        self.told = held;
        self.loads.holds(self.shard, held);
        self.too_much(held)
    }

    fn too_much(&mut self, held: u64) -> u64 {
        let all = self.loads.held_bytes();
        if all <= percent(self.bytes_max_now, RELIEVE_ABOVE) {
            if self.bytes_max_now > self.bytes_max {
                self.come_down();
            }
            return 0;
        }
        let over = all - percent(self.bytes_max_now, RELIEVE_TO);
        u64::try_from(u128::from(over) * u128::from(held) / u128::from(all)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn too_much_is_given_back_by_those_who_hold_it() {
        let loads = Loads::new(2, 1);
        let [mut small, mut large] =
            [0, 1].map(|shard| Account::new(ShardId(shard), 100 * MIB, loads.clone()));
        assert_eq!(small.settle(10 * MIB), 0);
        assert_eq!(large.settle(80 * MIB), 0);
        let from_large = large.settle(90 * MIB);
        assert_eq!(from_large / MIB, 22, "nine tenths of what is over 75 %");
        assert_eq!(large.settle(90 * MIB + STEP - 1), 0, "not worth telling");
        assert_eq!(large.settle(65 * MIB), 0, "given back");
        assert_eq!(small.settle(12 * MIB), 0);
        assert_eq!(loads.held_bytes(), 77 * MIB);
    }

    #[test]
    fn a_lowered_limit_is_come_down_to_as_memory_is_given_back() {
        let loads = Loads::new(1, 1);
        let mut account = Account::new(ShardId(0), 1000 * MIB, loads);
        assert_eq!(account.settle(800 * MIB), 0);
        account.change_limit(100 * MIB);
        assert_eq!(account.settle(801 * MIB), 0, "nobody holds more than before, but for a page");
        assert_eq!(account.settle(400 * MIB), 0, "given back by whoever held it");
        assert_ne!(account.settle(500 * MIB), 0, "what was given back is not for others to take");
        assert_eq!(account.settle(50 * MIB), 0);
        assert_ne!(account.settle(95 * MIB), 0);
        account.change_limit(200 * MIB);
        assert_eq!(account.settle(150 * MIB), 0, "a raised one holds at once");
    }

    #[test]
    fn nobody_is_let_in_before_anything_has_to_be_given_back() {
        assert!(!is_short(80 * MIB, 100 * MIB));
        assert!(is_short(81 * MIB, 100 * MIB));
        assert!(!is_short(u64::MAX / 2, u64::MAX));
    }
}
