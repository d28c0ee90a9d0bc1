//! The line that is being typed, and those typed before.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::text::{columns, fitting};

/// The longest message that any server can be set to take.
const INPUT_CHARS_MAX: usize = 16_384;

/// How many lines are remembered.
const HISTORY_LINES_MAX: usize = 200;

/// A line with a cursor, and the lines before it.
#[derive(Debug, Default)]
pub(crate) struct Input {
    text: String,
    /// In bytes, between two characters as people see them.
    cursor: usize,
    history: VecDeque<String>,
    /// Which line of the history is shown, from the newest, and what was being typed before.
    recalled: Option<(usize, String)>,
}

impl Input {
    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What is before the cursor.
    pub(crate) fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Puts `text` where the cursor is. What a line cannot have becomes a blank.
    pub(crate) fn insert(&mut self, text: &str) {
        self.replace(self.cursor..self.cursor, text);
    }

    /// Puts `text` in place of what is there, and the cursor behind it.
    pub(crate) fn replace(&mut self, range: Range<usize>, text: &str) {
        let kept = self.text.chars().count() - self.text[range.clone()].chars().count();
        let room = INPUT_CHARS_MAX.saturating_sub(kept);
        let text: String = text.chars().take(room).map(printable).collect();
        self.cursor = range.start + text.len();
        self.text.replace_range(range, &text);
        // What was put in may have become one character with what follows.
        self.cursor = self.boundary_from(self.cursor);
    }

    /// Takes the line out, and remembers it.
    pub(crate) fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        (self.cursor, self.recalled) = (0, None);
        if self.history.back() != Some(&line) {
            if self.history.len() == HISTORY_LINES_MAX {
                self.history.pop_front();
            }
            self.history.push_back(line.clone());
        }
        line
    }

    /// A character to the left.
    pub(crate) fn left(&mut self) {
        self.cursor = self.before().grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
    }

    /// A character to the right.
    pub(crate) fn right(&mut self) {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor += next.map_or(0, str::len);
    }

    /// To the start of the line.
    pub(crate) fn home(&mut self) {
        self.cursor = 0;
    }

    /// To its end.
    pub(crate) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// To the start of the word, or of the one before.
    pub(crate) fn word_left(&mut self) {
        let words = self.before().trim_end();
        let start = words.rfind(char::is_whitespace).map_or(0, |at| at + blank_bytes(words, at));
        // A joiner at the start of a word is one character with the blank before it.
        let mut starts = self.before().grapheme_indices(true).map(|(at, _)| at).rev();
        self.cursor = starts.find(|&at| at <= start).unwrap_or(0);
    }

    /// To the end of the word, or of the next.
    pub(crate) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let blanks = rest.len() - rest.trim_start().len();
        let word = rest[blanks..].find(char::is_whitespace).unwrap_or(rest.len() - blanks);
        self.cursor = self.boundary_from(self.cursor + blanks + word);
    }

    /// Removes the character before the cursor.
    pub(crate) fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.remove(self.cursor..end);
    }

    /// Removes the character after it.
    pub(crate) fn delete(&mut self) {
        let start = self.cursor;
        self.right();
        self.remove(start..self.cursor);
    }

    /// Removes the word before it.
    pub(crate) fn cut_word(&mut self) {
        let end = self.cursor;
        self.word_left();
        self.remove(self.cursor..end);
    }

    /// Removes all before it.
    pub(crate) fn cut_to_start(&mut self) {
        self.remove(0..self.cursor);
    }

    /// Removes all after it.
    pub(crate) fn cut_to_end(&mut self) {
        self.remove(self.cursor..self.text.len());
    }

    /// Shows the line before the one that is shown.
    pub(crate) fn older(&mut self) {
        let next = self.recalled.as_ref().map_or(0, |(at, _)| at + 1);
        if next < self.history.len() {
            let draft = match self.recalled.take() {
                Some((_, draft)) => draft,
                None => std::mem::take(&mut self.text),
            };
            self.recalled = Some((next, draft));
            self.show(self.history[self.history.len() - 1 - next].clone());
        }
    }

    /// Shows the line after it, and in the end what was being typed.
    pub(crate) fn newer(&mut self) {
        match self.recalled.take() {
            Some((0, draft)) => self.show(draft),
            Some((at, draft)) => {
                self.recalled = Some((at - 1, draft));
                self.show(self.history[self.history.len() - at].clone());
            }
            None => {}
        }
    }

    /// The part of the line that is seen in so many columns, and the cursor's column in it.
    pub(crate) fn window(&self, columns_max: usize) -> (&str, usize) {
        let room = columns_max.saturating_sub(1);
        let mut start = 0;
        for grapheme in self.before().graphemes(true) {
            if columns(&self.text[start..self.cursor]) <= room {
                break;
            }
            start += grapheme.len();
        }
        (fitting(&self.text[start..], columns_max), columns(&self.text[start..self.cursor]))
    }

    fn show(&mut self, text: String) {
        self.text = text;
        self.end();
    }

    fn remove(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    /// The first place from `at` on that is between two characters.
    fn boundary_from(&self, at: usize) -> usize {
        let mut starts = self.text.grapheme_indices(true).map(|(start, _)| start);
        starts.find(|&start| start >= at).unwrap_or(self.text.len())
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn blank_bytes(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A line with the cursor where `|` is.
    fn line(marked: &str) -> Input {
        let cursor = marked.find('|').expect("a cursor");
        Input { text: marked.replace('|', ""), cursor, ..Input::default() }
    }

    fn marked(input: &Input) -> String {
        format!("{}|{}", input.before(), &input.text[input.cursor..])
    }

    #[test]
    fn keys_move_and_remove() {
        type Key = fn(&mut Input);
        for (before, key, after) in [
            ("ab|c", Input::left as Key, "a|bc"),
            ("|abc", Input::left, "|abc"),
            ("👩‍👩‍👧|", Input::left, "|👩‍👩‍👧"),
            ("a|日b", Input::right, "a日|b"),
            ("abc|", Input::right, "abc|"),
            ("ab|c", Input::home, "|abc"),
            ("ab|c", Input::end, "abc|"),
            ("one two|", Input::word_left, "one |two"),
            ("one two  | x", Input::word_left, "one |two   x"),
            ("one|", Input::word_left, "|one"),
            ("one\u{3000}two|", Input::word_left, "one\u{3000}|two"),
            ("|one two", Input::word_right, "one| two"),
            ("one|  two x", Input::word_right, "one  two| x"),
            ("one two|", Input::word_right, "one two|"),
            ("ae\u{301}|b", Input::backspace, "a|b"),
            ("|b", Input::backspace, "|b"),
            ("a|👩‍👩‍👧b", Input::delete, "a|b"),
            ("one two |three", Input::cut_word, "one |three"),
            ("one two| three", Input::cut_to_start, "| three"),
            ("one two| three", Input::cut_to_end, "one two|"),
        ] {
            let mut input = line(before);
            key(&mut input);
            assert_eq!(marked(&input), after, "from {before}");
        }
    }

    #[test]
    fn what_is_pasted_is_one_line_and_not_endless() {
        let mut input = line("a|b");
        input.insert("one\r\ntwo\x1b");
        assert_eq!(marked(&input), "aone  two |b");
        input.insert(&"x".repeat(2 * INPUT_CHARS_MAX));
        assert_eq!(input.text().chars().count(), INPUT_CHARS_MAX);
    }

    #[test]
    fn lines_come_back_and_the_draft_too() {
        let mut input = Input::default();
        for sent in ["one", "two", "two"] {
            input.insert(sent);
            assert_eq!(input.take(), sent);
        }
        input.insert("draft");
        let mut shown = vec![];
        for key in [Input::older, Input::older, Input::older, Input::newer, Input::newer] {
            key(&mut input);
            shown.push(marked(&input));
        }
        assert_eq!(shown, ["two|", "one|", "one|", "two|", "draft|"]);
        input.newer();
        assert_eq!(marked(&input), "draft|");
    }

    #[test]
    fn only_so_many_lines_are_remembered() {
        let mut input = Input::default();
        for number in 0..2 * HISTORY_LINES_MAX {
            input.insert(&number.to_string());
            input.take();
        }
        assert_eq!(input.history.len(), HISTORY_LINES_MAX);
        assert_eq!(input.history[0], HISTORY_LINES_MAX.to_string());
    }

    #[test]
    fn the_cursor_is_always_seen() {
        for (text, columns_max, window) in [
            ("abc|", 10, ("abc", 3)),
            ("abcdef|", 4, ("def", 3)),
            ("ab|cdef", 4, ("abcd", 2)),
            ("日本語|", 4, ("語", 2)),
            ("abcdef|gh", 4, ("defg", 3)),
        ] {
            assert_eq!(line(text).window(columns_max), window, "{text} in {columns_max}");
        }
    }

    proptest! {
        #[test]
        fn the_cursor_is_never_inside_a_character(
            keys in vec((0_usize..13, "[ab é日\u{301}\u{200d}👩👧]{0,3}"), 0..40),
            columns_max in 2_usize..9,
        ) {
            const KEYS: [fn(&mut Input); 12] = [
                Input::left, Input::right, Input::home, Input::end, Input::word_left,
                Input::word_right, Input::backspace, Input::delete, Input::cut_word,
                Input::cut_to_start, Input::cut_to_end, Input::older,
            ];
            let mut input = Input::default();
            for (key, text) in keys {
                match KEYS.get(key) {
                    Some(key) => key(&mut input),
                    None => input.insert(&text),
                }
                prop_assert!(input.text.is_char_boundary(input.cursor));
                prop_assert_eq!(input.boundary_from(input.cursor), input.cursor);
                let (seen, column) = input.window(columns_max);
                prop_assert!(columns(seen) <= columns_max && column < columns_max);
            }
        }
    }
}
