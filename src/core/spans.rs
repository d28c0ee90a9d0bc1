//! What a session may do in a span of time: how much it asks for, how fast it reads, how long it is
//! silent.

use crate::core::Core;
use crate::core::laggards::Verdict;
use crate::core::session::Gate;
use crate::core::timers::Timer;
use crate::model::{
    CloseReason, Command, Limits, Moment, Name, Refusal, Reply, SessionId, Slot, Spent,
};

impl Core {
    /// A command of a session that has to pay for it.
    #[cold]
    pub(super) fn handle_metered(&mut self, slot: Slot, command: Command<'_>, now: Moment) {
        // The answer to a question of ours is nothing that its user does.
        if command != Command::Pong || !self.sessions[slot].asked {
            self.spend(slot, command.cost(), now);
        }
        self.obey(slot, command, now);
        self.rest(slot, now);
    }

    /// The session in `slot` asks for what costs so many messages.
    fn spend(&mut self, slot: Slot, cost: u32, now: Moment) {
        self.sessions[slot].spent.spend(self.limits.allowance, cost, now);
    }

    /// Its client has sent so much that is not even a command.
    pub fn handle_noise(&mut self, slot: Slot, cost: u32, now: Moment) {
        if self.sessions[slot].metered {
            self.spend(slot, cost, now);
            self.rest(slot, now);
        }
    }

    /// Leaves the input of the session in `slot` unread for a while if it has asked for more than
    /// it may.
    pub(super) fn rest(&mut self, slot: Slot, now: Moment) {
        // What was asked may have ended it.
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if session.exempt || !matches!(session.gate, Gate::Open) {
            return;
        }
        let wait = session.spent.wait_ms(self.limits.allowance, now);
        if wait > 0 {
            session.gate = Gate::Resting;
            self.counters.rests += 1;
            let until = Moment(now.0 + u64::from(wait));
            self.timers.set(until, Timer::Rest(self.sessions.id(slot)));
        }
    }

    /// Whether the session in `slot` has asked for too much, and its input waits for that reason.
    #[must_use]
    pub fn is_resting(&self, slot: Slot) -> bool {
        matches!(self.sessions[slot].gate, Gate::Resting)
    }

    pub(super) fn rest_deadline(&mut self, id: SessionId, now: Moment) {
        if let Some(slot) = self.sessions.find(id)
            && matches!(self.sessions[slot].gate, Gate::Resting)
        {
            self.open_gate(slot, now);
        }
    }

    /// Whether a room may be made for the session in `slot`.
    pub(super) fn may_found(&self, slot: Slot, now: Moment) -> bool {
        let (id, allowance) = (self.sessions.id(slot), self.limits.room_allowance);
        // Where nobody makes rooms, nobody is looked up.
        self.founders.is_empty()
            || self.founders.get(&id).is_none_or(|spent| spent.wait_ms(allowance, now) == 0)
    }

    /// A room was made for a session.
    pub(super) fn has_founded(&mut self, room: &Name, id: SessionId, now: Moment) {
        // Somebody has to be the first in the lobby.
        if let Some(slot) = self.sessions.find(id)
            && !self.sessions[slot].exempt
            && *room != self.lobby
        {
            let spent = self.founders.entry(id).or_insert_with(|| Spent::nothing(now));
            spent.spend(self.limits.room_allowance, 1, now);
        }
    }

    /// From a room's home: it is not there, and not made. Whoever has left another for it goes to
    /// the lobby, which always is.
    pub(super) fn room_refused(
        &mut self,
        room: &Name,
        id: SessionId,
        refusal: Refusal,
        now: Moment,
    ) {
        let Some(slot) = self.sessions.find(id) else { return };
        self.reply(slot, &Reply::RoomRefused(room, refusal));
        if self.sessions[slot].rooms.is_empty() {
            let lobby = self.lobby.clone();
            self.enter(slot, lobby, now);
        } else {
            self.open_gate(slot, now);
        }
    }

    /// A client that had fallen behind has had its time to read.
    pub(super) fn stall_deadline(
        &mut self,
        id: SessionId,
        now: Moment,
        unread: &dyn Fn(Slot) -> bool,
    ) {
        if unread(id.slot) {
            // That its socket takes more may not have been told yet.
            self.timers.set(now.after(self.limits.gather_wait_max), Timer::Stall(id));
            return;
        }
        match self.laggards.judge(id, &self.limits, now) {
            Verdict::CaughtUp => {}
            Verdict::Wait(until) => self.timers.set(until, Timer::Stall(id)),
            Verdict::Slow => {
                let slot = self.sessions.find(id).expect("who has ended is forgotten");
                self.end(slot, CloseReason::Slow, now);
            }
        }
    }

    /// Another limit holds for all who have fallen behind: from now on, so that nobody is ended for
    /// what was no fault before.
    pub(super) fn restart_stalls(&mut self, now: Moment) {
        self.timers.retain(|timer| !matches!(timer, Timer::Stall(_)));
        let due = now.after(self.limits.stall_wait_max);
        for id in self.laggards.restart(now) {
            self.timers.set(due, Timer::Stall(id));
        }
    }

    /// Rate limits that have changed hold at once: what is spent counts under the new ones, and
    /// sessions that are throttled wait as long as these say.
    pub(super) fn convert_allowances(&mut self, old: &Limits, now: Moment) {
        let rooms = [old.room_allowance, self.limits.room_allowance];
        self.founders.values_mut().for_each(|spent| *spent = spent.convert(rooms, now));
        let messages = [old.allowance, self.limits.allowance];
        if messages[0] == messages[1] {
            return;
        }
        self.timers.retain(|timer| !matches!(timer, Timer::Rest(_)));
        for slot in self.sessions.slots() {
            let session = &mut self.sessions[slot];
            session.spent = session.spent.convert(messages, now);
            if matches!(session.gate, Gate::Resting) {
                // Reads on, and is throttled again if it has still spent too much.
                self.open_gate(slot, now);
            }
        }
    }

    /// Sees that the session in `slot` ends when it is silent for too long, if there is a limit.
    pub(super) fn watch_silence(&mut self, slot: Slot, now: Moment) {
        let session = &mut self.sessions[slot];
        session.metered = !session.exempt || self.limits.idle_wait_max.is_some();
        if let Some(wait) = self.limits.idle_wait_max {
            self.timers.set(now.after(wait), Timer::Idle(self.sessions.id(slot)));
        }
    }

    /// Another limit of silence holds for everyone: from now on, so that nobody is sent away for
    /// what was no fault before.
    pub(super) fn watch_all_silences(&mut self, now: Moment) {
        self.timers.retain(|timer| !matches!(timer, Timer::Idle(_)));
        self.sessions.slots().into_iter().for_each(|slot| self.watch_silence(slot, now));
    }

    /// Ends a session that has said nothing for so many seconds, and tells it so.
    pub(super) fn end_idle(&mut self, slot: Slot, seconds: u64, reason: CloseReason, now: Moment) {
        self.reply(slot, &Reply::Idle(seconds));
        self.begin_close(slot, reason.into(), now);
    }

    pub(super) fn idle_deadline(
        &mut self,
        id: SessionId,
        now: Moment,
        unread: &dyn Fn(Slot) -> bool,
    ) {
        let (Some(slot), Some(wait)) = (self.sessions.find(id), self.limits.idle_wait_max) else {
            return;
        };
        if self.drain.has_begun() {
            return;
        }
        let session = &self.sessions[slot];
        let until = session.spent.last(now).after(wait);
        match session.gate {
            Gate::Closing(_) => {}
            Gate::Open | Gate::Resting if until <= now && !session.waiting && !unread(slot) => {
                self.end_idle(slot, wait.as_secs(), CloseReason::Idle, now);
            }
            // Its request is answered before it ends.
            Gate::Busy(_) | Gate::Open | Gate::Resting => {
                let until = until.max(now.after(self.limits.gather_wait_max));
                self.timers.set(until, Timer::Idle(id));
            }
        }
    }
}
