//! What a shard answers about what it has: the names at home with it, its rooms, its members. And
//! the lists that are put together from such answers.

use crate::core::Core;
use crate::core::feed::Feed;
use crate::core::gather::{Gather, List, contribute_users};
use crate::core::room::{Room, RoomIndex};
use crate::core::session::{Gate, Request};
use crate::core::timers::Timer;
use crate::model::{Key, Moment, Name, Reply, ReqId, SessionId, ShardId, ShardMsg, Slot};

impl Core {
    pub(super) fn name_claim(&mut self, session: SessionId, name: Name, now: Moment) {
        let granted = self.names.claim(name.key(), session);
        self.send(session.shard, ShardMsg::NameVerdict { session, name, granted }, now);
    }

    pub(super) fn rooms_query(&mut self, session: SessionId, req: ReqId, now: Moment) {
        let rooms = self.rooms.largest(self.limits.list_entries_max).collect();
        let total = u32::try_from(self.rooms.homes()).unwrap_or(u32::MAX);
        self.send(session.shard, ShardMsg::RoomsAnswer { session, req, rooms, total }, now);
    }

    /// To a room's home: has every shard with members list them as they are at this place in the
    /// room's order.
    pub(super) fn users_query(&mut self, session: SessionId, req: ReqId, room: &Key, now: Moment) {
        // Whoever has asked is a member, or gone by now.
        let Some(index) = self.rooms.find(room) else { return };
        let Some(home) = &self.rooms[index].home else { return };
        let members = ShardId::all(self.shards).zip(&home.members);
        let asked: Vec<ShardId> =
            members.filter(|&(_, &count)| count > 0).map(|(shard, _)| shard).collect();
        let shards = asked.len() as u16;
        for shard in asked {
            let room = room.clone();
            self.send(shard, ShardMsg::UsersRoll { session, req, room, shards }, now);
        }
    }

    /// From a room's home: the members of this shard are to be listed for a session, as so many
    /// shards do.
    pub(super) fn users_roll(
        &mut self,
        session: SessionId,
        req: ReqId,
        room: &Key,
        shards: u16,
        now: Moment,
    ) {
        let index = self.rooms.find(room);
        if session.shard == self.shard
            && let Some(index) = index
            && let Some((slot, gather)) = self.gather_of(session).filter(|(_, it)| it.req == req)
        {
            gather.expect(shards);
            self.rooms.rolls.begin(index, self.sessions.id(slot));
        }
        let names = index.into_iter().flat_map(|index| self.known_names(index));
        let names = names.chain(self.rooms.rolls.departed(room)).cloned();
        let (names, total) = contribute_users(names.collect(), &self.limits);
        self.send(session.shard, ShardMsg::UsersAnswer { session, req, names, total }, now);
    }

    /// The names by which the room at `index` knows its members on this shard.
    fn known_names(&self, index: RoomIndex) -> impl Iterator<Item = &Name> {
        let members = self.rooms[index].feeds().iter().flat_map(Feed::members);
        members.map(move |member| self.known_name(member.slot, index))
    }

    /// The name by which the room at `index` knows the session in `slot`, its member.
    pub(super) fn known_name(&self, slot: Slot, index: RoomIndex) -> &Name {
        let known = self.rooms.rolls.known_name(index, self.sessions.id(slot));
        known.unwrap_or_else(|| self.sessions[slot].shown_name())
    }

    pub(super) fn list_rooms(&mut self, slot: Slot, now: Moment) {
        let session = self.sessions.id(slot);
        let req = self.gather(slot, List::Rooms(vec![]), now);
        for shard in ShardId::all(self.shards) {
            self.send(shard, ShardMsg::RoomsQuery { session, req }, now);
        }
    }

    /// Lists who is in `room`, if the session in `slot` is in it.
    pub(super) fn list_users(&mut self, slot: Slot, room: Option<RoomIndex>, now: Moment) {
        let Some(room) = room else {
            self.reply(slot, &Reply::NotInRoom);
            return;
        };
        let session = self.sessions.id(slot);
        let Room { name, key, home_shard, .. } = &self.rooms[room];
        let (list, home) = (List::Users { room: name.clone(), names: vec![] }, *home_shard);
        let room = key.clone();
        let req = self.gather(slot, list, now);
        self.send(home, ShardMsg::UsersQuery { session, req, room }, now);
    }

    /// The session in `slot` waits for the parts of `list` from now on: the question that the
    /// answers must be to.
    fn gather(&mut self, slot: Slot, list: List, now: Moment) -> ReqId {
        self.last_req = ReqId(self.last_req.0.wrapping_add(1));
        let req = self.last_req;
        let deadline = now.after(self.limits.gather_wait_max);
        let gather = Gather::new(req, deadline, self.shards, list);
        self.close_gate(slot, Request::Gather(gather));
        if self.shards > 1 && !std::mem::replace(&mut self.sessions[slot].timed, true) {
            self.timers.set(deadline, Timer::Gather(self.sessions.id(slot)));
        }
        req
    }

    /// The list the session waits for, if it still does.
    fn gather_of(&mut self, id: SessionId) -> Option<(Slot, &mut Gather)> {
        let slot = self.sessions.find(id)?;
        Some((slot, self.sessions[slot].gathering()?))
    }

    /// A shard's answer to question `req` of a session, for `add` to take in.
    pub(super) fn gathered(
        &mut self,
        id: SessionId,
        req: ReqId,
        now: Moment,
        add: impl FnOnce(&mut Gather),
    ) {
        let Some((slot, _)) = self.gather_of(id).filter(|(_, gather)| gather.req == req) else {
            return;
        };
        let is_complete = self.sessions.change(slot, |session| {
            let gather = session.gathering().expect("it was a moment ago");
            add(gather);
            gather.is_complete()
        });
        if is_complete {
            self.finish_gather(slot, now);
        }
    }

    /// The time of a session's question may be up.
    pub(super) fn gather_deadline(&mut self, id: SessionId, now: Moment) {
        if let Some(slot) = self.sessions.find(id) {
            self.sessions[slot].timed = false;
        }
        let Some((slot, gather)) = self.gather_of(id) else { return };
        let deadline = gather.deadline;
        if deadline <= now {
            self.finish_gather(slot, now);
        } else {
            // The timer was set for an earlier question, which was answered in time.
            self.sessions[slot].timed = true;
            self.timers.set(deadline, Timer::Gather(id));
        }
    }

    fn finish_gather(&mut self, slot: Slot, now: Moment) {
        let gate = self.sessions.change(slot, |it| std::mem::replace(&mut it.gate, Gate::Open));
        let Gate::Busy(request) = gate else { unreachable!("it was gathering") };
        let Request::Gather(mut gather) = *request else { unreachable!("it was gathering") };
        self.rooms.rolls.finish(self.sessions.id(slot), &mut gather);
        let (sessions, rooms) = (&mut self.sessions, &mut self.rooms);
        gather.finish(&self.limits, |reply| sessions.reply(rooms, slot, reply));
        self.open_gate(slot, now);
    }
}
