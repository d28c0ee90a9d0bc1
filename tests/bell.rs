//! The bell between shards, tried in every interleaving that the memory model allows.
//!
//! The mailbox is modelled by a counter that is published in two steps, as a real queue does it:
//! first a place is reserved, then filled.

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering, fence};
    use std::task::Waker;

    /// loom's waker, in the shape of the one the server uses.
    #[derive(Debug, Default)]
    pub(super) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(super) fn register(&self, waker: &Waker) {
            self.0.register_by_ref(waker);
        }

        pub(super) fn wake(&self) {
            self.0.wake();
        }
    }
}

#[allow(unreachable_pub, dead_code, reason = "it is the server's, used here in part")]
#[path = "../src/mesh/bell.rs"]
mod bell;

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};

use bell::Bell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::thread;
use sync::Ordering;

const PRODUCERS: usize = 2;

#[derive(Default)]
struct Mailbox {
    reserved: AtomicUsize,
    filled: AtomicUsize,
    bell: Bell,
}

impl Mailbox {
    fn send(&self) {
        self.reserved.fetch_add(1, Ordering::Relaxed);
        self.filled.fetch_add(1, Ordering::Release);
        self.bell.ring();
    }

    fn arrived(&self) -> usize {
        self.filled.load(Ordering::Acquire)
    }
}

/// Whether the shard has been woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: StdArc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A shard takes what has arrived and falls asleep while producers send. `looks_again` is what it
/// sees of its mailbox, given how much it has taken, before it falls asleep.
fn model(looks_again: fn(&Mailbox, usize) -> bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (mailbox, woken) = (Arc::new(Mailbox::default()), StdArc::new(Woken::default()));
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || mailbox.send())
            })
            .collect();
        let taken = mailbox.arrived();
        let waker = Waker::from(StdArc::clone(&woken));
        let asleep = mailbox.bell.fall_asleep(&waker, || looks_again(&mailbox, taken));
        for producer in producers {
            producer.join().expect("a producer ends");
        }
        if asleep && mailbox.arrived() > taken {
            assert!(mailbox.bell.has_rung(), "it sleeps through its mail");
            assert!(woken.0.load(Ordering::Acquire), "the bell rings, but it is not woken");
        }
    });
}

#[test]
fn no_wake_up_is_lost() {
    model(|mailbox, taken| mailbox.arrived() == taken);
}

/// Shows that the model can fail: without the second look at the mailbox, a shard sleeps through
/// its mail.
#[test]
#[should_panic(expected = "sleeps through its mail")]
fn a_wake_up_is_lost_without_the_second_look() {
    model(|_, _| true);
}
