//! What the log says of who comes and goes, and what fail2ban makes of it.

mod common;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use common::program::Program;
use common::tls::TlsServer;
use common::web::{HTTP, address, head, opening};
use common::{Client, Server};

/// Bans whoever does what no honest client does.
const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fail2ban/filter.d/hubbub.conf");
/// Bans those who may be lost or lured, too.
const AGGRESSIVE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fail2ban/filter.d/hubbub-aggressive.conf");
const STRICT: [&str; 6] =
    ["--exempt", "none", "--address-connections-max", "2", "--proxies", "127.0.0.9"];
const BAD_INPUT: &[u8] = b"\xff\n\xff\n\xff\n";
/// What is said, and by whom, has no place in a log.
const SECRETS: [&str; 2] = ["mildred", "hush"];

/// The rest of the next line of the log with these words, from them on.
fn line(server: &Server, words: &str) -> String {
    let found = server.stderr.wait_for(|line| line.find(words).map(|at| line[at..].to_owned()));
    found.unwrap_or_else(|| panic!("no {words:?}: {}", server.stderr.so_far()))
}

/// Some come and go, some are turned away and some are sent away.
fn visit(server: &Server) {
    let mut polite = Client::connect_from("127.0.0.2", server);
    polite.expect_help_and_name();
    polite.expect("You joined main");
    polite.rename(SECRETS[0]);
    polite.send(SECRETS[1]);
    polite.expect(&SECRETS.join(": "));
    polite.send("/quit");
    polite.closed();
    line(server, "a client has gone");
    let mut crowd = [(); 2].map(|()| Client::connect_from("127.0.0.3", server));
    crowd.iter_mut().for_each(|client| drop(client.expect_help_and_name()));
    let mut third = Client::connect_from("127.0.0.3", server);
    third.expect("There are too many connections from your address, please close one first");
    // Hangs up at once, with a reset, as there is something it has not read.
    Client::connect_from("127.0.0.4", server).send_bytes(BAD_INPUT);
    line(server, "a client is sent away");
    let mut proxied = Client::connect_from("127.0.0.9", server);
    proxied.send_bytes(b"PROXY TCP6 2001:db8:1:2::5 ::1 4000 1\r\n");
    proxied.send_bytes(BAD_INPUT);
    line(server, "a client is sent away");
}

#[test]
fn who_comes_and_goes_is_told_with_the_reason_and_nothing_of_what_they_said() {
    let server = Server::start(1, &STRICT);
    let mut client = Client::connect_from("127.0.0.2", &server);
    let come = line(&server, "a client has come");
    client.send("/quit");
    let gone = line(&server, "a client has gone");
    let place = come.strip_prefix("a client has come ").expect("it begins so");
    assert!(place.starts_with("shard=0 slot=0 from=127.0.0.2:"), "{place}");
    assert_eq!(gone, format!("a client has gone {place} reason=\"quit\""));
    visit(&server);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    let proxied = "from=[2001:db8:1:2::5]:4000";
    for end in [proxied.to_owned(), format!("{proxied} reason=\"bad-input\"")] {
        assert!(log.lines().any(|line| line.ends_with(&end)), "{log}");
    }
    assert!(!SECRETS.iter().any(|secret| log.contains(secret)), "{log}");
}

#[test]
fn addresses_are_masked_if_that_is_asked_for() {
    let server = Server::start(1, &[&STRICT[..], &["--mask-addresses"]].concat());
    visit(&server);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all();
    let lines: Vec<&String> = log.iter().filter(|line| line.contains("from=")).collect();
    for line in &lines {
        let is_masked = ["from=127.0.0.0/24", "from=2001:db8:1::/48"];
        assert!(is_masked.iter().any(|it| line.contains(it)), "{line}");
    }
    assert!(lines.len() > 5 && !log.join("\n").contains("127.0.0.2"), "{log:#?}");
}

#[test]
fn who_is_exempt_comes_and_goes_unnoticed_but_for_misbehaviour() {
    let server = Server::start(1, &[]);
    let mut client = Client::greeted(&server);
    client.send("/quit");
    client.closed();
    Client::connect(&server).send_bytes(BAD_INPUT);
    line(&server, "a client is sent away");
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    assert!(!log.contains("a client has"), "{log}");
}

/// The addresses that fail2ban would ban by this filter, for these lines of a log.
fn found_by(filter: &str, log: &[String], name: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fail2ban-{name}.log"));
    fs::write(&file, log.join("\n")).expect("a folder for tests");
    let mut command = Command::new("fail2ban-regex");
    let ended = Program::start(command.args(["--out", "ip"]).arg(&file).arg(filter)).ended();
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    let mut found: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn fail2ban_finds_those_who_misbehave_and_nobody_else() {
    let server = Server::start(1, &STRICT);
    visit(&server);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all();
    assert_eq!(found_by(FILTER, &log, "visit"), ["127.0.0.4", "2001:db8:1:2::5"]);
}

/// Waits until the log tells of this reason.
fn wait_for_reason(server: &Server, reason: &str) {
    line(server, &format!(r#"reason="{reason}""#));
}

/// Has a client each from an address of its own be rejected or disconnected: for these reasons.
fn misbehave(tls: &TlsServer, http: SocketAddr) -> Vec<(&'static str, &'static str)> {
    let server = &tls.server;
    let send = |from: &str, to: SocketAddr, bytes: &[u8], reason: &str| {
        let mut stream = Client::stream_from(from, to);
        stream.write_all(bytes).expect("there is room for it");
        wait_for_reason(server, reason);
    };
    let host = http.to_string();
    let foreign = opening(&[("Host", Some(&host)), ("Origin", Some("http://elsewhere.example"))]);
    let plain = server.addr;
    send("127.0.0.11", plain, BAD_INPUT, "bad-input");
    send("127.0.0.9", plain, b"hello, I would like to chat\n", "bad-proxy-header");
    send("127.0.0.13", tls.addr, b"hello\n", "no-tls");
    // A record that says it is a handshake, and is none.
    send("127.0.0.14", tls.addr, b"\x16\x03\x01\0\x05hello", "bad-handshake");
    send("127.0.0.15", http, b"hello\r\n\r\n", "bad-request");
    let mut page = Client::stream_from("127.0.0.16", http);
    page.write_all(foreign.as_bytes()).expect("it reads");
    assert_eq!(head(&mut page).status, 403);
    drop(page);
    wait_for_reason(server, "bad-origin");
    let mut browser = Client::stream_from("127.0.0.17", http);
    browser.write_all(opening(&[("Host", Some(&host))]).as_bytes()).expect("it reads");
    assert_eq!(head(&mut browser).status, 101);
    // Clients' frames are masked.
    browser.write_all(b"\x81\x02hi").expect("it reads");
    wait_for_reason(server, "bad-frame");
    let _crowd = [(); 3].map(|()| Client::connect_from("127.0.0.18", server));
    wait_for_reason(server, "address-full");
    let come_and_go = || {
        let mut client = Client::connect_from("127.0.0.19", server);
        // Who is let in leaves before the next comes, or there would be too many of them.
        if client.read_line() == "Server commands" {
            client.send("/quit");
            while client.read_blindly(1 << 10) > 0 {}
        }
    };
    (0..6).for_each(|_| come_and_go());
    wait_for_reason(server, "address-fast");
    vec![
        ("127.0.0.11", "bad-input"),
        ("127.0.0.9", "bad-proxy-header"),
        ("127.0.0.13", "no-tls"),
        ("127.0.0.14", "bad-handshake"),
        ("127.0.0.15", "bad-request"),
        ("127.0.0.16", "bad-origin"),
        ("127.0.0.17", "bad-frame"),
        ("127.0.0.18", "address-full"),
        ("127.0.0.19", "address-fast"),
    ]
}

#[test]
fn a_limit_or_a_lure_is_no_reason_for_a_ban() {
    let more = ["--address-connects-per-minute", "2"];
    let tls = TlsServer::start(1, &[&STRICT[..], &more, &HTTP].concat());
    let http = address(&tls.server, "http");
    let mut seen = misbehave(&tls, http);
    assert_eq!(tls.server.stop().0, Some(0));
    let mut log = tls.server.stderr.all();
    // Reasons that take minutes or gigabytes look like the others.
    let line_of = |reason: &str, log: &[String]| {
        let found = log.iter().find(|line| line.contains(&format!(r#"reason="{reason}""#)));
        found.unwrap_or_else(|| panic!("no {reason}: {log:#?}")).clone()
    };
    let alike = [("address-full", "127.0.0.18"), ("bad-input", "127.0.0.11")];
    for (model, host, reason, from) in [
        (0, "127.0.0.21", "full", 0),
        (0, "127.0.0.22", "memory", 0),
        (1, "127.0.0.23", "memory", 1),
        (1, "127.0.0.24", "slow", 1),
        (1, "127.0.0.25", "idle", 1),
        (1, "127.0.0.26", "no-pong", 1),
    ] {
        let line = line_of(alike[model].0, &log).replace(alike[model].0, reason);
        log.push(line.replace(alike[from].1, host));
        seen.push((host, reason));
    }
    let reasons = |found: &[String]| -> Vec<&str> {
        let reason = |ip: &String| seen.iter().find(|(host, _)| host == ip).map(|it| it.1);
        found.iter().map(|ip| reason(ip).unwrap_or_else(|| panic!("{ip} is none"))).collect()
    };
    assert_eq!(reasons(&found_by(FILTER, &log, "reasons")), ["bad-input", "bad-frame"]);
    let aggressive = reasons(&found_by(AGGRESSIVE, &log, "aggressive"));
    assert_eq!(aggressive, ["no-tls", "bad-handshake", "bad-request", "slow"]);
}

#[test]
fn the_loudest_address_hides_no_other_from_the_log() {
    const LOUD: u64 = 50;
    let server = Server::start(1, &STRICT);
    let mut crowds = ["127.0.0.3", "127.0.0.4"].map(|from| {
        [(); 2].map(|()| {
            let mut client = Client::connect_from(from, &server);
            client.expect_help_and_name();
            client
        })
    });
    let refused = |from: &str| Client::connect_from(from, &server).read_line();
    (0..LOUD).for_each(|_| drop(refused("127.0.0.3")));
    refused("127.0.0.4");
    let quiet = |line: &str| line.contains("turned away") && line.contains("from=127.0.0.4:");
    assert!(server.stderr.wait_for(|line| quiet(line).then_some(())).is_some());
    crowds.iter_mut().flatten().for_each(|client| client.send("/quit"));
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all();
    let loud: Vec<&String> =
        log.iter().filter(|line| line.contains("turned away reason")).collect();
    let loud: Vec<u64> = loud
        .iter()
        .filter(|line| line.contains("from=127.0.0.3:"))
        .map(|line| line.rsplit_once("suppressed=").expect("a count").1.parse().expect("a number"))
        .collect();
    let accounted = loud.iter().sum::<u64>() + loud.len() as u64;
    assert_eq!(accounted, LOUD, "each is in a line, or counted in one: {log:#?}");
    assert!((loud.len() as u64) < LOUD / 2, "a line for each: {loud:?}");
}
