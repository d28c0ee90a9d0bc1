//! All shards and clients, the ways between them, time, and what goes wrong.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Rng;
use super::client::{Ask, Client};
use super::oracle::Oracle;
use super::shard::{Shard, State};
use crate::core::Core;
use crate::mesh::credit::Credit;
use crate::mesh::{Address, Mail, Parcel, mesh};
use crate::model::{Allowance, Limits, Moment, Origin, ShardId};
use crate::proto::Wire;

pub(super) const CLIENTS_MAX: usize = 24;
/// Steps between two looks at what everyone has seen.
const LOOK_EVERY: u32 = 64;

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Moment,
    pub(super) limits: Limits,
    /// Messages on their way from one shard to another before input is left unread.
    pub(super) credit_max: u32,
    pub(super) shards: Vec<Shard>,
    addresses: Arc<[Address]>,
    /// Parcels that are not yet in a mailbox, by sender and receiver.
    pub(super) ways: HashMap<(ShardId, ShardId), VecDeque<Parcel>>,
    /// Messages posted and not yet handled, by sender and receiver.
    pub(super) in_flight: Vec<Vec<u32>>,
    pub(super) clients: Vec<Client>,
    /// Connections that lie in mailboxes.
    pub(super) arriving: usize,
    pub(super) oracle: Oracle,
    pub(super) said: u64,
    steps: u32,
    /// Things go wrong.
    pub(super) faulty: bool,
    /// The server goes down in the middle of the game.
    goes_down: bool,
    /// What is spoken, in proportion.
    pub(super) wires: &'static [Wire],
    /// Shards that have been told that the server goes down.
    pub(super) told_to_drain: usize,
}

impl World {
    pub(super) fn new(mut rng: Rng, seed: u64) -> Self {
        let shards = *rng.pick(&[1, 2, 2, 3, 4, 8]);
        let credit_max = *rng.pick(&[1, 1, 2, 3, 8, 4_096]);
        let limits = Limits {
            feed_bytes_max: *rng.pick(&[1_500, 4_000, 1 << 20]),
            message_chars_max: 80,
            feed_messages_max: *rng.pick(&[12, 64, 16_384]),
            announce_max: *rng.pick(&[0, 3, 200]),
            session_rooms_max: 3,
            allowance: Allowance { each_ms: 10, burst: *rng.pick(&[1, 20, 10_000]) },
            room_allowance: Allowance { each_ms: 1_000, burst: *rng.pick(&[1, 10]) },
            home_rooms_max: *rng.pick(&[1, 2, 1_000]),
            idle_wait_max: *rng.pick(&[None, None, None, Some(Duration::from_secs(5))]),
            stall_wait_max: Duration::from_millis(*rng.pick(&[300, 100_000])),
            stall_bytes_min: 100,
            outbox_bytes_max: *rng.pick(&[500, 65_536]),
            history_messages_max: *rng.pick(&[0, 3, 50]),
            pong_wait_max: Duration::from_millis(*rng.pick(&[1_000, 100_000])),
            list_entries_max: *rng.pick(&[3, 100]),
            flush_members_max: *rng.pick(&[1, 3, 256]),
            flush_sessions_max: *rng.pick(&[1, 256]),
            ..Limits::default()
        };
        let goes_down = rng.one_in(6);
        let wires = &[Wire::Line, Wire::Telnet, Wire::WebLine, Wire::WebJson];
        Self { goes_down, wires, ..Self::of(rng, seed, shards, credit_max, limits) }
    }

    /// A server of so many shards with such limits, that does not go down before its end.
    pub(super) fn of(rng: Rng, seed: u64, shards: u16, credit_max: u32, limits: Limits) -> Self {
        let (mailboxes, addresses) = mesh(shards);
        let each = ShardId::all(shards).zip(mailboxes).map(|(id, mailbox)| {
            let core = Core::new(id, shards, limits.clone(), Origin { seed, ..Origin::default() });
            Shard::new(core, mailbox, Credit::new(shards, credit_max))
        });
        Self {
            rng,
            now: Moment(0),
            shards: each.collect(),
            credit_max,
            addresses,
            ways: HashMap::new(),
            in_flight: vec![vec![0; usize::from(shards)]; usize::from(shards)],
            clients: vec![],
            arriving: 0,
            oracle: Oracle::default(),
            said: 0,
            steps: 0,
            faulty: true,
            goes_down: false,
            wires: &[Wire::Line],
            told_to_drain: 0,
            limits,
        }
    }

    /// Whether there is more of a script to decide what happens.
    pub(super) fn has_script(&self) -> bool {
        matches!(self.rng, Rng::Script(_))
    }

    /// One random thing happens somewhere.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        let shard = self.rng.below(self.shards.len());
        match self.rng.below(100) {
            0..4 => self.arrive(shard),
            4..30 => self.wish(),
            30..90 => self.work(shard),
            90..92 => self.pass_time(),
            92..94 => self.stall(),
            94 => self.vanish(),
            95 => self.learn_of_vanished(),
            96 => self.fail(),
            97 | 98 => self.pause(shard),
            _ => self.go_down_further(),
        }
        if self.steps.is_multiple_of(LOOK_EVERY) {
            self.check_views(false);
        }
    }

    /// Something goes on of what has begun: `shard` has its turn, or a parcel arrives, or somebody
    /// reads.
    pub(super) fn work(&mut self, shard: usize) {
        match self.rng.below(12) {
            0..7 => {
                self.give_turn(shard);
            }
            7..10 => self.deliver(),
            _ => self.read(),
        }
    }

    /// What `shard` has done is looked at.
    pub(super) fn after_turn(&mut self, shard: usize) {
        for entry in self.shards[shard].core.poll_journal() {
            self.oracle.learn(entry);
        }
        self.check_names();
        self.check_feeds(shard);
        self.check_account(shard);
    }

    /// A connection is placed on `shard`.
    pub(super) fn arrive(&mut self, shard: usize) {
        let open = self.shards.iter().map(|shard| shard.by_slot.len()).sum::<usize>();
        if open + self.arriving < CLIENTS_MAX && self.told_to_drain == 0 {
            self.arriving += 1;
            self.addresses[shard].send(Mail::Newcomers(vec![]));
        }
    }

    /// A random client that is connected.
    pub(super) fn any(&mut self) -> Option<usize> {
        self.any_that(Client::is_connected)
    }

    fn any_that(&mut self, may_be: impl Fn(&Client) -> bool) -> Option<usize> {
        let all = (0..self.clients.len()).filter(|&client| may_be(&self.clients[client]));
        let all: Vec<usize> = all.collect();
        (!all.is_empty()).then(|| *self.rng.pick(&all))
    }

    /// Somebody wants something, or much at once.
    fn wish(&mut self) {
        let Some(client) = self.any() else { return };
        let count = if self.rng.one_in(16) { self.rng.below(24) } else { 1 };
        for _ in 0..count {
            self.said += 1;
            let ask = self.clients[client].wish(&mut self.rng, self.said);
            self.ask(client, ask);
        }
    }

    pub(super) fn ask(&mut self, client: usize, ask: Ask) {
        let client = &mut self.clients[client];
        client.asks.push_back(ask);
        client.readable = true;
        self.shards[client.session.shard.index()].events = true;
    }

    /// The next parcel on some way arrives, or several.
    fn deliver(&mut self) {
        let ways = self.ways.iter().filter(|(_, way)| !way.is_empty());
        let mut ways: Vec<(ShardId, ShardId)> = ways.map(|(&way, _)| way).collect();
        if ways.is_empty() {
            return;
        }
        // The map's order must not decide.
        ways.sort_unstable();
        let way = *self.rng.pick(&ways);
        for _ in 0..=self.rng.below(4) {
            self.deliver_next(way);
        }
    }

    /// Puts the next parcel from one shard into the mailbox of another. Whether there was one.
    pub(super) fn deliver_next(&mut self, (from, to): (ShardId, ShardId)) -> bool {
        let next = self.ways.get_mut(&(from, to)).and_then(VecDeque::pop_front);
        let is_some = next.is_some();
        if let Some(parcel) = next {
            self.addresses[to.index()].send(Mail::Parcel(parcel));
        }
        is_some
    }

    fn read(&mut self) {
        if let Some(client) = self.any()
            && !self.clients[client].stalled
        {
            let max = self.rng.below(400);
            self.read_client(client, max);
        }
    }

    /// `client` reads. Whether there was something to read.
    pub(super) fn read_client(&mut self, index: usize, max: usize) -> bool {
        let client = &mut self.clients[index];
        let before = client.reader.bytes;
        if client.read(max) {
            client.writable = true;
            self.shards[client.session.shard.index()].events = true;
        }
        let has_read = client.reader.bytes > before;
        for _ in 0..client.pongs() {
            self.ask(index, Ask::Pong);
        }
        has_read
    }

    fn pass_time(&mut self) {
        let millis = [1, 20, 500, 3_000][self.rng.below(4)];
        self.now = self.now.after(Duration::from_millis(millis));
    }

    fn stall(&mut self) {
        if let Some(client) = self.any() {
            let stalled = &mut self.clients[client].stalled;
            *stalled = !*stalled;
        }
    }

    /// `shard` is held up, for a moment or for long.
    fn pause(&mut self, shard: usize) {
        self.shards[shard].paused = *self.rng.pick(&[1, 5, 40]);
    }

    /// A connection breaks; the kernel learns of it now, or later.
    fn vanish(&mut self) {
        let Some(client) = self.any() else { return };
        self.clients[client].vanished = true;
        if self.rng.one_in(2) {
            self.tell_vanished(client);
        }
    }

    fn learn_of_vanished(&mut self) {
        if let Some(client) = self.any_that(|client| client.vanished && !client.is_known_gone) {
            self.tell_vanished(client);
        }
    }

    pub(super) fn tell_vanished(&mut self, client: usize) {
        let client = &mut self.clients[client];
        client.is_known_gone = true;
        client.readable = true;
        self.shards[client.session.shard.index()].events = true;
    }

    /// What a client has asked for will fail midway. Who is not told has not seen all there was.
    fn fail(&mut self) {
        let Some(client) = self.any() else { return };
        let client = &mut self.clients[client];
        client.fails = true;
        client.readable = true;
        self.shards[client.session.shard.index()].events = true;
    }

    /// The server begins to go down, if it is to, or tells the next shard that it does.
    fn go_down_further(&mut self) {
        if self.goes_down {
            self.tell_to_drain();
        }
    }

    /// Tells the next shard that the server goes down.
    pub(super) fn tell_to_drain(&mut self) {
        if let Some(address) = self.addresses.get(self.told_to_drain) {
            address.send(Mail::Drain);
            self.told_to_drain += 1;
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.told_to_drain > 0
    }

    pub(super) fn is_done(&self) -> bool {
        self.shards.iter().all(|shard| shard.state == State::Done)
    }

    /// A number that depends on everything that everyone has seen.
    #[cfg(test)]
    pub(super) fn trace(&self) -> u64 {
        let seen = self.clients.iter().flat_map(|client| &client.reader.lines);
        seen.fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}
