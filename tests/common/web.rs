//! The door for browsers of a server under test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::admin::{Admin, Answer};
use super::{PATIENCE, Server};

/// Arguments that give a server a door for browsers, who may come by the name in [`OPENING`].
pub const HTTP: [&str; 4] = ["--http", "127.0.0.1:0", "--allow-host", "chat.example"];

/// What a client sends that wants to chat, but for the first line and the last, empty one.
pub const OPENING: &[(&str, &str)] = &[
    ("Host", "chat.example"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// What answers that key, as RFC 6455 has it.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Starts a server with a door for browsers, and these arguments besides. Where it is.
pub fn start(shards: usize, args: &[&str]) -> (Server, Admin) {
    let server = Server::start(shards, &[&HTTP, args].concat());
    let door = Admin { addr: address(&server, "http") };
    (server, door)
}

/// Where a server says that browsers come in.
pub fn address(server: &Server, scheme: &str) -> SocketAddr {
    let lead = format!("browser  {scheme}://");
    let address = |line: &str| line.split_once(&lead)?.1.strip_suffix('/')?.parse().ok();
    server.stderr.wait_for(address).expect("the banner says where it is")
}

/// A request to chat, in which some headers have other values, or are left out for want of one, or
/// come besides.
pub fn opening(changes: &[(&str, Option<&str>)]) -> String {
    let changed = |name: &str| changes.iter().find(|(it, _)| *it == name);
    let mut request = "GET /ws HTTP/1.1\r\n".to_owned();
    for (name, value) in OPENING {
        let value = changed(name).map_or(Some(*value), |(_, value)| *value);
        request.extend(value.map(|value| format!("{name}: {value}\r\n")));
    }
    for (name, value) in changes {
        if !OPENING.iter().any(|(it, _)| it == name) {
            request.extend(value.map(|value| format!("{name}: {value}\r\n")));
        }
    }
    request + "\r\n"
}

/// Sends `request`, and reads the answer's head and no more. The connection goes on.
pub fn converse(door: Admin, request: &str) -> (Answer, TcpStream) {
    converse_on(door.connect(), request)
}

/// As [`converse`], on a connection that there is.
pub fn converse_on(mut stream: TcpStream, request: &str) -> (Answer, TcpStream) {
    stream.write_all(request.as_bytes()).expect("it reads");
    let answer = head(&mut stream);
    (answer, stream)
}

/// Reads the head of an answer.
pub fn head(stream: &mut impl Read) -> Answer {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("no answer, {error}, after {:?}", String::from_utf8_lossy(&head))
        });
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("UTF-8").trim_end().to_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
    Answer { status, head, body: String::new() }
}

/// Reads all that is left until the other side has closed, or the connection breaks.
pub fn rest(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE * 2)).expect("an option of our own socket");
    let mut rest = vec![];
    // A reset comes behind what was sent before it.
    let _ = stream.read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
