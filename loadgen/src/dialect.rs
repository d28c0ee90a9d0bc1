//! What servers of other kinds call the same things: coming, going to a room, saying something
//! there. A measured message ends a line in all of them, or is a frame of its own, so one scanner
//! serves them all.
//!
//! Other servers are there to be compared with, so of their protocols there is no more than that.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::frames::{self, Kind, Said};
use crate::message::MARK;

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
            Self::HubbubWebSocket => upgrade("/ws", "Sec-WebSocket-Protocol: hubbub.v1.line\r\n"),
            Self::WebSocket => upgrade("/", ""),
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
                Said::Other => return Heard::Nothing,
            }
        } else {
            without_return(line)
        };
        let Ok(line) = std::str::from_utf8(line) else { return Heard::Nothing };
        match self {
            Self::HubbubWebSocket if is_refusal(line) => Heard::Refused(line),
            Self::Hubbub | Self::HubbubWebSocket => hear_hubbub(line),
            Self::Resp | Self::Nats => match line {
                "PONG" | "+PONG" => Heard::In(None),
                "PING" => Heard::Ping(b""),
                _ => line.strip_prefix('-').map_or(Heard::Nothing, Heard::Refused),
            },
            Self::Irc => hear_irc(line),
            Self::WebSocket if is_refusal(line) => Heard::Refused(line),
            Self::WebSocket if line.starts_with("HTTP/") => Heard::In(None),
            Self::WebSocket => {
                line.strip_prefix("joined ").map_or(Heard::Nothing, |room| Heard::In(Some(room)))
            }
        }
    }
}

/// How a client asks for a WebSocket, with `more` that this server wants to know.
fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
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
mod tests {
    use super::*;
    use crate::message::{self, Header};

    const ALL: [Dialect; 6] = [
        Dialect::Hubbub,
        Dialect::Resp,
        Dialect::Nats,
        Dialect::Irc,
        Dialect::WebSocket,
        Dialect::HubbubWebSocket,
    ];

    const HEADER: Header = Header {
        run: 7,
        sender: 1,
        room: 2,
        warm_up: false,
        sequence: 3,
        intended_ns: 4,
        sent_ns: 5,
    };

    /// A message of so many bytes as it is sent, and as the server gives it to the room.
    fn said(dialect: Dialect, bytes: usize) -> (Vec<u8>, Vec<u8>) {
        let mut text = vec![];
        HEADER.write(bytes, &mut text);
        let around = |before: &[u8], text: &[u8], after: &[u8]| [before, text, after].concat();
        let mut wrapped = text.clone();
        dialect.wrap(&mut wrapped);
        let sent = around(&dialect.before("den", bytes), &wrapped, dialect.after());
        let before = match dialect {
            Dialect::Hubbub => b"PrudentSunBear: ".to_vec(),
            Dialect::HubbubWebSocket => [&framed(16 + bytes), &b"PrudentSunBear: "[..]].concat(),
            Dialect::Resp => format!(">3\r\n$7\r\nmessage\r\n$3\r\nden\r\n${bytes}\r\n").into(),
            Dialect::Nats => format!("MSG den 1 {bytes}\r\n").into(),
            Dialect::Irc => b":bob!~bob@127.0.0.2 PRIVMSG #den :".to_vec(),
            Dialect::WebSocket => framed(bytes),
        };
        (sent, around(&before, &text, dialect.after()))
    }

    /// What a server's frame with so long a text begins with.
    fn framed(bytes: usize) -> Vec<u8> {
        let bytes = u8::try_from(bytes).expect("a byte");
        if bytes < 126 { vec![0x81, bytes] } else { vec![0x81, 126, 0, bytes] }
    }

    fn lines(dialect: Dialect, mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut lines = vec![];
        while let Some((line, count)) = dialect.first_line(bytes) {
            lines.push(line);
            bytes = &bytes[count..];
        }
        assert!(bytes.is_empty(), "{dialect:?}: {}", bytes.escape_ascii());
        lines
    }

    /// The text of a client's frame whose header is so long.
    fn unmasked(frame: &[u8], header: usize) -> Vec<u8> {
        let mut text = frame[header..].to_vec();
        frames::mask(&mut text);
        text
    }

    #[test]
    fn what_is_sent_is_what_servers_of_that_kind_expect() {
        let lines: [(Dialect, &[u8], &[u8]); 4] = [
            (Dialect::Hubbub, b"~0007", b"\n"),
            (Dialect::Resp, b"*3\r\n$7\r\nPUBLISH\r\n$3\r\nden\r\n$100\r\n~0007", b"\r\n"),
            (Dialect::Nats, b"PUB den 100\r\n~0007", b"\r\n"),
            (Dialect::Irc, b"PRIVMSG #den :~0007", b"\r\n"),
        ];
        for (dialect, begins, ends) in lines {
            let (sent, _) = said(dialect, 100);
            assert!(sent.starts_with(begins), "{}", sent.escape_ascii());
            assert!(sent.ends_with(ends), "{}", sent.escape_ascii());
            let around = begins.len() - "~0007".len() + ends.len();
            assert_eq!(sent.len(), around + 100);
        }
        for dialect in [Dialect::WebSocket, Dialect::HubbubWebSocket] {
            for (bytes, begins) in [(100, &[0x81, 0x80 | 100][..]), (200, &[0x81, 0xfe, 0, 200])] {
                let (sent, _) = said(dialect, bytes);
                assert!(sent.starts_with(begins), "{}", sent.escape_ascii());
                let text = unmasked(&sent, begins.len() + 4);
                assert_eq!((text.len(), message::read(&text)), (bytes, Some(HEADER)));
            }
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
        assert!(hello[5].starts_with("GET /ws HTTP/1.1\r\n"));
        assert!(hello[5].ends_with("\r\nSec-WebSocket-Protocol: hubbub.v1.line\r\n\r\n"));
        let join = ALL.map(|dialect| dialect.join("den"));
        assert_eq!(join[0], b"/join den\n");
        assert_eq!(join[1], b"SUBSCRIBE den\r\nPING\r\n");
        assert_eq!(join[2], b"SUB den 1\r\nPING\r\n");
        assert_eq!(join[3], b"JOIN #den\r\n");
        assert_eq!((&join[4][..2], &*unmasked(&join[4], 6)), (&b"\x81\x88"[..], &b"join den"[..]));
        assert_eq!((&join[5][..2], &*unmasked(&join[5], 6)), (&b"\x81\x89"[..], &b"/join den"[..]));
    }

    #[test]
    fn a_message_is_the_last_line_of_its_frame_and_the_only_one_that_is_a_message() {
        for (dialect, bytes) in ALL.into_iter().flat_map(|dialect| [(dialect, 100), (dialect, 200)])
        {
            let (_, received) = said(dialect, bytes);
            let (begins, count) = dialect.message();
            let lines = lines(dialect, &received);
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
        let heard: [(Dialect, &[u8], Heard<'_>); 31] = [
            (Dialect::Hubbub, b"You are bob", Name("bob")),
            (Dialect::Hubbub, b"You joined den", In(Some("den"))),
            (Dialect::Hubbub, b"Server is very busy and dropped 12 messages", Missed(12)),
            (Dialect::Hubbub, b"Server is full, come back later", Full),
            (Dialect::Hubbub, b"bob joined den", Nothing),
            (Dialect::HubbubWebSocket, b"HTTP/1.1 101 Switching Protocols\r", Nothing),
            (Dialect::HubbubWebSocket, b"upgrade: websocket\r", Nothing),
            (Dialect::HubbubWebSocket, b"HTTP/1.1 503 Full\r", Refused("HTTP/1.1 503 Full")),
            (Dialect::HubbubWebSocket, b"Server is full, please try again later", Full),
            (Dialect::HubbubWebSocket, b"\x81\x0bYou are bob", Name("bob")),
            (Dialect::HubbubWebSocket, b"\x81\x0eYou joined den", In(Some("den"))),
            (Dialect::HubbubWebSocket, b"\x89\x03who", Ping(b"who")),
            (Dialect::HubbubWebSocket, b"\x88\x06\x03\xe8quit", Nothing),
            (Dialect::Resp, b"+PONG\r", In(None)),
            (Dialect::Resp, b"-ERR max number of clients reached\r", REFUSED),
            (Dialect::Resp, b":1000\r", Nothing),
            (Dialect::Nats, b"PONG\r", In(None)),
            (Dialect::Nats, b"PING\r", Ping(b"")),
            (Dialect::Nats, b"-ERR 'Unknown Protocol'\r", Refused("ERR 'Unknown Protocol'")),
            (Dialect::Irc, b":irc 001 bob :Welcome\r", Nothing),
            (Dialect::Irc, b":irc 422 bob :MOTD file is missing\r", In(None)),
            (Dialect::Irc, b":irc 376 bob :End of MOTD\r", In(None)),
            (Dialect::Irc, b":irc 366 bob #den :End of /NAMES\r", In(Some("den"))),
            (Dialect::Irc, b"PING :irc.localhost\r", Ping(b":irc.localhost")),
            (Dialect::Irc, b"ERROR :Closing link\r", Refused("ERROR :Closing link")),
            (Dialect::Irc, b":irc 433 * bob :In use\r", Refused(":irc 433 * bob :In use")),
            (Dialect::WebSocket, b"HTTP/1.1 101 Switching Protocols\r", In(None)),
            (Dialect::WebSocket, b"HTTP/1.1 404 Not Found\r", Refused("HTTP/1.1 404 Not Found")),
            (Dialect::WebSocket, b"Upgrade: websocket\r", Nothing),
            (Dialect::WebSocket, b"\x81\x0ajoined den", In(Some("den"))),
            (Dialect::WebSocket, b"\x89\x00", Ping(b"")),
        ];
        for (dialect, line, meaning) in heard {
            assert_eq!(dialect.hear(line), meaning, "{dialect:?}: {}", line.escape_ascii());
        }
        assert_eq!(Dialect::Nats.pong(b""), b"PONG\r\n");
        assert_eq!(Dialect::Irc.pong(b":irc.localhost"), b"PONG :irc.localhost\r\n");
        let pong = Dialect::HubbubWebSocket.pong(b"who");
        assert_eq!((&pong[..2], &*unmasked(&pong, 6)), (&b"\x8a\x83"[..], &b"who"[..]));
    }

    const REFUSED: Heard<'_> = Heard::Refused("ERR max number of clients reached");
}
