//! Which shard: of names and rooms by a hash that every build of every node agrees on, of
//! connections by load.

use crate::model::{Key, ShardId};

/// The home of a name or a room among `shards` shards.
///
/// FNV-1a with a final mix, spelled out here because it must never change with a library or a
/// processor.
#[must_use]
pub fn home_of(key: &Key, shards: u16) -> ShardId {
    let fnv = key.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let shard = mixed % u64::from(shards);
    ShardId(u16::try_from(shard).expect("less than the number of shards"))
}

/// The shard for a new connection: the one with the fewest, the first of several.
#[must_use]
pub fn least_loaded(loads: impl IntoIterator<Item = u32>) -> ShardId {
    let (shard, _) = (0..).zip(loads).min_by_key(|&(_, load)| load).expect("there is a shard");
    ShardId(shard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn homes_never_change_and_do_not_see_case() {
        let home = |text: &str| home_of(&Name::new(text).unwrap().key(), 8).0;
        assert_eq!(["main", "MAIN", "den", "room-7"].map(home), [0, 0, 2, 1]);
    }

    #[test]
    fn homes_are_spread_evenly() {
        let mut count = [0; 7];
        for n in 0..7_000 {
            count[home_of(&Name::new(&format!("room{n}")).unwrap().key(), 7).index()] += 1;
        }
        assert!(count.iter().all(|c| (850..1150).contains(c)), "{count:?}");
    }

    #[test]
    fn new_connections_go_where_there_are_fewest() {
        assert_eq!(least_loaded([3, 1, 2]), ShardId(1));
        assert_eq!(least_loaded([2, 2]), ShardId(0));
    }
}
