//! What a server says to clients beside answers and messages: why it rejects them, why it does not
//! do what they ask for, that it ends. A report has the first text of each kind, with its count.

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;

/// Kinds of texts that are kept of a run.
const KINDS_MAX: usize = 16;
/// Characters that are kept of a text.
const CHARS_MAX: usize = 200;

/// Beginnings of what Hubbub tells those whom it rejects, and what to do about it.
const REJECTIONS: &[(&str, &str)] = &[
    (
        "There are too many connections from your address",
        "that is its limit for one address: start it with the generator's network in --exempt \
         (127.0.0.0/8 is there by default), raise --address-connections-max, or lower \
         --connections",
    ),
    (
        "Your address has connected too often",
        "that is its rate limit for one address: start it with the generator's network in --exempt \
         (127.0.0.0/8 is there by default), raise --address-connects-per-minute, or set \
         connects_per_second",
    ),
    (
        "Server is full",
        "raise its --connections-max and its descriptor limit (ulimit -n), or lower --connections",
    ),
    ("Server is short of memory", "raise its --memory-max, or lower --connections"),
    ("This port speaks TLS", "load it with --tls"),
];

/// The same for what it says while they are connected.
const NOTICES: &[(&str, &str)] = &[
    ("You can be in ", ""),
    ("You have said nothing for ", "raise its --idle-seconds, or leave them at the default"),
    ("Please do not come back before ", ""),
    ("Server is shutting down", "it was stopped during the run"),
    ("Internal error", "its log says what went wrong"),
    ("Messages can only be ", "raise its --message-chars-max, or lower message_bytes"),
    ("Messages must be ", ""),
    ("Unrecognized command ", "it is another version, or no Hubbub at all"),
    ("Name must be ", ""),
];

/// What follows the name of a room that a client cannot make.
const NO_ROOM: &str = " is not there to join: ";
const NO_ROOM_ADVICE: &str = "rooms are limited: start it with the generator's network in \
                              --exempt, raise its --rooms-per-minute or --rooms-max, or lower \
                              --rooms";

/// What other servers say that has an answer.
const OTHERS: &[(Dialect, &str, &str)] = &[
    (
        Dialect::Resp,
        "DENIED",
        "to a Redis in protected mode only 127.0.0.1 is local, and many clients need more \
         addresses to come from: `redis-cli config set protected-mode no`, or fewer --connections",
    ),
    (Dialect::Resp, "ERR max number of clients", "raise its maxclients, or lower --connections"),
];

/// A text of a server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The first of its kind.
    pub text: String,
    /// Texts of this kind, which differ in hexadecimal digits at most.
    pub count: u64,
}

/// Texts of a server's, by kind, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// At most `KINDS_MAX` kinds.
    pub kinds: Vec<Word>,
    /// Texts of still other kinds.
    pub others: u64,
}

impl Words {
    /// Counts a text.
    pub fn add(&mut self, text: &str) {
        self.count(text.chars().take(CHARS_MAX).collect(), 1);
    }

    /// Adds what others heard.
    pub fn add_all(&mut self, other: Self) {
        self.others += other.others;
        other.kinds.into_iter().for_each(|word| self.count(word.text, word.count));
    }

    fn count(&mut self, text: String, count: u64) {
        if let Some(known) = self.kinds.iter_mut().find(|known| is_of_kind(&known.text, &text)) {
            known.count += count;
        } else if self.kinds.len() < KINDS_MAX {
            self.kinds.push(Word { text, count });
        } else {
            self.others += count;
        }
    }
}

/// Whether two texts differ in hexadecimal digits at most, as names of rooms and numbers do.
fn is_of_kind(a: &str, b: &str) -> bool {
    let rest = |text: &str| text.split(|c: char| c.is_ascii_hexdigit()).collect::<String>();
    rest(a) == rest(b)
}

/// Whether Hubbub rejects the client with this line.
#[must_use]
pub fn is_rejection(line: &str) -> bool {
    REJECTIONS.iter().any(|(begins, _)| line.starts_with(begins))
}

/// Whether Hubbub does not let the client into its room with this line.
#[must_use]
pub fn is_no_room(line: &str) -> bool {
    line.starts_with("Room ") && line.contains(NO_ROOM)
}

/// Whether Hubbub says this line itself, and not as the answer to a command that went well. Names
/// have no blanks, so that what users say begins like none of these.
#[must_use]
pub fn is_notice(line: &str) -> bool {
    NOTICES.iter().any(|(begins, _)| line.starts_with(begins))
}

/// What to do about a text of a server's, if that is known.
#[must_use]
pub fn advice(dialect: Dialect, text: &str) -> Option<&'static str> {
    if dialect.is_hubbub() && is_no_room(text) {
        return Some(NO_ROOM_ADVICE);
    }
    let of_hubbub = REJECTIONS.iter().chain(NOTICES).filter(|_| dialect.is_hubbub());
    let of_others = OTHERS.iter().filter(|(of, ..)| *of == dialect);
    of_hubbub
        .copied()
        .chain(of_others.map(|&(_, begins, advice)| (begins, advice)))
        .find(|(begins, advice)| text.starts_with(begins) && !advice.is_empty())
        .map(|(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_and_bounded() {
        let mut words = Words::default();
        words.add("Room lg12ab-7 is not there to join: you make rooms too quickly");
        words.add("Room lg12ab-19 is not there to join: you make rooms too quickly");
        words.add("Server is full, please try again later");
        let mut all = words.clone();
        all.add_all(words);
        assert_eq!(all.kinds.len(), 2);
        assert_eq!((all.kinds[0].count, all.kinds[1].count), (4, 2));
        assert!(all.kinds[0].text.contains("lg12ab-7 "), "the first is kept");
        for kind in 0..100 {
            all.add(&"x".repeat(300 + kind));
            all.add(&"y".repeat(kind));
        }
        assert_eq!(all.kinds.len(), KINDS_MAX);
        assert!(all.kinds.iter().all(|word| word.text.len() <= CHARS_MAX));
        let counted: u64 = all.kinds.iter().map(|word| word.count).sum();
        assert_eq!(counted + all.others, 206);
    }

    #[test]
    fn what_users_say_is_no_word_of_the_server() {
        for line in ["Server: Server is full", "Room: is not there", "Room joined", "Messages left"]
        {
            assert!(!is_rejection(line) && !is_notice(line) && !is_no_room(line), "{line}");
        }
    }

    #[test]
    fn advice_is_for_the_server_that_said_it() {
        let full = "Server is full, please try again later";
        assert!(advice(Dialect::Hubbub, full).is_some_and(|it| it.contains("--connections-max")));
        assert_eq!(advice(Dialect::Resp, full), None);
        let denied = "DENIED Redis is running in protected mode";
        assert!(advice(Dialect::Resp, denied).is_some_and(|it| it.contains("protected-mode no")));
        assert_eq!(advice(Dialect::Hubbub, "You can be in 32 rooms at most"), None);
    }
}
