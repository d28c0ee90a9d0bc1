//! What is counted of memory is what is taken, and those go first that take it by their own doing.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::admin::{ADMIN, Admin};
use common::frames::{Framed, frame, text};
use common::talk::Talk;
use common::vitals::resident_bytes;
use common::{Client, Server, eventually, web};
use serde_json::json;

/// Clients that send pings without end.
const PINGERS: usize = 200;
/// Pings of each in one go, and bytes of memory for each client that they may take.
const PINGS: usize = 2_300;
const PING_BYTES_MAX: u64 = 40 << 10;
/// Clients that send more than they may.
const FLOODERS: usize = 1_100;

#[test]
fn f50_pings_that_wait_to_be_answered_take_no_memory() {
    let args = ["--exempt", "none", "--messages-per-second", "1", "--messages-burst", "1"];
    let free = ["--address-connections-max", "1000", "--address-connects-per-minute", "60000"];
    let (server, door) = web::start(1, &[&args[..], &free].concat());
    let mut pingers: Vec<Framed> =
        (0..PINGERS).map(|_| Framed::open(door, Some("hubbub.v1.json"))).collect();
    let before = resident_bytes(server.pid());
    let pings = frame(0x89, b"x").repeat(PINGS);
    for _ in 0..4 {
        pingers.iter_mut().for_each(|it| it.send(&pings));
    }
    // The server has read what it would: everybody has been answered at least once.
    for pinger in &mut pingers {
        pinger.read();
        pinger.read();
    }
    let growth = resident_bytes(server.pid()).saturating_sub(before);
    assert!(growth < PINGERS as u64 * PING_BYTES_MAX, "{growth} bytes for {PINGERS} clients");
}

#[test]
fn f50_pings_are_read_as_slowly_as_other_input() {
    let args = ["--exempt", "none", "--messages-per-second", "10", "--messages-burst", "1"];
    let (server, door) = web::start(1, &[&args[..], &ADMIN].concat());
    let admin = Admin::of(&server);
    let mut pinger = Framed::open(door, Some("hubbub.v1.json"));
    let pings = frame(0x89, b"x").repeat(50_000);
    pinger.send(&pings);
    // It takes a moment to read all of them, where nothing holds that up.
    let until = Instant::now() + Duration::from_secs(1);
    let mut read = 0.0;
    while Instant::now() < until {
        read = admin.metrics().sum("hubbub_read_bytes_total");
    }
    let bytes = pings.len() as f64;
    assert!(read > 0.0 && read < bytes / 4.0, "{read} of {bytes} bytes were read");
}

#[test]
fn f51_short_of_memory_those_go_who_flood_and_others_lose_nothing() {
    let args = ["--exempt", "127.0.0.1", "--memory-max", "16M"];
    let pace = ["--address-connects-per-minute", "60000"];
    let (server, door) = web::start(1, &[&args[..], &pace, &ADMIN].concat());
    let admin = Admin::of(&server);
    let mut amy = Talk::in_main(door, "amy");
    amy.join("cafe");
    for number in 0..60 {
        amy.say("cafe", &format!("{number} {}", "y".repeat(300)));
        amy.skip_to("message");
    }
    let mut bob = Client::named(&server, "bob");
    bob.go("cafe");
    amy.skip_to("join");
    let flood = "hi\n".repeat(5_460);
    let mut flooders: Vec<TcpStream> = (0..FLOODERS)
        .map(|number| {
            let address = format!("127.0.1.{}", 2 + number / 60);
            let mut stream = Client::stream_from(&address, server.addr);
            stream.write_all(format!("/join flood-{number}\n").as_bytes()).expect("it is open");
            stream.set_nonblocking(true).expect("an option of our own socket");
            stream
        })
        .collect();
    for stream in &mut flooders {
        // It may be full, or have been sent away by then.
        let _ = stream.write(flood.as_bytes());
    }
    let evicted = |admin: Admin| {
        admin.metrics().sum_with("hubbub_connections_closed_total", "reason=\"memory\"")
    };
    eventually("flooders are evicted", || evicted(admin) > 0.0);
    eventually("the account is below its limit", || {
        admin.metrics().sum("hubbub_held_bytes") < 0.9 * f64::from(16 << 20)
    });
    bob.send("still here");
    bob.skip_to("bob: still here");
    assert_eq!(amy.skip_to("message")["text"], "still here");
    let mut eve = Talk::begin(door);
    eve.ask(json!({"type": "join", "room": "cafe"}));
    let remembered = eve.entered("cafe");
    let count = remembered["messages"].as_array().map(Vec::len);
    assert_eq!(count, Some(50), "the room has forgotten nothing");
    drop(flooders);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all();
    let sent_away = log.iter().filter(|line| line.contains("reason=\"memory\""));
    assert!(sent_away.clone().count() > 0 && sent_away.clone().all(|it| it.contains("127.0.1.")));
}

#[test]
fn f52_a_long_paste_is_no_silence() {
    let args = ["--exempt", "none", "--ping-seconds", "1", "--messages-burst", "5"];
    let (server, door) = web::start(1, &args);
    let mut spy = Client::connect_from("127.0.0.2", &server);
    spy.expect_help_and_name();
    spy.expect("You joined main");
    let mut amy = Talk::in_main(door, "amy");
    spy.skip_to("amy joined");
    // More than is read at once, and some seconds of it at the pace that holds.
    let lines = 75;
    let long = "x".repeat(300);
    let say = |it| json!({"type": "say", "room": "main", "text": format!("{it} {long}")});
    let paste: Vec<u8> = (0..lines).flat_map(|it| text(say(it).to_string())).collect();
    amy.framed.send(&paste);
    // Whatever is asked in between is answered behind it.
    for number in 0..lines {
        let line = spy.read_line();
        assert!(line.starts_with(&format!("amy: {number} ")), "{line}");
    }
    drop::<Server>(server);
}
