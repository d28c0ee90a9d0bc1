//! Every dialect against a server of a few lines that speaks no more than it needs: everyone gets
//! in, windows go on opening, and the accounts add up.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;

use loadgen::dialect::Dialect;
use loadgen::result::RunResult;
use loadgen::run::{Options, run};
use loadgen::scenario::{Arrivals, Scenario};

/// Members of each room, with the numbers of their connections.
type Rooms = Arc<Mutex<HashMap<String, Vec<(usize, TcpStream)>>>>;

/// One client's conversation.
struct Conversation {
    dialect: Dialect,
    number: usize,
    stream: TcpStream,
    lines: BufReader<TcpStream>,
    rooms: Rooms,
}

impl Conversation {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next frame's first byte, and its payload.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut bytes = |count: usize| {
            let mut bytes = vec![0; count];
            self.lines.read_exact(&mut bytes).ok().map(|()| bytes)
        };
        let header = bytes(2)?;
        assert_eq!(header[1] & 0x80, 0x80, "clients mask what they send");
        let count = match header[1] & 0x7f {
            126 => bytes(2)?.iter().fold(0, |count, byte| count << 8 | usize::from(*byte)),
            short => usize::from(short),
        };
        let (mask, mut payload) = (bytes(4)?, bytes(count)?);
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Some((header[0], payload))
    }

    fn answer(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes());
    }

    fn answer_framed(&mut self, text: &str) {
        let _ = self.stream.write_all(&framed(text));
    }

    fn enter(&mut self, room: &str) {
        let member = (self.number, self.stream.try_clone().expect("a socket"));
        self.rooms.lock().expect("a lock").entry(room.to_owned()).or_default().push(member);
    }

    /// Gives `text` to everyone in the room, whose order is that of the lock.
    fn give(&mut self, room: &str, bytes: &[u8], echoes: bool) {
        let rooms = self.rooms.lock().expect("a lock");
        for (number, stream) in rooms.get(room).into_iter().flatten() {
            if echoes || *number != self.number {
                let _ = (&mut &*stream).write_all(bytes);
            }
        }
    }

    fn hold(mut self) {
        if self.dialect == Dialect::Nats {
            self.answer("INFO {\"max_payload\":1048576}\r\n");
        }
        while let Some(line) = self.line() {
            match self.dialect {
                Dialect::WebSocket | Dialect::HubbubWebSocket => return self.web(&line),
                Dialect::Irc => self.irc(&line),
                Dialect::Nats => self.nats(&line),
                Dialect::Resp => self.resp(&line),
                Dialect::Hubbub => unreachable!("it does not speak that"),
            }
        }
    }

    fn irc(&mut self, line: &str) {
        if line.starts_with("USER ") {
            // Nobody comes in who does not answer.
            self.answer("PING :are you there\r\n");
            assert_eq!(self.line().as_deref(), Some("PONG :are you there"));
            self.answer(":irc 001 me :Hello\r\n:irc 422 me :No message of the day\r\n");
        } else if let Some(room) = line.strip_prefix("JOIN ") {
            self.enter(room);
            self.answer(&format!(
                ":irc 353 me = {room} :@me\r\n:irc 366 me {room} :That is all\r\n"
            ));
        } else if let Some((room, text)) =
            line.strip_prefix("PRIVMSG ").and_then(|it| it.split_once(" :"))
        {
            let text = format!(":c{}!~c@127.0.0.2 PRIVMSG {room} :{text}\r\n", self.number);
            self.give(room, text.as_bytes(), false);
        }
    }

    fn nats(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["PING"] => self.answer("PONG\r\n"),
            ["SUB", room, "1"] => self.enter(room),
            ["PUB", room, bytes] => {
                let text = self.line().expect("a payload");
                self.give(room, format!("MSG {room} 1 {bytes}\r\n{text}\r\n").as_bytes(), true);
            }
            _ => {}
        }
    }

    fn resp(&mut self, line: &str) {
        if line == "PING" {
            self.answer("+PONG\r\n");
        } else if let Some(room) = line.strip_prefix("SUBSCRIBE ") {
            self.enter(room);
            let length = room.len();
            self.answer(&format!(">3\r\n$9\r\nsubscribe\r\n${length}\r\n{room}\r\n:1\r\n"));
        } else if line == "*3" {
            let [_, _, length, room, bytes, text] = [(); 6].map(|()| self.line().expect("a line"));
            let head = format!(">3\r\n$7\r\nmessage\r\n{length}\r\n{room}\r\n{bytes}\r\n");
            self.give(&room, format!("{head}{text}\r\n").as_bytes(), true);
            self.answer(":4\r\n");
        }
    }

    /// Answers the handshake that begins with `request`, and what is said in frames then.
    fn web(&mut self, request: &str) {
        let is_hubbub = self.dialect == Dialect::HubbubWebSocket;
        let path = if is_hubbub { "/ws" } else { "/" };
        assert_eq!(request, format!("GET {path} HTTP/1.1"));
        let headers: Vec<String> =
            std::iter::from_fn(|| self.line()).take_while(|line| !line.is_empty()).collect();
        let asked = headers.iter().any(|it| it == "Sec-WebSocket-Protocol: hubbub.v1.line");
        assert_eq!(asked, is_hubbub);
        // What comes first may come together with it.
        let _ = self.stream.write_all(
            &[b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\x03who", &self.greeting()[..]]
                .concat(),
        );
        // Nobody comes in who does not answer.
        assert_eq!(self.frame(), Some((0x8a, b"who".to_vec())));
        let (join, joined, from) = if is_hubbub {
            ("/join ", "You joined ", format!("c{}: ", self.number))
        } else {
            ("join ", "joined ", String::new())
        };
        let mut room = String::new();
        while let Some((0x81, text)) = self.frame() {
            let text = String::from_utf8(text).expect("a text");
            if let Some(name) = text.strip_prefix(join) {
                self.enter(name);
                self.answer_framed(&format!("{joined}{name}"));
                name.clone_into(&mut room);
            } else {
                self.give(&room, &framed(&format!("{from}{text}")), true);
            }
        }
    }

    fn greeting(&self) -> Vec<u8> {
        match self.dialect {
            Dialect::HubbubWebSocket => {
                [framed(&format!("You are c{}", self.number)), framed("You joined main")].concat()
            }
            _ => vec![],
        }
    }
}

/// A text in a server's frame.
fn framed(text: &str) -> Vec<u8> {
    let header = match u8::try_from(text.len()) {
        Ok(bytes @ 0..126) => vec![0x81, bytes],
        Ok(bytes) => vec![0x81, 126, 0, bytes],
        Err(_) => vec![0x81, 126, (text.len() >> 8) as u8, text.len() as u8],
    };
    [&header, text.as_bytes()].concat()
}

/// Starts a server, which ends with the tests.
fn serve(dialect: Dialect) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let rooms = Rooms::default();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.expect("a client");
            let lines = BufReader::new(stream.try_clone().expect("a socket"));
            let rooms = Arc::clone(&rooms);
            let conversation = Conversation { dialect, number, stream, lines, rooms };
            thread::spawn(|| conversation.hold());
        }
    });
    address
}

fn measure(dialect: Dialect, arrivals: Arrivals, message_bytes: u32) -> RunResult {
    let scenario = Scenario {
        dialect,
        connections: 12,
        rooms: 3,
        senders_per_room: 0,
        arrivals,
        rate: 2_000.0,
        window: 16,
        message_bytes,
        warm_up_seconds: 0.1,
        measure_seconds: 0.4,
        ..Scenario::default()
    };
    let address = serve(dialect);
    let options = Options::to(address);
    run(&scenario, &options, &AtomicBool::new(false), &mut |_| ()).expect("it runs")
}

#[test]
fn everyone_gets_everything_and_windows_open_again() {
    for (dialect, readers, bytes) in [
        (Dialect::Resp, 4, 100),
        (Dialect::Nats, 4, 100),
        (Dialect::Irc, 3, 100),
        (Dialect::WebSocket, 4, 100),
        (Dialect::HubbubWebSocket, 4, 100),
        // Their frames say how long they are in another way.
        (Dialect::WebSocket, 4, 126),
        (Dialect::HubbubWebSocket, 4, 400),
    ] {
        for arrivals in [Arrivals::Window, Arrivals::Poisson] {
            let result = measure(dialect, arrivals, bytes);
            let messages = &result.messages;
            assert_eq!(result.failures, Vec::<String>::new(), "{dialect:?}: {messages:?}");
            assert_eq!(result.connections.failed, 0, "{dialect:?}: {:?}", result.connect_error);
            assert_eq!(messages.delivered, readers * messages.sent, "{dialect:?}: {messages:?}");
            // More than everyone's first window has been sent, and followed to the last receiver.
            assert!(messages.sent > 12 * 16, "{dialect:?}: {messages:?}");
            assert!(!result.times.completion.is_empty(), "{dialect:?}: {:?}", result.times);
        }
    }
}

#[test]
fn a_window_that_others_open_is_for_one_thread() {
    let scenario =
        Scenario { dialect: Dialect::Irc, arrivals: Arrivals::Window, ..Scenario::default() };
    let address: SocketAddr = "127.0.0.1:1".parse().expect("an address");
    let options = Options { cpus: vec![0, 0], ..Options::to(address) };
    let refused = run(&scenario, &options, &AtomicBool::new(false), &mut |_| ());
    let why = refused.expect_err("two threads");
    assert!(why.contains("--cpus with one core"), "{why}");
}

#[test]
fn what_a_dialect_has_no_words_for_is_refused() {
    type Change = fn(&mut Scenario);
    let refused = |change: Change| {
        let mut scenario = Scenario { dialect: Dialect::WebSocket, ..Scenario::default() };
        change(&mut scenario);
        scenario.contradictions().iter().map(ToString::to_string).collect::<String>()
    };
    assert_eq!(refused(|_| ()), "");
    let changes: [Change; 3] =
        [|it| it.rooms = 0, |it| it.herds = 1, |it| it.renames_per_second = 1.0];
    for change in changes {
        let why = refused(change);
        assert!(why.contains("that are not Hubbub's"), "{why}");
        let ours = Dialect::HubbubWebSocket;
        let mut scenario = Scenario { dialect: ours, ..Scenario::default() };
        change(&mut scenario);
        assert_eq!(scenario.contradictions(), []);
    }
}
