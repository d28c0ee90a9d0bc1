//! Events and replies to JSON: one object in each frame.

use std::io::Write;

use super::frames::text;
use crate::model::{Event, Name, Past, Refusal, Reply, RoomSize, Said, Stamp};
use crate::proto::line;

pub(in crate::proto) fn event(room: &Name, stamp: Stamp, event: &Event<'_>, out: &mut Vec<u8>) {
    let kind = match event {
        Event::Said { .. } => "message",
        Event::Joined(_) => "join",
        Event::Left(_) => "leave",
        Event::Renamed { .. } => "rename",
        Event::Tally { .. } => "tally",
    };
    object(out, kind, |it| {
        it.text("room", room.as_str()).number("seq", stamp.seq).number("time", stamp.time);
        match *event {
            Event::Said { author, text } => it.text("name", author.as_str()).text("text", text),
            Event::Joined(name) | Event::Left(name) => it.text("name", name.as_str()),
            Event::Renamed { old, new } => it.text("old", old.as_str()).text("new", new.as_str()),
            Event::Tally { joined, left } => {
                it.number("joined", joined.into()).number("left", left.into())
            }
        };
    });
}

pub(super) fn reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match *reply {
        Reply::Welcome { name, lobby, message_chars_max, resume } => {
            object(out, "welcome", |it| {
                it.text("name", name.as_str()).text("lobby", lobby.as_str());
                it.number("message_chars", message_chars_max as u64).text("resume", resume);
            });
        }
        Reply::Resumed { name, rooms } => object(out, "resumed", |it| {
            it.text("name", name.as_str());
            it.list("rooms", rooms.iter(), |it, name| it.string(name.as_str()));
        }),
        Reply::YouAre(name) => object(out, "named", |it| {
            it.text("name", name.as_str());
        }),
        Reply::Entered { room, epoch, seq } => object(out, "entered", |it| {
            it.text("room", room.as_str()).epoch(epoch).number("seq", seq);
        }),
        Reply::Past(room, past) => history(room, past, out),
        Reply::YouLeft(room) => object(out, "left", |it| {
            it.text("room", room.as_str());
        }),
        Reply::Rooms { rooms, more, missing } => object(out, "rooms", |it| {
            it.list("rooms", rooms.iter(), size).left_out(more, missing);
        }),
        Reply::Users { room, names, more, missing } => object(out, "users", |it| {
            it.text("room", room.as_str());
            it.list("users", names.iter(), |it, name| it.string(name.as_str()));
            it.left_out(more, missing);
        }),
        Reply::Missed { room, count } => object(out, "gap", |it| {
            it.text("room", room.as_str()).number("missed", count);
        }),
        Reply::Farewell { seconds } => bye(reply, "drain", Some(seconds), out),
        Reply::Idle(_) => bye(reply, "idle", None, out),
        Reply::Replaced => bye(reply, "replaced", None, out),
        Reply::Internal => bye(reply, "internal-error", None, out),
        Reply::TurnedAway(reason) => bye(reply, reason.label(), None, out),
        _ => error(reply, out),
    }
}

fn history(room: &Name, past: &Past, out: &mut Vec<u8>) {
    object(out, "history", |it| {
        it.text("room", room.as_str()).epoch(past.epoch).flag("gap", past.gap);
        it.list("messages", past.messages(), |it, said: Said<'_>| {
            it.nested(|it| {
                it.number("seq", said.stamp.seq).number("time", said.stamp.time);
                it.text("name", said.author).text("text", said.text);
            });
        });
    });
}

fn size(it: &mut Object<'_>, room: &RoomSize) {
    it.nested(|it| {
        it.text("room", room.name.as_str()).number("users", room.members.into());
    });
}

fn bye(reply: &Reply<'_>, reason: &str, retry_seconds: Option<u64>, out: &mut Vec<u8>) {
    object(out, "bye", |it| {
        it.text("reason", reason).text("text", &as_line(reply));
        if let Some(seconds) = retry_seconds {
            it.number("retry_seconds", seconds);
        }
    });
}

fn error(reply: &Reply<'_>, out: &mut Vec<u8>) {
    object(out, "error", |it| {
        it.text("code", code(reply)).text("text", &as_line(reply));
        if let Reply::RoomRefused(room, _) | Reply::YouAreIn(room) = reply {
            it.text("room", room.as_str());
        }
    });
}

/// What was wrong, in a word.
fn code(reply: &Reply<'_>) -> &'static str {
    match reply {
        Reply::NameTaken(_) => "name-taken",
        Reply::NameInvalid => "name-invalid",
        Reply::RoomInvalid => "room-invalid",
        Reply::RoomRefused(_, Refusal::TooSoon) => "too-many-new-rooms",
        Reply::RoomRefused(_, Refusal::ServerHasTooMany) => "server-full-of-rooms",
        Reply::NotInRoom => "not-in-room",
        Reply::YouAreIn(_) => "already-in-room",
        Reply::TooManyRooms { .. } => "too-many-rooms",
        Reply::TooLong { .. } => "too-long",
        Reply::NotUtf8 => "not-utf8",
        Reply::ResumeFailed => "resume-failed",
        Reply::Unknown(_) => "unknown-type",
        _ => "bad-json",
    }
}

/// The same as people are told it who read lines.
fn as_line(reply: &Reply<'_>) -> String {
    let mut line = vec![];
    line::reply(reply, &mut line);
    String::from_utf8_lossy(&line).trim_end().replace('\n', " ")
}

/// Appends a frame with one object of this type, and the fields that `fill` adds.
fn object(out: &mut Vec<u8>, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
    text(out, |out| {
        Object { out, is_empty: true }.nested(|it| {
            it.text("type", kind);
            fill(it);
        });
    });
}

/// Where an object, or a list, is being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// What comes next is the first in it.
    is_empty: bool,
}

impl Object<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_empty) {
            self.put(b",");
        }
    }

    /// Keys are words of ours.
    fn key(&mut self, key: &str) {
        self.separate();
        self.put(b"\"");
        self.put(key.as_bytes());
        self.put(b"\":");
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.out, text).expect("writing to memory does not fail");
    }

    fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.key(key);
        self.string(text);
        self
    }

    fn print(&mut self, key: &str, value: std::fmt::Arguments<'_>) -> &mut Self {
        self.key(key);
        self.out.write_fmt(value).expect("writing to memory does not fail");
        self
    }

    fn number(&mut self, key: &str, number: u64) -> &mut Self {
        self.print(key, format_args!("{number}"))
    }

    fn flag(&mut self, key: &str, flag: bool) -> &mut Self {
        self.print(key, format_args!("{flag}"))
    }

    /// As digits in quotes, because JavaScript's numbers are not as long.
    fn epoch(&mut self, epoch: u64) -> &mut Self {
        self.print("epoch", format_args!("\"{epoch:016x}\""))
    }

    fn left_out(&mut self, more: u32, missing: u16) {
        self.number("more", more.into()).number("missing", missing.into());
    }

    fn nested(&mut self, fill: impl FnOnce(&mut Self)) {
        self.put(b"{");
        self.is_empty = true;
        fill(self);
        self.put(b"}");
        self.is_empty = false;
    }

    fn list<T>(
        &mut self,
        key: &str,
        items: impl Iterator<Item = T>,
        mut put: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.key(key);
        self.put(b"[");
        self.is_empty = true;
        for item in items {
            self.separate();
            put(self, item);
        }
        self.put(b"]");
        self.is_empty = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::past;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// The text of the one frame that `render` writes, which must be short.
    fn written(render: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = vec![];
        render(&mut out);
        let header = if out[1] < 126 { 2 } else { 4 };
        String::from_utf8(out.split_off(header)).unwrap()
    }

    fn told(r: &Reply<'_>) -> String {
        written(|out| reply(r, out))
    }

    #[test]
    fn events_are_what_the_page_says() {
        let (den, amy, eve) = (name("den"), name("amy"), name("eve"));
        let events = [
            (
                Event::Said { author: &amy, text: "<i>\"\\ \t é</i>" },
                concat!(
                    r#"{"type":"message","room":"den","seq":3,"time":99,"name":"amy","#,
                    r#""text":"<i>\"\\ \t é</i>"}"#,
                ),
            ),
            (Event::Joined(&amy), r#"{"type":"join","room":"den","seq":3,"time":99,"name":"amy"}"#),
            (Event::Left(&amy), r#"{"type":"leave","room":"den","seq":3,"time":99,"name":"amy"}"#),
            (
                Event::Renamed { old: &amy, new: &eve },
                r#"{"type":"rename","room":"den","seq":3,"time":99,"old":"amy","new":"eve"}"#,
            ),
            (
                Event::Tally { joined: 2, left: 1 },
                r#"{"type":"tally","room":"den","seq":3,"time":99,"joined":2,"left":1}"#,
            ),
        ];
        for (it, json) in events {
            assert_eq!(written(|out| event(&den, Stamp { seq: 3, time: 99 }, &it, out)), json);
        }
    }

    #[test]
    fn replies_are_what_the_page_says() {
        let (den, amy) = (name("den"), name("amy"));
        let mut messages = vec![];
        past::encode(Stamp { seq: 3, time: 98 }, &amy, "hi", &mut messages);
        past::encode(Stamp { seq: 5, time: 99 }, &amy, "\"", &mut messages);
        let past = Past { epoch: 0xab, gap: true, messages: messages.into() };
        let rooms = [
            RoomSize { name: name("main"), members: 2 },
            RoomSize { name: name("zoo"), members: 1 },
        ];
        let replies = [
            (
                Reply::Welcome { name: &amy, lobby: &den, message_chars_max: 400, resume: "0f" },
                concat!(
                    r#"{"type":"welcome","name":"amy","lobby":"den","message_chars":400,"#,
                    r#""resume":"0f"}"#,
                ),
            ),
            (
                Reply::Resumed { name: &amy, rooms: &[den.clone(), name("zoo")] },
                r#"{"type":"resumed","name":"amy","rooms":["den","zoo"]}"#,
            ),
            (Reply::YouAre(&amy), r#"{"type":"named","name":"amy"}"#),
            (
                Reply::Entered { room: &den, epoch: 0xab, seq: 5 },
                r#"{"type":"entered","room":"den","epoch":"00000000000000ab","seq":5}"#,
            ),
            (
                Reply::Past(&den, &past),
                concat!(
                    r#"{"type":"history","room":"den","epoch":"00000000000000ab","gap":true,"#,
                    r#""messages":[{"seq":3,"time":98,"name":"amy","text":"hi"},"#,
                    r#"{"seq":5,"time":99,"#,
                    r#""name":"amy","text":"\""}]}"#,
                ),
            ),
            (Reply::YouLeft(&den), r#"{"type":"left","room":"den"}"#),
            (
                Reply::Rooms { rooms: &rooms, more: 7, missing: 1 },
                concat!(
                    r#"{"type":"rooms","rooms":[{"room":"main","users":2},"#,
                    r#"{"room":"zoo","users":1}],"#,
                    r#""more":7,"missing":1}"#,
                ),
            ),
            (
                Reply::Users {
                    room: &den,
                    names: &[amy.clone(), name("bob")],
                    more: 0,
                    missing: 0,
                },
                r#"{"type":"users","room":"den","users":["amy","bob"],"more":0,"missing":0}"#,
            ),
            (Reply::Missed { room: &den, count: 4 }, r#"{"type":"gap","room":"den","missed":4}"#),
        ];
        for (reply, json) in replies {
            assert_eq!(told(&reply), json);
        }
    }

    #[test]
    fn errors_and_farewells_say_it_in_a_word_and_in_a_sentence() {
        let (den, amy) = (name("den"), name("amy"));
        let replies = [
            (
                Reply::NameTaken(&amy),
                r#"{"type":"error","code":"name-taken","text":"amy is already taken"}"#,
            ),
            (
                Reply::YouAreIn(&den),
                r#"{"type":"error","code":"already-in-room","text":"You are in den","room":"den"}"#,
            ),
            (
                Reply::Idle(5),
                r#"{"type":"bye","reason":"idle","text":"You have said nothing for 5 s, bye!"}"#,
            ),
            (
                Reply::Farewell { seconds: 3 },
                concat!(
                    r#"{"type":"bye","reason":"drain","#,
                    r#""text":"Please do not come back before 3 s have passed "#,
                    r#"Server is shutting down, "#,
                    r#"bye!","retry_seconds":3}"#,
                ),
            ),
        ];
        for (reply, json) in replies {
            assert_eq!(told(&reply), json);
        }
    }
}
