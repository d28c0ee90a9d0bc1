//! Events and replies to lines.

use std::fmt::Display;
use std::io::Write;

use super::telnet;
use crate::model::{CloseReason, Event, Past, Refusal, Reply};

const HELP: &str = "\
Server commands
  /help - print this message
  /name {name} - change name
  /rooms - list rooms
  /join {room} - joins room
  /users - list users in room
  /quit - quit server
";

const BARE_WORD: &str = "Commands begin with a slash: /help shows them, /quit leaves";

/// Appends a line made of `parts`.
#[inline]
fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
}

// See [`crate::proto::Decoder::next`].
#[inline(always)]
pub(in crate::proto) fn event(event: &Event<'_>, out: &mut Vec<u8>) {
    match event {
        Event::Said { author, text } => line(out, &[author.as_str(), ": ", text]),
        Event::Joined(name) => line(out, &[name.as_str(), " joined"]),
        Event::Left(name) => line(out, &[name.as_str(), " left"]),
        Event::Renamed { old, new } => line(out, &[old.as_str(), " is now ", new.as_str()]),
        Event::Tally { joined, left } => put(out, format_args!("{joined} joined, {left} left\n")),
    }
}

/// The same with CR LF at its end.
// Never inlined, as it would be on the way of lines that end in LF.
#[inline(never)]
pub(in crate::proto) fn telnet_event(it: &Event<'_>, out: &mut Vec<u8>) {
    event(it, out);
    out.pop();
    out.extend_from_slice(b"\r\n");
}

/// A reply with CR LF at the ends of its lines.
pub(in crate::proto) fn telnet_reply(it: &Reply<'_>, out: &mut Vec<u8>) {
    if let Reply::Telnet(answer) = *it {
        return telnet::answer(answer, out);
    }
    let mut lines = vec![];
    reply(it, &mut lines);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => out.extend([text, b"\r\n"].concat()),
            None => out.extend_from_slice(line),
        }
    }
}

pub(in crate::proto) fn reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match *reply {
        Reply::Help => out.extend_from_slice(HELP.as_bytes()),
        Reply::Welcome { name, .. } => {
            out.extend_from_slice(HELP.as_bytes());
            line(out, &["You are ", name.as_str()]);
        }
        Reply::Resumed { name, .. } => line(out, &["You are back, ", name.as_str()]),
        Reply::ResumeFailed => {
            line(out, &["That session is gone: ask for your name, and join your rooms"]);
        }
        Reply::Replaced => line(out, &["You go on from another connection, bye!"]),
        Reply::YouAre(name) => line(out, &["You are ", name.as_str()]),
        Reply::Entered { room, .. } => line(out, &["You joined ", room.as_str()]),
        Reply::Past(_, past) => history(past, out),
        Reply::YouAreIn(room) => line(out, &["You are in ", room.as_str()]),
        Reply::YouLeft(room) => line(out, &["You left ", room.as_str()]),
        Reply::NotInRoom => line(out, &["You are not in that room"]),
        Reply::TooManyRooms { max } => {
            put(out, format_args!("You can be in {max} rooms at most\n"))
        }
        Reply::RoomRefused(room, refusal) => {
            line(out, &["Room ", room.as_str(), " is not there to join: ", why_refused(refusal)]);
        }
        Reply::NameTaken(name) => line(out, &[name.as_str(), " is already taken"]),
        Reply::NameInvalid => line(out, &["Name must be 2 - 20 alphanumeric chars"]),
        Reply::RoomInvalid => line(out, &["Room must be 2 - 20 alphanumeric chars"]),
        Reply::Rooms { rooms, more, missing } => {
            let entries = rooms.iter().map(|r| format!("{} ({})", r.name, r.members));
            list(out, "Rooms", entries, more, missing);
        }
        Reply::Users { names, more, missing, .. } => {
            list(out, "Users", names.iter(), more, missing)
        }
        Reply::Unknown(word) => line(out, &["Unrecognized command ", word, ", try /help"]),
        Reply::Malformed => line(out, &["Not a request of hubbub.v1.json, see docs/protocol.md"]),
        Reply::BareWord => line(out, &[BARE_WORD]),
        Reply::TooLong { max } => {
            put(out, format_args!("Messages can only be {max} chars long\n"));
        }
        Reply::NotUtf8 => line(out, &["Messages must be valid UTF-8"]),
        Reply::Missed { count, .. } => {
            put(out, format_args!("Server is very busy and dropped {count} messages, sorry!\n"))
        }
        Reply::Internal => line(out, &["Internal error, closing this connection"]),
        Reply::Idle(s) => put(out, format_args!("You have said nothing for {s} s, bye!\n")),
        Reply::Farewell { seconds } => {
            if seconds > 1 {
                put(out, format_args!("Please do not come back before {seconds} s have passed\n"));
            }
            line(out, &["Server is shutting down, bye!"]);
        }
        Reply::Foreign(foreign, signposts) => super::answer(foreign, signposts, out),
        Reply::TurnedAway(reason) => line(out, &[why_turned_away(reason)]),
        Reply::Telnet(answer) => telnet::answer(answer, out),
        // Lines have no words for these.
        Reply::Ping | Reply::Pong(_) | Reply::Closing(_) => {}
    }
}

fn history(past: &Past, out: &mut Vec<u8>) {
    let count = past.messages().count();
    if count == 0 {
        return;
    }
    put(out, format_args!("Last {count} messages:\n"));
    for said in past.messages() {
        line(out, &[said.author, ": ", said.text]);
    }
}

fn why_refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ServerHasTooMany => "the server has as many rooms as it can have",
        Refusal::TooSoon => "you make rooms too quickly, wait a little",
    }
}

fn why_turned_away(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::AddressFull => {
            "There are too many connections from your address, please close one first"
        }
        CloseReason::AddressFast => {
            "Your address has connected too often, please try again in a minute"
        }
        CloseReason::NoTls => {
            "This port speaks TLS: try `openssl s_client -quiet -connect HOST:PORT`"
        }
        CloseReason::BadProxyHeader => {
            "The proxy in between does not say where you come from, its operator can have it do so"
        }
        CloseReason::Memory => "Server is short of memory, please try again later",
        _ => "Server is full, please try again later",
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

/// Appends `{title} - {entry}, {entry}, … and {more} more`, and how many shards did not have their
/// say.
fn list(
    out: &mut Vec<u8>,
    title: &str,
    entries: impl Iterator<Item = impl Display>,
    more: u32,
    missing: u16,
) {
    put(out, format_args!("{title} - "));
    for (i, entry) in entries.enumerate() {
        put(out, format_args!("{}{entry}", if i == 0 { "" } else { ", " }));
    }
    if more > 0 {
        put(out, format_args!(", … and {more} more"));
    }
    if missing > 0 {
        put(out, format_args!(" (incomplete: {missing} shards did not answer in time)"));
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, RoomSize, TelnetAnswer};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn rendered(r: &Reply<'_>) -> String {
        let mut out = vec![];
        reply(r, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_are_the_lines_of_the_contract() {
        let (bob, eve) = (name("bob"), name("eve"));
        let events = [
            (Event::Said { author: &bob, text: "hi: there" }, "bob: hi: there\n"),
            (Event::Joined(&bob), "bob joined\n"),
            (Event::Left(&bob), "bob left\n"),
            (Event::Renamed { old: &bob, new: &eve }, "bob is now eve\n"),
            (Event::Tally { joined: 12, left: 3 }, "12 joined, 3 left\n"),
        ];
        for (e, line) in events {
            let mut out = vec![];
            event(&e, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }

    #[test]
    fn telnets_lines_are_the_same_with_cr_lf() {
        let bob = name("bob");
        let mut out = vec![];
        telnet_event(&Event::Joined(&bob), &mut out);
        telnet_reply(&Reply::Help, &mut out);
        let expected = format!("bob joined\n{HELP}").replace('\n', "\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        // An option may have the number of a line feed.
        let mut out = vec![];
        telnet_reply(&Reply::Telnet(TelnetAnswer::Wont(b'\n')), &mut out);
        assert_eq!(out, b"\xff\xfc\n");
    }

    #[test]
    fn lists_say_what_is_left_out() {
        let rooms = [
            RoomSize { name: name("main"), members: 12 },
            RoomSize { name: name("den"), members: 2 },
        ];
        let all = Reply::Rooms { rooms: &rooms, more: 0, missing: 0 };
        assert_eq!(rendered(&all), "Rooms - main (12), den (2)\n");
        let room = &name("den");
        let cut = Reply::Users { room, names: &[name("a1"), name("b2")], more: 7, missing: 0 };
        assert_eq!(rendered(&cut), "Users - a1, b2, … and 7 more\n");
        let partial = Reply::Users { room, names: &[name("a1")], more: 0, missing: 1 };
        assert!(rendered(&partial).contains("incomplete"));
    }

    #[test]
    fn every_reply_is_whole_lines() {
        let n = name("bob");
        for r in [
            Reply::Help,
            Reply::YouAre(&n),
            Reply::Missed { room: &n, count: 3 },
            Reply::BareWord,
            Reply::TooLong { max: 400 },
            Reply::NotUtf8,
            Reply::Farewell { seconds: 2 },
            Reply::TurnedAway(CloseReason::Full),
        ] {
            assert!(rendered(&r).ends_with('\n'), "{r:?}");
        }
    }
}
