//! The bell between shards, tried in every interleaving that the memory model allows.
//!
//! The mailbox is modelled by a counter that is published in two steps, as a real queue does it:
//! first a place is reserved, then filled.

mod sync {
    pub(super) use loom::sync::atomic::{Ordering, fence};
    use std::task::Waker;

    /// loom's, in the shape of the one the server uses. What is stored is swapped in: loom would
    /// let another thread's swap come after a store and still return what was there before it,
    /// which no memory model allows; between swaps, it does not.
    #[derive(Debug, Default)]
    pub(super) struct AtomicBool(loom::sync::atomic::AtomicBool);

    impl AtomicBool {
        pub(super) fn load(&self, ordering: Ordering) -> bool {
            self.0.load(ordering)
        }

        pub(super) fn store(&self, value: bool, ordering: Ordering) {
            self.0.swap(value, ordering);
        }

        pub(super) fn swap(&self, value: bool, ordering: Ordering) -> bool {
            self.0.swap(value, ordering)
        }
    }

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
use loom::sync::atomic::AtomicUsize;
use loom::thread;
use sync::{AtomicBool, Ordering};

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

/// Producers who each send once.
fn producers(mailbox: &Arc<Mailbox>) -> Vec<thread::JoinHandle<()>> {
    let producer = |_| {
        let mailbox = Arc::clone(mailbox);
        thread::spawn(move || mailbox.send())
    };
    (0..PRODUCERS).map(producer).collect()
}

/// A shard takes what has arrived and falls asleep while producers send. `looks_again` is what it
/// sees of its mailbox, given how much it has taken, before it falls asleep.
fn model(looks_again: fn(&Mailbox, usize) -> bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (mailbox, woken) = (Arc::new(Mailbox::default()), StdArc::new(Woken::default()));
        let producers = producers(&mailbox);
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

/// A shard falls asleep, is woken by something else while a producer may be about to ring for that
/// sleep, and falls asleep again: `again` is what it does about the bell whenever it finds that it
/// was woken for nothing. Whether it has got up for its mail.
fn second_sleep(again: fn(&Mailbox, &Waker, usize) -> bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (mailbox, woken) = (Arc::new(Mailbox::default()), StdArc::new(Woken::default()));
        let waker = Waker::from(StdArc::clone(&woken));
        let producers = producers(&mailbox);
        let taken = mailbox.arrived();
        let _ = mailbox.bell.fall_asleep(&waker, || mailbox.arrived() == taken);
        mailbox.bell.wake_up();
        let taken = mailbox.arrived();
        let look = || mailbox.arrived() == taken;
        let mut asleep = mailbox.bell.fall_asleep(&waker, look) && !mailbox.bell.has_rung();
        // As a runtime does it: that it was woken is forgotten before it is asked again.
        let mut settle = || {
            while asleep && woken.0.swap(false, Ordering::AcqRel) {
                asleep = again(&mailbox, &waker, taken) && !mailbox.bell.has_rung();
                thread::yield_now();
            }
            asleep
        };
        settle();
        for producer in producers {
            producer.join().expect("a producer ends");
        }
        let asleep = settle();
        assert!(!asleep || mailbox.arrived() == taken, "it sleeps through its mail");
    });
}

#[test]
fn a_ring_for_an_earlier_sleep_costs_no_wake_up() {
    second_sleep(|mailbox, waker, taken| {
        mailbox.bell.fall_asleep(waker, || mailbox.arrived() == taken)
    });
}

/// Shows that the model can fail: a late ring uses up the waker, and nobody gives the bell another.
#[test]
#[should_panic(expected = "sleeps through its mail")]
fn a_wake_up_is_lost_if_a_shard_woken_for_nothing_goes_on_sleeping() {
    second_sleep(|_, _, _| true);
}
