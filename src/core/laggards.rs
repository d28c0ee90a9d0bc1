//! Clients that have fallen behind: their sockets took less than they were owed. That is no fault;
//! not to read on is. Progress is what the socket takes: it takes more only once the client's
//! system has told of room in its receive buffer, which it does in steps of up to that buffer's
//! size. So what a client has to read within [`Limits::stall_wait_max`] is about that (128 KiB as a
//! rule), and not [`Limits::stall_bytes_min`], which only keeps a few bytes from counting as
//! progress.

use std::collections::HashMap;

use ahash::RandomState;

use crate::core::memory::map_bytes;
use crate::model::{Limits, Moment, SessionId};

/// Those who have fallen behind, and how they get on. Whoever reads costs nothing here.
#[derive(Debug, Default)]
pub struct Laggards(HashMap<SessionId, Lag, RandomState>);

/// A span of time in which a client has to read something.
#[derive(Debug)]
struct Lag {
    since: Moment,
    /// Bytes its socket has taken since then.
    taken: u64,
    /// It is owed nothing any more, and its timer is still to come.
    caught_up: bool,
}

impl Lag {
    fn from(now: Moment) -> Self {
        Self { since: now, taken: 0, caught_up: false }
    }
}

/// What to do about a client that had fallen behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it has caught up.
    CaughtUp,
    /// Look again at that moment.
    Wait(Moment),
    /// It has not read enough.
    Slow,
}

impl Laggards {
    /// `session` has fallen behind, if it had not already. Whether it is to be judged after
    /// [`Limits::stall_wait_max`], because it was not here.
    pub fn add(&mut self, session: SessionId, now: Moment) -> bool {
        let mut is_new = false;
        let lag = self.0.entry(session).or_insert_with(|| {
            is_new = true;
            Lag::from(now)
        });
        if lag.caught_up {
            *lag = Lag::from(now);
        }
        is_new
    }

    /// The socket of `session` has taken so many bytes.
    #[inline]
    pub fn took(&mut self, session: SessionId, bytes: usize) {
        if !self.0.is_empty()
            && let Some(lag) = self.0.get_mut(&session)
        {
            lag.taken += bytes as u64;
        }
    }

    /// `session` is owed nothing.
    #[inline]
    pub fn caught_up(&mut self, session: SessionId) {
        if !self.0.is_empty()
            && let Some(lag) = self.0.get_mut(&session)
        {
            lag.caught_up = true;
        }
    }

    /// Bytes of memory for all of them.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        map_bytes(&self.0)
    }

    /// `session` has ended.
    pub fn forget(&mut self, session: SessionId) {
        if !self.0.is_empty() {
            self.0.remove(&session);
        }
    }

    /// Gives all of them a whole span from now on, and returns them in an order that is always the
    /// same.
    pub fn restart(&mut self, now: Moment) -> Vec<SessionId> {
        self.0.retain(|_, lag| !lag.caught_up);
        self.0.values_mut().for_each(|lag| *lag = Lag::from(now));
        let mut sessions: Vec<SessionId> = self.0.keys().copied().collect();
        sessions.sort_unstable_by_key(|session| session.slot);
        sessions
    }

    /// Looks at how `session` has got on.
    pub fn judge(&mut self, session: SessionId, limits: &Limits, now: Moment) -> Verdict {
        let Some(lag) = self.0.get_mut(&session) else { return Verdict::CaughtUp };
        let due = lag.since.after(limits.stall_wait_max);
        if lag.caught_up {
            self.0.remove(&session);
            return Verdict::CaughtUp;
        }
        if due > now {
            return Verdict::Wait(due);
        }
        if lag.taken < limits.stall_bytes_min {
            return Verdict::Slow;
        }
        *lag = Lag::from(now);
        Verdict::Wait(now.after(limits.stall_wait_max))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ShardId;

    const SLOTH: SessionId = SessionId { shard: ShardId(0), slot: 3, generation: 1 };

    fn limits() -> Limits {
        let stall_wait_max = Duration::from_millis(100);
        Limits { stall_wait_max, stall_bytes_min: 50, ..Limits::default() }
    }

    #[test]
    fn who_reads_enough_in_every_span_is_left_alone_and_who_does_not_is_slow() {
        let mut laggards = Laggards::default();
        assert!(laggards.add(SLOTH, Moment(0)));
        assert!(!laggards.add(SLOTH, Moment(10)), "it is here already");
        laggards.took(SLOTH, 50);
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(99)), Verdict::Wait(Moment(100)));
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(100)), Verdict::Wait(Moment(200)));
        laggards.took(SLOTH, 49);
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(200)), Verdict::Slow);
    }

    #[test]
    fn who_has_caught_up_starts_anew() {
        let mut laggards = Laggards::default();
        laggards.add(SLOTH, Moment(0));
        laggards.caught_up(SLOTH);
        assert!(!laggards.add(SLOTH, Moment(60)), "its timer is still to come");
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(100)), Verdict::Wait(Moment(160)));
        laggards.caught_up(SLOTH);
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(160)), Verdict::CaughtUp);
        assert!(laggards.add(SLOTH, Moment(170)), "it has been forgotten");
    }

    #[test]
    fn another_limit_holds_from_now_on_for_those_who_are_behind() {
        let mut laggards = Laggards::default();
        let reader = SessionId { slot: 1, ..SLOTH };
        laggards.add(SLOTH, Moment(0));
        laggards.add(reader, Moment(0));
        laggards.caught_up(reader);
        assert_eq!(laggards.restart(Moment(70)), [SLOTH]);
        assert!(laggards.add(reader, Moment(80)), "its timer does not come any more");
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(169)), Verdict::Wait(Moment(170)));
        assert_eq!(laggards.judge(SLOTH, &limits(), Moment(170)), Verdict::Slow);
    }
}
