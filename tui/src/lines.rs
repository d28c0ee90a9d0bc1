//! What the server's lines say. Whatever is not known here is shown as it is.

/// More characters than any server allows in a name, for a line is no name.
const NAME_CHARS_MAX: usize = 32;

/// A line of the server's, as far as it means something to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Somebody said something.
    Said {
        /// Who.
        author: &'a str,
    },
    /// Somebody came into our room.
    Joined(&'a str),
    /// Somebody left it.
    Left(&'a str),
    /// Somebody, perhaps we, has another name now.
    Renamed {
        /// The name before.
        old: &'a str,
        /// The name now.
        new: &'a str,
    },
    /// So many came and went that they are only counted.
    Tally,
    /// The server has given us a name.
    YouAre(&'a str),
    /// We are in this room now.
    YouJoined(&'a str),
    /// We are no longer in this room.
    YouLeft,
    /// Somebody else has the name that we asked for.
    NameTaken(&'a str),
    /// What we asked for is no name.
    NameInvalid,
    /// We cannot go to the room that we asked for.
    RoomRefused,
    /// What we asked for is no room's name.
    RoomInvalid,
    /// What we said has more characters than these.
    TooLong(usize),
    /// The rooms there are, with how many are in each.
    Rooms(List<(&'a str, u32)>),
    /// Who is in our room.
    Users(List<&'a str>),
    /// A line of the server's help.
    Help,
    /// So many lines follow that were said before we came.
    History(u32),
    /// The server goes down, and we shall not come back for so many seconds.
    StayAway(u64),
    /// We are sent away because we have said nothing for long.
    Idle,
    /// The server rejects this connection, and will reject the next if that comes soon.
    Rejected,
    /// The port that we have connected to wants TLS.
    NeedsTls,
    /// Anything else.
    Other,
}

/// The answer to a question for a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct List<T> {
    /// What was told.
    pub(crate) entries: Vec<T>,
    /// How many there are besides.
    pub(crate) more: u32,
}

impl<'a> Line<'a> {
    /// Nothing that somebody says can be taken for anything else: it comes after a name and a
    /// colon, and no other line begins so.
    pub(crate) fn parse(line: &'a str) -> Self {
        if let Some((author, _)) = line.split_once(": ")
            && is_name(author)
        {
            return Self::Said { author };
        }
        if let Some(list) = line.strip_prefix("Rooms - ") {
            return Self::Rooms(parse_list(list, room));
        }
        if let Some(list) = line.strip_prefix("Users - ") {
            return Self::Users(parse_list(list, Some));
        }
        if line == "Server commands" || line.starts_with("  /") {
            return Self::Help;
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["You", "are", name] => Self::YouAre(name),
            ["You", "joined", room] | ["You", "are", "in", room] => Self::YouJoined(room),
            ["You", "left", _] => Self::YouLeft,
            [name, "joined"] => Self::Joined(name),
            [name, "left"] => Self::Left(name),
            [old, "is", "now", new] => Self::Renamed { old, new },
            [_, "joined,", _, "left"] => Self::Tally,
            [name, "is", "already", "taken"] => Self::NameTaken(name),
            ["Name", "must", "be", ..] => Self::NameInvalid,
            ["Room", "must", "be", ..] => Self::RoomInvalid,
            ["Messages", "can", "only", "be", max, "chars", "long"] => {
                max.parse().map_or(Self::Other, Self::TooLong)
            }
            ["Room", _, "is", "not", "there", "to", "join:", ..] => Self::RoomRefused,
            ["Last", count, "messages:"] => count.parse().map_or(Self::Other, Self::History),
            ["Please", "do", "not", "come", "back", "before", seconds, "s", "have", "passed"] => {
                seconds.parse().map_or(Self::Other, Self::StayAway)
            }
            ["You", "have", "said", "nothing", "for", _, "s,", "bye!"] => Self::Idle,
            ["There", "are", "too", "many", "connections", ..]
            | ["Your", "address", "has", "connected", "too", "often,", ..]
            | ["Server", "is", "full,", ..]
            | ["Server", "is", "short", "of", "memory,", ..] => Self::Rejected,
            ["This", "port", "speaks", "TLS:", ..] => Self::NeedsTls,
            _ => Self::Other,
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= NAME_CHARS_MAX
        && !text.contains(|c: char| c.is_whitespace() || c == ':')
}

/// Entries between commas, then perhaps how many more there are, and perhaps that some are missing.
fn parse_list<'a, T>(list: &'a str, entry: impl Fn(&'a str) -> Option<T>) -> List<T> {
    let (list, _) = list.split_once(" (incomplete").unwrap_or((list, ""));
    let mut more = 0;
    let mut entries = vec![];
    for part in list.split(", ").filter(|part| !part.is_empty()) {
        match part.strip_prefix("… and ").and_then(|rest| rest.strip_suffix(" more")) {
            Some(count) => more = count.parse().unwrap_or(0),
            None => entries.extend(entry(part)),
        }
    }
    List { entries, more }
}

/// A room and how many are in it, as in `main (3)`.
fn room(text: &str) -> Option<(&str, u32)> {
    let (name, count) = text.strip_suffix(')')?.split_once(" (")?;
    Some((name, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_contract_is_known() {
        for (line, expected) in [
            ("bob: hi", Line::Said { author: "bob" }),
            ("bob: You joined main", Line::Said { author: "bob" }),
            ("bob: Users - a, b", Line::Said { author: "bob" }),
            ("Last: 3 messages:", Line::Said { author: "Last" }),
            ("bob joined", Line::Joined("bob")),
            ("You joined", Line::Joined("You")),
            ("bob left", Line::Left("bob")),
            ("bob is now eve", Line::Renamed { old: "bob", new: "eve" }),
            ("12 joined, 3 left", Line::Tally),
            ("You are bob", Line::YouAre("bob")),
            ("You joined den", Line::YouJoined("den")),
            ("You are in den", Line::YouJoined("den")),
            ("You left den", Line::YouLeft),
            ("bob is already taken", Line::NameTaken("bob")),
            (
                "Room den is not there to join: you make rooms too quickly, wait a little",
                Line::RoomRefused,
            ),
            ("Name must be 2 - 20 alphanumeric chars", Line::NameInvalid),
            ("Room must be 2 - 20 alphanumeric chars", Line::RoomInvalid),
            ("Messages can only be 400 chars long", Line::TooLong(400)),
            (
                "There are too many connections from your address, please close one first",
                Line::Rejected,
            ),
            ("Your address has connected too often, please try again in a minute", Line::Rejected),
            ("Server is full, please try again later", Line::Rejected),
            ("Server is short of memory, please try again later", Line::Rejected),
            ("Server is very busy and dropped 3 messages, sorry!", Line::Other),
            ("Server: is full, bye", Line::Said { author: "Server" }),
            ("Server commands", Line::Help),
            ("  /quit - quit server", Line::Help),
            ("Last 20 messages:", Line::History(20)),
            ("Last many messages:", Line::Other),
            ("Please do not come back before 7 s have passed", Line::StayAway(7)),
            ("You have said nothing for 60 s, bye!", Line::Idle),
            (
                "This port speaks TLS: try `openssl s_client -quiet -connect HOST:PORT`",
                Line::NeedsTls,
            ),
            ("Server is shutting down, bye!", Line::Other),
            ("Unrecognized command /x, try /help", Line::Other),
            ("", Line::Other),
            (": no author", Line::Other),
        ] {
            assert_eq!(Line::parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn lists_have_entries_and_perhaps_more() {
        let rooms = |entries: &[(&'static str, u32)], more| {
            Line::Rooms(List { entries: entries.to_vec(), more })
        };
        let users =
            |entries: &[&'static str], more| Line::Users(List { entries: entries.to_vec(), more });
        for (line, expected) in [
            ("Rooms - main (12), den (2)", rooms(&[("main", 12), ("den", 2)], 0)),
            ("Rooms - main (12), … and 7 more", rooms(&[("main", 12)], 7)),
            ("Rooms - ", rooms(&[], 0)),
            ("Rooms - odd, main (1)", rooms(&[("main", 1)], 0)),
            ("Users - a1, b2", users(&["a1", "b2"], 0)),
            (
                "Users - a1, … and 3 more (incomplete: 1 shards did not answer in time)",
                users(&["a1"], 3),
            ),
            ("Users - a1 (incomplete: 1 shards did not answer in time)", users(&["a1"], 0)),
        ] {
            assert_eq!(Line::parse(line), expected, "{line:?}");
        }
    }
}
