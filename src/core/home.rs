//! What a shard does for the rooms that are at home with it: decide the order of events, count
//! members, tell the shards.

use crate::core::history::History;
#[cfg(any(test, feature = "simulation"))]
use crate::core::journal::Entry;
use crate::core::room::{Home, RoomIndex, Rooms};
use crate::core::timers::Timer;
use crate::core::{Core, Outgoing};
use crate::model::{
    Event, Key, Limits, Moment, Name, Refusal, SessionId, ShardId, ShardMsg, SharedEvent, Since,
    Stamp,
};

impl Rooms {
    /// Makes `event` the next one of the room at `index`, which is at home here, and tells every
    /// shard with members, except `told`, which learns of it in another way. An event that has
    /// come from another shard is `shared` already, and goes on as it came.
    // Always, because what is said by whoever has several callers is worth sparing a call.
    #[inline(always)]
    pub(super) fn publish(
        &mut self,
        index: RoomIndex,
        limits: &Limits,
        event: &Event<'_>,
        shared: Option<&SharedEvent>,
        told: Option<ShardId>,
        outgoing: &mut Outgoing,
    ) {
        let time = self.time;
        let (room, spares) = self.with_spares(index);
        let home = room.home.as_mut().expect("a room that is at home here");
        home.seq += 1;
        let stamp = Stamp { seq: home.seq, time };
        if let Event::Said { author, text } = event {
            home.history.add(spares, limits, stamp, author, text);
        }
        #[cfg(any(test, feature = "simulation"))]
        outgoing.journal.push(Entry::Event(
            room.key.clone(),
            stamp.seq,
            crate::core::journal::line(event),
        ));
        let here = outgoing.shard;
        let mut copy = None;
        for (&members, shard) in home.members.iter().zip(0..) {
            let shard = ShardId(shard);
            if members > 0 && shard != here && told != Some(shard) {
                let shared = shared.unwrap_or_else(|| copy.get_or_insert_with(|| event.share()));
                let event = shared.clone();
                outgoing.push(shard, ShardMsg::RoomEvent { room: room.key.clone(), stamp, event });
            }
        }
        if home.members[here.index()] > 0 && told != Some(here) {
            room.seq = stamp.seq;
            self.append(index, limits, stamp, event);
        }
    }
}

impl Core {
    pub(super) fn room_enter(
        &mut self,
        name: &Name,
        session: SessionId,
        who: Name,
        (may_found, since): (bool, Option<Since>),
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
        let (shards, epochs) = (usize::from(self.shards), &mut self.epochs);
        let room = &mut self.rooms[index];
        if founded {
            #[cfg(any(test, feature = "simulation"))]
            self.outgoing.journal.push(Entry::Founded(room.key.clone()));
        }
        let home = room.home.get_or_insert_with(|| Box::new(Home::new(shards, epochs.next())));
        home.members[session.shard.index()] += 1;
        home.total += 1;
        let total = home.total;
        let announced = total <= self.limits.announce_max;
        if announced {
            let (told, event) = (Some(session.shard), Event::Joined(&who));
            self.rooms.publish(index, &self.limits, &event, None, told, &mut self.outgoing);
        } else {
            self.gather_tally(index, now, |home| home.joined += 1);
        }
        self.rooms.resize(index, total - 1, total);
        self.rooms.recount(index);
        let room = &self.rooms[index];
        let home = room.home.as_ref().expect("just made");
        let stamp = Stamp { seq: home.seq, time: self.rooms.time };
        let past = since.map(|since| Box::new(home.history.since(since)));
        #[cfg(any(test, feature = "simulation"))]
        self.outgoing.journal.push(Entry::Entered(room.key.clone(), session, stamp.seq));
        let room = room.name.clone();
        let entered = ShardMsg::RoomEntered { room, session, who, stamp, announced, founded, past };
        self.send(session.shard, entered, now);
    }

    /// Why the room `name`, which is not there, may not be founded now.
    fn refusal(&self, name: &Name, may_found: bool) -> Option<Refusal> {
        if *name == self.lobby {
            None
        } else if self.homes() >= self.limits.home_rooms_max {
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
        let total = home.total;
        self.rooms.resize(index, total + 1, total);
        if announced {
            let (told, event) = (Some(session.shard), Event::Left(&who));
            self.rooms.publish(index, &self.limits, &event, None, told, &mut self.outgoing);
        } else {
            self.gather_tally(index, now, |home| home.left += 1);
        }
        let time = self.rooms.time;
        let (room, spares) = self.rooms.with_spares(index);
        let home = room.home.as_ref().expect("still at home");
        let (stamp, empty) = (Stamp { seq: home.seq, time }, home.total == 0);
        #[cfg(any(test, feature = "simulation"))]
        self.outgoing.journal.push(Entry::Left(
            key.clone(),
            session,
            stamp.seq - u64::from(announced),
        ));
        if empty {
            room.end_home(spares);
            self.rooms.tidy(index);
        }
        let left = ShardMsg::RoomLeft { room: key, session, who, stamp, announced };
        self.send(session.shard, left, now);
    }

    pub(super) fn room_say(&mut self, key: &Key, said: &SharedEvent) {
        self.publish(key, &said.as_event(), Some(said));
    }

    pub(super) fn room_rename(&mut self, key: &Key, old: &Name, new: &Name) {
        let event = Event::Renamed { old, new };
        if self.rooms.rolls.has_departed() {
            self.rooms.rolls.follow(key, &event);
        }
        self.publish(key, &event, None);
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

/// What distinguishes the lives of rooms that are at home on a shard, now and at other times.
#[derive(Debug)]
pub(super) struct Epochs(u64);

impl Epochs {
    pub(super) fn new(shard: ShardId, seed: u64) -> Self {
        Self(seed.rotate_left(32) ^ u64::from(shard.0))
    }

    /// One that there has not been: a step of SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).max(1)
    }
}

impl Home {
    fn new(shards: usize, epoch: u64) -> Self {
        let (members, history) = (vec![0; shards], History::new(epoch));
        Self { seq: 0, members, total: 0, joined: 0, left: 0, history }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Command, Origin, Slot};
    use crate::proto::Wire;

    /// A server that tells of everyone in sums, and its first client.
    fn core() -> (Core, Slot) {
        let limits = Limits { announce_max: 0, ..Limits::default() };
        let mut core = Core::new(ShardId(0), 1, limits, Origin::default());
        let slot = core.open_in_lobby(Wire::Line, Moment(0));
        (core, slot)
    }

    /// Events of the lobby up to now.
    fn told(core: &Core) -> u64 {
        let lobby = core.rooms.find(&core.lobby.key()).expect("somebody is there");
        core.rooms[lobby].home.as_ref().expect("the only shard").seq
    }

    #[test]
    fn the_first_of_a_sum_decides_when_it_is_told() {
        let (mut core, _) = core();
        assert_eq!(core.next_deadline(), Some(Moment(1_000)));
        core.open_in_lobby(Wire::Line, Moment(400));
        core.handle_tick(Moment(1_000), &|_| false);
        assert_eq!((told(&core), core.next_deadline()), (1, None), "both are told");
        core.open_in_lobby(Wire::Line, Moment(1_300));
        assert_eq!(core.next_deadline(), Some(Moment(2_300)));
    }

    #[test]
    fn a_sum_of_nobody_is_not_told() {
        let (mut core, slot) = core();
        core.handle_tick(Moment(1_000), &|_| false);
        core.handle_command(slot, Command::Switch("den"), Moment(2_000));
        core.handle_command(slot, Command::Switch("main"), Moment(2_500));
        core.handle_tick(Moment(3_000), &|_| false);
        assert_eq!(told(&core), 1, "by the timer of the room that was there before");
        core.handle_tick(Moment(3_500), &|_| false);
        assert_eq!(told(&core), 1, "its own has nobody to tell of");
    }
}
