//! How a session comes into the lobby: with its first line, or after a moment without one. What
//! comes and goes before that, such as the connection of a health check, is announced to no room,
//! and not counted as a session.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::Core;
use crate::core::session::Gate;
use crate::core::timers::Timer;
use crate::model::{CloseReason, Foreign, Moment, Name, Reply, SessionId, Signposts, Slot};

/// The room everyone starts in whose client does not ask for one.
const LOBBY: &str = "main";
/// How long a session that sends nothing stays out of the lobby. Health checks have closed by then,
/// and people have not read what they were greeted with.
pub(super) const LOBBY_WAIT_MAX: Duration = Duration::from_millis(250);

/// Sessions that enter in a turn without having sent a line, at most.
const ENTRIES_PER_TURN_MAX: usize = 32;
/// When the next ones do that wait for the same: in the next turn.
const NEXT_AFTER: Duration = Duration::from_millis(1);

/// Which session enters next without having sent a line, and when: all wait for the same time, so
/// one queue and one timer do for all.
pub(super) type LobbyQueue = VecDeque<(Moment, SessionId)>;

/// The lobby's name.
pub(super) fn name() -> Name {
    Name::new(LOBBY).expect("the lobby has a valid name")
}

impl Core {
    /// The session in `slot`, which is new, is to enter the lobby.
    pub(super) fn await_first_line(&mut self, slot: Slot, now: Moment) {
        self.sessions[slot].registering = true;
        let due = now.after(LOBBY_WAIT_MAX);
        if self.lobby_queue.is_empty() {
            self.timers.set(due, Timer::Lobby);
        }
        self.lobby_queue.push_back((due, self.sessions.id(slot)));
    }

    /// The first line of the session in `slot` has arrived: it enters the lobby, unless it already
    /// has. The line itself is to be handled after that, as soon as [`Core::may_read`] says so.
    pub fn handle_first_line(&mut self, slot: Slot, now: Moment) {
        if self.register(slot) {
            let lobby = self.lobby.clone();
            self.enter(slot, lobby, now);
        }
    }

    /// The client of the session in `slot` speaks the telnet protocol. That changes how it is
    /// spoken to unless it is in a room already: its place there is among those of its wire class.
    pub fn handle_telnet(&mut self, slot: Slot) {
        let session = &mut self.sessions[slot];
        if session.registering {
            session.wire = session.wire.with_telnet();
        }
    }

    /// The first line of the session in `slot` has turned out to be of another protocol: it ends,
    /// and its client is told where to go instead, as the first thing if that can still be done.
    pub fn handle_foreign(
        &mut self,
        slot: Slot,
        foreign: Foreign,
        signposts: &Signposts,
        now: Moment,
    ) {
        if std::mem::take(&mut self.sessions[slot].registering) {
            self.counters.opened += 1;
            self.sessions.withdraw_greeting(slot);
        }
        self.reply(slot, &Reply::Foreign(foreign, signposts));
        self.begin_close(slot, CloseReason::from(foreign).into(), now);
    }

    /// Counts the session in `slot`, and has the operator told of it; whether that is new.
    fn register(&mut self, slot: Slot) -> bool {
        let is_new = std::mem::take(&mut self.sessions[slot].registering);
        if is_new {
            self.counters.opened += 1;
            self.registered.push_back(slot);
        }
        is_new
    }

    /// A session that has entered the lobby since this was last asked.
    pub fn poll_registered(&mut self) -> Option<Slot> {
        self.registered.pop_front()
    }

    /// Has those sessions enter that have waited for long enough, as many as fit a turn.
    pub(super) fn lobby_deadline(&mut self, now: Moment) {
        for _ in 0..ENTRIES_PER_TURN_MAX {
            let Some((_, id)) = self.lobby_queue.pop_front_if(|&mut (due, _)| due <= now) else {
                break;
            };
            if let Some(slot) = self.sessions.find(id)
                && matches!(self.sessions[slot].gate, Gate::Open | Gate::Resting)
                && !self.drain.has_begun()
            {
                self.handle_first_line(slot, now);
            }
        }
        match self.lobby_queue.front() {
            Some(&(due, _)) => self.timers.set(due.max(now.after(NEXT_AFTER)), Timer::Lobby),
            // A crowd that has come at once leaves nothing behind.
            None => self.lobby_queue = VecDeque::new(),
        }
    }
}

#[cfg(test)]
impl Core {
    /// A session of an exempt client that has come into the lobby at once.
    pub(super) fn open_in_lobby(&mut self, wire: crate::proto::Wire, now: Moment) -> Slot {
        let slot = self.handle_open(wire, true, now);
        self.handle_first_line(slot, now);
        self.lobby_queue.clear();
        self.timers.retain(|timer| *timer != Timer::Lobby);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limits, Origin, ShardId};
    use crate::proto::Wire;

    #[test]
    fn a_crowd_that_came_at_once_enters_a_part_in_a_turn() {
        let mut core = Core::new(ShardId(0), 1, Limits::default(), Origin::default());
        for _ in 0..100 {
            core.handle_open(Wire::Line, true, Moment(0));
        }
        let mut entered = vec![];
        for now in [249, 250, 251, 252, 253] {
            core.handle_tick(Moment(now), &|_| false);
            entered.push(std::iter::from_fn(|| core.poll_registered()).count());
        }
        assert_eq!(entered, [0, 32, 32, 32, 4]);
        assert_eq!(core.lobby_queue.capacity(), 0);
    }
}
