//! JSON to commands.

use std::borrow::Cow;

use memchr::memchr;
use serde::Deserialize;

use crate::model::{Command, Limits, ResumeRequest, Since};
use crate::proto::sanitize;

/// Bytes of a character in JSON, at most: two escapes.
const CHAR_BYTES_MAX: usize = 12;
/// Room in a request for more than its text: names, spaces.
const REQUEST_BYTES_SPARE: usize = 512;
/// Rooms that a client says it knows something of when it comes back.
const KNOWN_ROOMS_MAX: usize = 64;
/// Bytes of one of them, at most.
const KNOWN_ROOM_BYTES: usize = 96;
/// Digits of an epoch are these.
const EPOCH_RADIX: u32 = 16;
/// The epoch of no room.
const NO_EPOCH: u64 = u64::MAX;

/// The longest request, in bytes, that is looked at.
pub(in crate::proto) fn request_bytes_max(limits: &Limits) -> usize {
    let text = limits.message_chars_max * CHAR_BYTES_MAX;
    text.max(KNOWN_ROOMS_MAX * KNOWN_ROOM_BYTES) + REQUEST_BYTES_SPARE
}

/// See [`crate::proto::Decoder`].
#[derive(Debug, Default)]
pub struct Decoder {
    /// The request that is arriving is over the limit, and the client has been told.
    discarding: bool,
}

/// All fields of all requests: one that is not there is empty. None is nested deeper than the rooms
/// are, so neither is what can be read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    room: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    epoch: Cow<'a, str>,
    #[serde(default)]
    seq: u64,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    rooms: Vec<KnownRoom<'a>>,
}

/// What a client knows of a room that it comes back to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownRoom<'a> {
    #[serde(borrow)]
    room: Cow<'a, str>,
    #[serde(borrow)]
    epoch: Cow<'a, str>,
    seq: u64,
}

impl Decoder {
    /// The next request, of which each is a line.
    pub(in crate::proto) fn next<'a>(
        &mut self,
        input: &'a [u8],
        at: &mut usize,
        limits: &Limits,
        clean: &'a mut String,
    ) -> Option<Command<'a>> {
        loop {
            let rest = &input[*at..];
            let Some(end) = memchr(b'\n', rest) else {
                let too_long = rest.len() > request_bytes_max(limits);
                if !(self.discarding || too_long) {
                    return None;
                }
                *at += rest.len();
                let is_told = std::mem::replace(&mut self.discarding, true);
                return (!is_told).then_some(Command::TooLong);
            };
            *at += end + 1;
            if std::mem::take(&mut self.discarding) {
                continue;
            }
            let request = &rest[..end];
            return Some(if request.len() > request_bytes_max(limits) {
                Command::TooLong
            } else {
                command(request, limits, clean)
            });
        }
    }
}

fn command<'a>(request: &'a [u8], limits: &Limits, clean: &'a mut String) -> Command<'a> {
    let Ok(request) = std::str::from_utf8(request) else {
        return Command::NotUtf8 { last_strike: true };
    };
    // Of a list, it would take the first for the first field, and so on.
    if !request.trim_ascii_start().starts_with('{') {
        return Command::Malformed;
    }
    let Ok(request) = serde_json::from_str::<Request<'a>>(request) else {
        return Command::Malformed;
    };
    let Request { kind, room, text, name, epoch, seq, token, rooms } = request;
    match &*kind {
        "say" => say(room, text, limits, clean),
        "join" => Command::Enter { room: keep(room, clean), since: since(&epoch, seq) },
        "resume" if rooms.len() > KNOWN_ROOMS_MAX => Command::Malformed,
        "resume" => {
            let known = rooms.iter().map(|it| (&*it.room, since(&it.epoch, it.seq)));
            Command::Resume(ResumeRequest::encode(&token, known, clean))
        }
        "leave" => Command::Leave(keep(room, clean)),
        "name" => Command::Rename(keep(name, clean)),
        "rooms" => Command::Rooms,
        "users" => Command::UsersOf(keep(room, clean)),
        "quit" => Command::Quit,
        _ => Command::Unknown(keep(kind, clean)),
    }
}

fn since(epoch: &str, seq: u64) -> Since {
    if epoch.is_empty() {
        return Since::ALL;
    }
    Since { epoch: u64::from_str_radix(epoch, EPOCH_RADIX).unwrap_or(NO_EPOCH), seq }
}

/// The text, for as long as `clean` lives.
fn keep<'a>(text: Cow<'a, str>, clean: &'a mut String) -> &'a str {
    match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => {
            *clean = text;
            clean
        }
    }
}

fn say<'a>(
    room: Cow<'a, str>,
    text: Cow<'a, str>,
    limits: &Limits,
    clean: &'a mut String,
) -> Command<'a> {
    let (room, text) = match (room, text) {
        (Cow::Borrowed(room), Cow::Borrowed(text)) if sanitize::is_clean(text) => (room, text),
        (room, text) => {
            sanitize::clean_into(&text, clean);
            let end = clean.len();
            clean.push_str(&room);
            let (text, room) = clean.split_at(end);
            (room, text)
        }
    };
    let max = limits.message_chars_max;
    if text.trim_start().is_empty() {
        Command::Malformed
    } else if text.len() > max && text.chars().count() > max {
        Command::TooLong
    } else {
        Command::SayIn { room, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands in `input`, printed, and what is left of it.
    fn decoded(input: &str) -> (Vec<String>, usize) {
        let (mut decoder, limits) = (Decoder::default(), Limits::default());
        let (mut at, mut clean, mut commands) = (0, String::new(), vec![]);
        while let Some(command) = decoder.next(input.as_bytes(), &mut at, &limits, &mut clean) {
            commands.push(format!("{command:?}"));
        }
        (commands, input.len() - at)
    }

    fn one(request: &str) -> String {
        let (commands, left) = decoded(&format!("{request}\n"));
        assert_eq!((commands.len(), left), (1, 0), "{request}: {commands:?}");
        commands.into_iter().next().unwrap()
    }

    #[test]
    fn requests_are_what_the_page_says() {
        let cases = [
            (r#"{"type":"rooms"}"#, "Rooms"),
            (r#"{"type": "users", "room": "den"}"#, r#"UsersOf("den")"#),
            (r#"{"room":"den","type":"leave"}"#, r#"Leave("den")"#),
            (r#"{"type":"name","name":"amy"}"#, r#"Rename("amy")"#),
            (r#"{"type":"quit"}"#, "Quit"),
            (r#"{"type":"dance"}"#, r#"Unknown("dance")"#),
            (r#"{"type":"say","room":"den","text":"hi"}"#, r#"SayIn { room: "den", text: "hi" }"#),
            (
                r#"{"type":"join","room":"den"}"#,
                r#"Enter { room: "den", since: Since { epoch: 0, seq: 0 } }"#,
            ),
            (
                r#"{"type":"join","room":"den","epoch":"00000000000000ff","seq":7}"#,
                r#"Enter { room: "den", since: Since { epoch: 255, seq: 7 } }"#,
            ),
        ];
        for (request, command) in cases {
            assert_eq!(one(request), command);
        }
    }

    #[test]
    fn an_epoch_that_is_none_is_that_of_no_room() {
        let command = one(r#"{"type":"join","room":"den","epoch":"yesterday","seq":7}"#);
        assert!(command.contains(&format!("epoch: {NO_EPOCH}")), "{command}");
    }

    #[test]
    fn texts_are_cleaned_and_escapes_undone() {
        let said = |text: &str| one(&format!(r#"{{"type":"say","room":"den","text":"{text}"}}"#));
        let of = |text: &str| format!(r#"SayIn {{ room: "den", text: {text:?} }}"#);
        assert_eq!(said(r"a\u001b[31m\nb\u202e"), of("a[31m b"));
        assert_eq!(said(r"one\r\ntwo\u2028three\n"), of("one two three"));
        assert_eq!(said(r#"\"\ud83d\ude00\" é"#), of("\"😀\" é"));
        assert_eq!(said("<b>&amp;</b>"), of("<b>&amp;</b>"));
        assert_eq!(said(&r"\ud83d\ude00".repeat(400)), of(&"😀".repeat(400)));
        assert_eq!(said(&"x".repeat(401)), "TooLong");
        assert_eq!(one(r#"{"type":"say","room":"d\u0065n","text":"hi"}"#), of("hi"));
    }

    #[test]
    fn f19_what_is_no_request_is_said_to_be_none() {
        let deep = format!("{}1{}", r#"{"type":"#.repeat(1000), "}".repeat(1000));
        let cases = [
            "",
            "hello",
            "[]",
            r#"["quit"]"#,
            "{}",
            "null",
            r#"{"type":7}"#,
            r#"{"type":"say","room":"den"}"#,
            r#"{"type":"say","room":"den","text":" "}"#,
            r#"{"type":"say","room":"den","text":["hi"]}"#,
            r#"{"type":"say","type":"quit"}"#,
            r#"{"type":"quit","why":"because"}"#,
            r#"{"type":"quit"} {"type":"quit"}"#,
            r#"{"type":"join","room":"den","epoch":"1","seq":-1}"#,
            r#"{"type":"join","room":"den","epoch":"1","seq":1e99}"#,
            r#"{"type":"join","room":"den","epoch":"1","seq":99999999999999999999}"#,
            r#"{"type":"say","room":"den","text":"\ud800"}"#,
            &deep,
        ];
        for request in cases.into_iter().filter(|it| it.len() < 5_000) {
            assert_eq!(one(request), "Malformed", "{request}");
        }
        assert_eq!(one(&deep), "TooLong");
    }

    #[test]
    fn f19_an_endless_request_is_refused_once_and_never_kept() {
        let endless = "x".repeat(7_000);
        assert_eq!(decoded(&endless), (vec!["TooLong".to_owned()], 0));
        let (commands, left) = decoded(&format!("{endless}\n{{\"type\":\"quit\"}}\n"));
        assert_eq!((commands, left), (vec!["TooLong".to_owned(), "Quit".to_owned()], 0));
        assert_eq!(decoded(r#"{"type":"#), (vec![], 8), "there may come more");
    }
}
