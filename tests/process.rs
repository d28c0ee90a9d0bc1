//! The server as a process: its start, its flags and variables, what it writes where, and its end.

mod common;

use std::net::TcpStream;
use std::time::Duration;

use common::program::Program;
use common::server::Setup;
use common::{Client, Server, introduced, on_every_shard_count, people};

const FAREWELL: &str = "Server is shutting down, bye!";

/// Every flag there is.
const FLAGS: [&str; 12] = [
    "--ip",
    "--port",
    "--connections-max",
    "--drain-seconds",
    "--shards",
    "--no-pin",
    "--message-chars-max",
    "--announce-max",
    "--feed-bytes-max",
    "--feed-messages-max",
    "--outbox-bytes-max",
    "--log-format",
];

#[test]
fn a_stop_delivers_what_was_said_and_says_goodbye() {
    on_every_shard_count(|server| {
        let mut members = people(server, ["amy", "bob", "eve", "joe"]);
        let mut loner = Client::greeted(server);
        let guest = loner.name().to_owned();
        loner.join("den");
        let said: Vec<String> = (0..50).map(|it| format!("amy: {it}")).collect();
        let [amy, ..] = &mut members;
        (0..50).for_each(|number| amy.send(&number.to_string()));
        // The last word has come back, so the room has heard it all.
        let mut heard = amy.skip_to("amy: 49");
        heard.retain(|line| line.starts_with("amy: "));
        assert_eq!(heard, said[..49]);
        let (code, took) = server.stop();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(4), "everybody reads, yet the end took {took:?}");
        for member in &mut members[1..] {
            member.expect(&format!("{guest} joined"));
            member.expect(&format!("{guest} left"));
            said.iter().for_each(|line| member.expect(line));
        }
        for client in members.iter_mut().chain([&mut loner]) {
            client.expect(FAREWELL);
            client.closed();
        }
        assert!(TcpStream::connect(server.addr).is_err(), "somebody still listens");
    });
}

#[test]
fn a_stop_waits_no_longer_than_told_for_those_who_do_not_read() {
    for (signal, shards) in [("INT", 1), ("TERM", 2), ("INT", 8)] {
        let (server, mut readers, _sleepers) = overfilled(shards, "2");
        readers[0].send("the end");
        readers[0].expect("amy: the end");
        server.signal(signal);
        readers[1..].iter_mut().for_each(|reader| reader.expect("amy: the end"));
        for reader in &mut readers {
            reader.expect(FAREWELL);
            reader.closed();
        }
        let status = server.ended_within(Duration::from_secs(3));
        assert_eq!(status.code(), Some(0), "SIG{signal} with {shards} shards");
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let (server, mut readers, _sleepers) = overfilled(2, "60");
    server.signal("TERM");
    readers[0].expect(FAREWELL);
    assert!(server.is_running(), "half of the clients have not read what they are owed");
    server.signal("TERM");
    server.ended_within(Duration::from_secs(2));
}

/// A server with three members who have read everything, and three who read nothing and are owed
/// more than the system buffers for them.
fn overfilled(shards: usize, drain_seconds: &str) -> (Server, [Client; 3], [Client; 3]) {
    // Nothing of the 10 MB that will be said is dropped, and the system takes 4 of them.
    let limits = ["--feed-bytes-max", "16000000", "--feed-messages-max", "30000"];
    let args = [&["--drain-seconds", drain_seconds], &limits[..]].concat();
    let server = Server::start(shards, &args);
    let mut readers = people(&server, ["amy", "bob", "eve"]);
    let sleepers = ["joe", "kim", "leo"]
        .map(|name| introduced(Client::connect_narrowly(&server), name, &mut readers));
    let text = "x".repeat(400);
    let line = format!("amy: {text}");
    let window = format!("{text}\n").repeat(40);
    for _ in 0..600 {
        readers[0].send_bytes(window.as_bytes());
        for reader in &mut readers {
            (0..40).for_each(|_| reader.expect(&line));
        }
    }
    (server, readers, sleepers)
}

#[test]
fn a_port_in_use_is_explained_in_one_line() {
    let server = Server::start(1, &[]);
    let port = server.addr.port().to_string();
    let ended = Program::hubbub(&["--port", &port, "--shards", "1", "--no-pin"], &[]);
    assert!(!ended.status.success());
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let [line] = lines[..] else { panic!("not one line: {lines:#?}") };
    for part in [&server.addr.to_string(), "already in use", "--port"] {
        assert!(line.contains(part), "{part:?} is missing in {line:?}");
    }
}

#[test]
fn a_flag_out_of_range_is_explained() {
    for (flag, value, bound) in [
        ("--shards", "0", "1..="),
        ("--port", "99999", "65535"),
        ("--message-chars-max", "0", "1..="),
        ("--announce-max", "many", "many"),
        ("--drain-seconds", "-1", "-1"),
        ("--ip", "localhorst", "localhorst"),
        ("--log-format", "xml", "json"),
    ] {
        let ended = Program::hubbub(&[&format!("{flag}={value}")], &[]);
        assert_eq!(ended.status.code(), Some(2), "{flag} {value}: {}", ended.stderr);
        for part in [flag, bound] {
            assert!(ended.stderr.contains(part), "{part:?} is missing in\n{}", ended.stderr);
        }
    }
}

#[test]
fn variables_stand_in_for_flags() {
    for (flag, variable, bad) in
        [("--shards", "HUBBUB_SHARDS", "0"), ("--port", "HUBBUB_PORT", "99999")]
    {
        let ended = Program::hubbub(&[], &[(variable, bad)]);
        assert_eq!(ended.status.code(), Some(2), "{variable}={bad}: {}", ended.stderr);
        assert!(ended.stderr.contains(flag), "{flag} is missing in\n{}", ended.stderr);
    }
    // A switch takes any word for yes: what is refused here is the flag.
    let ended = Program::hubbub(&["--connections-max", "4000000"], &[("HUBBUB_NO_PIN", "1")]);
    assert!(ended.stderr.contains("--connections-max"), "{}", ended.stderr);
    // A flag wins over its variable, even over a bad one.
    let variables = [("HUBBUB_SHARDS", "0"), ("HUBBUB_MESSAGE_CHARS_MAX", "5")];
    let server = Server::start_as(&Setup { variables: &variables, ..Setup::default() });
    let mut client = Client::greeted(&server);
    assert_eq!(client.ask("123456"), "Messages can only be 5 chars long");
}

#[test]
fn help_and_version_are_there() {
    let help = Program::hubbub(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    for flag in FLAGS {
        assert!(help.stdout.contains(flag), "{flag} is missing in\n{}", help.stdout);
        let variable = format!("HUBBUB_{}", flag[2..].replace('-', "_").to_uppercase());
        assert!(help.stdout.contains(&variable), "{variable} is missing in\n{}", help.stdout);
    }
    let version = Program::hubbub(&["--version"], &[]);
    assert_eq!(version.stdout.trim(), concat!("hubbub ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_log_can_be_json_line_by_line() {
    let variables = [("HUBBUB_LOG_LEVEL", "debug")];
    let args = ["--log-format", "json"];
    let setup = Setup { shards: 2, args: &args, variables: &variables, ..Setup::default() };
    let server = Server::start_as(&setup);
    let [mut amy, bob] = people(&server, ["amy", "bob"]);
    drop(bob);
    amy.expect("bob left");
    server.stop();
    for line in server.stderr.all() {
        let value: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"));
        assert!(value.is_object(), "{line}");
    }
}

#[test]
fn standard_output_stays_empty() {
    let variables = [("HUBBUB_LOG_LEVEL", "trace")];
    let server = Server::start_as(&Setup { variables: &variables, ..Setup::default() });
    let [mut amy] = people(&server, ["amy"]);
    assert_eq!(amy.ask("hello"), "amy: hello");
    server.stop();
    assert_eq!(server.stdout.all(), [""; 0]);
}

#[test]
fn a_client_that_types_while_the_server_stops_reads_all_it_was_owed() {
    const SAID: usize = 1_000;
    let server = Server::start(2, &[]);
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    let lines: String = (0..SAID).map(|n| format!("line {n}\n")).collect();
    amy.send_bytes(lines.as_bytes());
    for n in 0..SAID {
        amy.expect(&format!("amy: line {n}"));
    }
    let stopping = std::thread::spawn(move || server.stop());
    amy.expect("Server is shutting down, bye!");
    bob.send("too late");
    for n in 0..SAID {
        bob.expect(&format!("amy: line {n}"));
    }
    bob.expect("Server is shutting down, bye!");
    drop((amy, bob));
    stopping.join().expect("the server stops");
}
