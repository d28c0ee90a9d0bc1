//! A limit that changes while the server runs holds at once, raised or lowered, for those who are
//! there as for those who come.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use common::admin::{ADMIN, Admin};
use common::frames::{Frame, Framed};
use common::program::Program;
use common::tls::TlsServer;
use common::{Client, PATIENCE, Server, eventually, introduced, people, web};
use hubbub::config::FIXED;

/// A setting, a low and a high value of it, and what shows that the high one holds.
struct Live {
    key: &'static str,
    low: &'static str,
    high: &'static str,
    /// Settings that both go with.
    besides: &'static str,
    is_high: fn(&Server) -> bool,
}

/// Strangers come as often as they like.
const OFTEN: &str = "exempt = []\naddress-connects-per-minute = 60000\n";
/// A message a second, and one at once.
const SLOWLY: &str = "exempt = []\nmessages-burst = 1\n";

const LIVE: &[Live] = &[
    Live {
        key: "connections-max",
        low: "2",
        high: "9",
        besides: "",
        is_high: |server| are_let_in(server, "127.0.0.1", 3),
    },
    Live {
        key: "address-connections-max",
        low: "1",
        high: "9",
        besides: OFTEN,
        is_high: |server| are_let_in(server, "127.0.0.2", 2),
    },
    Live {
        key: "address-connects-per-minute",
        low: "1",
        high: "60000",
        besides: "exempt = []\n",
        is_high: |server| are_let_in(server, "127.0.0.2", 9),
    },
    Live {
        key: "exempt",
        low: "[]",
        high: "[\"127.0.0.0/8\"]",
        besides: "address-connections-max = 1\naddress-connects-per-minute = 60000\n",
        is_high: |server| are_let_in(server, "127.0.0.2", 2),
    },
    Live {
        key: "proxies",
        low: "[]",
        high: "[\"127.0.0.9\"]",
        besides: "",
        is_high: |server| {
            let mut client = Client::connect_from("127.0.0.9", server);
            client.send("this is no header of a proxy");
            client.read_blindly(100) == 0
        },
    },
    Live {
        key: "messages-per-second",
        low: "1",
        high: "1000",
        besides: SLOWLY,
        is_high: |server| speaks_fast(server),
    },
    Live {
        key: "messages-burst",
        low: "1",
        high: "1000",
        besides: "exempt = []\nmessages-per-second = 1\n",
        is_high: |server| speaks_fast(server),
    },
    Live {
        key: "rooms-per-minute",
        low: "1",
        high: "1000",
        besides: "exempt = []\n",
        is_high: |server| makes_rooms(server),
    },
    Live {
        key: "rooms-max",
        low: "2",
        high: "1000",
        besides: "",
        is_high: |server| makes_rooms(server),
    },
    Live {
        key: "message-chars-max",
        low: "5",
        high: "50",
        besides: "",
        is_high: |server| says(&mut Client::greeted(server), "123456"),
    },
    Live {
        key: "announce-max",
        low: "0",
        high: "200",
        besides: "",
        is_high: |server| {
            let mut witness = Client::greeted(server);
            let other = Client::greeted(server);
            witness.skip_until(|line| line.contains("joined")).starts_with(&guest(&other))
        },
    },
    Live {
        key: "line-history",
        low: "false",
        high: "true",
        besides: "",
        is_high: |server| is_told_the_past(server),
    },
    Live {
        key: "history-messages",
        low: "0",
        high: "50",
        besides: "line-history = true\n",
        is_high: |server| is_told_the_past(server),
    },
];

/// What other tests show, and what nothing outside of the server can.
const ELSEWHERE: &[(&str, &str)] = &[
    ("connects-per-second", "net::admission: limits_that_change_hold_at_once"),
    ("idle-seconds", "settings: whoever_is_silent_has_a_whole_span_from_when_..."),
    ("ping-seconds", "here: a_changed_ping_holds_for_those_who_are_there"),
    ("stall-seconds", "here: a_lowered_stall_holds_for_those_who_are_behind"),
    ("drain-seconds", "here: a_changed_drain_holds_for_the_next_stop"),
    ("tls-cert", "settings: a_certificate_changes_for_the_next_handshake_..."),
    ("tls-key", "settings: a_certificate_changes_for_the_next_handshake_..."),
    ("history-bytes-max", "core::history: a_lowered_limit_trims_at_once"),
    ("allow-host", "web: a reload changes it with allow-origin"),
    ("allow-origin", "web: f18_pages_may_chat_whose_origin_the_operator_..."),
    ("log-level", "settings: the_log_changes_its_level"),
    ("feed-bytes-max", "read whenever something is said: core::feed"),
    ("feed-messages-max", "read whenever something is said: core::feed"),
    ("outbox-bytes-max", "read whenever a client is read: core::session"),
    ("memory-max", "here: the_limits_that_are_shown_are_those_that_hold; shard::account"),
];

/// Whether so many clients from `address` are let in who stay.
fn are_let_in(server: &Server, address: &str, count: usize) -> bool {
    let mut clients: Vec<Client> =
        (0..count).map(|_| Client::connect_from(address, server)).collect();
    clients.iter_mut().all(|it| it.read_line_or_end().is_some_and(|it| it == "Server commands"))
}

/// Whether a client says five things faster than one a second.
fn speaks_fast(server: &Server) -> bool {
    let mut client = Client::greeted(server);
    client.send_bytes(b"1\n2\n3\n4\n5\n");
    let started = Instant::now();
    let name = client.name().to_owned();
    client.skip_to(&format!("{name}: 5"));
    started.elapsed() < Duration::from_secs(2)
}

/// Whether a client may make three rooms, and be in them at once with two others.
fn makes_rooms(server: &Server) -> bool {
    let mut client = Client::greeted(server);
    let mut stays = Client::greeted(server);
    ["r1", "r2", "r3"].into_iter().all(|room| {
        client.send(&format!("/join {room}"));
        let answer = client.skip_until(|it| it.contains(room));
        stays.send(&format!("/join {room}"));
        stays.skip_until(|it| it.contains(room));
        answer == format!("You joined {room}")
    })
}

fn says(client: &mut Client, text: &str) -> bool {
    let name = client.name().to_owned();
    client.send(text);
    client.skip_until(|line| line.contains("chars") || line.contains(text))
        == format!("{name}: {text}")
}

/// The name of a client that has not changed it.
fn guest(client: &Client) -> String {
    client.name().to_owned()
}

/// Whether somebody who comes later is told what was said before.
fn is_told_the_past(server: &Server) -> bool {
    let mut talker = Client::greeted(server);
    let said = talker.say_something();
    talker.skip_to(&said);
    let mut newcomer = Client::greeted(server);
    let own = newcomer.say_something();
    newcomer.skip_to(&own).iter().any(|line| line.contains(&said))
}

/// A settings file of one test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let file = Self(folder.join(format!("reload-{name}.toml")));
        fs::write(&file.0, text).expect("a folder for tests");
        file
    }

    fn start(&self, shards: usize, args: &[&str]) -> Server {
        let path = self.0.to_str().expect("a plain path");
        Server::start(shards, &[&["--config", path], args].concat())
    }

    fn reload(&self, server: &Server, text: &str) {
        fs::write(&self.0, text).expect("a folder for tests");
        server.signal("HUP");
        let done = |line: &str| line.contains("settings were read again").then_some(());
        assert!(server.stderr.wait_for(done).is_some(), "{}", server.stderr.so_far());
    }
}

#[test]
fn every_limit_that_changes_holds_at_once() {
    for live in LIVE {
        let Live { key, low, high, besides, is_high } = live;
        let [low, high] = [low, high].map(|value| format!("{besides}{key} = {value}\n"));
        let file = File::new(key, &low);
        let server = file.start(2, &[]);
        assert!(!is_high(&server), "{key} from the start");
        file.reload(&server, &high);
        eventually(&format!("{key} is raised"), || is_high(&server));
        file.reload(&server, &low);
        eventually(&format!("{key} is lowered"), || !is_high(&server));
    }
}

#[test]
fn every_setting_that_can_change_is_tried() {
    let printed = Program::hubbub(&["--print-config"], &[]).stdout;
    let keys = printed.lines().filter_map(|line| Some(line.split_once(" = ")?.0));
    let keys: BTreeSet<&str> = keys.map(|key| key.trim_start_matches("# ")).collect();
    let live: BTreeSet<&str> = keys.into_iter().filter(|key| !FIXED.contains(key)).collect();
    let tried = LIVE.iter().map(|it| it.key).chain(ELSEWHERE.iter().map(|(key, _)| *key));
    assert_eq!(live, tried.collect());
}

#[test]
fn a_changed_ping_holds_for_those_who_are_there() {
    let file = File::new("ping", "ping-seconds = 3600\n");
    let server = file.start(1, &web::HTTP);
    let door = Admin { addr: web::address(&server, "http") };
    let mut browser = Framed::open(door, None);
    browser.stream().set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
    browser.skip_to("You joined main");
    file.reload(&server, "ping-seconds = 1\n");
    assert!(matches!(browser.read(), Some(Frame::Ping(_))), "it is asked within a second or so");
    file.reload(&server, "ping-seconds = 3600\n");
    // Whoever does not answer now has an hour for it.
    thread::sleep(Duration::from_secs(3));
    browser.send(&common::frames::text("still here"));
    let said = std::iter::from_fn(|| browser.read());
    let mut said = said.filter(|it| !matches!(it, Frame::Ping(_)));
    assert!(matches!(said.next(), Some(Frame::Text(text)) if text.ends_with(": still here")));
}

#[test]
fn a_lowered_stall_holds_for_those_who_are_behind() {
    let file = File::new("stall", "stall-seconds = 3600\n");
    let server = file.start(1, &[]);
    let mut talkers = people(&server, ["talker"]);
    let _sloth = introduced(Client::connect_narrowly(&server), "sloth", &mut talkers);
    let [mut talker] = talkers;
    let text = "x".repeat(390);
    for _ in 0..10 {
        talker.send_bytes(format!("{text}\n").repeat(40).as_bytes());
        (0..40).for_each(|_| drop(talker.skip_to(&format!("talker: {text}"))));
    }
    file.reload(&server, "stall-seconds = 1\n");
    talker.expect("sloth left");
}

#[test]
fn a_changed_drain_holds_for_the_next_stop() {
    let file = File::new("drain", "drain-seconds = 3600\n");
    let server = file.start(1, &[]);
    let _stays = Client::greeted(&server);
    file.reload(&server, "drain-seconds = 0\n");
    server.signal("TERM");
    assert_eq!(server.ended_within(PATIENCE).code(), Some(0));
}

#[test]
fn the_limits_that_are_shown_are_those_that_hold() {
    let file = File::new("shown", "connections-max = 7\nmemory-max = \"64M\"\n");
    let server = file.start(1, &ADMIN);
    let admin = Admin::of(&server);
    let shows = |line: &str| admin.get("/metrics").body.lines().any(|it| it == line);
    assert!(shows("hubbub_connections_max 7") && shows("hubbub_memory_max_bytes 67108864"));
    file.reload(&server, "connections-max = 8\nmemory-max = \"32M\"\n");
    let is_shown =
        || shows("hubbub_connections_max 8") && shows("hubbub_memory_max_bytes 33554432");
    eventually("other limits are shown", is_shown);
}

#[test]
fn the_operator_sees_the_last_reload_the_certificate_and_what_is_spoken() {
    let file = File::new("seen", "");
    let path = file.0.to_str().expect("a plain path");
    let tls = TlsServer::start(1, &[&["--config", path], &web::HTTP[..], &ADMIN].concat());
    let door = Admin { addr: web::address(&tls.server, "http") };
    let admin = Admin::of(&tls.server);
    let body = || admin.get("/metrics").body;
    let shows = |line: &str| body().lines().any(|it| it == line);
    let expiry = "hubbub_certificate_expiry_timestamp_seconds ";
    let expiry: i64 = body()
        .lines()
        .find_map(|line| line.strip_prefix(expiry)?.parse().ok())
        .expect("a server with TLS has a certificate");
    let days = (expiry - hubbub::net::unix_seconds()) / (24 * 60 * 60);
    assert!((364..=365).contains(&days), "gen-cert makes one for a year: {days}");
    assert!(shows("hubbub_config_last_reload_successful 1"));
    let _clients = [tls.connect(), Client::connect(&tls.server), Client::connect(&tls.server)];
    let _browser = Framed::open(door, Some("hubbub.v1.json"));
    for (protocol, tls, count) in [
        ("line", false, 2),
        ("line", true, 1),
        ("websocket-json", false, 1),
        ("websocket-line", false, 0),
    ] {
        let labels = format!(r#"shard="0",protocol="{protocol}",tls="{tls}""#);
        let line = format!("hubbub_connections_by_protocol{{{labels}}} {count}");
        eventually(&line, || shows(&line));
    }
    fs::write(&file.0, "nonsense").expect("a folder for tests");
    tls.server.signal("HUP");
    eventually("the reload has failed", || shows("hubbub_config_last_reload_successful 0"));
    file.reload(&tls.server, "");
    eventually("it has not", || shows("hubbub_config_last_reload_successful 1"));
}
