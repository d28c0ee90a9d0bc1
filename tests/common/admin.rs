//! The operator's port of a server under test.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{PATIENCE, Server, eventually};

/// Arguments that give a server an operator's port.
pub const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// An operator's port, or anything else that speaks HTTP.
#[derive(Clone, Copy)]
pub struct Admin {
    /// Where it listens.
    pub addr: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The number that says how it went.
    pub status: u16,
    /// All before the body.
    pub head: String,
    /// The body.
    pub body: String,
}

/// The value of each series, by its name with its labels.
pub struct Metrics(BTreeMap<String, f64>);

impl Admin {
    /// That of a server whose banner has been read up to its address.
    pub fn of(server: &Server) -> Self {
        let addr =
            |line: &str| line.split_once("admin    http://")?.1.strip_suffix('/')?.parse().ok();
        Self { addr: server.stderr.wait_for(addr).expect("the banner says where it is") }
    }

    /// Starts a server with these arguments besides, and finds its port.
    pub fn start(shards: usize, args: &[&str]) -> (Server, Self) {
        let server = Server::start(shards, &[&ADMIN, args].concat());
        let admin = Self::of(&server);
        (server, admin)
    }

    /// A connection to it.
    pub fn connect(self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.addr, PATIENCE).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option of our own socket");
        stream
    }

    /// Sends this, which is to be a request, and reads the answer to its end.
    pub fn ask(self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Asks for a page. In HTTP 1.0, so that it comes in one piece.
    pub fn get(self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.addr))
    }

    /// Begins so many requests that never end.
    pub fn begin_requests(self, requests: usize) -> Vec<TcpStream> {
        let begin = |_| {
            let mut stream = self.connect();
            // Those it has hung up on meanwhile have had their share.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ");
            stream
        };
        (0..requests).map(begin).collect()
    }

    /// Asks for this as often as it can, for so long, on connections that each carry many requests,
    /// and with headers that are too large in between.
    pub fn hammer(self, path: &str, time: Duration) {
        let requests = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(100);
        let huge = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
        let started = Instant::now();
        while started.elapsed() < time {
            for request in [&requests, &huge] {
                let mut stream = self.connect();
                // It need not take, nor answer, what is more than it takes.
                let _ = stream.write_all(request.as_bytes());
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        }
    }

    /// All metrics.
    pub fn metrics(self) -> Metrics {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a name and a value");
            (series.to_owned(), value.parse().expect("a number"))
        });
        Metrics(series.collect())
    }

    /// Waits until so many have been turned away for this reason. A client that has heard it and
    /// been hung up on may still not have been counted.
    pub fn wait_for_turned_away(self, reason: &str, count: u32) {
        let label = format!("reason=\"{reason}\"");
        eventually(&format!("{count} turned away: {reason}"), || {
            let away = self.metrics().sum_with("hubbub_connections_turned_away_total", &label);
            away == f64::from(count)
        });
    }
}

impl Metrics {
    /// The sum of all series of this name that have this in their labels.
    pub fn sum_with(&self, name: &str, label: &str) -> f64 {
        let is_it = |series: &str| {
            let (bare, labels) = series.split_once('{').unwrap_or((series, ""));
            bare == name && labels.contains(label)
        };
        self.0.iter().filter(|(series, _)| is_it(series)).map(|(_, value)| value).sum()
    }

    /// The sum of all series of this name.
    pub fn sum(&self, name: &str) -> f64 {
        self.sum_with(name, "")
    }
}

/// Adds a byte to each of these requests, again and again, for so long.
pub fn trickle(streams: &mut [TcpStream], time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        streams.iter_mut().for_each(|it| drop(it.write_all(b"x")));
        thread::sleep(Duration::from_millis(10));
    }
}

/// The names and kinds of all metrics in a page of them.
pub fn families(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines
        .map(|line| line.split_once(' ').expect("a name and a kind"))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}
