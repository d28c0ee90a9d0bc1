//! Layer 2: the chat itself, one [`Core`] per shard. Synchronous, clockless and deterministic: the
//! same calls in the same order have the same outcome, on a server's threads or in a simulation of
//! all of them on one.
//!
//! Inputs are `handle_*`, with the time as an argument; outputs are `poll_*` and [`Core::flush`].

mod commands;
mod directory;
pub mod drain;
mod eviction;
pub mod feed;
mod flush;
pub mod gather;
pub mod guests;
mod heartbeats;
pub mod history;
mod home;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod journal;
pub mod laggards;
mod lobby;
pub mod log;
mod member;
mod memory;
pub mod names;
pub mod outbox;
pub mod placement;
mod resume;
mod rolls;
pub mod room;
pub mod session;
pub mod sink;
mod spans;
pub mod timers;
mod words;

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use crate::core::drain::{Drain, Farewells};
use crate::core::feed::Trouble;
use crate::core::guests::Guests;
use crate::core::heartbeats::Heartbeats;
use crate::core::home::Epochs;
use crate::core::laggards::Laggards;
use crate::core::lobby::LobbyQueue;
use crate::core::names::Names;
use crate::core::resume::Successor;
use crate::core::room::Rooms;
use crate::core::session::{Gate, Request, Sessions};
use crate::core::timers::{Timer, Timers};
use crate::metrics::CoreCounters;
use crate::model::{
    CloseReason, Ending, Limits, Moment, Name, Origin, Reply, ReqId, ResumeKey, SessionId, ShardId,
    ShardMsg, SharedEvent, Slot, Spent,
};
use crate::proto::Wire;

/// Messages that the next parcel to a shard has room for from the start, at most: as many as the
/// last one had, so that it need not grow, and few enough to be kept by shards that have no more.
const PARCEL_ROOM_MAX: usize = 64;

/// One shard's share of the chat: its sessions, its rooms, its part of the directory of names.
#[derive(Debug)]
pub struct Core {
    shard: ShardId,
    shards: u16,
    limits: Limits,
    /// See [`Origin::unix_ms`].
    unix_ms: u64,
    lobby: Name,
    lobby_queue: LobbyQueue,
    /// Those who are to be evicted, in the next few turns.
    evictees: VecDeque<SessionId>,
    sessions: Sessions,
    rooms: Rooms,
    names: Names,
    guests: Guests,
    timers: Timers,
    drain: Drain,
    farewells: Farewells,
    epochs: Epochs,
    laggards: Laggards,
    heartbeats: Heartbeats,
    resume_key: ResumeKey,
    /// Who is to take over from sessions that wait for something, as soon as they do not.
    successors: HashMap<SessionId, Successor, RandomState>,
    /// How much of [`Limits::room_allowance`] is spent by those who have made rooms.
    founders: HashMap<SessionId, Spent, RandomState>,
    outgoing: Outgoing,
    /// Sessions that have ended, for whoever holds their connections.
    closed: VecDeque<(Slot, CloseReason)>,
    /// Sessions whose input was refused and is welcome again.
    resumed: VecDeque<Slot>,
    /// Sessions that have entered the lobby of late, for whoever tells the operator.
    registered: VecDeque<Slot>,
    /// What a flush met, kept between flushes for its memory.
    troubles: Vec<Trouble>,
    /// The last question asked of other shards.
    last_req: ReqId,
    /// What this core has done.
    pub counters: CoreCounters,
}

/// Messages for other shards, gathered until the end of the turn.
#[derive(Debug)]
pub struct Outgoing {
    shard: ShardId,
    parcels: Vec<Vec<ShardMsg>>,
    /// What the rooms at home here have decided, for the simulation to compare with what clients
    /// see.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) journal: Vec<journal::Entry>,
}

impl Outgoing {
    #[inline]
    fn push(&mut self, to: ShardId, message: ShardMsg) {
        debug_assert!(to != self.shard, "messages for ourselves are handled at once");
        self.parcels[to.index()].push(message);
    }
}

impl Core {
    /// The share of `shard` among `shards`. All shards of a server are given the same `origin`.
    #[must_use]
    pub fn new(shard: ShardId, shards: u16, limits: Limits, origin: Origin) -> Self {
        let parcels = (0..shards).map(|_| vec![]).collect();
        Self {
            shard,
            shards,
            limits,
            unix_ms: origin.unix_ms,
            lobby: lobby::name(),
            lobby_queue: LobbyQueue::default(),
            evictees: VecDeque::new(),
            sessions: Sessions::new(shard),
            rooms: Rooms::new(shards),
            names: Names::default(),
            guests: Guests::new(shard, shards, origin.seed),
            timers: Timers::default(),
            drain: Drain::new(shards),
            farewells: Farewells::default(),
            epochs: Epochs::new(shard, origin.seed),
            laggards: Laggards::default(),
            heartbeats: Heartbeats::default(),
            resume_key: ResumeKey::new(&origin.resume_secret),
            successors: HashMap::default(),
            founders: HashMap::default(),
            outgoing: Outgoing {
                shard,
                parcels,
                #[cfg(any(test, feature = "simulation"))]
                journal: vec![],
            },
            closed: VecDeque::new(),
            resumed: VecDeque::new(),
            registered: VecDeque::new(),
            troubles: vec![],
            last_req: ReqId(0),
            counters: CoreCounters::default(),
        }
    }

    /// It is now: what happens from here on happens at this time.
    #[inline]
    pub fn begin_turn(&mut self, now: Moment) {
        self.rooms.time = self.unix_ms + now.0;
    }

    /// A connection that speaks `wire` has been placed here: gives it a session with a name. If its
    /// client does not ask for a room, it enters the lobby before long, see
    /// [`Core::handle_first_line`]. Who is `exempt` has all allowances without end.
    pub fn handle_open(&mut self, wire: Wire, exempt: bool, now: Moment) -> Slot {
        let name = self.guests.draw(|key| self.names.is_taken(key));
        let slot = self.sessions.open(wire, name.clone(), exempt, now);
        self.names.claim(name.key(), self.sessions.id(slot));
        let lobby = self.lobby.clone();
        let message_chars_max = self.limits.message_chars_max;
        let resume = if wire.may_resume() {
            self.resume_key.token(self.sessions.id(slot))
        } else {
            String::new()
        };
        let resume = resume.as_str();
        self.reply(slot, &Reply::Welcome { name: &name, lobby: &lobby, message_chars_max, resume });
        self.watch_silence(slot, now);
        self.watch_presence(slot, now);
        if wire.starts_in_lobby() {
            self.await_first_line(slot, now);
        } else {
            self.counters.opened += 1;
        }
        slot
    }

    /// The connection in `slot` is no more: its session ends at once, and its name and place in
    /// rooms are freed.
    pub fn handle_close(&mut self, slot: Slot, reason: CloseReason, now: Moment) {
        if self.sessions.get_mut(slot).is_some() {
            self.forget(slot, reason, now);
        }
    }

    /// A message from another shard, or from this one to itself.
    pub fn handle_message(&mut self, from: ShardId, message: ShardMsg, now: Moment) {
        match message {
            ShardMsg::NameClaim { session, name } => self.name_claim(session, name, now),
            ShardMsg::NameVerdict { session, name, granted } => {
                self.name_verdict(session, name, granted, now);
            }
            ShardMsg::NameRelease { session, name } => {
                let released = self.names.release(&name, session);
                debug_assert!(released, "a name is released once, by its owner");
            }
            ShardMsg::NamePass { from, to, name } => self.name_pass(from, to, name, now),
            ShardMsg::Replace { old, new, known } => self.replace(old, new, known, now),
            ShardMsg::Replaced { session, name, rooms } => {
                self.replaced(session, name.as_ref(), &rooms, now);
            }
            ShardMsg::RoomReplace { room, old, new, who, since } => {
                self.room_replace(room, (old, new), who, since, now);
            }
            ShardMsg::RoomEnter { room, session, who, may_found, since } => {
                self.room_enter(&room, session, who, (may_found, since), now);
            }
            ShardMsg::RoomRefused { room, session, refusal } => {
                self.room_refused(&room, session, refusal, now);
            }
            ShardMsg::RoomLeave { room, session, who } => self.room_leave(room, session, who, now),
            ShardMsg::RoomSay { room, author, text } => {
                self.room_say(&room, &SharedEvent::Said { author, text });
            }
            ShardMsg::RoomRename { room, old, new } => self.room_rename(&room, &old, &new),
            ShardMsg::RoomEntered { room, session, who, stamp, announced, founded, past } => {
                if founded {
                    self.has_founded(&room, session, now);
                }
                self.room_entered(&room, session, who, (stamp, announced), past, now);
            }
            ShardMsg::RoomLeft { room, session, who, stamp, announced } => {
                self.room_left(&room, session, &who, (stamp, announced), now);
            }
            ShardMsg::RoomEvent { room, stamp, event } => self.room_event(&room, stamp, &event),
            ShardMsg::RoomsQuery { session, req } => self.rooms_query(session, req, now),
            ShardMsg::UsersQuery { session, req, room } => {
                self.users_query(session, req, &room, now);
            }
            ShardMsg::UsersRoll { session, req, room, shards } => {
                self.users_roll(session, req, &room, shards, now);
            }
            ShardMsg::RoomsAnswer { session, req, rooms, total } => {
                self.gathered(session, req, now, |gather| gather.add_rooms(&rooms, total));
            }
            ShardMsg::UsersAnswer { session, req, names, total } => {
                self.gathered(session, req, now, |gather| gather.add_users(&names, total));
            }
            ShardMsg::Marker { round } => {
                self.drain.heard(from, round);
                self.drain_on(false, now);
            }
        }
    }

    /// Time has passed. Of `unread` sessions not all has been looked at that their clients have
    /// sent, or that their connections have told: no deadline of theirs is judged before it has.
    pub fn handle_tick(&mut self, now: Moment, unread: &dyn Fn(Slot) -> bool) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Tally(room) => self.tell_tally(&room),
                Timer::Gather(session) => self.gather_deadline(session, now),
                Timer::Close(session) => {
                    if let Some(slot) = self.sessions.find(session) {
                        let Gate::Closing(Ending { reason, .. }) = self.sessions[slot].gate else {
                            continue;
                        };
                        self.end(slot, reason, now);
                    }
                }
                Timer::Stall(session) => self.stall_deadline(session, now, unread),
                Timer::Rest(session) => self.rest_deadline(session, now),
                Timer::Idle(session) => self.idle_deadline(session, now, unread),
                Timer::Heartbeats => self.ask_presence(now, unread),
                Timer::Lobby => self.lobby_deadline(now),
                Timer::Evict => self.evict_next(now),
                Timer::SeeOff => self.see_off(now),
            }
        }
    }

    /// Other limits hold from now on. What is over one of them stays: it only gets no more.
    pub fn change_limits(&mut self, limits: Limits, now: Moment) {
        let old = std::mem::replace(&mut self.limits, limits);
        if old.idle_wait_max != self.limits.idle_wait_max {
            self.watch_all_silences(now);
        }
        if old.stall_wait_max != self.limits.stall_wait_max {
            self.restart_stalls(now);
        }
        if old.pong_wait_max != self.limits.pong_wait_max {
            self.respace_heartbeats(old.pong_wait_max, now);
        }
        self.convert_allowances(&old, now);
        self.rooms.trim_histories(&self.limits);
        // What was refused may be welcome by now.
        self.sessions.slots().into_iter().for_each(|slot| self.reconsider(slot));
    }

    /// When [`Core::handle_tick`] is next needed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// The same without that of what never comes to an end: heartbeats.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn next_deadline_of_work(&self) -> Option<Moment> {
        self.timers.next_but(|timer| *timer == Timer::Heartbeats)
    }

    /// Whether everyone has been seen off.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drain.is_settled() && self.sessions.is_empty()
    }

    /// Whether the next command of the session in `slot` may be handled now. If not,
    /// [`Core::poll_resumed`] will say when to ask again.
    #[inline]
    pub fn may_read(&mut self, slot: Slot) -> bool {
        let may_read = !self.drain.has_begun() && self.sessions[slot].may_read(&self.limits);
        if !may_read {
            self.sessions[slot].waiting = true;
        }
        may_read
    }

    /// Something has come from the client of the session in `slot`, whatever it is: it is there. To
    /// be called behind the commands in it.
    #[inline]
    pub fn heard_from(&mut self, slot: Slot) {
        self.sessions[slot].asked = false;
    }

    /// Whether so much waits to be flushed that neither input nor messages should be handled before
    /// it is.
    #[inline]
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.rooms.is_pressed()
    }

    /// What is handled from now on came from somebody else than what was handled before.
    #[inline]
    pub fn begin_batch(&mut self) {
        self.rooms.begin_batch();
    }

    /// Writes that were not needed up to now, because what came for a room joined something that
    /// was waiting there, from somebody else, to be flushed to the same members.
    #[must_use]
    pub fn spared_writes(&self) -> u64 {
        self.rooms.spared_writes()
    }

    /// Whether [`Core::flush`] has anything to do.
    #[inline]
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.rooms.queue.is_empty() || !self.sessions.queue.is_empty()
    }

    /// A session that has ended: its connection is to be closed, and its slot will be used again.
    pub fn poll_closed(&mut self) -> Option<(Slot, CloseReason)> {
        self.closed.pop_front()
    }

    /// Whether [`Core::poll_resumed`] has anything to tell.
    #[must_use]
    pub fn has_resumed(&self) -> bool {
        !self.resumed.is_empty()
    }

    /// A session whose input is welcome again.
    pub fn poll_resumed(&mut self) -> Option<Slot> {
        self.resumed.pop_front()
    }

    /// The messages for `shard`, in order, since this was last asked.
    pub fn poll_parcel(&mut self, shard: ShardId) -> Option<Vec<ShardMsg>> {
        let parcel = &mut self.outgoing.parcels[shard.index()];
        (!parcel.is_empty()).then(|| {
            let next = Vec::with_capacity(parcel.len().min(PARCEL_ROOM_MAX));
            std::mem::replace(parcel, next)
        })
    }

    /// How many messages there are for `shard`.
    #[must_use]
    pub fn parcel_len(&self, shard: ShardId) -> usize {
        self.outgoing.parcels[shard.index()].len()
    }

    /// The shards there are messages for.
    pub fn destinations(&self) -> impl Iterator<Item = ShardId> {
        let parcels = &self.outgoing.parcels;
        ShardId::all(self.shards).filter(|shard| !parcels[shard.index()].is_empty())
    }

    /// The sessions of this shard.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The rooms this shard knows.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// How many rooms are at home on this shard.
    #[must_use]
    pub fn homes(&self) -> usize {
        self.rooms.homes()
    }

    /// The names at home on this shard.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What the rooms at home here have decided since this was last asked.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn poll_journal(&mut self) -> Vec<journal::Entry> {
        std::mem::take(&mut self.outgoing.journal)
    }

    fn send(&mut self, to: ShardId, message: ShardMsg, now: Moment) {
        if to == self.shard {
            self.handle_message(to, message, now);
        } else {
            self.outgoing.push(to, message);
        }
    }

    fn reply(&mut self, slot: Slot, reply: &Reply<'_>) {
        self.sessions.reply(&mut self.rooms, slot, reply);
    }

    /// The request of the session in `slot` is answered: its next command may come, unless it has
    /// asked for too much.
    fn open_gate(&mut self, slot: Slot, now: Moment) {
        self.sessions.change(slot, |it| it.gate = Gate::Open);
        if self.sessions[slot].metered {
            self.rest(slot, now);
        }
        self.settle_successor(self.sessions.id(slot), now);
        self.reconsider(slot);
    }

    /// Ends the session in `slot` at once, and has its connection closed.
    fn end(&mut self, slot: Slot, reason: CloseReason, now: Moment) {
        self.forget(slot, reason, now);
        self.closed.push_back((slot, reason));
    }

    /// Has the input of the session in `slot` read again if it was refused and no longer has to be.
    fn reconsider(&mut self, slot: Slot) {
        let session = &mut self.sessions[slot];
        if session.waiting && session.may_read(&self.limits) {
            session.waiting = false;
            self.resumed.push_back(slot);
        }
    }

    fn close_gate(&mut self, slot: Slot, request: Request) {
        self.sessions.change(slot, |it| it.gate = Gate::Busy(Box::new(request)));
    }
}
