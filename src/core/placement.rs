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

/// The shard for a new connection, from each one's load and whether it still turns: the one with
/// the fewest, the first of several; one that is stuck only if all are.
#[must_use]
pub fn least_loaded(shards: impl IntoIterator<Item = (u32, bool)>) -> ShardId {
    let (shard, _) = (0..)
        .zip(shards)
        .min_by_key(|&(_, (load, turns))| (!turns, load))
        .expect("there is a shard");
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
        assert_eq!(least_loaded([3, 1, 2].map(|load| (load, true))), ShardId(1));
        assert_eq!(least_loaded([2, 2].map(|load| (load, true))), ShardId(0));
    }

    #[test]
    fn no_new_connection_goes_to_a_stuck_shard_while_others_turn() {
        assert_eq!(least_loaded([(0, false), (9, true), (7, true)]), ShardId(2));
        assert_eq!(least_loaded([(3, false), (1, false)]), ShardId(1));
    }
}
