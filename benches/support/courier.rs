//! The way from one shard's thread to another's: mailbox, parcels and bell, as in the server.

use std::future::poll_fn;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use hubbub::mesh::credit::Slip;
use hubbub::mesh::{Address, Mail, Mailbox, Parcel, mesh};
use hubbub::model::{Event, Name, ShardId, ShardMsg, Stamp};
use tokio::runtime;

const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog says nothing at all.";
/// The cores we may use, looked up before the first thread is pinned to one of them.
static CORES: LazyLock<Vec<CoreId>> =
    LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());
/// Messages on their way at any moment, when the receiver is busy: as many as a shard's credit.
const IN_FLIGHT_MAX: u64 = 4096;
/// Longer than it takes to fall asleep.
const LULLABY: Duration = Duration::from_micros(50);
const PATIENCE_MAX: Duration = Duration::from_secs(20);

/// What the receiver does when there is nothing in its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It looks again.
    Busy,
    /// It sleeps until the bell rings.
    Asleep,
}

/// The sender's end, and the receiver's thread.
pub(crate) struct Courier {
    manner: Manner,
    batch: u64,
    addresses: Arc<[Address]>,
    /// Messages up to now.
    sent: u64,
    handled: Arc<AtomicU64>,
    receiver: Option<JoinHandle<()>>,
}

impl Courier {
    /// Starts a receiver that is sent `batch` messages to a parcel.
    pub(crate) fn new(manner: Manner, batch: u64) -> Self {
        let (mut mailboxes, addresses) = mesh(1);
        let mailbox = mailboxes.remove(0);
        let handled = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&handled);
        settle_on_core(0);
        let receiver = thread::spawn(move || {
            settle_on_core(1);
            match manner {
                Manner::Busy => while handle_mail(&mailbox, &counter) {},
                Manner::Asleep => {
                    let runtime = runtime::Builder::new_current_thread().enable_all().build();
                    runtime.expect("a runtime").block_on(sleep_and_handle(mailbox, &counter));
                }
            }
        });
        Self { manner, batch, addresses, sent: 0, handled, receiver: Some(receiver) }
    }

    /// Sends about so many messages; how long so many of them take, from the first one's entry into
    /// a parcel until the last one is handled.
    pub(crate) fn carry(&mut self, messages: u64) -> Duration {
        let parcels = messages.div_ceil(self.batch);
        let time = match self.manner {
            Manner::Busy => self.stream(parcels),
            Manner::Asleep => (0..parcels).map(|_| self.wake_with_parcel()).sum(),
        };
        time.mul_f64(messages as f64 / (parcels * self.batch) as f64)
    }

    fn stream(&mut self, parcels: u64) -> Duration {
        let start = Instant::now();
        for _ in 0..parcels {
            self.wait_for(self.sent.saturating_sub(IN_FLIGHT_MAX));
            self.send();
        }
        self.wait_for(self.sent);
        start.elapsed()
    }

    /// Only a parcel for which the receiver had to be woken counts; how long that took.
    fn wake_with_parcel(&mut self) -> Duration {
        let deadline = Instant::now() + PATIENCE_MAX;
        loop {
            let lullaby = Instant::now();
            while lullaby.elapsed() < LULLABY {
                spin_loop();
            }
            let start = Instant::now();
            let woken = self.send();
            self.wait_for(self.sent);
            if woken {
                return start.elapsed();
            }
            assert!(Instant::now() < deadline, "the receiver does not sleep");
        }
    }

    /// Sends the next parcel; whether the receiver had to be woken.
    fn send(&mut self) -> bool {
        let name = |text| Name::new(text).expect("a valid name");
        let (room, author) = (name("main").key(), name("AmberOtter"));
        let mut messages = vec![];
        for seq in self.sent..self.sent + self.batch {
            let event = Event::Said { author: &author, text: TEXT }.share();
            messages.push(ShardMsg::RoomEvent {
                room: room.clone(),
                stamp: Stamp { seq, time: 0 },
                event,
            });
        }
        self.sent += self.batch;
        let parcel = Parcel { from: ShardId(0), slip: Slip::default(), messages };
        self.addresses[0].send(Mail::Parcel(parcel))
    }

    fn wait_for(&self, handled: u64) {
        let deadline = Instant::now() + PATIENCE_MAX;
        while self.handled.load(Ordering::Acquire) < handled {
            spin_loop();
            assert!(Instant::now() < deadline, "the receiver does not handle its mail");
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.addresses[0].send(Mail::Drain);
        let ended = self.receiver.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the receiver panicked");
    }
}

/// Pins this thread to one of the cores we may use, if there are so many: two threads that spin on
/// the same core would wait for each other's time slices to end.
fn settle_on_core(number: usize) {
    if let Some(&core) = CORES.get(number) {
        core_affinity::set_for_current(core);
    }
}

/// Handles what is in the mailbox; whether more may come.
fn handle_mail(mailbox: &Mailbox, handled: &AtomicU64) -> bool {
    while let Some(mail) = mailbox.take() {
        let Mail::Parcel(parcel) = mail else { return false };
        let count = parcel.messages.len() as u64;
        parcel.messages.into_iter().for_each(|message| drop(black_box(message)));
        handled.fetch_add(count, Ordering::Release);
    }
    spin_loop();
    true
}

async fn sleep_and_handle(mailbox: Mailbox, handled: &AtomicU64) {
    while handle_mail(&mailbox, handled) {
        poll_fn(|cx| {
            let refused = !mailbox.fall_asleep(cx.waker());
            if refused || mailbox.has_rung() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        mailbox.wake_up();
    }
}
