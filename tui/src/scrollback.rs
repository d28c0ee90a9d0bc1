//! What has been said, up to a limit, and which part of it is looked at.

use std::collections::VecDeque;
use std::ops::Range;

use crate::text;

/// How many messages are kept.
const MESSAGES_MAX: usize = 5_000;

/// How many bytes of them, for messages that are unusually long.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// The time and a blank.
pub(crate) const TIME_COLUMNS: usize = 6;

/// How a message is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody's words. So many bytes at their beginning are the name.
    Said(usize),
    /// Something that somebody said before we came; the same.
    Old(usize),
    /// What the server or this program tells.
    Notice,
    /// The same, when it is not good.
    Alarm,
}

/// A line of the message pane, before it is broken into rows.
#[derive(Debug)]
pub(crate) struct Message {
    /// Hours and minutes; nothing if they are not known.
    pub(crate) time: String,
    /// What is shown, and harmless.
    pub(crate) text: String,
    /// How it is shown.
    pub(crate) kind: Kind,
}

/// A part of a message that fits into a row.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// The message.
    pub(crate) message: &'a Message,
    /// The part of its text.
    pub(crate) part: Range<usize>,
}

/// A row, as long as messages keep their widths. Messages are counted from the very first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    message: u64,
    row: usize,
}

/// The size of the pane, on which rows depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pane {
    /// With room for the time.
    pub(crate) columns: usize,
    /// How many are seen at once.
    pub(crate) rows: usize,
}

/// All messages that are kept.
#[derive(Debug, Default)]
pub(crate) struct Scrollback {
    messages: VecDeque<Message>,
    /// Bytes of their texts.
    bytes: usize,
    /// How many have been forgotten.
    forgotten: u64,
    /// The last row that is seen; none if that is always the newest.
    bottom: Option<Place>,
    /// How many messages have come since that was fixed.
    unseen: usize,
}

impl Scrollback {
    /// Adds a message at the end, and forgets the oldest if there are too many.
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += message.text.len();
        self.messages.push_back(message);
        self.unseen += usize::from(self.bottom.is_some());
        while self.messages.len() > MESSAGES_MAX || self.bytes > TEXT_BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else { return };
            self.bytes -= oldest.text.len();
            self.forgotten += 1;
        }
    }

    /// The rows to be seen, from the top.
    pub(crate) fn rows(&self, pane: Pane) -> Vec<Row<'_>> {
        let mut rows = Vec::with_capacity(pane.rows);
        let Some(bottom) = self.bottom(pane) else { return rows };
        let mut below = bottom.row + 1;
        for message in self.upwards_from(bottom.message) {
            let parts = parts(message, pane);
            let seen = parts.into_iter().take(below).rev();
            rows.extend(seen.map(|part| Row { message, part }).take(pane.rows - rows.len()));
            if rows.len() == pane.rows {
                break;
            }
            below = usize::MAX;
        }
        rows.reverse();
        rows
    }

    /// Looks so many rows further up, until the first row of all is at the top.
    pub(crate) fn up(&mut self, rows: usize, pane: Pane) {
        let Some(bottom) = self.bottom(pane) else { return };
        let (_, there_are) = self.above(bottom, rows + pane.rows.saturating_sub(1), pane);
        let rows = rows.min(there_are.saturating_sub(pane.rows.saturating_sub(1)));
        if rows > 0 {
            self.bottom = Some(self.above(bottom, rows, pane).0);
        }
    }

    /// Looks so many rows further down; at the end it stays there when more comes.
    pub(crate) fn down(&mut self, rows: usize, pane: Pane) {
        let Some(bottom) = self.bottom.and(self.bottom(pane)) else { return };
        let place = self.below(bottom, rows, pane);
        self.bottom = Some(place);
        if self.newest(pane) == Some(place) {
            self.follow();
        }
    }

    /// Looks at the newest again.
    pub(crate) fn follow(&mut self) {
        (self.bottom, self.unseen) = (None, 0);
    }

    /// How many messages have come below what is seen; none if the newest is seen.
    pub(crate) fn unseen(&self) -> Option<usize> {
        self.bottom.map(|_| self.unseen)
    }

    fn index(&self, message: u64) -> usize {
        usize::try_from(message - self.forgotten).unwrap_or(usize::MAX)
    }

    /// The messages from this one to the oldest.
    fn upwards_from(&self, message: u64) -> impl Iterator<Item = &Message> {
        self.messages.range(..=self.index(message)).rev()
    }

    fn newest(&self, pane: Pane) -> Option<Place> {
        let message = self.forgotten + self.messages.len().checked_sub(1)? as u64;
        Some(Place { message, row: parts(self.messages.back()?, pane).len() - 1 })
    }

    /// The last row to be seen. The one that it was may be of a message that is forgotten by now or
    /// has fewer rows, or have too few above it for the pane.
    fn bottom(&self, pane: Pane) -> Option<Place> {
        let newest = self.newest(pane)?;
        let Some(place) = self.bottom else { return Some(newest) };
        let place = Place { message: place.message.max(self.forgotten), ..place };
        let last = self.rows_of(place.message, pane) - 1;
        let place = Place { row: place.row.min(last), ..place };
        let others = pane.rows.saturating_sub(1);
        Some(self.below(self.above(place, others, pane).0, others, pane))
    }

    /// The row so many rows above this one, or the first one; and how many it is above.
    fn above(&self, from: Place, rows: usize, pane: Pane) -> (Place, usize) {
        let (mut place, mut left) = (from, rows);
        while left > place.row && place.message > self.forgotten {
            left -= place.row + 1;
            let message = place.message - 1;
            place = Place { message, row: self.rows_of(message, pane) - 1 };
        }
        let step = left.min(place.row);
        (Place { row: place.row - step, ..place }, rows - (left - step))
    }

    /// The row so many rows below this one, or the last one.
    fn below(&self, from: Place, rows: usize, pane: Pane) -> Place {
        let (mut place, mut left) = (from, rows);
        loop {
            let further = self.rows_of(place.message, pane) - 1 - place.row;
            if left <= further || self.index(place.message) + 1 == self.messages.len() {
                return Place { row: place.row + left.min(further), ..place };
            }
            left -= further + 1;
            place = Place { message: place.message + 1, row: 0 };
        }
    }

    fn rows_of(&self, message: u64, pane: Pane) -> usize {
        parts(&self.messages[self.index(message)], pane).len()
    }
}

fn parts(message: &Message, pane: Pane) -> Vec<Range<usize>> {
    text::wrap(&message.text, pane.columns.saturating_sub(TIME_COLUMNS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANE: Pane = Pane { columns: TIME_COLUMNS + 5, rows: 3 };

    fn with(texts: &[&str]) -> Scrollback {
        let mut scrollback = Scrollback::default();
        for text in texts {
            push(&mut scrollback, text);
        }
        scrollback
    }

    fn push(scrollback: &mut Scrollback, text: &str) {
        let (time, text) = ("12:00".to_owned(), text.to_owned());
        scrollback.push(Message { time, text, kind: Kind::Notice });
    }

    fn seen(scrollback: &Scrollback, pane: Pane) -> Vec<&str> {
        let rows = scrollback.rows(pane).into_iter();
        rows.map(|row| &row.message.text[row.part]).collect()
    }

    #[test]
    fn the_newest_rows_are_seen() {
        assert_eq!(seen(&with(&[]), PANE), [""; 0]);
        assert_eq!(seen(&with(&["a", "b"]), PANE), ["a", "b"]);
        assert_eq!(seen(&with(&["a", "b c", "hello you all"]), PANE), ["hello", "you", "all"]);
        assert_eq!(seen(&with(&["a", "hello you"]), PANE), ["a", "hello", "you"]);
        assert_eq!(seen(&with(&["one two six ten"]), PANE), ["two", "six", "ten"]);
    }

    #[test]
    fn scrolling_goes_by_rows_and_stops_at_both_ends() {
        let mut scrollback = with(&["a", "hello you all", "b", "c"]);
        scrollback.up(1, PANE);
        assert_eq!(seen(&scrollback, PANE), ["you", "all", "b"]);
        scrollback.up(2, PANE);
        assert_eq!(seen(&scrollback, PANE), ["a", "hello", "you"]);
        scrollback.up(100, PANE);
        assert_eq!(seen(&scrollback, PANE), ["a", "hello", "you"]);
        scrollback.down(2, PANE);
        assert_eq!(seen(&scrollback, PANE), ["you", "all", "b"]);
        assert!(scrollback.unseen().is_some());
        scrollback.down(100, PANE);
        assert_eq!((seen(&scrollback, PANE), scrollback.unseen()), (vec!["all", "b", "c"], None));
    }

    #[test]
    fn what_does_not_fill_the_pane_does_not_scroll() {
        let mut scrollback = with(&["a", "b"]);
        scrollback.up(5, PANE);
        assert_eq!((seen(&scrollback, PANE), scrollback.unseen()), (vec!["a", "b"], None));
    }

    #[test]
    fn what_is_looked_at_stays_when_more_comes() {
        let mut scrollback = with(&["a", "b", "c", "d"]);
        scrollback.up(1, PANE);
        push(&mut scrollback, "e");
        assert_eq!((seen(&scrollback, PANE), scrollback.unseen()), (vec!["a", "b", "c"], Some(1)));
        scrollback.follow();
        assert_eq!((seen(&scrollback, PANE), scrollback.unseen()), (vec!["c", "d", "e"], None));
    }

    #[test]
    fn a_wider_pane_keeps_the_message_that_is_looked_at() {
        let mut scrollback = with(&["a", "b", "hello you all", "c", "d"]);
        scrollback.up(2, PANE);
        let wide = Pane { columns: 40, ..PANE };
        assert_eq!(seen(&scrollback, wide), ["a", "b", "hello you all"]);
    }

    #[test]
    fn a_higher_pane_is_filled() {
        let mut scrollback = with(&["a", "b", "c", "d", "e"]);
        scrollback.up(100, PANE);
        assert_eq!(seen(&scrollback, Pane { rows: 4, ..PANE }), ["a", "b", "c", "d"]);
    }

    #[test]
    fn the_oldest_are_forgotten_even_while_they_are_looked_at() {
        let mut scrollback = with(&["first", "b", "c", "d"]);
        scrollback.up(1, PANE);
        for _ in 0..MESSAGES_MAX {
            push(&mut scrollback, "x");
        }
        assert_eq!(scrollback.messages.len(), MESSAGES_MAX);
        assert_eq!(seen(&scrollback, PANE), ["x"; 3]);
        push(&mut scrollback, &"y".repeat(TEXT_BYTES_MAX));
        assert_eq!(scrollback.messages.len(), 1);
    }
}
