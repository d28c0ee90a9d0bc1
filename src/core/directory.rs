//! What a shard answers about what it has: the names at home with it, its rooms, its members. And
//! the lists that are put together from such answers.

use crate::core::Core;
use crate::core::gather::{Gather, List, contribute_rooms, contribute_users};
use crate::core::room::{Room, RoomIndex};
use crate::core::session::{Gate, Request};
use crate::core::timers::Timer;
use crate::model::{Key, Moment, Name, Reply, ReqId, RoomSize, SessionId, ShardId, ShardMsg, Slot};

impl Core {
    pub(super) fn name_claim(&mut self, session: SessionId, name: Name, now: Moment) {
        let granted = self.names.claim(name.key(), session);
        self.send(session.shard, ShardMsg::NameVerdict { session, name, granted }, now);
    }

    pub(super) fn rooms_query(&mut self, session: SessionId, req: ReqId, now: Moment) {
        let size = |room: &Room| {
            let members = room.home.as_ref()?.total;
            Some(RoomSize { name: room.name.clone(), members })
        };
        let rooms = self.rooms.iter().filter_map(size).collect();
        let (rooms, total) = contribute_rooms(rooms, &self.limits);
        self.send(session.shard, ShardMsg::RoomsAnswer { session, req, rooms, total }, now);
    }

    pub(super) fn users_query(&mut self, session: SessionId, req: ReqId, room: &Key, now: Moment) {
        let feeds = self.rooms.find(room).map_or(&[][..], |index| self.rooms[index].feeds());
        let members = feeds.iter().flat_map(|feed| feed.members());
        let names = members.map(|member| self.sessions[member.slot].name.clone()).collect();
        let (names, total) = contribute_users(names, &self.limits);
        self.send(session.shard, ShardMsg::UsersAnswer { session, req, names, total }, now);
    }

    pub(super) fn list_rooms(&mut self, slot: Slot, now: Moment) {
        let session = self.sessions.id(slot);
        let list = List::Rooms(vec![]);
        self.gather(slot, list, now, |req| ShardMsg::RoomsQuery { session, req });
    }

    /// Lists who is in `room`, if the session in `slot` is in it.
    pub(super) fn list_users(&mut self, slot: Slot, room: Option<RoomIndex>, now: Moment) {
        let Some(room) = room else {
            self.reply(slot, &Reply::NotInRoom);
            return;
        };
        let session = self.sessions.id(slot);
        let Room { name, key, .. } = &self.rooms[room];
        let (list, key) = (List::Users { room: name.clone(), names: vec![] }, key.clone());
        let query = |req| ShardMsg::UsersQuery { session, req, room: key.clone() };
        self.gather(slot, list, now, query);
    }

    /// Asks all shards for their part of `list`.
    fn gather(&mut self, slot: Slot, list: List, now: Moment, query: impl Fn(ReqId) -> ShardMsg) {
        self.last_req = ReqId(self.last_req.0.wrapping_add(1));
        let req = self.last_req;
        let deadline = now.after(self.limits.gather_wait_max);
        let gather = Gather::new(req, deadline, self.shards, list);
        self.close_gate(slot, Request::Gather(gather));
        if self.shards > 1 && !std::mem::replace(&mut self.sessions[slot].timed, true) {
            self.timers.set(deadline, Timer::Gather(self.sessions.id(slot)));
        }
        for shard in ShardId::all(self.shards) {
            self.send(shard, query(req), now);
        }
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
        let Request::Gather(gather) = *request else { unreachable!("it was gathering") };
        let (sessions, rooms) = (&mut self.sessions, &mut self.rooms);
        gather.finish(&self.limits, |reply| sessions.reply(rooms, slot, reply));
        self.open_gate(slot, now);
    }
}
