//! What a shard does for the rooms that are at home with it: decide the order of events, count
//! members, tell the shards.

#[cfg(any(test, feature = "simulation"))]
use crate::core::journal::Entry;
use crate::core::room::{Home, RoomIndex, Rooms};
use crate::core::timers::Timer;
use crate::core::{Core, Outgoing};
use crate::model::{
    Event, Key, Limits, Moment, Name, Refusal, SessionId, ShardId, ShardMsg, SharedEvent,
};

impl Rooms {
    /// Makes `event` the next one of the room at `index`, which is at home here, and tells every
    /// shard with members, except `told`, which learns of it in another way. An event that has
    /// come from another shard is `shared` already, and goes on as it came.
    #[inline]
    pub(super) fn publish(
        &mut self,
        index: RoomIndex,
        limits: &Limits,
        event: &Event<'_>,
        shared: Option<&SharedEvent>,
        told: Option<ShardId>,
        outgoing: &mut Outgoing,
    ) {
        let room = &mut self[index];
        let home = room.home.as_mut().expect("a room that is at home here");
        home.seq += 1;
        let seq = home.seq;
        #[cfg(any(test, feature = "simulation"))]
        outgoing.journal.push(Entry::Event(
            room.key.clone(),
            seq,
            crate::core::journal::line(event),
        ));
        let here = outgoing.shard;
        let mut copy = None;
        for (shard, &members) in ShardId::all(u16::MAX).zip(&home.members) {
            if members > 0 && shard != here && told != Some(shard) {
                let shared = shared.unwrap_or_else(|| copy.get_or_insert_with(|| event.share()));
                let event = shared.clone();
                outgoing.push(shard, ShardMsg::RoomEvent { room: room.key.clone(), seq, event });
            }
        }
        if home.members[here.index()] > 0 && told != Some(here) {
            room.seq = seq;
            self.append(index, limits, event);
        }
    }
}

impl Core {
    pub(super) fn room_enter(
        &mut self,
        name: &Name,
        session: SessionId,
        who: Name,
        may_found: bool,
        now: Moment,
    ) {
        let index = self.rooms.find_or_add(name);
        let founded = self.rooms[index].home.is_none();
        if founded && let Some(refusal) = self.refusal(name, may_found) {
            let room = name.clone();
            self.rooms.tidy(index);
            self.send(session.shard, ShardMsg::RoomRefused { room, session, refusal }, now);
            return;
        }
        let shards = usize::from(self.shards);
        let room = &mut self.rooms[index];
        if founded {
            self.homes += 1;
            #[cfg(any(test, feature = "simulation"))]
            self.outgoing.journal.push(Entry::Founded(room.key.clone()));
        }
        let home = room.home.get_or_insert_with(|| Box::new(Home::new(shards)));
        home.members[session.shard.index()] += 1;
        home.total += 1;
        let announced = home.total <= self.limits.announce_max;
        if announced {
            let (told, event) = (Some(session.shard), Event::Joined(&who));
            self.rooms.publish(index, &self.limits, &event, None, told, &mut self.outgoing);
        } else {
            self.gather_tally(index, now, |home| home.joined += 1);
        }
        let room = &self.rooms[index];
        let seq = room.home.as_ref().expect("just made").seq;
        #[cfg(any(test, feature = "simulation"))]
        self.outgoing.journal.push(Entry::Entered(room.key.clone(), session, seq));
        let room = room.name.clone();
        let entered = ShardMsg::RoomEntered { room, session, who, seq, announced, founded };
        self.send(session.shard, entered, now);
    }

    /// Why the room `name`, which is not there, may not be founded now.
    fn refusal(&self, name: &Name, may_found: bool) -> Option<Refusal> {
        if *name == self.lobby {
            None
        } else if self.homes >= self.limits.home_rooms_max {
            Some(Refusal::ServerHasTooMany)
        } else {
            (!may_found).then_some(Refusal::TooSoon)
        }
    }

    pub(super) fn room_leave(&mut self, key: Key, session: SessionId, who: Name, now: Moment) {
        let index = self.rooms.find(&key).expect("whoever leaves a room was let in");
        let home = self.rooms[index].home.as_mut().expect("whoever leaves was let in here");
        let announced = home.total <= self.limits.announce_max;
        home.members[session.shard.index()] -= 1;
        home.total -= 1;
        if announced {
            let (told, event) = (Some(session.shard), Event::Left(&who));
            self.rooms.publish(index, &self.limits, &event, None, told, &mut self.outgoing);
        } else {
            self.gather_tally(index, now, |home| home.left += 1);
        }
        let room = &mut self.rooms[index];
        let home = room.home.as_ref().expect("still at home");
        let (seq, empty) = (home.seq, home.total == 0);
        #[cfg(any(test, feature = "simulation"))]
        self.outgoing.journal.push(Entry::Left(key.clone(), session, seq - u64::from(announced)));
        if empty {
            room.home = None;
            self.homes -= 1;
            self.rooms.tidy(index);
        }
        let left = ShardMsg::RoomLeft { room: key, session, who, seq, announced };
        self.send(session.shard, left, now);
    }

    pub(super) fn room_say(&mut self, key: &Key, said: &SharedEvent) {
        self.publish(key, &said.as_event(), Some(said));
    }

    pub(super) fn room_rename(&mut self, key: &Key, old: &Name, new: &Name) {
        self.publish(key, &Event::Renamed { old, new }, None);
    }

    fn publish(&mut self, key: &Key, event: &Event<'_>, shared: Option<&SharedEvent>) {
        let index = self.rooms.find(key).expect("whoever speaks in a room was let in");
        self.rooms.publish(index, &self.limits, event, shared, None, &mut self.outgoing);
    }

    /// Notes what nobody is told one by one, and sees that all are told in sum before long.
    fn gather_tally(&mut self, index: RoomIndex, now: Moment, note: impl FnOnce(&mut Home)) {
        let room = &mut self.rooms[index];
        let home = room.home.as_mut().expect("a room that is at home here");
        if home.joined == 0 && home.left == 0 {
            let deadline = now.after(self.limits.announce_every);
            self.timers.set(deadline, Timer::Tally(room.key.clone()));
        }
        note(home);
    }

    /// Tells a room in sum how many came and went.
    pub(super) fn tell_tally(&mut self, key: &Key) {
        let Some(index) = self.rooms.find(key) else { return };
        let Some(home) = self.rooms[index].home.as_mut() else { return };
        let (joined, left) = (std::mem::take(&mut home.joined), std::mem::take(&mut home.left));
        if joined + left > 0 {
            self.publish(key, &Event::Tally { joined, left }, None);
        }
    }
}

impl Home {
    fn new(shards: usize) -> Self {
        Self { seq: 0, members: vec![0; shards], total: 0, joined: 0, left: 0 }
    }
}
