//! What the log says of who comes and goes, and what fail2ban makes of it.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::program::Program;
use common::{Client, Server};

const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fail2ban/filter.d/hubbub.conf");
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

#[test]
fn fail2ban_finds_those_who_misbehave_and_nobody_else() {
    let server = Server::start(1, &STRICT);
    visit(&server);
    assert_eq!(server.stop().0, Some(0));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fail2ban.log");
    fs::write(&file, server.stderr.all().join("\n")).expect("a folder for tests");
    let mut command = Command::new("fail2ban-regex");
    let ended = Program::start(command.args(["--out", "ip"]).arg(&file).arg(FILTER)).ended();
    let found: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(found, ["127.0.0.3", "127.0.0.4", "2001:db8:1:2::5"], "{}", ended.stderr);
}
