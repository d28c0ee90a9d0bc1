//! Clients whose protocol has a question for that are asked, now and then, whether they are still
//! there. It is also what keeps a connection open that somebody in between would close as idle.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::Core;
use crate::core::session::Gate;
use crate::core::timers::Timer;
use crate::model::{CloseReason, Moment, Reply, SessionId, Slot};

/// Who is asked next, and when. Everyone waits for as long, so whoever was asked first comes first.
pub(super) type Heartbeats = VecDeque<(Moment, SessionId)>;

impl Core {
    /// Sees that the client of the session in `slot`, which is new, is asked, if its protocol knows
    /// that.
    pub(super) fn watch_presence(&mut self, slot: Slot, now: Moment) {
        if self.sessions[slot].wire.is_framed() {
            let was_nobody = self.heartbeats.is_empty();
            self.ask_later(slot, now);
            if was_nobody {
                self.set_heartbeats();
            }
        }
    }

    fn ask_later(&mut self, slot: Slot, now: Moment) {
        let due = now.after(self.limits.pong_wait_max);
        self.heartbeats.push_back((due, self.sessions.id(slot)));
    }

    /// Everyone waits for another span than the `old` one: in proportion to what is left of it, so
    /// that they are not all asked at once.
    pub(super) fn respace_heartbeats(&mut self, old: Duration, now: Moment) {
        let [old, new] = [old, self.limits.pong_wait_max].map(|wait| now.after(wait).0 - now.0);
        for (due, _) in &mut self.heartbeats {
            let left = due.0.saturating_sub(now.0);
            *due = Moment(now.0 + left * new / old.max(1));
        }
        self.timers.retain(|timer| *timer != Timer::Heartbeats);
        self.set_heartbeats();
    }

    fn set_heartbeats(&mut self) {
        if let Some(&(next, _)) = self.heartbeats.front() {
            self.timers.set(next, Timer::Heartbeats);
        }
    }

    /// Pings all clients whose time has come, and ends those that have sent nothing since the last
    /// ping.
    pub(super) fn ask_presence(&mut self, now: Moment, unread: &dyn Fn(Slot) -> bool) {
        if self.drain.has_begun() {
            return;
        }
        let due = self.heartbeats.partition_point(|&(due, _)| due <= now);
        for (_, id) in self.heartbeats.drain(..due).collect::<Vec<_>>() {
            if let Some(slot) = self.sessions.find(id) {
                self.ask(slot, now, unread);
            }
        }
        self.set_heartbeats();
    }

    fn ask(&mut self, slot: Slot, now: Moment, unread: &dyn Fn(Slot) -> bool) {
        let session = &mut self.sessions[slot];
        if matches!(session.gate, Gate::Closing(_)) {
            return;
        }
        // A client that has not got the ping yet is judged by how much it reads; of one whose input
        // waits, because it is throttled or the server was stopped, the answer may be in there.
        let is_behind = session.blocked || session.outbox.is_some();
        let is_excused = is_behind || session.waiting || unread(slot);
        if !is_excused && std::mem::replace(&mut session.asked, true) {
            self.end(slot, CloseReason::NoPong, now);
            return;
        }
        if !is_excused {
            self.reply(slot, &Reply::Ping);
        }
        self.ask_later(slot, now);
    }
}
