//! What a room remembers of what was said, at its home: the last messages, for those who come
//! later.

use crate::core::log::{Log, Shares, Spares};
use crate::model::{Limits, Name, Past, Since, Stamp, past};

/// The last messages of one life of a room. Empty, it owns no memory.
#[derive(Debug)]
pub struct History {
    epoch: u64,
    log: Log,
    /// The number of the last message that was said, forgotten or not.
    last_seq: u64,
}

/// Bytes before each message in the log: the number of the one before it, so that it is known what
/// was forgotten when that one is.
const LINK_BYTES: usize = 8;

impl History {
    /// That of a room that begins, whose life is named `epoch`.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self { epoch, log: Log::default(), last_seq: 0 }
    }

    /// Remembers a message, and forgets the oldest if there are too many.
    #[inline]
    pub fn add(
        &mut self,
        spares: &mut Spares,
        limits: &Limits,
        stamp: Stamp,
        author: &Name,
        text: &str,
    ) {
        let previous = std::mem::replace(&mut self.last_seq, stamp.seq);
        if limits.history_messages_max > 0 {
            self.remember(spares, limits, previous, (stamp, author, text));
        }
    }

    // Never inlined for the sake of rooms that remember nothing.
    #[inline(never)]
    fn remember(
        &mut self,
        spares: &mut Spares,
        limits: &Limits,
        previous: u64,
        (stamp, author, text): (Stamp, &Name, &str),
    ) {
        self.log.append(spares, &Shares::of_history(limits), |bytes| {
            bytes.extend_from_slice(&previous.to_le_bytes());
            past::encode(stamp, author, text, bytes);
        });
        self.log.recount(spares);
    }

    /// What somebody is told who knows what was said up to `since`.
    #[must_use]
    pub fn since(&self, since: Since) -> Past {
        let is_same_life = since.epoch == self.epoch;
        let known = if is_same_life { since.seq } else { 0 };
        // The message that comes next on the way back, if nothing is missing.
        let mut expected = self.last_seq;
        let mut is_missing = false;
        let mut messages = vec![];
        for frame in (self.log.first()..self.log.head()).rev() {
            let bytes = self.log.bytes(frame..frame + 1);
            let (link, message) = bytes.split_at(LINK_BYTES);
            let said = past::decode(message).next().expect("a message as it was written");
            if said.stamp.seq <= known {
                break;
            }
            // None is remembered that was said while that was turned off.
            is_missing |= said.stamp.seq != expected;
            expected = u64::from_le_bytes(link.try_into().expect("a link"));
            messages.push(message);
        }
        is_missing |= expected > known;
        let gap = if is_same_life { is_missing } else { since != Since::ALL };
        let messages = messages.into_iter().rev().flatten().copied().collect();
        Past { epoch: self.epoch, gap, messages }
    }

    /// Other limits hold from now on: forgets what is over them.
    pub fn trim(&mut self, spares: &mut Spares, limits: &Limits) {
        if limits.history_messages_max == 0 {
            self.log.release(spares);
        } else {
            self.log.trim(&Shares::of_history(limits));
            self.log.shrink(spares);
        }
    }

    /// Bytes of memory it holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.log.held_bytes()
    }

    /// Forgets most; how many bytes of memory that gives back.
    pub fn shed(&mut self, spares: &mut Spares) -> usize {
        self.log.shed(spares)
    }

    /// The room has ended: hands the memory on.
    pub fn discard(&mut self, spares: &mut Spares) {
        self.log.release(spares);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 7;

    /// A history of messages with these numbers, of which at most `max` are remembered.
    fn history(max: usize, numbers: &[u64]) -> History {
        let limits = Limits { history_messages_max: max, ..Limits::default() };
        let (mut spares, mut history) = (Spares::default(), History::new(EPOCH));
        let bob = Name::new("bob").unwrap();
        for &seq in numbers {
            let stamp = Stamp { seq, time: 1_000 + seq };
            history.add(&mut spares, &limits, stamp, &bob, &format!("message {seq}"));
        }
        assert_eq!(spares.held_bytes(), history.held_bytes());
        history
    }

    /// Whether something is missing, and the numbers of what is not.
    fn told(history: &History, epoch: u64, seq: u64) -> (bool, Vec<u64>) {
        let past = history.since(Since { epoch, seq });
        assert_eq!(past.epoch, EPOCH);
        for said in past.messages() {
            assert_eq!(said.author, "bob");
            assert_eq!(said.text, format!("message {}", said.stamp.seq));
            assert_eq!(said.stamp.time, 1_000 + said.stamp.seq);
        }
        (past.gap, past.messages().map(|said| said.stamp.seq).collect())
    }

    #[test]
    fn newcomers_are_told_the_last_and_miss_nothing() {
        let history = history(3, &[2, 3, 5, 8]);
        assert_eq!(told(&history, 0, 0), (false, vec![3, 5, 8]));
        assert_eq!(told(&self::history(1, &[2, 3]), 0, 0), (false, vec![3]));
    }

    #[test]
    fn who_was_here_is_told_what_came_after() {
        let history = history(3, &[2, 3, 5, 8]);
        assert_eq!(told(&history, EPOCH, 8), (false, vec![]));
        assert_eq!(told(&history, EPOCH, 9), (false, vec![]));
        assert_eq!(told(&history, EPOCH, 6), (false, vec![8]));
        assert_eq!(told(&history, EPOCH, 2), (false, vec![3, 5, 8]), "nothing else is forgotten");
        assert_eq!(told(&history, EPOCH, 1), (true, vec![3, 5, 8]));
    }

    #[test]
    fn who_was_in_another_life_of_the_room_may_have_missed_anything() {
        assert_eq!(told(&history(3, &[2, 3]), EPOCH + 1, 99), (true, vec![2, 3]));
        assert_eq!(told(&history(3, &[]), EPOCH + 1, 99), (true, vec![]));
    }

    #[test]
    fn what_was_said_while_nothing_was_remembered_is_missing() {
        let (mut spares, mut history) = (Spares::default(), History::new(EPOCH));
        let bob = Name::new("bob").unwrap();
        let mut say = |history: &mut History, max, seq| {
            let limits = Limits { history_messages_max: max, ..Limits::default() };
            let stamp = Stamp { seq, time: 1_000 + seq };
            history.add(&mut spares, &limits, stamp, &bob, &format!("message {seq}"));
        };
        (1..=3).for_each(|seq| say(&mut history, 9, seq));
        (4..=5).for_each(|seq| say(&mut history, 0, seq));
        assert_eq!(told(&history, EPOCH, 2), (true, vec![3]));
        assert_eq!(told(&history, EPOCH, 5), (false, vec![]));
        (6..=7).for_each(|seq| say(&mut history, 9, seq));
        assert_eq!(told(&history, EPOCH, 2), (true, vec![3, 6, 7]));
        assert_eq!(told(&history, EPOCH, 4), (true, vec![6, 7]));
        assert_eq!(told(&history, EPOCH, 5), (false, vec![6, 7]));
    }

    #[test]
    fn a_lowered_limit_trims_at_once() {
        let mut history = history(9, &[2, 3, 5, 8]);
        let mut spares = Spares::default();
        let limits = |history_messages_max| Limits { history_messages_max, ..Limits::default() };
        // Its memory is in another account here, which does not matter to what is kept.
        history.log.forget_account();
        history.trim(&mut spares, &limits(2));
        assert_eq!(told(&history, 0, 0), (false, vec![5, 8]));
        history.trim(&mut spares, &limits(0));
        assert_eq!((told(&history, 0, 0), history.held_bytes()), ((false, vec![]), 0));
    }

    #[test]
    fn as_many_are_remembered_as_promised_however_long_they_are() {
        let limits = Limits { history_messages_max: 50, ..Limits::default() };
        let (mut spares, mut history) = (Spares::default(), History::new(EPOCH));
        let bob = Name::new("a-name-of-20-letters").unwrap();
        let longest = "😀".repeat(limits.message_chars_max);
        for seq in 1..=80 {
            history.add(&mut spares, &limits, Stamp { seq, time: seq }, &bob, &longest);
        }
        assert_eq!(history.since(Since::ALL).messages().count(), 50);
    }

    #[test]
    fn who_remembers_nothing_knows_how_much() {
        assert_eq!(told(&history(0, &[2, 3]), EPOCH, 2), (true, vec![]));
        assert_eq!(told(&history(0, &[2, 3]), EPOCH, 3), (false, vec![]));
    }
}
