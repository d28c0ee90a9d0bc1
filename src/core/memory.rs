//! The account of what is held for clients and rooms, and what is done when it is too much.

use std::cmp::Reverse;

use crate::core::Core;
use crate::core::room::RoomIndex;
use crate::model::{CloseReason, Moment, Slot};

/// What a client costs who is idle, with its connection and its name's entry in the directory, in
/// bytes: measured, and rounded up (see `results/`).
const CLIENT_BYTES: usize = 256;

/// Who holds memory that can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    /// A room's feeds, for members who are behind.
    Room(RoomIndex),
    /// A session's outbox.
    Session(Slot),
}

impl Core {
    /// Bytes of memory held for clients and rooms.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.rooms.held_bytes() + self.sessions.owed_bytes() + self.sessions.len() * CLIENT_BYTES
    }

    /// Gives back `bytes`, if so much can be. The largest holders go first: rooms keep less for
    /// members who are behind, clients who leave much unread are sent away.
    pub fn relieve(&mut self, bytes: usize, now: Moment) {
        let mut freed = self.rooms.shed_spares();
        let rooms = self.rooms.holders().map(|(bytes, index)| (bytes, Holder::Room(index)));
        let sessions = self.sessions.iter().map(|(slot, _)| slot);
        let sessions = sessions.map(|slot| (self.sessions.owed(slot), Holder::Session(slot)));
        let mut holders: Vec<(usize, Holder)> = rooms.chain(sessions).collect();
        holders.retain(|&(held, _)| held > 0);
        holders.sort_unstable_by_key(|&holder| Reverse(holder));
        for (held, holder) in holders {
            if freed >= bytes {
                break;
            }
            freed += match holder {
                Holder::Room(index) => self.rooms.shed(index),
                Holder::Session(slot) => {
                    self.end(slot, CloseReason::Memory, now);
                    held
                }
            };
        }
        self.counters.relieved += freed as u64;
    }
}
