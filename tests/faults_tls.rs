//! Faults and abuse at the port for TLS (`docs/faults.md`): handshakes that stall, junk, and floods
//! of both.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use common::admin::{ADMIN, Admin};
use common::crowd::Crowd;
use common::tls::TlsServer;
use common::victims::Victims;
use common::{Client, PATIENCE, alone, eventually};
use rustls::ClientConnection;

const NO_TLS: &str = "This port speaks TLS: try `openssl s_client -quiet -connect HOST:PORT`";

/// The first half of what a client begins with.
fn half_a_hello(tls: &TlsServer) -> Vec<u8> {
    let client = ClientConnection::new(Arc::clone(&tls.config), tls.addr.ip().into());
    let mut hello = vec![];
    client.expect("a name").write_tls(&mut hello).expect("memory takes all");
    hello.truncate(hello.len() / 2);
    hello
}

/// Connects, and sends that.
fn begin(tls: &TlsServer, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(tls.addr).expect("it listens");
    stream.write_all(bytes).expect("it is connected");
    stream
}

/// Whether the connection is over, without a word.
fn is_over(stream: &TcpStream) -> bool {
    let mut stream = stream;
    stream.set_nonblocking(true).expect("an option of our own socket");
    match stream.read(&mut [0; 100]) {
        Ok(0) => true,
        Ok(count) => panic!("{count} bytes of an answer"),
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn f02_half_made_handshakes_disturb_nobody() {
    const HALF_MADE: usize = 500;
    let _alone = alone();
    // Raises our limit of descriptors.
    let _crowd = Crowd::new();
    let tls = TlsServer::start(2, &[]);
    let hello = half_a_hello(&tls);
    let mut victims = Victims::in_room(&tls.server, "victims");
    victims.unharmed_by(|| {
        let streams: Vec<TcpStream> = (0..HALF_MADE).map(|_| begin(&tls, &hello)).collect();
        // All of them have been seen when somebody who came later is in.
        let mut honest = tls.connect();
        honest.expect_help_and_name();
        assert!(!streams.iter().any(is_over), "some were not waited for");
    });
}

#[test]
fn f02_when_all_places_are_taken_those_go_who_keep_us_waiting() {
    const CLIENTS_MAX: usize = 400;
    /// A quarter, and as many as are accepted together.
    const PLACES: usize = CLIENTS_MAX / 4 + 64;
    const FLOOD: usize = 300;
    let tls = TlsServer::start(2, &["--connections-max", &CLIENTS_MAX.to_string()]);
    // Whoever says nothing until its time is up is told something then; these never are.
    let mut flood: Vec<TcpStream> = (0..FLOOD).map(|_| begin(&tls, b"")).collect();
    for _ in 0..5 {
        let mut honest = tls.connect();
        honest.expect_help_and_name();
        Client::greeted(&tls.server);
        flood.extend((0..10).map(|_| begin(&tls, b"")));
    }
    // Whoever came before somebody who is in has been seen, so these are all that are left.
    let left: Vec<usize> = (0..flood.len()).filter(|&it| !is_over(&flood[it])).collect();
    assert!(left.len() <= PLACES + 10, "{} are left", left.len());
    assert!(left.first().is_none_or(|&it| it >= FLOOD / 4), "the oldest is left");
}

#[test]
fn f02_a_crowd_that_comes_at_once_gets_in() {
    const CROWD: usize = 150;
    // There are 25 places.
    let tls = TlsServer::start(2, &["--connections-max", "200"]);
    let streams: Vec<TcpStream> =
        (0..CROWD).map(|_| TcpStream::connect(tls.addr).expect("it listens")).collect();
    let clients: Vec<Client> = thread::scope(|scope| {
        let secure = |stream| scope.spawn(|| tls.secure(stream));
        let threads: Vec<_> = streams.into_iter().map(secure).collect();
        threads.into_iter().map(|it| it.join().expect("it got in")).collect()
    });
    for mut client in clients {
        client.expect_help_and_name();
    }
}

#[test]
fn f02_a_handshake_has_so_much_time_and_junk_has_none() {
    let tls = TlsServer::start(2, &ADMIN);
    let hello = half_a_hello(&tls);
    let slow = begin(&tls, &hello);
    let mut silent = Client::connect_to(tls.addr);
    let mut junk = vec![0x16; 3_000];
    // What a record of TLS begins with, and then something else; or a giant of one.
    for start in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], &b"\x16\x16\x16\x16"[..], &hello[..40]] {
        junk[..start.len()].copy_from_slice(start);
        let mut stream = begin(&tls, &junk);
        stream.set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
        let mut answer = vec![];
        // It ends with a reset if there was more junk than was read.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer[0] == 0x15, "no alert: {answer:?}");
    }
    eventually_twice("its time is up", || is_over(&slow));
    silent.expect(NO_TLS);
    silent.closed();
    drop(silent);
    let admin = Admin::of(&tls.server);
    admin.wait_for_turned_away("no-tls", 1);
    admin.wait_for_turned_away("bad-handshake", 4);
    assert_eq!(tls.server.stop().0, Some(0));
    let log = tls.server.stderr.all().join("\n");
    assert!(log.contains(r#"reason="bad-handshake" count=4"#), "{log}");
}

/// Waits for what takes as long as most things have at most.
fn eventually_twice(what: &str, mut question: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    eventually(what, || question() || started.elapsed() > PATIENCE * 9 / 10);
    eventually(what, question);
}
