//! Text from others, made fit for a terminal: harmless, and in rows.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Where the pictures of control characters begin.
const PICTURES: u32 = 0x2400;
const PICTURE_OF_DELETE: char = '␡';
/// A character may be two columns wide, and has to go somewhere.
const COLUMNS_MIN: usize = 2;

/// `text` with nothing in it that a terminal would obey, or that reorders what is around it: such
/// characters are shown instead.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            '\0'..='\u{1f}' => out.extend(char::from_u32(PICTURES + u32::from(c))),
            '\u{7f}' => out.push(PICTURE_OF_DELETE),
            _ if c.is_control() || reorders(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The rows of `text` in so many columns, broken between words where that is possible.
pub(crate) fn wrap(text: &str, columns_max: usize) -> Vec<Range<usize>> {
    let columns_max = columns_max.max(COLUMNS_MIN);
    let mut rows = vec![];
    let (mut start, mut used, mut word) = (0, 0, None);
    for (at, grapheme) in text.grapheme_indices(true) {
        let (columns, blank) = (grapheme.width(), grapheme == " ");
        while used > 0 && used + columns > columns_max {
            let end = if blank { at } else { word.unwrap_or(at) };
            rows.push(start..start + text[start..end].trim_end().len());
            (start, used, word) = (end, text[end..at].width(), None);
        }
        if blank && used == 0 && start > 0 {
            start = at + 1;
            continue;
        }
        used += columns;
        if blank {
            word = Some(at + 1);
        }
    }
    if start < text.len() || rows.is_empty() {
        rows.push(start..text.len());
    }
    rows
}

/// The beginning of `text` that fits into so many columns.
pub(crate) fn fitting(text: &str, columns_max: usize) -> &str {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme.width();
        if used > columns_max {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, columns_max: usize) -> Vec<&str> {
        wrap(text, columns_max).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, shown) in [
            ("a\u{1b}[31mred\u{7}", "a␛[31mred␇"),
            ("\0\r\u{7f}", "␀␍␡"),
            ("\u{9b}2J\u{85}", "\\u{9b}2J\\u{85}"),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("a\tb", "a    b"),
            ("ünï 日本 👩‍👩‍👧 العربية", "ünï 日本 👩‍👩‍👧 العربية"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }

    #[test]
    fn rows_break_between_words_and_inside_only_if_they_must() {
        for (text, columns_max, expected) in [
            ("", 5, &[""][..]),
            ("hello", 5, &["hello"]),
            ("hello you", 5, &["hello", "you"]),
            ("hello  you", 5, &["hello", "you"]),
            ("a bc def", 4, &["a bc", "def"]),
            ("abcdefg", 3, &["abc", "def", "g"]),
            ("a bcdefg", 3, &["a", "bcd", "efg"]),
            ("日本語です", 4, &["日本", "語で", "す"]),
            ("日本", 1, &["日", "本"]),
            ("👩‍👩‍👧👩‍👩‍👧", 3, &["👩‍👩‍👧", "👩‍👩‍👧"]),
            ("  indented", 12, &["  indented"]),
            ("end ", 3, &["end"]),
            ("a bc日", 4, &["a", "bc日"]),
            (" 👋é👋", 4, &["", "👋é", "👋"]),
        ] {
            assert_eq!(rows(text, columns_max), expected, "{text:?} in {columns_max}");
        }
    }

    #[test]
    fn what_fits_ends_before_what_does_not() {
        assert_eq!(
            (fitting("日本語", 5), fitting("abc", 3), fitting("abc", 0)),
            ("日本", "abc", "")
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_blanks_and_no_row_is_too_wide(
            text in "[a-c 日é👋\u{301}]{0,60}",
            columns_max in 2_usize..12,
        ) {
            let rows = rows(&text, columns_max);
            for row in &rows {
                prop_assert!(columns(row) <= columns_max, "{:?}", row);
            }
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&rows.concat()), bare(&text));
        }

        #[test]
        fn no_control_character_is_left(text in any::<String>()) {
            prop_assert!(!harmless(&text).contains(char::is_control));
        }
    }
}
