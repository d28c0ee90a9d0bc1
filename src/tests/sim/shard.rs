//! One shard: what it owns, and its turn, which is that of the server's shards step by step. It
//! gets a turn when the world says so; asleep, it knows of its mail what its bell tells it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::vec;

use super::client::{Ask, Client, Sockets};
use super::world::{CLIENTS_MAX, World};
use crate::core::Core;
use crate::mesh::credit::Credit;
use crate::mesh::{Mail, Mailbox, Parcel};
use crate::model::{CloseReason, Moment, ShardId, ShardMsg, Slot};
use crate::shard::post;

/// Messages handled before clients get a turn, when nothing is wrong.
const MAIL_PER_TURN_MAX: usize = 1024;
/// Commands that one read of a socket can bring.
pub(super) const COMMANDS_PER_READ_MAX: usize = 8;

/// What a shard does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its next turn.
    Awake,
    /// It falls asleep: its last turn has left it nothing to do.
    Drowsy,
    /// It waits to be woken.
    Asleep,
    /// Nothing more: it has gone down.
    Done,
}

/// Whether somebody has called for a shard.
#[derive(Debug, Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A shard without sockets and clock.
pub(super) struct Shard {
    pub(super) core: Core,
    pub(super) credit: Credit,
    pub(super) mailbox: Mailbox,
    /// Messages that have been taken from the mailbox and not yet handled, and who sent them.
    pub(super) inbox: VecDeque<(ShardId, vec::IntoIter<ShardMsg>)>,
    pub(super) state: State,
    draining: bool,
    called: Arc<Called>,
    waker: Waker,
    /// The kernel has something to tell about its connections.
    pub(super) events: bool,
    /// Whose connection is in which slot.
    pub(super) by_slot: HashMap<Slot, usize>,
    /// Clients that have something to read.
    ready: VecDeque<usize>,
    /// Turns it will miss, whatever happens.
    pub(super) paused: u32,
    /// How late it will be when its bell rings, in turns.
    pub(super) late: u32,
}

impl Shard {
    pub(super) fn new(core: Core, mailbox: Mailbox, credit: Credit) -> Self {
        let called = Arc::<Called>::default();
        Self {
            core,
            credit,
            mailbox,
            inbox: VecDeque::new(),
            state: State::Awake,
            draining: false,
            waker: Waker::from(Arc::clone(&called)),
            called,
            events: false,
            by_slot: HashMap::new(),
            ready: VecDeque::new(),
            paused: 0,
            late: 0,
        }
    }

    fn is_due(&self, now: Moment) -> bool {
        self.core.next_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether anything was done to have it woken.
    fn is_woken(&self, now: Moment) -> bool {
        self.called.0.load(Ordering::Relaxed) || self.events || self.is_due(now)
    }

    /// Whether there is something to do that neither the kernel nor the bell will tell of.
    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
            || self.core.is_dirty()
            || self.core.has_resumed()
            || self.core.destinations().next().is_some()
            || (self.credit.may_read_clients() && !self.ready.is_empty())
    }

    /// Asked whether it has been woken, with or without a reason.
    fn poll(&mut self, now: Moment) {
        self.called.0.store(false, Ordering::Relaxed);
        let asleep = self.mailbox.fall_asleep(&self.waker);
        if !asleep || self.events || self.mailbox.has_rung() || self.is_due(now) {
            self.mailbox.wake_up();
            self.state = State::Awake;
        } else {
            self.state = State::Asleep;
        }
    }
}

impl World {
    /// `shard` may do what it does next. Whether it did something.
    pub(super) fn give_turn(&mut self, shard: usize) -> bool {
        let it = &mut self.shards[shard];
        if it.paused > 0 {
            it.paused -= 1;
            return false;
        }
        match it.state {
            State::Awake => self.turn(shard),
            State::Drowsy => {
                it.poll(self.now);
                it.late = if self.faulty { *self.rng.pick(&[0, 0, 0, 2, 20]) } else { 0 };
            }
            State::Asleep if it.is_woken(self.now) => {
                if it.late > 0 {
                    it.late -= 1;
                    return false;
                }
                it.poll(self.now);
            }
            State::Asleep if self.faulty && self.rng.one_in(8) => it.poll(self.now),
            State::Asleep | State::Done => return false,
        }
        self.after_turn(shard);
        true
    }

    fn turn(&mut self, shard: usize) {
        self.shards[shard].core.begin_turn(self.now);
        self.take_mail(shard);
        self.serve_clients(shard);
        if self.shards[shard].is_due(self.now) {
            let by_slot = &self.shards[shard].by_slot;
            let is_unread = |client: &Client| client.ready || client.readable;
            let unread = by_slot.iter().filter(|(_, client)| is_unread(&self.clients[**client]));
            let unread: HashSet<Slot> = unread.map(|(&slot, _)| slot).collect();
            self.may_cut(shard, |core, now| core.handle_tick(now, &|slot| unread.contains(&slot)));
        }
        self.post(shard);
        let pauses = self.faulty && self.rng.one_in(8);
        if pauses && !self.shards[shard].core.is_pressed() {
            self.close_ended(shard);
            return;
        }
        self.flush(shard);
        self.relieve(shard);
        self.close_ended(shard);
        let it = &mut self.shards[shard];
        if it.core.is_drained() && it.core.destinations().next().is_none() {
            it.state = State::Done;
        } else if !it.has_work() {
            it.state = State::Drowsy;
        }
    }

    fn take_mail(&mut self, shard: usize) {
        let few = [1, 2, 8, MAIL_PER_TURN_MAX];
        let mut budget = if self.faulty { *self.rng.pick(&few) } else { MAIL_PER_TURN_MAX };
        while budget > 0 && !self.shards[shard].core.is_pressed() {
            let it = &mut self.shards[shard];
            if let Some((from, messages)) = it.inbox.front_mut() {
                let from = *from;
                match messages.next() {
                    Some(message) => {
                        it.core.handle_message(from, message, self.now);
                        it.credit.handled(from);
                        self.in_flight[from.index()][shard] -= 1;
                        budget -= 1;
                    }
                    None => drop(it.inbox.pop_front()),
                }
                continue;
            }
            match it.mailbox.take() {
                Some(Mail::Parcel(Parcel { from, slip, messages })) => {
                    it.credit.received(from, slip);
                    it.core.begin_batch();
                    it.inbox.push_back((from, messages.into_iter()));
                }
                Some(Mail::Newcomers(_)) => {
                    budget -= 1;
                    self.open(shard);
                }
                Some(Mail::Drain) => {
                    it.draining = true;
                    it.core.handle_drain(self.now);
                }
                Some(other) => unreachable!("nobody sends {other:?}"),
                None => break,
            }
        }
    }

    /// Somebody has come in.
    fn open(&mut self, shard: usize) {
        self.arriving -= 1;
        let it = &mut self.shards[shard];
        if it.draining {
            return;
        }
        let wire = *self.rng.pick(self.wires);
        let slot = it.core.handle_open(wire, self.rng.one_in(4), self.now);
        let known = it.by_slot.insert(slot, self.clients.len());
        assert!(known.is_none(), "a slot is used again only when it is free");
        let session = it.core.sessions().id(slot);
        let mut client = Client::new(session, wire, &mut self.rng);
        client.reader.hears_all = self.limits.announce_max > CLIENTS_MAX as u32;
        if wire.may_resume() && self.rng.one_in(2) {
            let known = self.clients.iter().map(|it| it.reader.resume.as_str());
            let known: Vec<&str> = known.filter(|token| !token.is_empty()).collect();
            if !known.is_empty() {
                client.asks.push_back(Ask::Resume((*self.rng.pick(&known)).to_owned()));
                client.readable = true;
                self.shards[shard].events = true;
            }
        }
        self.clients.push(client);
    }

    /// Reads what clients have sent, and has the core handle it.
    fn serve_clients(&mut self, shard: usize) {
        self.hear_kernel(shard);
        while let Some(slot) = self.shards[shard].core.poll_resumed() {
            // The session may have ended since.
            if let Some(&client) = self.shards[shard].by_slot.get(&slot) {
                self.make_ready(shard, client);
            }
        }
        let it = &mut self.shards[shard];
        if !it.credit.may_read_clients() {
            return;
        }
        let most = self.in_flight[shard].iter().max();
        assert!(most <= Some(&self.credit_max), "input is left unread over the credit: {most:?}");
        for _ in 0..it.ready.len() {
            let it = &mut self.shards[shard];
            if it.core.is_pressed() {
                break;
            }
            if let Some(client) = it.ready.pop_front() {
                self.clients[client].ready = false;
                if self.is_open(client) {
                    self.read_input(shard, client);
                }
            }
        }
    }

    /// Whether the shard has not yet learnt that `client` is gone, nor sent it away.
    fn is_open(&self, client: usize) -> bool {
        let session = self.clients[client].session;
        self.shards[session.shard.index()].by_slot.get(&session.slot) == Some(&client)
    }

    fn hear_kernel(&mut self, shard: usize) {
        let it = &mut self.shards[shard];
        if !std::mem::take(&mut it.events) {
            return;
        }
        let mut open: Vec<(Slot, usize)> = it.by_slot.iter().map(|(&s, &c)| (s, c)).collect();
        // The map's order must not decide.
        open.sort_unstable();
        for (slot, client) in open {
            if std::mem::take(&mut self.clients[client].writable) {
                self.shards[shard].core.handle_writable(slot);
            }
            if std::mem::take(&mut self.clients[client].readable) {
                self.make_ready(shard, client);
            }
        }
    }

    fn make_ready(&mut self, shard: usize, client: usize) {
        if !std::mem::replace(&mut self.clients[client].ready, true) {
            self.shards[shard].ready.push_back(client);
        }
    }

    /// Reads from one connection, once. Sessions end here whatever they wait for, which over
    /// sockets they rarely do.
    fn read_input(&mut self, shard: usize, client: usize) {
        let slot = self.clients[client].session.slot;
        let it = &mut self.shards[shard];
        if self.clients[client].is_known_gone {
            it.by_slot.remove(&slot);
            it.core.handle_close(slot, CloseReason::HangUp, self.now);
            return;
        }
        if !it.core.may_read(slot) {
            return;
        }
        it.core.begin_batch();
        if std::mem::take(&mut self.clients[client].fails) {
            let ask = self.clients[client].asks.pop_front();
            if let Some(command) = ask.as_ref().and_then(Ask::command) {
                it.core.handle_command(slot, command, self.now);
            }
            self.may_cut(shard, |core, now| core.handle_failure(slot, now));
            return;
        }
        let asks = &mut self.clients[client].asks;
        let has_sent = !asks.is_empty();
        if has_sent {
            it.core.handle_first_line(slot, self.now);
        }
        for _ in 0..COMMANDS_PER_READ_MAX {
            if it.core.is_pressed() || !it.core.may_read(slot) {
                break;
            }
            let Some(ask) = asks.pop_front() else { break };
            let Some(command) = ask.command() else {
                it.core.handle_end_of_input(slot, self.now);
                break;
            };
            let costly = command.is_costly();
            it.core.handle_command(slot, command, self.now);
            if costly {
                break;
            }
        }
        if has_sent {
            it.core.heard_from(slot);
        }
        let is_left = !asks.is_empty();
        if is_left && self.shards[shard].core.may_read(slot) {
            self.make_ready(shard, client);
        }
    }

    /// Does something that may end sessions which have not read everything.
    fn may_cut(&mut self, shard: usize, act: impl FnOnce(&mut Core, Moment)) {
        let Shard { core, by_slot, .. } = &mut self.shards[shard];
        let is_here = |core: &Core, client: &Client| core.sessions().find(client.session).is_some();
        let mut here: Vec<usize> = by_slot.values().copied().collect();
        here.retain(|&client| is_here(core, &self.clients[client]));
        act(core, self.now);
        for client in here {
            let client = &mut self.clients[client];
            client.cut = !is_here(core, client);
        }
    }

    fn post(&mut self, shard: usize) {
        let from = ShardId(shard as u16);
        let shards = ShardId::all(self.shards.len() as u16);
        let Shard { core, credit, .. } = &mut self.shards[shard];
        post(from, shards, core, credit, |to, slip, messages| {
            self.in_flight[shard][to.index()] += messages.len() as u32;
            self.ways.entry((from, to)).or_default().push_back(Parcel { from, slip, messages });
        });
    }

    fn flush(&mut self, shard: usize) {
        let Shard { core, by_slot, .. } = &mut self.shards[shard];
        core.flush(&mut Sockets { clients: &mut self.clients, by_slot }, self.now);
    }

    /// Memory is short, now and then.
    fn relieve(&mut self, shard: usize) {
        if self.faulty && self.rng.one_in(40) {
            let bytes = [1, 1_000, usize::MAX][self.rng.below(3)];
            self.may_cut(shard, |core, now| core.reclaim(bytes, &[], now));
        }
    }

    fn close_ended(&mut self, shard: usize) {
        let it = &mut self.shards[shard];
        while it.core.poll_registered().is_some() {}
        while let Some((slot, reason)) = it.core.poll_closed() {
            let client = it.by_slot.remove(&slot).expect("one end for each session");
            self.clients[client].closed = Some(reason);
        }
    }
}
