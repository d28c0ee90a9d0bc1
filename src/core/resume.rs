//! Taking over from a session whose connection is lost, though the server may not know that yet:
//! the new session gets its name and its place in all of its rooms, and no member of them notices.
//!
//! The new session's shard asks that of the old one. From there the name's home and the rooms' are
//! told who is there instead; their answers to the new session come on the ways on which verdicts
//! and entries do.

use crate::core::Core;
#[cfg(any(test, feature = "simulation"))]
use crate::core::journal::Entry;
use crate::core::placement::home_of;
use crate::core::room::RoomIndex;
use crate::core::session::{Gate, Request};
use crate::model::{
    CloseReason, Key, Moment, Name, Reply, ResumeRequest, SessionId, ShardMsg, Since, Slot, Stamp,
};

/// A session that is to take over from another.
#[derive(Debug)]
pub(super) struct Successor {
    session: SessionId,
    /// What its client knows of rooms.
    known: Box<[(Key, Since)]>,
}

/// How far the session that takes over has come.
#[derive(Debug, Default)]
pub struct Resuming {
    /// Answers that are still to come: one for each room, and one for the name. Below zero, more
    /// have come than are known of.
    missing: i32,
    /// How many there are has been told.
    is_granted: bool,
    /// The name by which it is in the rooms that it has taken over.
    name: Option<Name>,
}

impl Resuming {
    /// The name that it takes over, once it is known by it.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }
}

impl Core {
    /// The client of the session in `slot` wants back what another session has.
    pub(super) fn resume(&mut self, slot: Slot, request: ResumeRequest<'_>, now: Moment) {
        let new = self.sessions.id(slot);
        let old = self.resume_key.session(request.token()).filter(|&old| old != new);
        let (Some(old), true) = (old, self.sessions[slot].rooms.is_empty()) else {
            self.reply(slot, &Reply::ResumeFailed);
            return;
        };
        let known = request
            .rooms()
            .filter_map(|(room, since)| Name::new(room).ok().map(|room| (room.key(), since)));
        let known = known.take(self.limits.session_rooms_max).collect();
        self.close_gate(slot, Request::Resume(Resuming::default()));
        self.send(old.shard, ShardMsg::Replace { old, new, known }, now);
    }

    /// To the old session's shard: `new` is to take over.
    pub(super) fn replace(
        &mut self,
        old: SessionId,
        new: SessionId,
        known: Box<[(Key, Since)]>,
        now: Moment,
    ) {
        let successor = Successor { session: new, known };
        match self.sessions.find(old).map(|slot| (slot, &self.sessions[slot].gate)) {
            Some((slot, Gate::Open | Gate::Resting)) => self.hand_over(slot, &successor, now),
            // What it waits for may change its name or its rooms.
            Some((_, Gate::Busy(_))) => {
                if let Some(former) = self.successors.insert(old, successor) {
                    self.fail_resume(former.session, now);
                }
            }
            Some((_, Gate::Closing(_))) | None => self.fail_resume(new, now),
        }
    }

    fn fail_resume(&mut self, new: SessionId, now: Moment) {
        self.send(
            new.shard,
            ShardMsg::Replaced { session: new, name: None, rooms: [].into() },
            now,
        );
    }

    /// Session `id` waits for nothing any more, or has ended: sees to the session that is to take
    /// over from it, if there is one.
    pub(super) fn settle_successor(&mut self, id: SessionId, now: Moment) {
        if self.successors.is_empty() {
            return;
        }
        if let Some(successor) = self.successors.remove(&id) {
            match self.sessions.find(id) {
                Some(slot) if matches!(self.sessions[slot].gate, Gate::Open | Gate::Resting) => {
                    self.hand_over(slot, &successor, now);
                }
                _ => self.fail_resume(successor.session, now),
            }
        }
    }

    /// Hands the name and the rooms of the session in `slot` over to another, and ends it.
    fn hand_over(&mut self, slot: Slot, successor: &Successor, now: Moment) {
        if self.drain.has_begun() {
            self.fail_resume(successor.session, now);
            return;
        }
        let (old, new) = (self.sessions.id(slot), successor.session);
        // It goes by it in lists for as long as it is in a room, and does not own it any more.
        let name = self.sessions[slot].name.clone();
        let rooms: Vec<RoomIndex> =
            self.sessions[slot].rooms.iter().filter(|it| !it.leaving).map(|it| it.room).collect();
        let names = rooms.iter().map(|&room| self.rooms[room].name.clone()).collect();
        let replaced = ShardMsg::Replaced { session: new, name: Some(name.clone()), rooms: names };
        self.send(new.shard, replaced, now);
        for index in rooms {
            self.sessions[slot].membership(index).expect("a room it is in").leaving = true;
            let (room, home) = (self.rooms[index].key.clone(), self.rooms[index].home_shard);
            let known = successor.known.iter().find(|(key, _)| *key == room);
            let since = known.map_or(Since::ALL, |&(_, since)| since);
            let who = name.clone();
            self.send(home, ShardMsg::RoomReplace { room, old, new, who, since }, now);
        }
        let home = home_of(&name.key(), self.shards);
        self.send(home, ShardMsg::NamePass { from: old, to: new, name }, now);
        self.reply(slot, &Reply::Replaced);
        self.begin_close(slot, CloseReason::Replaced.into(), now);
    }

    /// To a name's home: it is another session's from now on.
    pub(super) fn name_pass(&mut self, from: SessionId, to: SessionId, name: Name, now: Moment) {
        let granted = self.names.pass(&name.key(), from, to);
        debug_assert!(granted, "a session passes on what is its own");
        self.send(to.shard, ShardMsg::NameVerdict { session: to, name, granted }, now);
    }

    /// To a room's home: another session is there instead of a member, of which no other is told.
    pub(super) fn room_replace(
        &mut self,
        key: Key,
        (old, new): (SessionId, SessionId),
        who: Name,
        since: Since,
        now: Moment,
    ) {
        let index = self.rooms.find(&key).expect("a member's room");
        let time = self.rooms.time;
        let room = &mut self.rooms[index];
        let home = room.home.as_mut().expect("a member was let in here");
        home.members[old.shard.index()] -= 1;
        home.members[new.shard.index()] += 1;
        let stamp = Stamp { seq: home.seq, time };
        let past = Some(Box::new(home.history.since(since)));
        let name = room.name.clone();
        #[cfg(any(test, feature = "simulation"))]
        self.outgoing.journal.extend([
            Entry::Left(key.clone(), old, stamp.seq),
            Entry::Entered(key.clone(), new, stamp.seq),
        ]);
        let (announced, founded) = (false, false);
        let left =
            ShardMsg::RoomLeft { room: key, session: old, who: who.clone(), stamp, announced };
        self.send(old.shard, left, now);
        // Behind the other: a session that is gone already leaves at once, and that is an event.
        let session = new;
        let entered =
            ShardMsg::RoomEntered { room: name, session, who, stamp, announced, founded, past };
        self.send(new.shard, entered, now);
    }

    /// From the old session's shard: whether the session takes over, the name it gets, and the
    /// rooms it is about to be in.
    pub(super) fn replaced(
        &mut self,
        id: SessionId,
        name: Option<&Name>,
        rooms: &[Name],
        now: Moment,
    ) {
        let Some(slot) = self.sessions.find(id) else { return };
        let Some(name) = name else {
            self.reply(slot, &Reply::ResumeFailed);
            self.open_gate(slot, now);
            return;
        };
        self.reply(slot, &Reply::Resumed { name, rooms });
        if let Some(resuming) = self.sessions[slot].resuming() {
            resuming.missing += rooms.len() as i32 + 1;
            resuming.is_granted = true;
        }
        self.finish_resuming(slot, now);
    }

    /// The session in `slot` has the name that it takes over; whether that is why it has it.
    pub(super) fn takes_over_name(&mut self, slot: Slot, name: &Name, now: Moment) -> bool {
        let is_resuming = self.sessions[slot].resuming().is_some();
        if is_resuming {
            let guest = std::mem::replace(&mut self.sessions[slot].name, name.clone());
            self.release_name(self.sessions.id(slot), guest.key(), now);
            self.reply(slot, &Reply::YouAre(name));
            self.answered(slot, now);
        }
        is_resuming
    }

    /// The session in `slot` has come into a room, and is `who` there.
    pub(super) fn has_entered_as(&mut self, slot: Slot, who: Name) {
        if let Some(resuming) = self.sessions[slot].resuming() {
            resuming.name = Some(who);
        }
    }

    /// The request of the session in `slot` has got an answer, the only one unless it takes over.
    pub(super) fn answered(&mut self, slot: Slot, now: Moment) {
        match self.sessions[slot].resuming() {
            Some(resuming) => {
                resuming.missing -= 1;
                self.finish_resuming(slot, now);
            }
            None => self.open_gate(slot, now),
        }
    }

    fn finish_resuming(&mut self, slot: Slot, now: Moment) {
        if let Some(Resuming { missing: 0, is_granted: true, .. }) = self.sessions[slot].resuming()
        {
            self.open_gate(slot, now);
        }
    }
}
