//! What shards say to each other, in schedules that chance decides: real cores, credit, mailboxes
//! and bells, on three threads that shuttle runs one at a time, and switches wherever they meet.
//!
//! Clients are lists of commands, and what they are told. Credit is for one message, so that shards
//! are strained nearly always.

mod sync {
    use std::collections::VecDeque;
    use std::sync::Arc;
    pub(super) use std::sync::atomic::Ordering;
    use std::task::Waker;

    use shuttle::sync::Mutex;
    pub(super) use shuttle::sync::atomic::{AtomicBool, fence};

    /// The waker the server uses, without its cleverness.
    #[derive(Debug, Default)]
    pub(super) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(super) fn register(&self, waker: &Waker) {
            *self.0.lock().expect("a lock") = Some(waker.clone());
        }

        pub(super) fn wake(&self) {
            let waker = self.0.lock().expect("a lock").take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// A channel that is only ever asked without waiting.
    pub(super) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
        let queue = Arc::new(Mutex::new(VecDeque::new()));
        (Sender(Arc::clone(&queue)), Receiver(queue))
    }

    #[derive(Debug)]
    pub(super) struct Sender<T>(Arc<Mutex<VecDeque<T>>>);

    #[derive(Debug)]
    pub(super) struct Receiver<T>(Arc<Mutex<VecDeque<T>>>);

    impl<T> Sender<T> {
        pub(super) fn send(&self, item: T) -> Result<(), T> {
            self.0.lock().expect("a lock").push_back(item);
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(super) fn try_recv(&self) -> Result<T, ()> {
            self.0.lock().expect("a lock").pop_front().ok_or(())
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().expect("a lock").is_empty()
        }

        pub(super) fn len(&self) -> usize {
            self.0.lock().expect("a lock").len()
        }
    }
}

#[allow(unreachable_pub, dead_code, reason = "it is the server's, used here in part")]
#[path = "../src/mesh/bell.rs"]
mod bell;
#[allow(unreachable_pub, dead_code, reason = "it is the server's, used here in part")]
#[path = "../src/mesh/mailbox.rs"]
mod mailbox;
/// Where the server's sources look for each other.
mod mesh {
    pub(crate) use hubbub::mesh::credit;

    pub(crate) use crate::bell;
}
mod model {
    pub(crate) use hubbub::model::*;
}
mod proto {
    pub(crate) use hubbub::proto::Wire;
}
mod socket {
    pub(crate) use hubbub::socket::*;
}

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::Poll;
use std::vec;

use hubbub::core::Core;
use hubbub::core::placement::home_of;
use hubbub::core::sink::Sink;
use hubbub::mesh::credit::Credit;
use hubbub::model::{Command, Limits, Moment, Name, Origin, ShardId, ShardMsg, Slot};
use hubbub::proto::Wire;
use hubbub::shard::post;
use mailbox::{Address, Mail, Mailbox, Parcel, mesh as mailboxes};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::AtomicUsize;
use shuttle::sync::{Condvar, Mutex};
use shuttle::{Config, Runner, future, thread};
use sync::Ordering;

const SHARDS: u16 = 3;
/// Messages on their way from one shard to another before input is left unread.
const CREDIT_MAX: u32 = 1;
/// Time stands still.
const NOW: Moment = Moment(0);
/// More than a core needs; shuttle would give a tenth of it.
const STACK_BYTES: usize = 512 << 10;
/// How often the schedulers try, each.
const SCHEDULES: usize = 10_000;
/// The same where one of them must go wrong, which ends the test.
const SCHEDULES_MAX: usize = 100_000;
/// Changes of priority at unlikely moments, in a schedule of the one that is fond of them.
const CHANGES: usize = 3;

/// What a client of each of these shards asks. The rooms are at home on different shards.
const CLIENTS: &[(ShardId, &[Command<'static>])] = &[
    (ShardId(0), &[Command::Say("a1"), Command::Rename("kim"), Command::Say("a2"), Command::Quit]),
    (ShardId(0), &[Command::Switch("zoo"), Command::Say("b1"), Command::Say("b2")]),
    (ShardId(1), &[Command::Rename("kim"), Command::Switch("zoo"), Command::Say("c1")]),
    (ShardId(1), &[Command::Say("d1"), Command::Switch("attic"), Command::Say("d2")]),
    (ShardId(2), &[Command::Switch("zoo"), Command::Say("e1"), Command::Switch("attic")]),
];

/// One connection and who is behind it.
struct Client {
    /// What it has not asked yet.
    asks: vec::IntoIter<Command<'static>>,
    /// What it has said.
    said: Vec<&'static str>,
    seen: Vec<u8>,
    /// The core will say when it may ask again.
    waiting: bool,
}

/// Connections that take everything.
struct Clients(BTreeMap<Slot, Client>);

impl Sink for Clients {
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        self.0.get_mut(&slot).expect("a client").seen.extend_from_slice(bytes);
        bytes.len()
    }

    fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
        parts.iter().map(|part| self.write(slot, part)).sum()
    }
}

/// Room for one parcel in a mailbox, which its senders wait for: what the server does not have.
#[derive(Default)]
struct Room {
    taken: Mutex<bool>,
    left: Condvar,
}

impl Room {
    fn enter(&self) {
        let taken = self.taken.lock().expect("a lock");
        *self.left.wait_while(taken, |taken| *taken).expect("a lock") = true;
    }

    fn leave(&self) {
        *self.taken.lock().expect("a lock") = false;
        self.left.notify_one();
    }
}

/// Whether shards do as the server's, or something that must go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// They do as the server's.
    Right,
    /// A sender waits until there is room in the mailbox.
    WaitForRoom,
    /// A shard that is polled for nothing does not hand over its waker again.
    RegisterOnce,
}

/// A shard as the server has it, without its sockets and its clock.
struct Shard {
    id: ShardId,
    core: Core,
    clients: Clients,
    mailbox: Mailbox,
    addresses: Arc<[Address]>,
    credit: Credit,
    inbox: VecDeque<(ShardId, vec::IntoIter<ShardMsg>)>,
    /// Clients of all shards that have something to ask.
    curious: Arc<AtomicUsize>,
    manner: Manner,
    /// One for each mailbox.
    rooms: Arc<[Room]>,
    gone: Vec<Client>,
}

impl Shard {
    fn open(&mut self, asks: &[Command<'static>]) {
        let slot = self.core.handle_open(Wire::Line, true, NOW);
        self.core.handle_first_line(slot, NOW);
        let asks = Vec::from(asks).into_iter();
        let client = Client { asks, said: vec![], seen: vec![], waiting: false };
        self.clients.0.insert(slot, client);
    }

    /// Turn after turn, until everyone is seen off; those who were here.
    async fn run(mut self) -> Vec<Client> {
        loop {
            self.take_mail();
            self.serve_clients();
            self.post();
            self.core.flush(&mut self.clients, NOW);
            while let Some((slot, _)) = self.core.poll_closed() {
                self.gone.push(self.clients.0.remove(&slot).expect("a client"));
            }
            if self.core.is_drained() && self.core.destinations().next().is_none() {
                return self.gone;
            }
            if self.has_work() {
                future::yield_now().await;
            } else {
                self.sleep().await;
            }
        }
    }

    fn take_mail(&mut self) {
        loop {
            if let Some((from, messages)) = self.inbox.front_mut() {
                let from = *from;
                match messages.next() {
                    Some(message) => {
                        self.core.handle_message(from, message, NOW);
                        self.credit.handled(from);
                    }
                    None => drop(self.inbox.pop_front()),
                }
                continue;
            }
            match self.mailbox.take() {
                Some(Mail::Parcel(Parcel { from, slip, messages })) => {
                    self.rooms[self.id.index()].leave();
                    self.credit.received(from, slip);
                    self.inbox.push_back((from, messages.into_iter()));
                }
                Some(Mail::Drain) => self.core.handle_drain(NOW),
                Some(Mail::Newcomers(_) | Mail::Evict(..) | Mail::Limits(_)) => {
                    unreachable!("nobody comes later")
                }
                None => return,
            }
        }
    }

    /// One command of each client who may ask.
    fn serve_clients(&mut self) {
        while let Some(slot) = self.core.poll_resumed() {
            self.clients.0.get_mut(&slot).expect("a client").waiting = false;
        }
        if !self.credit.may_read_clients() {
            return;
        }
        for (&slot, client) in &mut self.clients.0 {
            if client.waiting || client.asks.as_slice().is_empty() {
                continue;
            }
            if !self.core.may_read(slot) {
                client.waiting = true;
                continue;
            }
            let command = client.asks.next().expect("there is one");
            if let Command::Say(text) = command {
                client.said.push(text);
            }
            self.core.handle_command(slot, command, NOW);
            let is_last = client.asks.as_slice().is_empty();
            if is_last && self.curious.fetch_sub(1, Ordering::SeqCst) == 1 {
                for address in self.addresses.iter() {
                    address.send(Mail::Drain);
                }
            }
        }
    }

    fn post(&mut self) {
        let from = self.id;
        let shards = ShardId::all(SHARDS);
        post(from, shards, &mut self.core, &mut self.credit, |to, slip, messages| {
            if self.manner == Manner::WaitForRoom {
                self.rooms[to.index()].enter();
            }
            self.addresses[to.index()].send(Mail::Parcel(Parcel { from, slip, messages }));
        });
    }

    fn has_work(&self) -> bool {
        let may_ask = |client: &Client| !client.waiting && !client.asks.as_slice().is_empty();
        self.core.is_dirty()
            || self.core.has_resumed()
            || self.core.destinations().next().is_some()
            || (self.credit.may_read_clients() && self.clients.0.values().any(may_ask))
    }

    async fn sleep(&mut self) {
        let mut first = true;
        poll_fn(|cx| {
            let registers = std::mem::take(&mut first) || self.manner != Manner::RegisterOnce;
            let refused = registers && !self.mailbox.fall_asleep(cx.waker());
            if refused || self.mailbox.has_rung() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.mailbox.wake_up();
    }
}

/// Three shards from their first client to their end, then a look at what everyone has seen.
fn chat(manner: Manner) {
    let (mailboxes, addresses) = mailboxes(SHARDS);
    let curious = Arc::new(AtomicUsize::new(CLIENTS.len()));
    let rooms = (0..SHARDS).map(|_| Room::default()).collect::<Arc<[Room]>>();
    let shards = ShardId::all(SHARDS).zip(mailboxes).map(|(id, mailbox)| {
        let mut shard = Shard {
            id,
            core: Core::new(id, SHARDS, Limits::default(), Origin::default()),
            clients: Clients(BTreeMap::new()),
            mailbox,
            addresses: Arc::clone(&addresses),
            credit: Credit::new(SHARDS, CREDIT_MAX),
            inbox: VecDeque::new(),
            curious: Arc::clone(&curious),
            manner,
            rooms: Arc::clone(&rooms),
            gone: vec![],
        };
        for (_, asks) in CLIENTS.iter().filter(|(at, _)| *at == id) {
            shard.open(asks);
        }
        thread::spawn(move || future::block_on(shard.run()))
    });
    let shards: Vec<_> = shards.collect();
    let clients = shards.into_iter().flat_map(|shard| shard.join().expect("a shard ends"));
    check(&clients.collect::<Vec<_>>());
}

/// Everyone has seen what they said themselves, and any two have seen what both have in one order.
fn check(clients: &[Client]) {
    assert_eq!(clients.len(), CLIENTS.len(), "everyone is seen off");
    let seen = clients.iter().map(|client| String::from_utf8_lossy(&client.seen));
    let seen: Vec<_> = seen.collect();
    let said = seen.iter().map(|seen| seen.lines().filter(|line| line.contains(": ")));
    let said: Vec<Vec<&str>> = said.map(Iterator::collect).collect();
    for (client, heard) in clients.iter().zip(&said) {
        assert!(client.asks.as_slice().is_empty(), "everything was asked");
        for text in &client.said {
            let times = heard.iter().filter(|line| line.ends_with(text)).count();
            assert_eq!(times, 1, "its own {text} among {heard:?}");
        }
    }
    for (one, other) in said.iter().flat_map(|one| said.iter().map(move |other| (one, other))) {
        let in_order_of = |a: &[&str], b: &[&str]| -> Vec<String> {
            a.iter().filter(|line| b.contains(line)).map(|&line| line.to_owned()).collect()
        };
        assert_eq!(in_order_of(one, other), in_order_of(other, one), "one order for all");
    }
}

fn check_with(scheduler: impl Scheduler + 'static, manner: Manner) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(scheduler, config).run(move || chat(manner));
}

#[test]
fn rooms_are_at_home_everywhere() {
    let home = |room| home_of(&Name::new(room).expect("a name").key(), SHARDS);
    let mut homes = ["main", "zoo", "attic"].map(home);
    homes.sort_unstable();
    assert_eq!(homes.to_vec(), ShardId::all(SHARDS).collect::<Vec<_>>());
}

#[test]
fn all_ends_well_in_any_order() {
    check_with(RandomScheduler::new(SCHEDULES), Manner::Right);
}

#[test]
fn all_ends_well_when_shards_are_held_up_at_bad_moments() {
    check_with(PctScheduler::new(CHANGES, SCHEDULES), Manner::Right);
}

/// Shows that the model can fail: when senders wait for room in a mailbox, shards wait for each
/// other.
#[test]
#[should_panic(expected = "deadlock")]
fn shards_that_wait_for_room_wait_for_ever() {
    check_with(RandomScheduler::new(SCHEDULES_MAX), Manner::WaitForRoom);
}

/// The same, when a shard counts on a waker that an earlier ring, come late, has used up.
#[test]
#[should_panic(expected = "deadlock")]
fn a_shard_that_registers_once_sleeps_for_ever() {
    check_with(RandomScheduler::new(SCHEDULES_MAX), Manner::RegisterOnce);
}
