//! Faults and abuse at the door for browsers (`docs/faults.md`): requests that are huge, never end,
//! or whose answers nobody reads.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::admin::{ADMIN, Admin, trickle};
use common::crowd::Crowd;
use common::tls::pair;
use common::victims::Victims;
use common::web::{self, address, converse, head, opening, rest};
use common::{Client, PATIENCE, alone, eventually, vitals};

/// Whether the connection is over, whatever was said before that.
fn is_over(stream: &TcpStream) -> bool {
    let mut stream = stream;
    stream.set_nonblocking(true).expect("an option of our own socket");
    loop {
        match stream.read(&mut [0; 1000]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// Where the largest file of the page is.
fn largest_file() -> String {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web")).expect("a folder");
    let files = files.map(|entry| entry.expect("an entry"));
    let largest = files.max_by_key(|file| file.metadata().map_or(0, |it| it.len()));
    let name = largest.expect("a file").file_name().into_string().expect("UTF-8");
    format!("/{}", if name == "index.html" { "" } else { &name })
}

#[test]
fn f03_whatever_is_done_to_the_door_does_not_reach_the_chat() {
    const CROWD: usize = 500;
    const HAMMERS: usize = 4;
    const TIME: Duration = Duration::from_millis(500);
    let _alone = alone();
    // Raises our limit of descriptors.
    let _crowd = Crowd::new();
    let (server, door) = web::start(2, &[]);
    let mut victims = Victims::in_room(&server, "victims");
    victims.unharmed_by(|| {
        let mut slow = door.begin_requests(CROWD);
        trickle(&mut slow, TIME);
    });
    // Apart from it: in the long run the few that are hurt by one of them would not show.
    victims.unharmed_by(|| {
        thread::scope(|scope| {
            (0..HAMMERS).for_each(|_| drop(scope.spawn(|| door.hammer("/", TIME))));
        });
    });
    assert_eq!(door.get("/").status, 200);
}

#[test]
fn f03_who_hammers_on_the_door_gets_half_a_core_at_most() {
    const HAMMERS: usize = 4;
    const TIME: Duration = Duration::from_secs(1);
    /// What the kernel and the runtime do for it is not counted as work, and comes on top.
    const SHARE_MAX: f64 = 0.7;
    let _alone = alone();
    let (server, door) = web::start(2, &[]);
    let (before, started) = (vitals::cpu_time(server.pid()), Instant::now());
    thread::scope(|scope| {
        (0..HAMMERS).for_each(|_| drop(scope.spawn(|| door.hammer("/", TIME))));
    });
    let spent = vitals::cpu_time(server.pid()) - before;
    let share = spent.as_secs_f64() / started.elapsed().as_secs_f64();
    assert!(share < SHARE_MAX, "{share:.2} cores");
}

#[test]
fn f03_a_request_has_so_many_bytes_and_headers() {
    let (_server, door) = web::start(1, &[]);
    let ask = |headers: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let (answer, mut stream) = converse(door, &request);
        if answer.status != 200 {
            rest(&mut stream);
        }
        answer.status
    };
    assert_eq!(ask(&"X: y\r\n".repeat(63)), 200);
    assert_eq!(ask(&"X: y\r\n".repeat(64)), 431);
    assert_eq!(ask(&format!("X: {}\r\n", "y".repeat(8_000))), 200);
    assert_eq!(ask(&format!("X: {}\r\n", "y".repeat(8_200))), 431);
    let (answer, mut stream) = converse(door, &format!("GET /{}", "x".repeat(9_000)));
    assert!([414, 431].contains(&answer.status), "{answer:?}");
    rest(&mut stream);
    for junk in ["\x16\x03\x01\x02\x00\x01\x00\x01", "hello there\r\n\r\n", "GET / HTTP/9\r\n\r\n"]
    {
        let (answer, mut stream) = converse(door, junk);
        assert_eq!(answer.status, 400, "{junk:?}");
        rest(&mut stream);
    }
}

#[test]
fn f03_a_header_without_end_costs_next_to_nothing() {
    const BYTES: usize = 20 << 20;
    const CPU_MAX: Duration = Duration::from_millis(100);
    let _alone = alone();
    let (server, door) = web::start(2, &[]);
    assert_eq!(door.get("/").status, 200);
    let before = (vitals::cpu_time(server.pid()), vitals::resident_bytes(server.pid()));
    let mut stream = door.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").expect("it reads");
    let mut sent = 0;
    // Small pieces at first: what has come is looked at again with each.
    for piece in (0..400).map(|_| 20).chain(std::iter::repeat(16 << 10)) {
        if sent >= BYTES || stream.write_all(&vec![b'x'; piece]).is_err() {
            break;
        }
        sent += piece;
    }
    assert!(sent < BYTES, "it has read all of it");
    assert_eq!(head(&mut stream).status, 431);
    let after = (vitals::cpu_time(server.pid()), vitals::resident_bytes(server.pid()));
    assert!(after.0 - before.0 < CPU_MAX, "{:?} of CPU time", after.0 - before.0);
    assert!(after.1 - before.1 < 1 << 20, "{} bytes more", after.1 - before.1);
}

#[test]
fn f03_there_is_one_deadline_for_all_that_is_slow() {
    let (server, door) = web::start(2, &ADMIN);
    let slow_header = door.begin_requests(1);
    let mut slow_body = door.connect();
    slow_body
        .write_all(b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 9\r\n\r\nx")
        .expect("it reads");
    assert_eq!(head(&mut slow_body).status, 405);
    let silent = door.connect();
    let mut kept = door.connect();
    kept.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
    assert_eq!(head(&mut kept).status, 404);
    let started = Instant::now();
    let mut late = slow_header.into_iter().next().expect("one");
    while started.elapsed() < PATIENCE / 2 {
        trickle(std::slice::from_mut(&mut late), Duration::from_millis(100));
    }
    let answer = head(&mut late);
    assert_eq!(answer.status, 408);
    assert!(rest(&mut late).contains("in time"));
    for (stream, what) in [(&slow_body, "a body"), (&silent, "silence"), (&kept, "a kept one")] {
        eventually(what, || is_over(stream));
    }
    drop(late);
    Admin::of(&server).wait_for_turned_away("bad-request", 1);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    assert!(log.contains(r#"reason="bad-request" count=1"#), "{log}");
}

#[test]
fn f03_who_never_reads_is_hung_up_on() {
    const READERS: usize = 20;
    let (server, door) = web::start(1, &[]);
    // Its shard has opened all that it needs.
    let _client = Client::greeted(&server);
    let before = vitals::descriptors(server.pid());
    let mut streams: Vec<TcpStream> =
        (0..READERS).map(|_| Client::narrow_stream(door.addr)).collect();
    for stream in &mut streams {
        // As many answers as a connection is good for, all of which are left unread.
        let requests =
            format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", largest_file()).repeat(32);
        stream.write_all(requests.as_bytes()).expect("it reads");
    }
    eventually("all are in", || vitals::descriptors(server.pid()) == before + READERS);
    let are_gone = || vitals::descriptors(server.pid()) == before;
    // Ten seconds, and two for a last word.
    let started = Instant::now();
    eventually("most of the time", || are_gone() || started.elapsed() > PATIENCE * 9 / 10);
    eventually("they are gone", are_gone);
}

#[test]
fn f03_when_all_places_are_taken_those_go_who_keep_us_waiting() {
    const CLIENTS_MAX: usize = 400;
    /// A quarter, and as many as are accepted together.
    const PLACES: usize = CLIENTS_MAX / 4 + 64;
    const FLOOD: usize = 300;
    let (server, door) = web::start(2, &["--connections-max", &CLIENTS_MAX.to_string()]);
    let mut flood = door.begin_requests(FLOOD);
    for _ in 0..5 {
        assert_eq!(door.get("/").status, 200);
        Client::greeted(&server);
        flood.extend(door.begin_requests(10));
    }
    let left: Vec<usize> = (0..flood.len()).filter(|&it| !is_over(&flood[it])).collect();
    assert!(left.len() <= PLACES + 10, "{} are left", left.len());
    assert!(left.first().is_none_or(|&it| it >= FLOOD / 4), "the oldest is left");
}

#[test]
fn f03_a_crowd_of_browsers_that_comes_at_once_gets_in() {
    const CROWD: usize = 150;
    // There are 50 places.
    let (_server, door) = web::start(2, &["--connections-max", "200"]);
    let streams: Vec<TcpStream> = (0..CROWD).map(|_| door.connect()).collect();
    for mut stream in streams {
        stream.write_all(opening(&[]).as_bytes()).expect("it reads");
        assert_eq!(head(&mut stream).status, 101);
    }
}

#[test]
fn f02_half_made_handshakes_of_browsers_keep_nobody_out() {
    const CLIENTS_MAX: usize = 100;
    const PLACES: usize = CLIENTS_MAX / 4;
    let [cert, key] = pair();
    let tls = ["--https", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let clients_max = CLIENTS_MAX.to_string();
    let args = [&tls[..], &["--connections-max", &clients_max]].concat();
    let (server, door) = web::start(2, &args);
    let secure = Admin { addr: address(&server, "https") };
    let before = vitals::descriptors(server.pid());
    let begin = |_| {
        let mut stream = secure.connect();
        let _ = stream.write_all(b"\x16\x03\x01");
        stream
    };
    let _flood: Vec<TcpStream> = (0..60).map(begin).collect();
    eventually("all places are taken", || vitals::descriptors(server.pid()) >= before + PLACES);
    let mut honest = door.connect();
    // Less than those could keep their places if nobody needed them.
    honest.set_read_timeout(Some(PATIENCE / 2)).expect("an option of our own socket");
    honest.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is connected");
    assert_eq!(head(&mut honest).status, 200);
}
