//! What clients ask for, and how sessions come and go.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::Core;
use crate::core::placement::home_of;
use crate::core::room::RoomIndex;
use crate::core::session::{Gate, Request};
use crate::core::timers::Timer;
use crate::model::{
    CloseReason, Command, Ending, Event, Key, Moment, Name, Reply, SessionId, ShardId, ShardMsg,
    Since, Slot,
};

impl Core {
    /// A command of the session in `slot`, for which [`Core::may_read`] holds.
    pub fn handle_command(&mut self, slot: Slot, command: Command<'_>, now: Moment) {
        if self.sessions[slot].metered {
            self.handle_metered(slot, command, now);
        } else {
            self.obey(slot, command, now);
        }
    }

    #[inline]
    pub(super) fn obey(&mut self, slot: Slot, command: Command<'_>, now: Moment) {
        match command {
            Command::Say(text) => self.say_here(slot, text),
            Command::SayBareWord(text) => self.say_bare_word(slot, text),
            Command::SayIn { room, text } => match self.room_of(slot, room) {
                Some(room) => self.say(slot, room, text),
                None => self.reply(slot, &Reply::NotInRoom),
            },
            Command::Help => self.reply(slot, &Reply::Help),
            Command::Rename(name) => self.rename(slot, name, now),
            Command::Rooms => self.list_rooms(slot, now),
            Command::Users => self.list_users(slot, self.sessions[slot].current_room(), now),
            Command::UsersOf(room) => {
                let room = self.room_of(slot, room);
                self.list_users(slot, room, now);
            }
            Command::Switch(room) => self.switch(slot, room, now),
            Command::Enter { room, since } => self.enter_another(slot, room, since, now),
            Command::Resume(request) => self.resume(slot, request, now),
            Command::Leave(room) => match self.room_of(slot, room) {
                Some(room) => {
                    self.close_gate(slot, Request::Leave);
                    self.leave(slot, &[room], now);
                }
                None => self.reply(slot, &Reply::NotInRoom),
            },
            Command::Quit => self.begin_close(slot, CloseReason::Quit.into(), now),
            Command::Malformed => self.reply(slot, &Reply::Malformed),
            Command::Telnet(answer) => self.reply(slot, &Reply::Telnet(answer)),
            Command::Ping(payload) => {
                self.heard_from(slot);
                self.reply(slot, &Reply::Pong(payload));
            }
            Command::Pong => self.heard_from(slot),
            Command::Close(word) => {
                self.begin_close(slot, Ending { reason: CloseReason::Quit, word }, now);
            }
            Command::BadFrame(word) => {
                self.begin_close(slot, Ending { reason: CloseReason::BadFrame, word }, now);
            }
            Command::Unknown(word) => self.reply(slot, &Reply::Unknown(word)),
            Command::TooLong => {
                let max = self.limits.message_chars_max;
                self.reply(slot, &Reply::TooLong { max });
            }
            Command::NotUtf8 { last_strike } => {
                self.reply(slot, &Reply::NotUtf8);
                if last_strike {
                    self.begin_close(slot, CloseReason::BadInput.into(), now);
                }
            }
        }
    }

    /// The client of the session in `slot`, for which [`Core::may_read`] holds, will send no more.
    pub fn handle_end_of_input(&mut self, slot: Slot, now: Moment) {
        self.begin_close(slot, CloseReason::EndOfInput.into(), now);
    }

    /// Something that the session in `slot` asked for has failed midway: it ends. It is told so if
    /// it was not waiting for anything; if it was, nothing can be said of when that would be.
    pub fn handle_failure(&mut self, slot: Slot, now: Moment) {
        let reason = CloseReason::Internal;
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if matches!(session.gate, Gate::Open) {
            self.reply(slot, &Reply::Internal);
            self.begin_close(slot, reason.into(), now);
        } else {
            self.end(slot, reason, now);
        }
    }

    /// The room named `text`, if the session in `slot` is in it.
    fn room_of(&mut self, slot: Slot, text: &str) -> Option<RoomIndex> {
        let room = self.rooms.find(&Name::new(text).ok()?.key())?;
        self.sessions[slot].membership(room).map(|m| m.room)
    }

    /// Says `text` in the current room.
    #[inline(always)]
    fn say_here(&mut self, slot: Slot, text: &str) {
        match self.sessions[slot].current_room() {
            Some(room) => self.say(slot, room, text),
            None => self.reply(slot, &Reply::NotInRoom),
        }
    }

    /// The same with a word that may have been meant as a command.
    #[cold]
    fn say_bare_word(&mut self, slot: Slot, text: &str) {
        self.say_here(slot, text);
        self.reply(slot, &Reply::BareWord);
    }

    #[inline(always)]
    fn say(&mut self, slot: Slot, index: RoomIndex, text: &str) {
        let author = &self.sessions[slot].name;
        let room = &self.rooms[index];
        if room.home.is_some() {
            let event = Event::Said { author, text };
            self.rooms.publish(index, &self.limits, &event, None, None, &mut self.outgoing);
        } else {
            let (room, to) = (room.key.clone(), room.home_shard);
            let message = ShardMsg::RoomSay { room, author: author.clone(), text: Arc::from(text) };
            self.outgoing.push(to, message);
        }
        self.counters.said += 1;
    }

    fn rename(&mut self, slot: Slot, text: &str, now: Moment) {
        let Ok(name) = Name::new(text) else {
            self.reply(slot, &Reply::NameInvalid);
            return;
        };
        if name == self.sessions[slot].name || name.is_reserved() {
            self.reply(slot, &Reply::NameTaken(&name));
            return;
        }
        if name.key() == self.sessions[slot].name.key() {
            // Another spelling of what is theirs already: nobody has to be asked.
            self.take_name(slot, name, now);
            return;
        }
        self.close_gate(slot, Request::Rename);
        let session = self.sessions.id(slot);
        let home = home_of(&name.key(), self.shards);
        self.send(home, ShardMsg::NameClaim { session, name }, now);
    }

    fn switch(&mut self, slot: Slot, text: &str, now: Moment) {
        let Some(name) = self.room_to_enter(slot, text) else { return };
        let rooms: SmallVec<[RoomIndex; 1]> =
            self.sessions[slot].rooms.iter().map(|m| m.room).collect();
        if rooms.is_empty() {
            self.enter(slot, name, now);
        } else {
            self.close_gate(slot, Request::Switch(name));
            self.leave(slot, &rooms, now);
        }
    }

    fn enter_another(&mut self, slot: Slot, text: &str, since: Since, now: Moment) {
        let max = self.limits.session_rooms_max;
        let Some(name) = self.room_to_enter(slot, text) else { return };
        if self.sessions[slot].rooms.len() >= max {
            self.reply(slot, &Reply::TooManyRooms { max });
        } else {
            self.enter_since(slot, name, since, now);
        }
    }

    /// The room named `text`, unless the session in `slot` cannot enter it and is told so.
    fn room_to_enter(&mut self, slot: Slot, text: &str) -> Option<Name> {
        let Ok(name) = Name::new(text) else {
            self.reply(slot, &Reply::RoomInvalid);
            return None;
        };
        if let Some(room) = self.room_of(slot, text) {
            let name = self.rooms[room].name.clone();
            self.reply(slot, &Reply::YouAreIn(&name));
            return None;
        }
        Some(name)
    }

    /// Asks the home of `room` to let the session in `slot` in.
    pub(super) fn enter(&mut self, slot: Slot, room: Name, now: Moment) {
        self.enter_since(slot, room, Since::ALL, now);
    }

    /// The same for a session that knows what was said there up to `since`.
    fn enter_since(&mut self, slot: Slot, room: Name, since: Since, now: Moment) {
        self.close_gate(slot, Request::Enter);
        let (session, who) = (self.sessions.id(slot), self.sessions[slot].name.clone());
        let home = home_of(&room.key(), self.shards);
        let may_found = self.may_found(slot, now);
        let since = self.sessions[slot].wire.tells_past(&self.limits).then_some(since);
        self.send(home, ShardMsg::RoomEnter { room, session, who, may_found, since }, now);
    }

    /// Tells the homes of `rooms`, which the session in `slot` is in, that it goes. It stays a
    /// member until they answer.
    fn leave(&mut self, slot: Slot, rooms: &[RoomIndex], now: Moment) {
        let (session, who) = (self.sessions.id(slot), self.sessions[slot].name.clone());
        for &index in rooms {
            let membership = self.sessions[slot].membership(index).expect("a room it is in");
            if !std::mem::replace(&mut membership.leaving, true) {
                let (room, to) = (self.rooms[index].key.clone(), self.rooms[index].home_shard);
                self.send(to, ShardMsg::RoomLeave { room, session, who: who.clone() }, now);
            }
        }
    }

    /// Ends the session in `slot` in good order: it leaves its rooms, reads what it is owed, and is
    /// gone.
    pub(super) fn begin_close(&mut self, slot: Slot, ending: Ending, now: Moment) {
        self.sessions.change(slot, |it| it.gate = Gate::Closing(ending));
        if self.sessions[slot].blocked {
            self.close_in_time(slot, now);
        }
        self.sessions.enqueue(slot);
        let rooms: SmallVec<[RoomIndex; 1]> =
            self.sessions[slot].rooms.iter().map(|m| m.room).collect();
        if rooms.is_empty() {
            self.part(slot);
        }
        self.leave(slot, &rooms, now);
    }

    /// The closing session in `slot` gets nothing more from any room: tells its client so, in
    /// protocols that have a word for that.
    pub(super) fn part(&mut self, slot: Slot) {
        let session = &self.sessions[slot];
        if let Gate::Closing(ending) = session.gate
            && session.wire.is_framed()
        {
            self.reply(slot, &Reply::Closing(ending));
        }
        self.sessions.enqueue(slot);
    }

    /// Gives the closing session in `slot` a deadline, because its client does not read.
    pub(super) fn close_in_time(&mut self, slot: Slot, now: Moment) {
        let deadline = now.after(self.limits.close_wait_max);
        self.timers.set(deadline, Timer::Close(self.sessions.id(slot)));
    }

    /// Takes the session in `slot` out of all tables, this shard's and others'.
    pub(super) fn forget(&mut self, slot: Slot, reason: CloseReason, now: Moment) {
        let id = self.sessions.id(slot);
        let mut homes: SmallVec<[(Key, ShardId); 1]> = SmallVec::new();
        while let Some(&membership) = self.sessions[slot].rooms.last() {
            let room = &self.rooms[membership.room];
            let (key, home) = (room.key.clone(), room.home_shard);
            let who = self.known_name(slot, membership.room).clone();
            self.rooms.rolls.departs(id, key.clone(), who);
            if !membership.leaving {
                homes.push((key, home));
            }
            self.remove_member(slot, membership.room);
        }
        self.laggards.forget(id);
        self.settle_successor(id, now);
        self.rooms.rolls.forget(id);
        if !self.founders.is_empty() {
            self.founders.remove(&id);
        }
        let session = self.sessions.remove(slot);
        if session.registering {
            self.counters.probes += 1;
        } else {
            self.counters.closed[reason.index()] += 1;
        }
        if self.drain.has_begun() && reason == CloseReason::Drain {
            return;
        }
        for (room, home) in homes {
            let who = session.name.clone();
            self.send(home, ShardMsg::RoomLeave { room, session: id, who }, now);
        }
        let is_replaced =
            matches!(session.gate, Gate::Closing(Ending { reason: CloseReason::Replaced, .. }));
        if !is_replaced {
            self.release_name(id, session.name.key(), now);
        }
    }

    pub(super) fn release_name(&mut self, session: SessionId, name: Key, now: Moment) {
        let home = home_of(&name, self.shards);
        self.send(home, ShardMsg::NameRelease { session, name }, now);
    }

    /// From a name's home: whether the session may have the name it asked for.
    pub(super) fn name_verdict(&mut self, id: SessionId, name: Name, granted: bool, now: Moment) {
        let Some(slot) = self.sessions.find(id) else {
            if granted {
                self.release_name(id, name.key(), now);
            }
            return;
        };
        if granted && self.takes_over_name(slot, &name, now) {
            return;
        }
        if granted {
            let old = self.sessions[slot].name.key();
            self.release_name(id, old, now);
            self.take_name(slot, name, now);
        } else {
            self.reply(slot, &Reply::NameTaken(&name));
        }
        self.open_gate(slot, now);
    }

    /// Gives the session in `slot` a name that is theirs, and tells their rooms.
    fn take_name(&mut self, slot: Slot, name: Name, now: Moment) {
        let old = std::mem::replace(&mut self.sessions[slot].name, name.clone());
        let rooms: SmallVec<[RoomIndex; 1]> =
            self.sessions[slot].rooms.iter().map(|m| m.room).collect();
        if rooms.is_empty() || self.sessions[slot].wire.tells_own_name() {
            self.reply(slot, &Reply::YouAre(&name));
        }
        for index in rooms {
            self.rooms.rolls.rename(index, self.sessions.id(slot), [&old, &name]);
            let (room, to) = (self.rooms[index].key.clone(), self.rooms[index].home_shard);
            let (old, new) = (old.clone(), name.clone());
            self.send(to, ShardMsg::RoomRename { room, old, new }, now);
        }
    }
}
