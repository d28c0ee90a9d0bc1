//! A client that speaks lines and knows what it has heard.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::runtime::Builder;

use super::wire::Wire;
use super::{PATIENCE, Server};

/// The answer to `/help`, and the first thing a client reads.
pub const HELP: [&str; 7] = [
    "Server commands",
    "  /help - print this message",
    "  /name {name} - change name",
    "  /rooms - list rooms",
    "  /join {room} - joins room",
    "  /users - list users in room",
    "  /quit - quit server",
];

/// The receive buffer of a client that does not want to receive.
const RECEIVE_BYTES_NARROW: u32 = 16 << 10;

/// How many lines of a conversation a failure shows.
const TRANSCRIPT_LINES_MAX: usize = 30;

/// How many characters of each.
const TRANSCRIPT_CHARS_MAX: usize = 100;

/// One connection to the server.
pub struct Client {
    wire: Wire,
    /// What the server calls us, as far as we have read.
    name: String,
    /// Bytes received and not yet read as lines: those from `start` on.
    received: Vec<u8>,
    start: usize,
    /// The end of the conversation, for a failure's report: `>` is ours, `<` the server's.
    transcript: Vec<String>,
}

impl Client {
    /// Connects, and reads nothing.
    pub fn connect(server: &Server) -> Self {
        Self::connect_to(server.addr)
    }

    /// Connects to something that stands in front of the server, and reads nothing.
    pub fn connect_to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE);
        Self::over(Wire::Plain(stream.unwrap_or_else(|error| panic!("no connection: {error}"))))
    }

    /// Connects with a receive buffer that does not grow, and reads nothing: what such a client
    /// leaves unread soon waits in the server, not in its own system.
    pub fn connect_narrowly(server: &Server) -> Self {
        Self::over(Wire::Plain(Self::narrow_stream(server.addr)))
    }

    /// Connects from this address, one of the loopback interface, and reads nothing.
    pub fn connect_from(address: &str, server: &Server) -> Self {
        Self::over(Wire::Plain(Self::stream_from(address, server.addr)))
    }

    /// A connection made with a receive buffer that does not grow.
    pub fn narrow_stream(addr: SocketAddr) -> TcpStream {
        Self::stream_with(addr, |socket| socket.set_recv_buffer_size(RECEIVE_BYTES_NARROW))
    }

    /// A connection from this address, one of the loopback interface.
    pub fn stream_from(address: &str, addr: SocketAddr) -> TcpStream {
        let address = SocketAddr::new(address.parse().expect("an address"), 0);
        Self::stream_with(addr, |socket| socket.bind(address))
    }

    fn stream_with(
        addr: SocketAddr,
        prepare: impl FnOnce(&TcpSocket) -> io::Result<()>,
    ) -> TcpStream {
        let connect = async {
            let socket = TcpSocket::new_v4()?;
            prepare(&socket)?;
            socket.connect(addr).await?.into_std()
        };
        let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime");
        let stream = runtime.block_on(connect).expect("a connection");
        stream.set_nonblocking(false).expect("an option of our own socket");
        stream
    }

    /// A client that is connected in one way or another, and has read nothing.
    pub fn over(wire: Wire) -> Self {
        // What is written in pieces shall leave in pieces, as it does from a Unix socket.
        if wire.socket().local_addr().is_ok() {
            wire.socket().set_nodelay(true).expect("an option of our own socket");
        }
        wire.socket().set_write_timeout(Some(PATIENCE)).expect("an option of our own socket");
        let (name, received, transcript) = (String::new(), Vec::new(), Vec::new());
        Self { wire, name, received, start: 0, transcript }
    }

    /// Connects and reads the greeting up to `You joined main`.
    pub fn greeted(server: &Server) -> Self {
        let mut client = Self::connect(server);
        client.expect_help_and_name();
        client.expect("You joined main");
        client
    }

    /// Connects and takes this name, whatever others in `main` are doing meanwhile.
    pub fn named(server: &Server, name: &str) -> Self {
        let mut client = Self::connect(server);
        let guest = client.expect_help_and_name();
        client.send(&format!("/name {name}"));
        client.skip_to(&format!("{guest} is now {name}"));
        name.clone_into(&mut client.name);
        client
    }

    /// The address of our end.
    pub fn addr(&self) -> SocketAddr {
        self.wire.socket().local_addr().expect("it is connected")
    }

    /// Our name, as far as the harness knows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the help text and `You are {name}`, and returns that name.
    pub fn expect_help_and_name(&mut self) -> String {
        for line in HELP {
            self.expect(line);
        }
        let line = self.read_line();
        let Some(name) = line.strip_prefix("You are ") else {
            self.fail(&format!("expected a name, got {line:?}"))
        };
        name.clone_into(&mut self.name);
        name.to_owned()
    }

    /// Takes another name; the announcement must be the next line.
    pub fn rename(&mut self, name: &str) {
        self.send(&format!("/name {name}"));
        self.expect(&format!("{} is now {name}", self.name));
        name.clone_into(&mut self.name);
    }

    /// Goes to another room; the confirmation must be the next line.
    pub fn join(&mut self, room: &str) {
        self.send(&format!("/join {room}"));
        self.expect(&format!("You joined {room}"));
    }

    /// Goes to another room, whatever is said before the confirmation.
    pub fn go(&mut self, room: &str) {
        self.send(&format!("/join {room}"));
        self.skip_to(&format!("You joined {room}"));
    }

    /// Says something that nobody has said before, and returns the line that the room will read.
    pub fn say_something(&mut self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let text = format!("something {}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.send(&text);
        format!("{}: {text}", self.name)
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    /// Sends bytes, in one packet if they fit.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.note(
            '>',
            &String::from_utf8_lossy(&bytes[..bytes.len().min(4 * TRANSCRIPT_CHARS_MAX)]),
        );
        if let Err(error) = self.wire.write_all(bytes).and_then(|()| self.wire.flush()) {
            self.fail(&format!("could not send {} bytes: {error}", bytes.len()));
        }
    }

    /// Says that we will send no more, and goes on reading.
    pub fn half_close(&mut self) {
        self.note('>', "(end of input)");
        self.wire.end_output().expect("the connection is open");
    }

    /// Is gone in the middle of sending this.
    pub fn break_off(mut self, bytes: &[u8]) {
        self.wire.send_half(bytes).expect("the connection is open");
    }

    /// Is gone without a word, and without having read what it was sent.
    pub fn vanish(self) {
        // Closing with a linger time of nothing resets the connection.
        let socket = socket2::SockRef::from(self.wire.socket());
        socket.set_linger(Some(Duration::ZERO)).expect("an option of our own socket");
    }

    /// Asserts that the server ends the connection without a word, in good order or not.
    #[track_caller]
    pub fn hung_up_on(&mut self) {
        self.wire.socket().set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
        match self.wire.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => self.fail("expected the end of the connection, got more"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.fail("expected the end of the connection, and waited")
            }
            Err(_) => {}
        }
    }

    /// Reads some bytes, which are not looked at; nothing at the end of the connection, however it
    /// comes.
    pub fn read_blindly(&mut self, bytes_max: usize) -> usize {
        let mut bytes = vec![0; bytes_max];
        self.wire.socket().set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
        self.wire.read(&mut bytes).unwrap_or(0)
    }

    /// Sends a line and reads the next one, which must be its answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.read_line()
    }

    /// The next line, without its end.
    pub fn read_line(&mut self) -> String {
        match self.read_line_or_end() {
            Some(line) => line,
            None => self.fail("the server closed the connection; expected a line"),
        }
    }

    /// Reads the next line, which must be this one.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        let got = self.read_line();
        if got != line {
            self.fail(&format!("expected {line:?}, got {got:?}"));
        }
    }

    /// Reads until a line is as `wanted`, and returns that.
    pub fn skip_until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.read_line();
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Reads up to and including this line, and returns what came before it.
    pub fn skip_to(&mut self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let got = self.read_line();
            if got == line {
                return before;
            }
            before.push(got);
        }
    }

    /// Asserts that the server has closed the connection in an orderly way, with nothing more said.
    #[track_caller]
    pub fn closed(&mut self) {
        if let Some(line) = self.read_line_or_end() {
            self.fail(&format!("expected the end of the connection, got {line:?}"));
        }
    }

    /// Whether nothing has arrived that has not been read.
    pub fn hears_nothing(&mut self) -> bool {
        if self.start < self.received.len() {
            return false;
        }
        self.wire.socket().set_nonblocking(true).expect("an option of our own socket");
        let mut byte = [0];
        let read = self.wire.read(&mut byte);
        self.wire.socket().set_nonblocking(false).expect("an option of our own socket");
        self.received.extend_from_slice(&byte[..*read.as_ref().unwrap_or(&0)]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads bytes, which must be these.
    #[track_caller]
    pub fn expect_bytes(&mut self, expected: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while self.received.len() < self.start + expected.len() {
            if self.receive(deadline) == 0 {
                self.fail(&format!("the connection ended before {expected:?}"));
            }
        }
        let end = self.start + expected.len();
        if self.received[self.start..end] != *expected {
            self.fail(&format!("expected {expected:?}, got {:?}", &self.received[self.start..]));
        }
        self.start = end;
    }

    /// The next line, or nothing at the end of the connection.
    pub fn read_line_or_end(&mut self) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut searched = self.start;
        loop {
            if let Some(length) = self.received[searched..].iter().position(|&b| b == b'\n') {
                return Some(self.take_line(searched + length));
            }
            searched = self.received.len();
            if self.receive(deadline) == 0 {
                let rest = String::from_utf8_lossy(&self.received[self.start..]).into_owned();
                self.note('<', "(end of connection)");
                if !rest.is_empty() {
                    self.fail(&format!("the connection ended within a line: {rest:?}"));
                }
                return None;
            }
        }
    }

    /// Takes the line that ends at this position out of what has been received.
    fn take_line(&mut self, end: usize) -> String {
        let line = self.received[self.start..end].to_vec();
        self.start = end + 1;
        if self.start == self.received.len() {
            self.received.clear();
            self.start = 0;
        }
        let line = match String::from_utf8(line) {
            Ok(line) => line,
            Err(error) => self.fail(&format!("the server sent a line that is no text: {error}")),
        };
        self.note('<', &line);
        line
    }

    /// Waits for more bytes; 0 is the end.
    fn receive(&mut self, deadline: Instant) -> usize {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would mean for ever.
        let timeout = left.max(Duration::from_millis(1));
        self.wire.socket().set_read_timeout(Some(timeout)).expect("an option of our own socket");
        let mut chunk = [0; 16 << 10];
        match self.wire.read(&mut chunk) {
            Ok(count) => {
                self.received.extend_from_slice(&chunk[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.fail(&format!("nothing within {PATIENCE:?}"))
            }
            Err(error) => self.fail(&format!("the connection broke: {error}")),
        }
    }

    /// Keeps a line for the report of a failure. What is sent in pieces is shown in one.
    fn note(&mut self, direction: char, text: &str) {
        let shown: String = text.escape_debug().take(TRANSCRIPT_CHARS_MAX).collect();
        match self.transcript.last_mut() {
            Some(last) if direction == '>' && last.starts_with('>') && !last.ends_with("\\n") => {
                last.push_str(&shown);
            }
            _ => self.transcript.push(format!("{direction} {shown}")),
        }
        if self.transcript.len() >= 2 * TRANSCRIPT_LINES_MAX {
            self.transcript.drain(..TRANSCRIPT_LINES_MAX);
        }
    }

    /// Fails the test, with what has been said.
    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        let skipped = self.transcript.len().saturating_sub(TRANSCRIPT_LINES_MAX);
        let transcript = self.transcript[skipped..].join("\n");
        panic!("client {:?}: {why}; the conversation ends with\n{transcript}\n", self.name)
    }
}
