//! What servers of other kinds call the same things: coming, going to a room, saying something
//! there. A measured message ends a line in all of them, so one scanner serves them all.
//!
//! Other servers are there to be compared with, so of their protocols there is no more than that.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::message::MARK;

/// The longest name of a user of Hubbub and what follows it in a line.
const AUTHOR_BYTES_MAX: usize = 24;
/// A WebSocket frame that is a whole text.
const TEXT_FRAME: u8 = 0x81;
/// In the second byte of a frame: that a client sent it.
const MASKED: u8 = 0x80;
/// The longest text of a frame whose length is one byte, with a line's end.
pub(crate) const FRAME_TEXT_BYTES_MAX: u32 = 124;

/// A protocol for chat, or for what can be used like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Hubbub's own lines.
    Hubbub,
    /// The third version of the Redis protocol: channels are rooms.
    Resp,
    /// NATS: subjects are rooms.
    Nats,
    /// IRC.
    Irc,
    /// Texts over WebSocket; see `benches/peers/websocket.py` for the other side.
    WebSocket,
}

/// What a line of a server means, if it is no measured message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The client has this name.
    Name(&'a str),
    /// The client is in this room; where no room is said, whatever it asked for last is done.
    In(Option<&'a str>),
    /// The server wants to know whether the client is there, who has to repeat this.
    Ping(&'a str),
    /// The client was too slow for so many messages.
    Missed(u64),
    /// The server is full.
    Full,
    /// The server does not do what it was asked to, and says why.
    Refused(&'a str),
    /// Nothing that matters to us.
    Nothing,
}

impl Dialect {
    /// What a client that wants to be called `name` says first; nothing where names are given.
    #[must_use]
    pub fn hello(self, name: &str) -> String {
        match self {
            Self::Hubbub => String::new(),
            // Commands are answered in order: an answer to the last is one to all.
            Self::Resp => format!("HELLO 3 SETNAME {name}\r\nPING\r\n"),
            Self::Nats => format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"name\":\"{name}\"}}\r\nPING\r\n"
            ),
            Self::Irc => format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n"),
            Self::WebSocket => "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIGtleSBvZiBsb2Fkcw==\r\n\r\n"
                .to_owned(),
        }
    }

    /// How a client asks for a room.
    #[must_use]
    pub fn join(self, room: &str) -> Vec<u8> {
        match self {
            Self::Hubbub => format!("/join {room}\n").into(),
            Self::Resp => format!("SUBSCRIBE {room}\r\nPING\r\n").into(),
            Self::Nats => format!("SUB {room} 1\r\nPING\r\n").into(),
            Self::Irc => format!("JOIN #{room}\r\n").into(),
            Self::WebSocket => {
                let text = format!("join {room}\n");
                let mut frame = frame(text.len());
                frame.extend_from_slice(text.as_bytes());
                frame
            }
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
            Self::WebSocket => frame(bytes + 1),
        }
    }

    /// What comes after it.
    #[must_use]
    pub fn after(self) -> &'static [u8] {
        match self {
            // Of a frame it is a part of the text: the server gives everyone what it was given.
            Self::Hubbub | Self::WebSocket => b"\n",
            Self::Resp | Self::Nats | Self::Irc => b"\r\n",
        }
    }

    /// How a ping is answered.
    #[must_use]
    pub fn pong(self, asked: &str) -> String {
        format!("PONG{}{asked}\r\n", if asked.is_empty() { "" } else { " " })
    }

    /// Whether who says something gets it back like everyone else in the room.
    #[must_use]
    pub fn echoes(self) -> bool {
        self != Self::Irc
    }

    /// How the first line of a message begins, and how many lines it has.
    #[must_use]
    pub fn frame(self) -> (&'static [u8], u32) {
        match self {
            Self::Resp => (b">", 7),
            Self::Nats => (b"MSG ", 2),
            Self::Hubbub | Self::Irc | Self::WebSocket => (b"", 1),
        }
    }

    /// The part of a line that is a measured message, if it is one.
    #[must_use]
    pub fn text(self, line: &[u8]) -> Option<&[u8]> {
        let text = match self {
            Self::Hubbub => {
                let at = memchr(MARK, &line[..line.len().min(AUTHOR_BYTES_MAX)])?;
                return Some(&line[at..]);
            }
            Self::Resp | Self::Nats => line,
            Self::Irc => {
                let what = &line[memchr(b' ', line)? + 1..];
                let said = what.strip_prefix(b"PRIVMSG ")?;
                &said[memchr(b':', said)? + 1..]
            }
            Self::WebSocket => line.strip_prefix(&[TEXT_FRAME])?.get(1..)?,
        };
        (text.first() == Some(&MARK)).then(|| without_return(text))
    }

    /// What a line means that is no measured message.
    #[must_use]
    pub fn hear(self, line: &[u8]) -> Heard<'_> {
        let line = without_return(line);
        let line = match self {
            Self::WebSocket => line.strip_prefix(&[TEXT_FRAME]).and_then(|it| it.get(1..)),
            _ => None,
        }
        .unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else { return Heard::Nothing };
        match self {
            Self::Hubbub => hear_hubbub(line),
            Self::Resp | Self::Nats => match line {
                "PONG" | "+PONG" => Heard::In(None),
                "PING" => Heard::Ping(""),
                _ => line.strip_prefix('-').map_or(Heard::Nothing, Heard::Refused),
            },
            Self::Irc => hear_irc(line),
            Self::WebSocket if line.starts_with("HTTP/1.1 101") => Heard::In(None),
            Self::WebSocket if line.starts_with("HTTP/") => Heard::Refused(line),
            Self::WebSocket => {
                line.strip_prefix("joined ").map_or(Heard::Nothing, |room| Heard::In(Some(room)))
            }
        }
    }
}

fn hear_hubbub(line: &str) -> Heard<'_> {
    if let Some(name) = line.strip_prefix("You are ") {
        Heard::Name(name)
    } else if let Some(room) = line.strip_prefix("You joined ") {
        Heard::In(Some(room))
    } else if let Some(count) = missed(line) {
        Heard::Missed(count)
    } else if line.starts_with("Server is full") {
        Heard::Full
    } else {
        Heard::Nothing
    }
}

/// How many messages a notice says were missed.
fn missed(line: &str) -> Option<u64> {
    let count = line.strip_prefix("Server is very busy and dropped ")?;
    count.split(' ').next()?.parse().ok()
}

fn hear_irc(line: &str) -> Heard<'_> {
    if let Some(asked) = line.strip_prefix("PING ") {
        return Heard::Ping(asked);
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

/// What a frame of a client begins with. The mask is there as the protocol wants it, and changes
/// nothing.
fn frame(bytes: usize) -> Vec<u8> {
    let length = u8::try_from(bytes).expect("a short text") | MASKED;
    vec![TEXT_FRAME, length, 0, 0, 0, 0]
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{self, Header};

    const ALL: [Dialect; 5] =
        [Dialect::Hubbub, Dialect::Resp, Dialect::Nats, Dialect::Irc, Dialect::WebSocket];

    const HEADER: Header = Header {
        run: 7,
        sender: 1,
        room: 2,
        warm_up: false,
        sequence: 3,
        intended_ns: 4,
        sent_ns: 5,
    };

    /// A message of 100 bytes as it is sent, and as the server gives it to the room.
    fn said(dialect: Dialect) -> (Vec<u8>, Vec<u8>) {
        let mut text = vec![];
        HEADER.write(100, &mut text);
        let around = |before: &[u8], after: &[u8]| [before, &text, after].concat();
        let sent = around(&dialect.before("den", 100), dialect.after());
        let received = match dialect {
            Dialect::Hubbub => around(b"PrudentSunBear: ", b"\n"),
            Dialect::Resp => around(b">3\r\n$7\r\nmessage\r\n$3\r\nden\r\n$100\r\n", b"\r\n"),
            Dialect::Nats => around(b"MSG den 1 100\r\n", b"\r\n"),
            Dialect::Irc => around(b":bob!~bob@127.0.0.2 PRIVMSG #den :", b"\r\n"),
            Dialect::WebSocket => around(&[0x81, 101], b"\n"),
        };
        (sent, received)
    }

    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]).collect()
    }

    #[test]
    fn what_is_sent_is_what_servers_of_that_kind_expect() {
        let sent = ALL.map(|dialect| said(dialect).0);
        let begins: [&[u8]; 5] = [
            b"~0007",
            b"*3\r\n$7\r\nPUBLISH\r\n$3\r\nden\r\n$100\r\n~0007",
            b"PUB den 100\r\n~0007",
            b"PRIVMSG #den :~0007",
            &[0x81, 0x80 | 101, 0, 0, 0, 0, b'~', b'0', b'0', b'0', b'7'],
        ];
        let ends = ["\n", "\r\n", "\r\n", "\r\n", "\n"];
        for ((sent, begins), ends) in sent.iter().zip(begins).zip(ends) {
            assert!(sent.starts_with(begins), "{}", sent.escape_ascii());
            assert!(sent.ends_with(ends.as_bytes()), "{}", sent.escape_ascii());
            let around = begins.len() - "~0007".len() + ends.len();
            assert_eq!(sent.len(), around + 100);
        }
    }

    #[test]
    fn clients_introduce_themselves_and_ask_for_rooms() {
        let hello = ALL.map(|dialect| dialect.hello("bob"));
        assert_eq!(hello[0], "");
        assert_eq!(hello[1], "HELLO 3 SETNAME bob\r\nPING\r\n");
        assert!(hello[2].contains(r#""name":"bob"}"#) && hello[2].ends_with("\r\nPING\r\n"));
        assert_eq!(hello[3], "NICK bob\r\nUSER bob 0 * :bob\r\n");
        assert!(hello[4].starts_with("GET / HTTP/1.1\r\n") && hello[4].ends_with("==\r\n\r\n"));
        let join = ALL.map(|dialect| dialect.join("den"));
        assert_eq!(join[0], b"/join den\n");
        assert_eq!(join[1], b"SUBSCRIBE den\r\nPING\r\n");
        assert_eq!(join[2], b"SUB den 1\r\nPING\r\n");
        assert_eq!(join[3], b"JOIN #den\r\n");
        assert_eq!(join[4], b"\x81\x89\0\0\0\0join den\n");
    }

    #[test]
    fn a_message_is_the_last_line_of_its_frame_and_the_only_one_that_is_a_message() {
        for dialect in ALL {
            let (_, received) = said(dialect);
            let (begins, count) = dialect.frame();
            let lines = lines(&received);
            assert!(received.starts_with(begins), "{dialect:?}");
            assert_eq!(lines.len(), count as usize, "{dialect:?}");
            let (last, others) = lines.split_last().expect("there is one");
            let header = dialect.text(last).and_then(message::read);
            assert_eq!(header, Some(HEADER), "{dialect:?}");
            for other in others {
                assert_eq!(dialect.text(other), None, "{dialect:?}: {}", other.escape_ascii());
                assert_eq!(dialect.hear(other), Heard::Nothing, "{dialect:?}");
            }
        }
    }

    #[test]
    fn a_tilde_elsewhere_is_no_message() {
        let irc = b":bob!~bob@127.0.0.2 JOIN :#den\r";
        assert_eq!(Dialect::Irc.text(irc), None);
        assert_eq!(Dialect::Irc.text(b":irc 005 bob PREFIX=(qo)~@ :are supported\r"), None);
        assert_eq!(Dialect::Irc.text(b":bob!~bob@127.0.0.2 PRIVMSG #den :hello\r"), None);
        assert_eq!(Dialect::Nats.text(b"INFO {\"name\":\"~\"}\r"), None);
    }

    #[test]
    fn answers_of_servers_are_understood() {
        use Heard::{Full, In, Missed, Name, Nothing, Ping, Refused};
        let heard: [(Dialect, &[u8], Heard<'_>); 22] = [
            (Dialect::Hubbub, b"You are bob", Name("bob")),
            (Dialect::Hubbub, b"You joined den", In(Some("den"))),
            (Dialect::Hubbub, b"Server is very busy and dropped 12 messages", Missed(12)),
            (Dialect::Hubbub, b"Server is full, come back later", Full),
            (Dialect::Hubbub, b"bob joined den", Nothing),
            (Dialect::Resp, b"+PONG\r", In(None)),
            (Dialect::Resp, b"-ERR max number of clients reached\r", REFUSED),
            (Dialect::Resp, b":1000\r", Nothing),
            (Dialect::Nats, b"PONG\r", In(None)),
            (Dialect::Nats, b"PING\r", Ping("")),
            (Dialect::Nats, b"-ERR 'Unknown Protocol'\r", Refused("ERR 'Unknown Protocol'")),
            (Dialect::Irc, b":irc 001 bob :Welcome\r", Nothing),
            (Dialect::Irc, b":irc 422 bob :MOTD file is missing\r", In(None)),
            (Dialect::Irc, b":irc 376 bob :End of MOTD\r", In(None)),
            (Dialect::Irc, b":irc 366 bob #den :End of /NAMES\r", In(Some("den"))),
            (Dialect::Irc, b"PING :irc.localhost\r", Ping(":irc.localhost")),
            (Dialect::Irc, b"ERROR :Closing link\r", Refused("ERROR :Closing link")),
            (Dialect::Irc, b":irc 433 * bob :In use\r", Refused(":irc 433 * bob :In use")),
            (Dialect::WebSocket, b"HTTP/1.1 101 Switching Protocols\r", In(None)),
            (Dialect::WebSocket, b"HTTP/1.1 404 Not Found\r", Refused("HTTP/1.1 404 Not Found")),
            (Dialect::WebSocket, b"Upgrade: websocket\r", Nothing),
            (Dialect::WebSocket, b"\x81\x0bjoined den", In(Some("den"))),
        ];
        for (dialect, line, meaning) in heard {
            assert_eq!(dialect.hear(line), meaning, "{dialect:?}: {}", line.escape_ascii());
        }
        assert_eq!(Dialect::Nats.pong(""), "PONG\r\n");
        assert_eq!(Dialect::Irc.pong(":irc.localhost"), "PONG :irc.localhost\r\n");
    }

    const REFUSED: Heard<'_> = Heard::Refused("ERR max number of clients reached");
}
