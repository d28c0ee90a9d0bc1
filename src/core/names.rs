//! The directory of user names that are at home on this shard: who has which.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ahash::RandomState;

use crate::core::memory::map_bytes;
use crate::model::{Key, SessionId};

/// Names and their owners. A name has one owner at most, and only its owner can release it.
#[derive(Debug, Default)]
pub struct Names(HashMap<Key, SessionId, RandomState>);

impl Names {
    /// Gives the name to `session` if it is free or theirs already; whether it is theirs now.
    pub fn claim(&mut self, key: Key, session: SessionId) -> bool {
        match self.0.entry(key) {
            Entry::Vacant(free) => {
                free.insert(session);
                true
            }
            Entry::Occupied(taken) => *taken.get() == session,
        }
    }

    /// Frees the name if it is `session`'s; whether it was.
    pub fn release(&mut self, key: &Key, session: SessionId) -> bool {
        let theirs = self.0.get(key) == Some(&session);
        if theirs {
            self.0.remove(key);
        }
        theirs
    }

    /// Passes the name on if it is that of `from`; whether it was.
    pub fn pass(&mut self, key: &Key, from: SessionId, to: SessionId) -> bool {
        let owner = self.0.get_mut(key).filter(|owner| **owner == from);
        owner.map(|owner| *owner = to).is_some()
    }

    /// Whether somebody has this name.
    #[must_use]
    pub fn is_taken(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// How many names are taken.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "nobody asks that")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of memory for all of them.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        map_bytes(&self.0)
    }

    /// Every name and its owner, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &SessionId)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, ShardId};

    #[test]
    fn only_the_owner_releases_a_name() {
        let key = || Name::new("bob").unwrap().key();
        let session = |generation| SessionId { shard: ShardId(0), slot: 7, generation };
        let mut names = Names::default();
        assert!(names.claim(key(), session(1)));
        assert!(names.claim(key(), session(1)), "their own");
        assert!(!names.claim(key(), session(2)));
        assert!(!names.release(&key(), session(2)), "same slot, another session");
        assert!(names.is_taken(&key()));
        assert!(names.release(&key(), session(1)));
        assert!(!names.release(&key(), session(1)), "once only");
        assert!(names.claim(key(), session(2)));
    }
}
