//! What should be: plain maps, filled from what homes decided, held against what clients saw.

use std::collections::{HashMap, VecDeque};

use super::client::Client;
use crate::core::journal::Entry;
use crate::model::{CloseReason, Key, SessionId};

/// A stay of one session in one room: the events it is to see.
#[derive(Debug)]
struct Stay {
    room: Key,
    /// Which of the rooms that have had this name.
    life: usize,
    /// The event after which it came in.
    after: u64,
    /// The last event it is to see, once that is known.
    until: Option<u64>,
}

/// All decisions up to now.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Events of every room, life after life; event `n` is at index `n - 1`.
    rooms: HashMap<Key, Vec<Vec<String>>>,
    stays: HashMap<SessionId, Vec<Stay>>,
}

impl Oracle {
    pub(super) fn learn(&mut self, entry: Entry) {
        match entry {
            Entry::Founded(room) => self.rooms.entry(room).or_default().push(vec![]),
            Entry::Event(room, seq, line) => {
                let life = self.rooms.get_mut(&room).and_then(|lives| lives.last_mut());
                let events = life.expect("events come after the founding");
                events.push(line);
                assert_eq!(events.len() as u64, seq, "events are numbered without a gap");
            }
            Entry::Entered(room, session, after) => {
                let life = self.rooms[&room].len() - 1;
                let stays = self.stays.entry(session).or_default();
                assert!(stays.iter().all(|s| s.room != room || s.until.is_some()), "already in");
                stays.push(Stay { room, life, after, until: None });
            }
            Entry::Left(room, session, until) => {
                let stays = self.stays.get_mut(&session).expect("who leaves has come");
                let stay = stays.iter_mut().find(|s| s.room == room && s.until.is_none());
                stay.expect("who leaves is in").until = Some(until);
            }
        }
    }

    /// Rooms and how many are in them.
    pub(super) fn members(&self) -> HashMap<Key, u32> {
        let mut members = HashMap::new();
        for stay in self.stays.values().flatten().filter(|s| s.until.is_none()) {
            *members.entry(stay.room.clone()).or_default() += 1;
        }
        members
    }

    fn events_of(&self, stay: &Stay) -> impl Iterator<Item = &str> {
        let events = &self.rooms[&stay.room][stay.life];
        let until = stay.until.map_or(events.len(), |n| n as usize);
        events[(stay.after as usize).min(until)..until].iter().map(String::as_str)
    }

    /// Checks that `client` saw what it should: up to now, or all of it at rest.
    pub(super) fn check(&self, client: &Client, at_rest: bool) {
        let seen = &client.reader.lines;
        let end = seen.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let whole = str::from_utf8(&seen[..end]).expect("only UTF-8 is sent");
        let stays = self.stays.get(&client.session).map_or(&[][..], Vec::as_slice);
        let complete = at_rest && client.is_complete();
        for told in &client.reader.pasts {
            let mut stays = stays.iter().filter(|stay| stay.room.as_str() == told.room);
            self.check_past(stays.nth(told.stay).expect("a stay"), &told.messages);
        }
        if complete && client.wire.is_framed() {
            assert_eq!(client.reader.ended, client.closed.is_some(), "every end is told");
        }
        if client.many_rooms {
            self.check_many(whole, stays, complete);
        } else {
            let seen_off = client.closed == Some(CloseReason::Drain);
            self.check_one(whole, stays, complete, seen_off);
        }
    }

    /// Who came in was told the last of what was said before, and nothing else.
    fn check_past(&self, stay: &Stay, told: &[(u64, String)]) {
        let events = self.rooms[&stay.room][stay.life].iter().take(stay.after as usize);
        let said = (1..).zip(events).filter(|(_, line)| line.contains(": "));
        let said: Vec<(u64, &str)> = said.map(|(seq, line)| (seq, line.as_str())).collect();
        let told: Vec<(u64, &str)> = told.iter().map(|(seq, line)| (*seq, line.as_str())).collect();
        assert!(said.ends_with(&told), "{told:?} of {said:?}");
    }

    /// One room at a time: every line must be the next event of the room, or something private. Who
    /// is seen off need not see others go.
    fn check_one(&self, seen: &str, stays: &[Stay], complete: bool, seen_off: bool) {
        let mut stays = stays.iter();
        let mut expected: VecDeque<&str> = VecDeque::new();
        for line in seen.lines() {
            if line.starts_with("You joined ") {
                assert!(expected.is_empty(), "not seen before leaving: {expected:?}");
                expected = self.events_of(stays.next().expect("a stay")).collect();
            } else if let Some(missed) = missed(line) {
                assert!((1..=expected.len()).contains(&missed), "told of {missed} missed");
                expected.drain(..missed);
            } else if !is_private(line) {
                assert_eq!(expected.pop_front(), Some(line), "the next event");
            }
        }
        if complete {
            expected.retain(|line| !seen_off || line.contains(": "));
            assert!(expected.is_empty(), "never seen: {expected:?}");
            assert!(stays.next().is_none(), "a stay without a word");
        }
    }

    /// Many rooms at a time: the messages of each room, told apart by what they say, must come in
    /// its order.
    fn check_many(&self, seen: &str, stays: &[Stay], complete: bool) {
        let mut expected: HashMap<&str, VecDeque<&str>> = HashMap::new();
        for stay in stays {
            let said = self.events_of(stay).filter(|line| line.contains('@'));
            expected.entry(stay.room.as_str()).or_default().extend(said);
        }
        let may_miss = seen.lines().any(|line| missed(line).is_some());
        for line in seen.lines().filter(|line| line.contains('@')) {
            let (_, room) = line.rsplit_once('@').expect("a room");
            let room = room.to_ascii_lowercase();
            let expected = expected.get_mut(room.as_str()).expect("a room it was in");
            while may_miss && expected.front().is_some_and(|&next| next != line) {
                expected.pop_front();
            }
            assert_eq!(expected.pop_front(), Some(line), "the next message of {room}");
        }
        if complete && !may_miss {
            assert!(expected.values().all(VecDeque::is_empty), "never seen: {expected:?}");
        }
    }
}

/// How many messages `line` says were missed.
pub(super) fn missed(line: &str) -> Option<usize> {
    let count = line.strip_prefix("Server is very busy and dropped ")?;
    Some(count.strip_suffix(" messages, sorry!")?.parse().expect("a number"))
}

fn is_private(line: &str) -> bool {
    [
        "You ",
        "Server ",
        "  /",
        "Users - ",
        "Rooms - ",
        "Name must",
        "Room ",
        "Unrecognized ",
        "Messages ",
        "Internal error, ",
        "Not a request ",
    ]
    .iter()
    .any(|prefix| line.starts_with(prefix))
        || line.ends_with(" is already taken")
}
