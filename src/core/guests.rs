//! Names for those who have not chosen one: an adjective and an animal, drawn in an order nobody
//! can guess.
//!
//! All combinations are put in a pseudo-random order, the same on every shard, and each shard takes
//! those that are at home with it. So no two shards ever draw the same name, none is drawn twice
//! before all have been drawn once, and a new session needs no other shard's leave.

use crate::core::placement::home_of;
use crate::core::words::{ADJECTIVES, ANIMALS};
use crate::model::{Key, Name, ShardId};

/// Combinations looked at, per shard of the server, before a number is added instead. A shard finds
/// one of its own after as many tries as there are shards, on average, as long as any are free.
const TRIES_PER_SHARD_MAX: u32 = 64;

const ROUNDS: u32 = 4;

/// A shard's supply of names.
#[derive(Debug)]
pub struct Guests {
    shard: ShardId,
    shards: u16,
    adjectives: &'static [&'static str],
    animals: &'static [&'static str],
    seed: u64,
    /// The place in the order that is looked at next.
    next: u32,
    /// The last number added to a name.
    number: u64,
}

impl Guests {
    /// The supply of `shard`; `seed` decides the order, and must be the same on all shards.
    #[must_use]
    pub fn new(shard: ShardId, shards: u16, seed: u64) -> Self {
        Self { shard, shards, adjectives: ADJECTIVES, animals: ANIMALS, seed, next: 0, number: 0 }
    }

    /// A name at home on this shard that is not taken.
    pub fn draw(&mut self, taken: impl Fn(&Key) -> bool) -> Name {
        let fits = |name: &Name| {
            let key = name.key();
            home_of(&key, self.shards) == self.shard && !taken(&key)
        };
        let tries = self.combinations().min(TRIES_PER_SHARD_MAX * u32::from(self.shards));
        for _ in 0..tries {
            let (adjective, animal) = self.combination(self.next);
            self.next = (self.next + 1) % self.combinations();
            let name = Name::new(&format!("{adjective}{animal}")).expect("words make valid names");
            if fits(&name) {
                return name;
            }
        }
        loop {
            let (adjective, animal) = self.combination(self.next);
            self.next = (self.next + 1) % self.combinations();
            self.number += 1;
            match Name::new(&format!("{adjective}{animal}{}", self.number)) {
                Ok(name) if fits(&name) => return name,
                // Another shard's, or too long with its number: there are always more.
                _ => {}
            }
        }
    }

    fn combinations(&self) -> u32 {
        u32::try_from(self.adjectives.len() * self.animals.len()).expect("a list of words")
    }

    /// The combination at `place` in the order.
    fn combination(&self, place: u32) -> (&'static str, &'static str) {
        let n = self.permuted(place) as usize;
        (self.adjectives[n / self.animals.len()], self.animals[n % self.animals.len()])
    }

    /// A permutation of all combinations: a Feistel network over the next power of four, walked
    /// until it comes back into range (Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
    /// 2002).
    fn permuted(&self, place: u32) -> u32 {
        let count = self.combinations();
        let half_bits = (32 - (count - 1).leading_zeros()).div_ceil(2);
        let mask = (1 << half_bits) - 1;
        let mut n = place;
        loop {
            let (mut left, mut right) = (n >> half_bits, n & mask);
            for round in 0..ROUNDS {
                (left, right) = (right, left ^ (self.mix(round, right) & mask));
            }
            n = left << half_bits | right;
            if n < count {
                return n;
            }
        }
    }

    /// SplitMix64's finalizer over the seed, the round and half a number.
    fn mix(&self, round: u32, half: u32) -> u32 {
        let input = u64::from(round) << 32 | u64::from(half);
        let mut z = self.seed.wrapping_add(input.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn few(shard: u16, shards: u16) -> Guests {
        Guests {
            adjectives: &["Calm", "Keen", "Warm"],
            animals: &["Otter", "Heron", "Lynx", "Mole"],
            ..Guests::new(ShardId(shard), shards, 42)
        }
    }

    #[test]
    fn words_make_names_of_8_to_20_letters_and_no_two_pairs_the_same() {
        let mut seen = HashSet::new();
        for adjective in ADJECTIVES {
            for animal in ANIMALS {
                let name = format!("{adjective}{animal}");
                assert!((8..=20).contains(&name.len()), "{name}");
                assert!(name.bytes().all(|b| b.is_ascii_alphabetic()), "{name}");
                assert!(seen.insert(name.to_ascii_lowercase()), "{name} twice");
            }
        }
        assert!(ADJECTIVES.len() >= 300 && ANIMALS.len() >= 300);
    }

    #[test]
    fn every_combination_is_drawn_once_before_any_is_drawn_again() {
        let guests = Guests::new(ShardId(0), 1, 7);
        let drawn: HashSet<u32> = (0..guests.combinations()).map(|n| guests.permuted(n)).collect();
        assert_eq!(drawn.len(), guests.combinations() as usize);
        assert!(drawn.iter().all(|&n| n < guests.combinations()));
    }

    #[test]
    fn shards_share_all_names_out_without_asking_each_other() {
        let mut all = HashSet::new();
        for shard in 0..3 {
            let mut guests = Guests::new(ShardId(shard), 3, 7);
            for _ in 0..5_000 {
                let name = guests.draw(|_| false);
                assert_eq!(home_of(&name.key(), 3), ShardId(shard));
                assert!(all.insert(name.key()), "{name} twice");
            }
        }
    }

    #[test]
    fn when_all_are_taken_a_number_is_added_and_freed_names_come_back() {
        let mut guests = few(0, 1);
        let mut taken = HashSet::new();
        for _ in 0..12 {
            let name = guests.draw(|key| taken.contains(key));
            assert!(name.as_str().bytes().all(|b| b.is_ascii_alphabetic()), "{name}");
            assert!(taken.insert(name.key()), "{name} twice");
        }
        let numbered = guests.draw(|key| taken.contains(key));
        assert!(numbered.as_str().ends_with('1'), "{numbered}");
        taken.insert(numbered.key());
        let freed = Name::new("CalmLynx").unwrap();
        assert!(taken.remove(&freed.key()));
        assert_eq!(guests.draw(|key| taken.contains(key)), freed);
    }

    #[test]
    fn another_seed_is_another_order() {
        let first = |seed| Guests::new(ShardId(0), 1, seed).draw(|_| false);
        let distinct: HashSet<_> = (0..20).map(|seed| first(seed).key()).collect();
        assert!(distinct.len() > 15, "{distinct:?}");
    }
}
