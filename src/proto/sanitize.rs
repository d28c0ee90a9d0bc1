//! The one place where characters that could harm a reader's terminal are taken out.

use memchr::memchr2_iter;

const DELETE: u8 = 0x7f;
/// Begins U+0080 to U+00BF, of which the first half are control characters.
const LEADS_CONTROLS: u8 = 0xc2;
/// Begins U+2000 to U+2FFF, where those are that reorder text.
const LEADS_PUNCTUATION: u8 = 0xe2;

/// Whether all of `bytes` is printable ASCII: the usual case, decided without looking at single
/// characters.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // No early exit: this compiles to a few vector instructions for a whole message.
    bytes.iter().fold(true, |plain, b| plain & (b.wrapping_sub(b' ') < 0x5f))
}

/// Whether `c` may reach another user: no control character but the tab, no separator of lines or
/// paragraphs, nothing that reorders the text around it.
#[inline]
fn is_harmless(c: char) -> bool {
    // Both separators stand directly before those that reorder.
    let harms = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c == '\t' || !(c.is_control() || harms)
}

/// Whether some reader of lines splits them at `c`, be it a line end or one of ASCII's information
/// separators.
fn separates(c: char) -> bool {
    matches!(
        c,
        '\n'..='\r' | '\u{1c}'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// What another user gets to see in the place of `c`, if anything: what separates becomes a blank,
/// so that words on both sides of it stay apart.
pub(super) fn shown(c: char) -> Option<char> {
    match c {
        _ if is_harmless(c) => Some(c),
        _ if separates(c) => Some(' '),
        _ => None,
    }
}

/// `text` without separators at its ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(separates)
}

/// Whether every character of `text` may reach another user.
#[inline]
pub(super) fn is_clean(text: &str) -> bool {
    is_plain(text.as_bytes()) || is_clean_beyond_ascii(text)
}

fn is_clean_beyond_ascii(text: &str) -> bool {
    // As above, no early exit. In UTF-8 every harmful character that is no single byte begins with
    // one of two bytes, which most languages do without.
    let (controls, suspects) = text.bytes().fold((false, false), |(controls, suspects), b| {
        let control = ((b < b' ') & (b != b'\t')) | (b == DELETE);
        (controls | control, suspects | (b == LEADS_CONTROLS) | (b == LEADS_PUNCTUATION))
    });
    !controls && (!suspects || suspects_are_harmless(text))
}

/// Looks at the characters that the two suspicious bytes begin.
fn suspects_are_harmless(text: &str) -> bool {
    memchr2_iter(LEADS_CONTROLS, LEADS_PUNCTUATION, text.as_bytes())
        .all(|at| text[at..].chars().next().is_none_or(is_harmless))
}

/// Puts what may reach another user of `text` into `out`, in place of what was there.
pub(super) fn clean_into(text: &str, out: &mut String) {
    out.clear();
    let mut last = None;
    for c in trimmed(text).chars() {
        // A line end of two characters is one.
        if (last.replace(c), c) != (Some('\r'), '\n') {
            out.extend(shown(c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned(text: &str) -> String {
        let mut out = "stale".to_owned();
        clean_into(text, &mut out);
        out
    }

    #[test]
    fn terminal_controls_and_bidi_overrides_go_and_the_rest_stays() {
        assert_eq!(cleaned("a\u{1b}[31mb\0\u{7f}\u{9b}c"), "a[31mbc");
        assert_eq!(cleaned("\u{202a}l\u{202e}r\u{2066}i\u{2069}"), "lri");
        assert_eq!(cleaned("tab\tünï 日本 👩‍👩‍👧 العربية"), "tab\tünï 日本 👩‍👩‍👧 العربية");
    }

    #[test]
    fn separators_become_blanks_and_vanish_at_the_ends() {
        assert_eq!(cleaned("one\ntwo\r\nthree\rfour"), "one two three four");
        assert_eq!(
            cleaned("a\u{b}b\u{c}c\u{1c}d\u{1f}e\u{85}f\u{2028}g\u{2029}h"),
            "a b c d e f g h"
        );
        assert_eq!(cleaned("\n\u{2028}a\n\nb\r\n\u{85}"), "a  b");
    }

    #[test]
    fn every_harmful_character_is_noticed_and_no_other() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_clean(&format!("é{c}x")), is_harmless(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left_and_nothing_harmless_is_lost(text in ".*|[\\x00-\\xa0]*") {
            let out = cleaned(&text);
            prop_assert!(is_clean(&out));
            prop_assert_eq!(is_clean(&text), out == text);
            let bytes_ok = out.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f));
            prop_assert!(bytes_ok);
        }

        #[test]
        fn plain_means_printable_ascii(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(is_plain(&bytes), bytes.iter().all(|b| (0x20..0x7f).contains(b)));
        }
    }
}
