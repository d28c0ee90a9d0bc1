//! What servers of each kind say and are told.

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

const HEADER: Header =
    Header { run: 7, sender: 1, room: 2, warm_up: false, sequence: 3, intended_ns: 4, sent_ns: 5 };

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
    let hello = ALL.map(|dialect| dialect.hello("bob", "chat.example:8080"));
    assert_eq!(hello[0], "");
    assert_eq!(hello[1], "HELLO 3 SETNAME bob\r\nPING\r\n");
    assert!(hello[2].contains(r#""name":"bob"}"#) && hello[2].ends_with("\r\nPING\r\n"));
    assert_eq!(hello[3], "NICK bob\r\nUSER bob 0 * :bob\r\n");
    assert!(hello[4].starts_with("GET / HTTP/1.1\r\n") && hello[4].ends_with("==\r\n\r\n"));
    assert!(hello[5].starts_with("GET /ws HTTP/1.1\r\nHost: chat.example:8080\r\n"));
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
    for (dialect, bytes) in ALL.into_iter().flat_map(|dialect| [(dialect, 100), (dialect, 200)]) {
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
    use Heard::{In, Missed, Name, Nothing, Notice, Ping, Refused, Rejected};
    let heard: [(Dialect, &[u8], Heard<'_>); 34] = [
        (Dialect::Hubbub, b"You are bob", Name("bob")),
        (Dialect::Hubbub, b"You joined den", In(Some("den"))),
        (Dialect::Hubbub, b"Server is very busy and dropped 12 messages", Missed(12)),
        (Dialect::Hubbub, b"Server is full, come back later", FULL),
        (Dialect::Hubbub, b"Room den is not there to join: why", Refused(NO_ROOM)),
        (Dialect::Hubbub, b"Server is shutting down, bye!", Notice(FAREWELL)),
        (Dialect::Hubbub, b"bob joined den", Nothing),
        (Dialect::HubbubWebSocket, b"HTTP/1.1 101 Switching Protocols\r", Nothing),
        (Dialect::HubbubWebSocket, b"upgrade: websocket\r", Nothing),
        (Dialect::HubbubWebSocket, b"HTTP/1.1 503 Full\r", Rejected("HTTP/1.1 503 Full")),
        (Dialect::HubbubWebSocket, b"Server is full, come back later", FULL),
        (Dialect::HubbubWebSocket, b"\x81\x0bYou are bob", Name("bob")),
        (Dialect::HubbubWebSocket, b"\x81\x0eYou joined den", In(Some("den"))),
        (Dialect::HubbubWebSocket, b"\x89\x03who", Ping(b"who")),
        (Dialect::HubbubWebSocket, b"\x88\x06\x03\xe8quit", Nothing),
        (Dialect::HubbubWebSocket, b"\x88\x06\x03\xf0slow", Notice("slow")),
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
        (Dialect::WebSocket, b"HTTP/1.1 404 Not Found\r", Rejected("HTTP/1.1 404 Not Found")),
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

const FULL: Heard<'_> = Heard::Rejected("Server is full, come back later");
const NO_ROOM: &str = "Room den is not there to join: why";
const FAREWELL: &str = "Server is shutting down, bye!";
const REFUSED: Heard<'_> = Heard::Refused("ERR max number of clients reached");
