//! All shards and clients, the ways between them, and time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Rng;
use super::client::{Client, Sockets};
use super::oracle::Oracle;
use crate::core::Core;
use crate::model::{Allowance, CloseReason, Limits, Moment, ShardId, ShardMsg, Slot};
use crate::proto::Wire;

const CLIENTS_MAX: usize = 24;

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Moment,
    pub(super) limits: Limits,
    pub(super) cores: Vec<Core>,
    /// Messages on their way, by sender and receiver.
    pub(super) ways: HashMap<(ShardId, ShardId), VecDeque<ShardMsg>>,
    pub(super) clients: Vec<Client>,
    /// For each shard, whose connection is in which slot.
    pub(super) by_slot: Vec<HashMap<Slot, usize>>,
    pub(super) oracle: Oracle,
    pub(super) said: u64,
    pub(super) draining: bool,
}

impl World {
    pub(super) fn new(mut rng: Rng, seed: u64) -> Self {
        let shards = *rng.pick(&[1, 2, 2, 3, 4, 8]);
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
            list_entries_max: *rng.pick(&[3, 100]),
            flush_members_max: *rng.pick(&[1, 3, 256]),
            flush_sessions_max: *rng.pick(&[1, 256]),
            ..Limits::default()
        };
        let core = |shard| Core::new(shard, shards, limits.clone(), seed);
        let cores: Vec<Core> = ShardId::all(shards).map(core).collect();
        Self {
            rng,
            now: Moment(0),
            cores,
            ways: HashMap::new(),
            clients: vec![],
            by_slot: vec![HashMap::new(); usize::from(shards)],
            oracle: Oracle::default(),
            said: 0,
            draining: false,
            limits,
        }
    }

    /// Whether there is more of a script to decide what happens.
    pub(super) fn has_script(&self) -> bool {
        matches!(self.rng, Rng::Script(_))
    }

    /// One random thing happens somewhere.
    pub(super) fn step(&mut self) {
        let shard = self.rng.below(self.cores.len());
        match self.rng.below(100) {
            0..5 => self.open(shard),
            5..40 => self.ask(),
            40..60 => self.deliver(),
            60..80 => self.flush(shard),
            80..90 => self.read(),
            90..93 => self.tick(shard),
            93..95 => self.stall(),
            95 => self.relieve(shard),
            96 => self.vanish(),
            97 => self.fail(),
            _ => self.serve(),
        }
        self.after_step();
    }

    pub(super) fn after_step(&mut self) {
        for shard in 0..self.cores.len() {
            for entry in self.cores[shard].poll_journal() {
                self.oracle.learn(entry);
            }
            let from = ShardId(shard as u16);
            let destinations: Vec<ShardId> = self.cores[shard].destinations().collect();
            for to in destinations {
                let parcel = self.cores[shard].poll_parcel(to).expect("a destination has mail");
                self.ways.entry((from, to)).or_default().extend(parcel);
            }
            while let Some((slot, reason)) = self.cores[shard].poll_closed() {
                let client = self.by_slot[shard].remove(&slot).expect("one end for each session");
                self.clients[client].closed = Some(reason);
            }
            while let Some(slot) = self.cores[shard].poll_resumed() {
                if let Some(&client) = self.by_slot[shard].get(&slot) {
                    self.clients[client].waiting = false;
                }
            }
        }
        self.check_names();
        self.check_feeds();
        self.check_account();
    }

    fn open(&mut self, shard: usize) {
        if self.by_slot.iter().map(HashMap::len).sum::<usize>() < CLIENTS_MAX && !self.draining {
            let slot = self.cores[shard].handle_open(Wire::Line, self.rng.below(4) == 0, self.now);
            let session = self.cores[shard].sessions().id(slot);
            let known = self.by_slot[shard].insert(slot, self.clients.len());
            assert!(known.is_none(), "a slot is used again only when it is free");
            self.clients.push(Client::new(session, &mut self.rng));
        }
    }

    /// A random client that is connected.
    pub(super) fn any(&mut self) -> Option<usize> {
        let connected: Vec<usize> =
            (0..self.clients.len()).filter(|&c| self.clients[c].is_connected()).collect();
        (!connected.is_empty()).then(|| *self.rng.pick(&connected))
    }

    fn ask(&mut self) {
        let Some(client) = self.any() else { return };
        self.said += 1;
        let ask = self.clients[client].wish(&mut self.rng, self.said);
        self.clients[client].asks.push_back(ask);
        self.serve_client(client);
    }

    fn serve(&mut self) {
        if let Some(client) = self.any() {
            self.serve_client(client);
        }
    }

    /// Has the shard handle what `client` wants, as far as it may.
    pub(super) fn serve_client(&mut self, client: usize) {
        let session = self.clients[client].session;
        let core = &mut self.cores[session.shard.index()];
        while !core.is_pressed() && !self.clients[client].waiting {
            if !core.may_read(session.slot) {
                self.clients[client].waiting = true;
                return;
            }
            let Some(ask) = self.clients[client].asks.pop_front() else { return };
            match ask.command() {
                Some(command) => core.handle_command(session.slot, command, self.now),
                None => core.handle_end_of_input(session.slot, self.now),
            }
        }
    }

    /// The next message on some way arrives, or several.
    pub(super) fn deliver(&mut self) {
        let mut ways: Vec<_> =
            self.ways.iter().filter(|(_, way)| !way.is_empty()).map(|(&pair, _)| pair).collect();
        if ways.is_empty() {
            return;
        }
        // The map's order must not decide.
        ways.sort_unstable();
        let (from, to) = *self.rng.pick(&ways);
        for _ in 0..=self.rng.below(4) {
            if self.cores[to.index()].is_pressed() {
                return;
            }
            let way = self.ways.get_mut(&(from, to)).expect("a way");
            let Some(message) = way.pop_front() else { return };
            self.cores[to.index()].handle_message(from, message, self.now);
        }
    }

    pub(super) fn flush(&mut self, shard: usize) {
        let mut sockets = Sockets { clients: &mut self.clients, by_slot: &self.by_slot[shard] };
        self.cores[shard].flush(&mut sockets, self.now);
    }

    fn read(&mut self) {
        if let Some(client) = self.any()
            && !self.clients[client].stalled
        {
            let max = self.rng.below(400);
            self.read_client(client, max);
        }
    }

    pub(super) fn read_client(&mut self, client: usize, max: usize) {
        if self.clients[client].read(max) && self.clients[client].is_connected() {
            let session = self.clients[client].session;
            self.cores[session.shard.index()].handle_writable(session.slot);
        }
    }

    fn tick(&mut self, shard: usize) {
        let millis = [1, 20, 500, 3_000][self.rng.below(4)];
        self.now = self.now.after(Duration::from_millis(millis));
        self.tick_core(shard);
    }

    /// Tells a shard the time. Whom that ends had not read everything in time.
    pub(super) fn tick_core(&mut self, shard: usize) {
        self.cores[shard].handle_tick(self.now);
        self.cut_whom(|world| world.after_step());
    }

    /// Whoever is closed in `after` had not read everything.
    fn cut_whom(&mut self, after: impl FnOnce(&mut Self)) {
        let open = (0..self.clients.len()).filter(|&c| self.clients[c].closed.is_none());
        let open: Vec<usize> = open.collect();
        after(self);
        for client in open {
            self.clients[client].cut = self.clients[client].closed.is_some();
        }
    }

    fn stall(&mut self) {
        if let Some(client) = self.any() {
            let stalled = &mut self.clients[client].stalled;
            *stalled = !*stalled;
        }
    }

    /// Memory is short.
    fn relieve(&mut self, shard: usize) {
        let bytes = [1, 1_000, usize::MAX][self.rng.below(3)];
        self.cores[shard].relieve(bytes, self.now);
        self.cut_whom(|world| world.after_step());
    }

    /// A connection breaks; its shard learns of it now, or when it next writes.
    fn vanish(&mut self) {
        let Some(client) = self.any() else { return };
        self.clients[client].vanished = true;
        if self.rng.one_in(2) {
            self.tell_vanished(client);
        }
    }

    /// What a client asked for fails midway. Who is not told of it has not seen all there was.
    fn fail(&mut self) {
        let Some(client) = self.any() else { return };
        let session = self.clients[client].session;
        self.cores[session.shard.index()].handle_failure(session.slot, self.now);
        self.after_step();
        self.clients[client].cut = self.clients[client].closed.is_some();
    }

    pub(super) fn tell_vanished(&mut self, client: usize) {
        let session = self.clients[client].session;
        let shard = session.shard.index();
        if self.by_slot[shard].get(&session.slot) == Some(&client) {
            self.by_slot[shard].remove(&session.slot);
            self.cores[shard].handle_close(session.slot, CloseReason::HangUp, self.now);
        }
    }

    /// A number that depends on everything that everyone has seen.
    #[cfg(test)]
    pub(super) fn trace(&self) -> u64 {
        let seen = self.clients.iter().flat_map(|client| &client.seen);
        seen.fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}
