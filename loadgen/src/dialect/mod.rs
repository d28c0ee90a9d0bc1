//! What servers of other kinds call the same things: coming, going to a room, saying something
//! there. A measured message ends a line in all of them, or is a frame of its own, so one scanner
//! serves them all.
//!
//! Other servers are there to be compared with, so of their protocols there is no more than that.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::frames::{self, Kind, Said};
use crate::message::MARK;
use crate::words;

/// The longest name of a user of Hubbub and what follows it in a line.
const AUTHOR_BYTES_MAX: usize = 24;
/// A protocol for chat, or for what can be used like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Hubbub's own lines.
    Hubbub,
    /// The same lines in the frames of a WebSocket.
    #[serde(rename = "hubbub-websocket")]
    HubbubWebSocket,
    /// The third version of the Redis protocol: channels are rooms.
    Resp,
    /// NATS: subjects are rooms.
    Nats,
    /// IRC.
    Irc,
    /// Texts over WebSocket; see `benches/peers/websocket.py` for the other side.
    WebSocket,
}

/// All of them, by the names that files and flags have for them.
pub const DIALECTS: &[(&str, Dialect)] = &[
    ("hubbub", Dialect::Hubbub),
    ("hubbub-websocket", Dialect::HubbubWebSocket),
    ("resp", Dialect::Resp),
    ("nats", Dialect::Nats),
    ("irc", Dialect::Irc),
    ("websocket", Dialect::WebSocket),
];

/// What a line of a server means, if it is no measured message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The client has this name.
    Name(&'a str),
    /// The client is in this room; where no room is said, whatever it asked for last is done.
    In(Option<&'a str>),
    /// The server wants to know whether the client is there, who has to repeat this.
    Ping(&'a [u8]),
    /// The client was too slow for so many messages.
    Missed(u64),
    /// The server rejects the client, and says why.
    Rejected(&'a str),
    /// The server says something itself that is no answer.
    Notice(&'a str),
    /// The server does not do what it was asked to, and says why.
    Refused(&'a str),
    /// Nothing that matters to us.
    Nothing,
}

impl Dialect {
    /// What a client that wants to be called `name` says first to a server at `host`; nothing
    /// where names are given.
    #[must_use]
    pub fn hello(self, name: &str, host: &str) -> String {
        match self {
            Self::Hubbub => String::new(),
            // Commands are answered in order: an answer to the last is one to all.
            Self::Resp => format!("HELLO 3 SETNAME {name}\r\nPING\r\n"),
            Self::Nats => format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"name\":\"{name}\"}}\r\nPING\r\n"
            ),
            Self::Irc => format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n"),
            Self::HubbubWebSocket => {
                upgrade(host, "/ws", "Sec-WebSocket-Protocol: hubbub.v1.line\r\n")
            }
            Self::WebSocket => upgrade(host, "/", ""),
        }
    }

    /// How a client asks for a room.
    #[must_use]
    pub fn join(self, room: &str) -> Vec<u8> {
        match self {
            Self::Hubbub | Self::HubbubWebSocket => self.line(&format!("/join {room}")),
            Self::Resp => format!("SUBSCRIBE {room}\r\nPING\r\n").into(),
            Self::Nats => format!("SUB {room} 1\r\nPING\r\n").into(),
            Self::Irc => format!("JOIN #{room}\r\n").into(),
            Self::WebSocket => self.line(&format!("join {room}")),
        }
    }

    /// How a line is sent that is no measured message.
    #[must_use]
    pub fn line(self, text: &str) -> Vec<u8> {
        if self.is_framed() {
            frames::frame(Kind::Text, text.as_bytes())
        } else {
            [text.as_bytes(), self.after()].concat()
        }
    }

    /// What comes before a text of `bytes` bytes that is said in `room`.
    #[must_use]
    pub fn before(self, room: &str, bytes: usize) -> Vec<u8> {
        match self {
            Self::Hubbub => vec![],
            Self::Resp => {
                let length = room.len();
                format!("*3\r\n$7\r\nPUBLISH\r\n${length}\r\n{room}\r\n${bytes}\r\n").into()
            }
            Self::Nats => format!("PUB {room} {bytes}\r\n").into(),
            Self::Irc => format!("PRIVMSG #{room} :").into(),
            Self::HubbubWebSocket | Self::WebSocket => frames::header(Kind::Text, bytes),
        }
    }

    /// Makes such a text what is sent for it.
    pub fn wrap(self, text: &mut [u8]) {
        if self.is_framed() {
            frames::mask(text);
        }
    }

    /// What comes after it.
    #[must_use]
    pub fn after(self) -> &'static [u8] {
        match self {
            Self::Hubbub => b"\n",
            Self::Resp | Self::Nats | Self::Irc => b"\r\n",
            Self::HubbubWebSocket | Self::WebSocket => b"",
        }
    }

    /// How a ping is answered.
    #[must_use]
    pub fn pong(self, asked: &[u8]) -> Vec<u8> {
        match asked {
            _ if self.is_framed() => frames::frame(Kind::Pong, asked),
            [] => b"PONG\r\n".to_vec(),
            _ => [b"PONG ", asked, b"\r\n"].concat(),
        }
    }

    /// What files and flags call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = DIALECTS.iter().find(|(_, dialect)| *dialect == self);
        known.map_or("", |(name, _)| name)
    }

    /// Whether it is Hubbub that speaks it, where all scenarios can be played.
    #[must_use]
    pub fn is_hubbub(self) -> bool {
        matches!(self, Self::Hubbub | Self::HubbubWebSocket)
    }

    /// Whether it is spoken over WebSocket.
    #[inline]
    fn is_framed(self) -> bool {
        matches!(self, Self::HubbubWebSocket | Self::WebSocket)
    }

    /// Whether who says something gets it back like everyone else in the room.
    #[must_use]
    pub fn echoes(self) -> bool {
        self != Self::Irc
    }

    /// How the first line of a message begins, and how many lines it has.
    #[must_use]
    pub fn message(self) -> (&'static [u8], u32) {
        match self {
            Self::Resp => (b">", 7),
            Self::Nats => (b"MSG ", 2),
            Self::Hubbub | Self::HubbubWebSocket | Self::Irc | Self::WebSocket => (b"", 1),
        }
    }

    /// The line that `bytes` begin with, without its end, and how many bytes it has with that; none
    /// if not all of it is there. A frame is a line as it is.
    #[inline]
    #[must_use]
    pub fn first_line(self, bytes: &[u8]) -> Option<(&[u8], usize)> {
        if self.is_framed() && frames::begin(bytes) {
            return frames::whole(bytes).map(|end| (&bytes[..end], end));
        }
        memchr(b'\n', bytes).map(|end| (&bytes[..end], end + 1))
    }

    /// The part of a line that is a measured message, if it is one.
    #[must_use]
    pub fn text(self, line: &[u8]) -> Option<&[u8]> {
        let text = match self {
            Self::Hubbub => return authored(line),
            Self::HubbubWebSocket => return authored(frame_text(line)?),
            Self::Resp | Self::Nats => line,
            Self::Irc => {
                let what = &line[memchr(b' ', line)? + 1..];
                let said = what.strip_prefix(b"PRIVMSG ")?;
                &said[memchr(b':', said)? + 1..]
            }
            Self::WebSocket => frame_text(line)?,
        };
        (text.first() == Some(&MARK)).then(|| without_return(text))
    }

    /// What a line means that is no measured message.
    #[must_use]
    pub fn hear(self, line: &[u8]) -> Heard<'_> {
        let line = if self.is_framed() && frames::begin(line) {
            match frames::said(line) {
                Said::Text(text) => text,
                Said::Ping(asked) => return Heard::Ping(asked),
                Said::Close(reason) => return closed(reason),
                Said::Other => return Heard::Nothing,
            }
        } else {
            without_return(line)
        };
        let Ok(line) = std::str::from_utf8(line) else { return Heard::Nothing };
        match self {
            Self::HubbubWebSocket if is_refusal(line) => Heard::Rejected(line),
            Self::Hubbub | Self::HubbubWebSocket => hear_hubbub(line),
            Self::Resp | Self::Nats => match line {
                "PONG" | "+PONG" => Heard::In(None),
                "PING" => Heard::Ping(b""),
                _ => line.strip_prefix('-').map_or(Heard::Nothing, Heard::Refused),
            },
            Self::Irc => hear_irc(line),
            Self::WebSocket if is_refusal(line) => Heard::Rejected(line),
            Self::WebSocket if line.starts_with("HTTP/") => Heard::In(None),
            Self::WebSocket => {
                line.strip_prefix("joined ").map_or(Heard::Nothing, |room| Heard::In(Some(room)))
            }
        }
    }
}

/// How a client asks the server at `host` for a WebSocket, with `more` that it wants to know.
fn upgrade(host: &str, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIGtleSBvZiBsb2Fkcw==\r\n{more}\r\n"
    )
}

/// Whether a server says that there will be no WebSocket.
fn is_refusal(line: &str) -> bool {
    line.starts_with("HTTP/") && !line.starts_with("HTTP/1.1 101")
}

/// The text of a frame, of which a handshake has none.
fn frame_text(line: &[u8]) -> Option<&[u8]> {
    frames::begin(line).then(|| frames::text(line)).flatten()
}

/// What is said in a line of Hubbub, if it is a measured message.
fn authored(line: &[u8]) -> Option<&[u8]> {
    memchr(MARK, &line[..line.len().min(AUTHOR_BYTES_MAX)]).map(|at| &line[at..])
}

fn hear_hubbub(line: &str) -> Heard<'_> {
    if let Some(name) = line.strip_prefix("You are ") {
        Heard::Name(name)
    } else if let Some(room) = line.strip_prefix("You joined ") {
        Heard::In(Some(room))
    } else if let Some(count) = missed(line) {
        Heard::Missed(count)
    } else if words::is_rejection(line) {
        Heard::Rejected(line)
    } else if words::is_no_room(line) {
        Heard::Refused(line)
    } else if words::is_notice(line) {
        Heard::Notice(line)
    } else {
        Heard::Nothing
    }
}

/// What the end of a WebSocket means: that of a client that quits was asked for.
fn closed(reason: &[u8]) -> Heard<'_> {
    match std::str::from_utf8(reason) {
        Ok("" | "quit") | Err(_) => Heard::Nothing,
        Ok(reason) => Heard::Notice(reason),
    }
}

/// How many messages a notice says were missed.
fn missed(line: &str) -> Option<u64> {
    let count = line.strip_prefix("Server is very busy and dropped ")?;
    count.split(' ').next()?.parse().ok()
}

fn hear_irc(line: &str) -> Heard<'_> {
    if let Some(asked) = line.strip_prefix("PING ") {
        return Heard::Ping(asked.as_bytes());
    }
    if line.starts_with("ERROR ") {
        return Heard::Refused(line);
    }
    let mut words = line.split(' ').skip(1);
    match words.next() {
        // The message of the day ends, or there is none: only then is the client let in for good.
        Some("376" | "422") => Heard::In(None),
        // The list of those in the room ends.
        Some("366") => Heard::In(words.nth(1).and_then(|room| room.strip_prefix('#'))),
        Some(number) if number.len() == 3 && number.starts_with(['4', '5']) => Heard::Refused(line),
        _ => Heard::Nothing,
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
