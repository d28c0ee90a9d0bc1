//! Waking a shard that sleeps, and nobody else.
//!
//! A producer puts its parcel into the mailbox, then rings. A shard that is about to sleep says so,
//! then looks into its mailbox once more. The two fences order "say, then look" against "put, then
//! ring", so that at least one side sees the other: either the shard finds the parcel, or the
//! producer finds it sleeping and wakes it. A busy shard costs its producers one load.
//!
//! The model of this in `tests/bell.rs` tries every interleaving, and fails when the second look is
//! left out.

use std::task::Waker;

use super::sync::{AtomicBool, AtomicWaker, Ordering, fence};

/// One shard's bell, shared by all who send to it.
#[derive(Debug, Default)]
pub struct Bell {
    sleeping: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    /// To be called after something was put into the shard's mailbox. Whether the shard had to be
    /// woken.
    pub fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        let wake =
            self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::AcqRel);
        if wake {
            self.waker.wake();
        }
        wake
    }

    /// The shard is about to sleep, to be woken through `waker`. Whether it may: not if its
    /// mailbox, of which `is_empty` tells, has something by now.
    ///
    /// To be called again whenever it finds that it was woken for nothing: that may have been a
    /// ring of before it fell asleep, which has used up the waker all the same.
    pub fn fall_asleep(&self, waker: &Waker, is_empty: impl FnOnce() -> bool) -> bool {
        self.waker.register(waker);
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let asleep = is_empty();
        if !asleep {
            self.sleeping.store(false, Ordering::Relaxed);
        }
        asleep
    }

    /// Whether the shard is to get up because the bell rang.
    pub fn has_rung(&self) -> bool {
        !self.sleeping.load(Ordering::Relaxed)
    }

    /// The shard is up, for whatever reason.
    pub fn wake_up(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}
