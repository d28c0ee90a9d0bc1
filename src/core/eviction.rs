//! Room for others: sessions that have said nothing for longest are evicted, a few in a turn, so
//! that nobody else waits for a crowd to be seen off.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::Core;
use crate::core::session::Gate;
use crate::core::timers::Timer;
use crate::model::{CloseReason, Moment, Slot};

/// Sessions evicted in a turn, at most.
const PER_TURN_MAX: usize = 8;
/// When the next ones are: in the next turn.
const NEXT_AFTER: Duration = Duration::from_millis(1);

impl Core {
    /// Evicts `count` sessions of a `crowd`: those that have said nothing for longest, from now on.
    pub fn evict(&mut self, crowd: impl Iterator<Item = Slot>, count: usize, now: Moment) {
        let spoke = |slot| self.may_be_evicted(slot).then(|| (self.last_spoke(slot, now), slot));
        let mut crowd: Vec<(Moment, Slot)> = crowd.filter_map(spoke).collect();
        if count < crowd.len() {
            crowd.select_nth_unstable(count);
            crowd.truncate(count);
        }
        if self.evictees.is_empty() && !crowd.is_empty() {
            self.timers.set(now, Timer::Evict);
        }
        self.evictees.extend(crowd.into_iter().map(|(_, slot)| self.sessions.id(slot)));
    }

    /// Evicts the next few.
    pub(super) fn evict_next(&mut self, now: Moment) {
        for _ in 0..PER_TURN_MAX {
            let Some(id) = self.evictees.pop_front() else { break };
            if let Some(slot) = self.sessions.find(id).filter(|&slot| self.may_be_evicted(slot)) {
                let silence_ms = now.0.saturating_sub(self.last_spoke(slot, now).0);
                self.end_idle(slot, silence_ms / 1000, CloseReason::Evicted, now);
            }
        }
        if self.evictees.is_empty() {
            self.evictees = VecDeque::new();
        } else {
            self.timers.set(now.after(NEXT_AFTER), Timer::Evict);
        }
    }

    /// Whoever waits for something is not idle, and while the server goes down everybody ends.
    fn may_be_evicted(&self, slot: Slot) -> bool {
        let session = self.sessions.get(slot);
        let is_idle = session.is_some_and(|it| matches!(it.gate, Gate::Open | Gate::Resting));
        is_idle && !self.drain.has_begun()
    }

    fn last_spoke(&self, slot: Slot, now: Moment) -> Moment {
        self.sessions[slot].spent.last(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limits, Origin, ShardId};
    use crate::proto::Wire;

    #[test]
    fn a_crowd_is_evicted_a_few_in_a_turn() {
        let mut core = Core::new(ShardId(0), 1, Limits::default(), Origin::default());
        let crowd: Vec<Slot> =
            (0..100).map(|_| core.open_in_lobby(Wire::Line, Moment(0))).collect();
        let is_left = |core: &Core, slot| matches!(core.sessions[slot].gate, Gate::Open);
        core.evict(crowd.iter().copied(), 40, Moment(5_000));
        let mut left = vec![];
        for now in 5_000..5_006 {
            core.handle_tick(Moment(now), &|_| false);
            left.push(crowd.iter().filter(|&&slot| is_left(&core, slot)).count());
        }
        assert_eq!(left, [92, 84, 76, 68, 60, 60]);
        assert_eq!(core.evictees.capacity(), 0);
    }
}
