//! What somebody from the open internet can do: connect, ask, flood, not read, say nothing. Each
//! costs only themselves.

mod common;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::admin::{ADMIN, Admin};
use common::{Client, Server, eventually, expect_quiet, introduced, people};

/// Nobody is exempt, and connecting is not what the test is about.
const STRICT: [&str; 4] = ["--exempt", "none", "--address-connects-per-minute", "60000"];

const FULL: &str = "There are too many connections from your address, please close one first";
const FAST: &str = "Your address has connected too often, please try again in a minute";

fn start(shards: usize, flags: &[&str]) -> Server {
    Server::start(shards, &[&STRICT[..], flags].concat())
}

/// Whether a client from 127.0.0.`host` is let in; if not, it must be told `why`.
fn enter(server: &Server, host: u8, why: &str) -> Option<Client> {
    let mut client = Client::connect_from(&format!("127.0.0.{host}"), server);
    match client.read_line() {
        line if line == "Server commands" => Some(client),
        line => {
            assert_eq!(line, why);
            client.closed();
            None
        }
    }
}

#[test]
fn f08_an_address_has_so_many_connections_and_no_more() {
    for shards in [1, 2] {
        let server = start(shards, &["--address-connections-max", "5"]);
        let mut inside: Vec<Client> = (0..5).filter_map(|_| enter(&server, 2, FULL)).collect();
        assert_eq!(inside.len(), 5);
        for _ in 0..20 {
            assert!(enter(&server, 2, FULL).is_none());
        }
        assert!(enter(&server, 3, FULL).is_some(), "another address");
        inside.pop();
        eventually("a place is free", || enter(&server, 2, FULL).is_some());
        let mut witness = inside.pop().expect("four are left");
        witness.send("/nonsense");
        witness.skip_to("Unrecognized command /nonsense, try /help");
    }
}

#[test]
fn networks_have_so_many_connections_and_no_more() {
    let flags = ["--proxies", "127.0.0.9", "--address-connections-max", "2"];
    let server = start(2, &flags);
    let come = |family: &str, from: String| {
        let header = format!("PROXY {family} {from} {from} 4000 1\r\n");
        let mut client = through_proxy(&server, 9, header.as_bytes(), 1000);
        (client.read_line() != FULL).then_some(client)
    };
    // One customer's, of 56 bits, and then its provider's.
    let v6 = |n: u32| come("TCP6", format!("2001:db8:7:{n:x}::1"));
    let customer: Vec<Client> = (0..20).filter_map(v6).collect();
    assert_eq!(customer.len(), 2 * 4);
    let others: Vec<Client> = (1..50).filter_map(|n| v6(n << 8)).collect();
    assert_eq!(customer.len() + others.len(), 2 * 16);
    let v4: Vec<Client> = (1..50).filter_map(|n| come("TCP4", format!("203.0.113.{n}"))).collect();
    assert_eq!(v4.len(), 2 * 16);
    assert!(come("TCP6", "2001:db8:8::1".to_owned()).is_some(), "another network");
    drop(customer);
    eventually("there is room", || v6(0).is_some());
}

#[test]
fn f56_a_full_server_evicts_the_longest_idle_of_the_fullest_network() {
    const SERVER_FULL: &str = "Server is full, please try again later";
    for shards in [1, 2] {
        let limits = ["--connections-max", "24", "--address-connections-max", "4"];
        let flags = [&["--proxies", "127.0.0.9"], &limits[..], &ADMIN].concat();
        let server = start(shards, &flags);
        let admin = Admin::of(&server);
        let come = |from: String| {
            let header = format!("PROXY TCP6 {from} {from} 4000 1\r\n");
            let mut client = through_proxy(&server, 9, header.as_bytes(), 1000);
            match client.read_line() {
                line if line == "Server commands" => Some(client),
                line => {
                    assert_eq!(line, SERVER_FULL);
                    None
                }
            }
        };
        // Sixteen of one customer's 56 bits, who fill it, but for eight in two other networks.
        let mut crowd: Vec<Client> =
            (0..16).filter_map(|n| come(format!("2001:db8:7:{n:x}::1"))).collect();
        let mut others: Vec<Client> =
            (0..8).filter_map(|n| come(format!("2001:db8:{:x}:{n:x}::2", 8 + n / 4))).collect();
        assert_eq!((crowd.len(), others.len()), (16, 8));
        crowd.iter_mut().for_each(|client| drop(client.skip_to("You joined main")));
        let mut last = crowd.pop().expect("sixteen");
        last.send("still here");
        last.skip_until(|line| line.ends_with(": still here"));
        // Newcomers come in, until their network has as many as the fullest but for a few.
        let mut newcomers: Vec<Client> = vec![];
        eventually("newcomers come in", || {
            newcomers.extend(come(format!("2001:db8:a:{:x}::3", newcomers.len())));
            newcomers.len() == 4
        });
        for client in others.iter_mut().chain([&mut last]) {
            client.send("/nonsense");
            client.skip_to("Unrecognized command /nonsense, try /help");
        }
        let told = |line: &str| line.starts_with("You have said nothing for ");
        let told = crowd.into_iter().map(|mut client| {
            client.send("/nonsense");
            let is_end = |line: &str| told(line) || line.starts_with("Unrecognized");
            told(&client.skip_until(is_end))
        });
        let told = told.filter(|&it| it).count();
        assert!((4..16).contains(&told), "{told} were evicted");
        eventually("nobody else was evicted", || {
            let counted = "hubbub_connections_closed_total";
            admin.metrics().sum_with(counted, r#"reason="evicted""#) == told as f64
        });
    }
}

#[test]
fn a_proxy_for_browsers_is_made_room_for_as_well() {
    let flags = ["--proxies", "127.0.0.9", "--connections-max", "4", "--http", "127.0.0.1:0"];
    let server = start(1, &flags);
    let http = common::web::address(&server, "http");
    let mut crowd: Vec<Client> = (1..5)
        .map(|n| format!("PROXY TCP4 203.0.113.{n} 127.0.0.1 4000 1\r\n"))
        .map(|header| through_proxy(&server, 9, header.as_bytes(), 1000))
        .collect();
    for client in &mut crowd {
        client.skip_to("You joined main");
    }
    eventually("a page is served", || {
        let mut stream = Client::stream_from("127.0.0.9", http);
        let request = b"GET / HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
        // It may have been hung up on.
        let _ = stream.write_all(request);
        common::web::rest(&mut stream).starts_with("HTTP/1.0 200 ")
    });
}

#[test]
fn f08_an_address_may_come_only_so_often() {
    let flags = ["--exempt", "127.0.0.7,::1", "--address-connects-per-minute", "2"];
    let server = Server::start(2, &flags);
    let came = (0..50).filter(|_| enter(&server, 2, FAST).is_some()).count();
    assert_eq!(came, 5, "twice as often as in a minute, and the one that goes over it");
    assert!(enter(&server, 3, FAST).is_some(), "another address");
    assert!((0..50).all(|_| enter(&server, 7, FAST).is_some()), "exempt");
}

/// Connects from 127.0.0.`host`, and sends `header` in pieces of so many bytes.
fn through_proxy(server: &Server, host: u8, header: &[u8], piece: usize) -> Client {
    let mut client = Client::connect_from(&format!("127.0.0.{host}"), server);
    header.chunks(piece).for_each(|bytes| client.send_bytes(bytes));
    client
}

const BEHIND_PROXY: [&str; 4] = ["--proxies", "127.0.0.9", "--address-connections-max", "2"];

#[test]
fn f09_limits_are_for_the_address_in_the_header_of_a_proxy() {
    let server = start(2, &BEHIND_PROXY);
    let v1 = |host: u8| format!("PROXY TCP4 203.0.113.{host} 127.0.0.1 4000 1\r\n").into_bytes();
    let v2 = |host: u8| {
        let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71";
        [&start[..], &[host, 127, 0, 0, 1, 15, 160, 0, 1]].concat()
    };
    let headers = [v1(1), v2(1), v1(2), v2(2)];
    let mut clients: Vec<Client> = headers
        .iter()
        .zip([1, 1, 7, 1000])
        .map(|(header, piece)| {
            // What comes right behind the header is a line like any other.
            through_proxy(&server, 9, &[header, &b"/nonsense\n"[..]].concat(), piece)
        })
        .collect();
    for client in &mut clients {
        client.skip_to("Unrecognized command /nonsense, try /help");
    }
    for header in [v1(1), v2(2)] {
        let mut client = through_proxy(&server, 9, &header, 1000);
        client.expect(FULL);
        client.closed();
    }
    // Any other address could claim to be anyone with it.
    let mut liar = through_proxy(&server, 3, &v1(5), 1000);
    let lines: Vec<String> = std::iter::from_fn(|| liar.read_line_or_end()).collect();
    assert!(lines.last().is_some_and(|line| line.contains("--proxies")), "{lines:?}");
}

#[test]
fn f09_a_proxy_that_says_nothing_sensible_is_hung_up_on_without_a_word() {
    let server = start(1, &[&BEHIND_PROXY[..], &ADMIN].concat());
    let giant = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 600]].concat();
    let endless = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 600]].concat();
    let silent = Vec::new();
    let junk = b"hello, I would like to chat\n".to_vec();
    let mut clients = [giant, endless, junk, silent].map(|it| through_proxy(&server, 9, &it, 1000));
    for client in &mut clients {
        client.hung_up_on();
    }
    // Nobody had to wait for that.
    assert!(enter(&server, 3, FULL).is_some());
    drop(clients);
    Admin::of(&server).wait_for_turned_away("bad-proxy-header", 4);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    assert!(log.contains(r#"reason="bad-proxy-header" count=4"#), "{log}");
}

#[test]
fn f10_a_herd_is_let_in_at_a_pace_and_nobody_is_refused() {
    const HERD: u8 = 120;
    const PER_SECOND: u64 = 25;
    /// Connections that the server accepts before it counts them.
    const BATCH: u64 = 32;
    let server = start(2, &["--connects-per-second", &PER_SECOND.to_string()]);
    let started = Instant::now();
    let mut herd: Vec<Client> =
        (1..=HERD).map(|host| Client::connect_from(&format!("127.0.0.{host}"), &server)).collect();
    herd.iter_mut().for_each(|client| drop(client.expect_help_and_name()));
    let took = started.elapsed();
    // A second's worth may come at once, and nobody waits for the last batch to be paid for.
    let paid_for = u64::from(HERD) - PER_SECOND - BATCH;
    assert!(took >= Duration::from_millis(1_000 / PER_SECOND * paid_for), "{took:?}");
}

#[test]
fn f23_a_flood_is_read_slowly_and_nothing_of_it_is_lost() {
    const FLOOD: usize = 600;
    for shards in [1, 2] {
        let flags = ["--messages-per-second", "200", "--messages-burst", "20"];
        let server = start(shards, &flags);
        let [mut witness, mut flooder] = people(&server, ["witness", "flooder"]);
        let lines: Vec<String> = (0..FLOOD).map(|n| n.to_string()).collect();
        let started = Instant::now();
        flooder.send_bytes(format!("{}\n", lines.join("\n")).as_bytes());
        witness.expect("flooder: 0");
        let mine = witness.say_something();
        let before = witness.skip_to(&mine).len();
        assert!(before < FLOOD / 2, "the witness had to wait for {before} messages of the flood");
        for line in &lines[before + 1..] {
            witness.expect(&format!("flooder: {line}"));
        }
        let least = Duration::from_millis(5 * (FLOOD as u64 - 20 - 20));
        assert!(started.elapsed() > least, "{FLOOD} messages in {:?}", started.elapsed());
    }
}

#[test]
fn f23_whoever_is_gone_is_gone_at_once_however_much_they_have_sent() {
    for shards in [1, 2] {
        let server = start(shards, &["--messages-per-second", "5", "--messages-burst", "20"]);
        let [mut witness, mut flooder] = people(&server, ["witness", "flooder"]);
        let lines: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        flooder.send_bytes(format!("{}\n", lines.join("\n")).as_bytes());
        witness.expect("flooder: 0");
        flooder.vanish();
        // To be read at this pace the flood would take minutes.
        let before = witness.skip_to("flooder left").len();
        assert!(before < 100, "{before} messages of somebody who is gone");
    }
}

#[test]
fn f24_long_answers_cost_more_than_messages() {
    const LISTS: u64 = 30;
    let server = start(2, &["--messages-per-second", "100", "--messages-burst", "20"]);
    let [mut witness, mut asker] = people(&server, ["witness", "asker"]);
    let started = Instant::now();
    asker.send_bytes("/rooms\n".repeat(LISTS as usize).as_bytes());
    for _ in 0..LISTS {
        asker.expect("Rooms - main (2)");
    }
    let least = Duration::from_millis(10 * (10 * LISTS - 20 - 20));
    assert!(started.elapsed() > least, "{LISTS} lists in {:?}", started.elapsed());
    expect_quiet([&mut witness, &mut asker]);
}

#[test]
fn f27_rooms_are_made_at_a_pace() {
    for shards in [1, 2] {
        let flags = ["--rooms-per-minute", "3", "--messages-burst", "1000"];
        let server = start(shards, &flags);
        let mut founder = Client::greeted(&server);
        for room in ["r1", "r2", "r3", "r4"] {
            founder.send(&format!("/join {room}"));
            founder.skip_to(&format!("You joined {room}"));
        }
        founder.send("/join r5");
        founder.skip_to("Room r5 is not there to join: you make rooms too quickly, wait a little");
        founder.expect("You joined main");
        let mut host = Client::greeted(&server);
        host.send("/join r5");
        host.skip_to("You joined r5");
        founder.send("/join r5");
        founder.skip_to("You joined r5");
    }
}

#[test]
fn f27_there_are_so_many_rooms_and_no_more() {
    let server = Server::start(1, &["--rooms-max", "3"]);
    let mut founders: Vec<Client> = (0..4).map(|_| Client::greeted(&server)).collect();
    for (client, room) in founders.iter_mut().zip(["r1", "r2"]) {
        client.go(room);
    }
    founders[3].send("/join r3");
    founders[3]
        .skip_to("Room r3 is not there to join: the server has as many rooms as it can have");
    founders[3].expect("You joined main");
    founders[3].go("r2");
    // Rooms that nobody is in are gone.
    founders[0].go("r3");
}

/// Has `talker` say a hundred long lines, which `others` read, and returns who has left meanwhile.
fn talk<const N: usize>(talker: &mut Client, others: [&mut Client; N]) -> Vec<String> {
    let text = "x".repeat(390);
    talker.send_bytes(format!("{text}\n").repeat(100).as_bytes());
    let line = format!("{}: {text}", talker.name());
    let mut left = vec![];
    for client in [talker].into_iter().chain(others) {
        for _ in 0..100 {
            left.extend(client.skip_to(&line));
        }
    }
    left
}

#[test]
fn f21_who_never_reads_is_sent_away_and_others_lose_nothing() {
    for shards in [1, 2] {
        let server = Server::start(shards, &["--stall-seconds", "1"]);
        let mut readers = people(&server, ["talker", "witness"]);
        let sloth = introduced(Client::connect_narrowly(&server), "sloth", &mut readers);
        let address = sloth.addr();
        let [mut talker, mut witness] = readers;
        eventually("the sloth is sent away", || !talk(&mut talker, [&mut witness]).is_empty());
        // Whoever it was that was told first, both are told.
        expect_quiet([&mut talker, &mut witness]);
        assert_eq!(server.stop().0, Some(0));
        let log = server.stderr.all().join("\n");
        assert!(log.contains("closed_slow=1"), "{log}");
        assert!(log.contains(&format!(r#"from={address} reason="slow""#)), "{log}");
    }
}

#[test]
fn f22_who_reads_a_trickle_is_sent_away_and_who_reads_on_is_not() {
    let server = Server::start(2, &["--stall-seconds", "1", "--feed-bytes-max", "65536"]);
    let mut talkers = people(&server, ["talker"]);
    let mut paced = |name: &str, bytes: usize| {
        let mut client = introduced(Client::connect_narrowly(&server), name, &mut talkers);
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && client.read_blindly(bytes) > 0 {
                thread::sleep(Duration::from_millis(100));
            }
        });
        (thread, stop)
    };
    // Both are behind all the time; one reads ten bytes a second, the other some 160 000.
    let readers = [paced("reader", 16 << 10), paced("trickler", 1)];
    let [mut talker] = talkers;
    let started = Instant::now();
    let mut left = vec![];
    while started.elapsed() < Duration::from_secs(5) {
        left.extend(talk(&mut talker, []));
    }
    assert_eq!(left, ["trickler left"]);
    for (thread, stop) in readers {
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("a reader does not fail");
    }
}

#[test]
fn f32_short_of_memory_nobody_new_comes_in_and_the_largest_holders_go_first() {
    const ROOMS: usize = 20;
    const SHORT: &str = "Server is short of memory, please try again later";
    // More than fills a room's feed, and what the system takes for somebody who does not read.
    const BLOCKS: usize = 40;
    for shards in [1, 2] {
        let server = Server::start(shards, &["--memory-max", "16M"]);
        let mut pairs: Vec<[Client; 2]> = (0..ROOMS)
            .map(|room| {
                let mut pair = [Client::greeted(&server), Client::connect_narrowly(&server)];
                pair[1].expect_help_and_name();
                pair.iter_mut().for_each(|client| client.go(&format!("room{room}")));
                pair[0].skip_to(&format!("{} joined", pair[1].name().to_owned()));
                pair
            })
            .collect();
        let mut turned_away = 0;
        for [talker, _sloth] in &mut pairs {
            for _ in 0..BLOCKS {
                talk(talker, []);
            }
            turned_away += usize::from(enter(&server, 1, SHORT).is_none());
        }
        assert!((1..ROOMS).contains(&turned_away), "{turned_away} of {ROOMS} turned away");
        // Whoever behaves has lost nothing, and whoever was slow is still here.
        pairs.iter_mut().for_each(|[talker, _sloth]| expect_quiet([talker]));
        drop(pairs);
        eventually("there is room again", || enter(&server, 1, SHORT).is_some());
        assert_eq!(server.stop().0, Some(0));
        let log = server.stderr.all().join("\n");
        assert!(log.contains("closed_memory=0"), "{log}");
        let relieved = log.split("relieved=").skip(1).any(|rest| !rest.starts_with('0'));
        assert!(relieved, "20 rooms took 16 MiB and nothing was given back: {log}");
    }
}

#[test]
fn f01_who_says_nothing_is_sent_away_if_the_operator_wants_that() {
    for shards in [1, 2] {
        let server = Server::start(shards, &["--idle-seconds", "1"]);
        let mut talker = Client::greeted(&server);
        let mut lurker = Client::connect(&server);
        lurker.expect_help_and_name();
        let started = Instant::now();
        let mut lurker_left = false;
        while started.elapsed() < Duration::from_secs(3) {
            let line = talker.say_something();
            lurker_left |= talker.skip_to(&line).iter().any(|line| line.ends_with(" left"));
            thread::sleep(Duration::from_millis(20));
        }
        assert!(lurker_left);
        lurker.skip_to("You have said nothing for 1 s, bye!");
        // Until the room's home has let it go, it hears what is said there.
        while let Some(line) = lurker.read_line_or_end() {
            assert!(line.contains("something"), "{line}");
        }
    }
}
