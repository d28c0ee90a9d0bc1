//! Names of users and rooms: validated once, at the border, and compared without regard to ASCII
//! case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use compact_str::CompactString;

/// The shortest name, in characters.
pub const NAME_CHARS_MIN: usize = 2;
/// The longest name, in characters; chosen so that a name never needs memory of its own.
pub const NAME_CHARS_MAX: usize = 20;

/// A valid name of a user or a room, in the spelling its owner chose: 2 to 20 of `A-Z a-z 0-9 - _`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(CompactString);

/// Names that no user takes, because lines of the server begin with these words; folded.
const RESERVED: [&str; 2] = ["you", "server"];

/// A name as the directories know it: ASCII upper case folded to lower.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(CompactString);

impl Hash for Key {
    /// Without the mark behind it that texts have: nothing is hashed behind a key, and every
    /// message is looked up by that of its room.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.as_bytes());
    }
}

/// A text that is no name. What to tell the user depends on what was to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName;

impl Name {
    /// Accepts `text` as a name.
    ///
    /// # Errors
    /// [`InvalidName`] when it has a wrong length or a character outside the alphabet.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = (NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if valid { Ok(Self(CompactString::new(text))) } else { Err(InvalidName) }
    }

    /// The name in its owner's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a user of this name would be taken for the server, or for its reader.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED.iter().any(|word| word.eq_ignore_ascii_case(&self.0))
    }

    /// Which of two names comes first, without regard to ASCII case.
    #[must_use]
    pub fn cmp_folded(&self, other: &Self) -> Ordering {
        let (a, b) = (self.0.bytes(), other.0.bytes());
        a.map(|c| c.to_ascii_lowercase()).cmp(b.map(|c| c.to_ascii_lowercase()))
    }

    /// The name for comparison and look-up.
    #[must_use]
    pub fn key(&self) -> Key {
        let mut folded = self.0.clone();
        folded.make_ascii_lowercase();
        Key(folded)
    }
}

impl Key {
    /// The folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_words_of_the_alphabet_are_names() {
        for good in ["ab", "A-b_9", "12345678901234567890"] {
            assert_eq!(Name::new(good).map(|n| n.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "a", "123456789012345678901", "a b", "añb", "a/b", "ab\n", "ab\u{202e}"] {
            assert_eq!(Name::new(bad), Err(InvalidName), "{bad:?}");
        }
    }

    #[test]
    fn case_is_folded_for_comparison_only() {
        let (shown, other) = (Name::new("BoB-1").unwrap(), Name::new("bOb-1").unwrap());
        assert_eq!(shown.key(), other.key());
        assert_eq!(shown.as_str(), "BoB-1");
        assert_eq!(shown.key().as_str(), "bob-1");
    }

    #[test]
    fn the_words_that_begin_the_servers_lines_are_reserved() {
        let is_reserved = |text| Name::new(text).unwrap().is_reserved();
        assert!(["You", "you", "YOU", "Server", "sErver"].into_iter().all(is_reserved));
        assert!(!["Youri", "Servers", "bob"].into_iter().any(is_reserved));
    }

    #[test]
    fn a_name_never_needs_memory_of_its_own() {
        assert!(!Name::new(&"x".repeat(NAME_CHARS_MAX)).unwrap().0.is_heap_allocated());
    }
}
