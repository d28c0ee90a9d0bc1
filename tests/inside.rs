//! Faults inside the server: code that panics, a shard that is stuck, a log that nobody can read.
//! Only what is broken suffers, or the process ends and says so; it is never half alive.
//!
//! The server is built with the feature `fault-injection`, which has it break itself when told to;
//! see `src/shard/faults.rs`.

mod common;

use std::fs;
use std::io::PipeReader;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::admin::Admin;
use common::manager::Manager;
use common::output::Output;
use common::server::{Setup, free_port};
use common::{Client, Server, eventually, expect_quiet, on_every_shard_count, people};

const FAREWELL: &str = "Server is shutting down, bye!";
const INTERNAL_ERROR: &str = "Internal error, closing this connection";

/// How long an end may take that is to come at once; a drain would take much longer here.
const AT_ONCE: Duration = Duration::from_secs(5);

/// More lines than the log's queue and a pipe hold.
const FLOOD_LINES: u64 = 20_000;

#[test]
fn f36_a_panic_in_one_connection_closes_that_one_only() {
    const VICTIMS: usize = 10;
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for _ in 0..VICTIMS {
            let mut victim = Client::greeted(server);
            let guest = victim.name().to_owned();
            let named = format!("{guest} is now victim");
            eventually("the name is free again", || victim.ask("/name victim") == named);
            for client in [&mut amy, &mut bob] {
                client.expect(&format!("{guest} joined"));
                client.expect(&named);
            }
            victim.send_bytes(b"last words\n/fault-panic\nnever heard\n");
            // As any private word, this one may overtake an echo.
            let mut heard = [victim.read_line(), victim.read_line()];
            heard.sort_unstable();
            assert_eq!(heard, [INTERNAL_ERROR, "victim: last words"]);
            victim.closed();
            for client in [&mut amy, &mut bob] {
                client.expect("victim: last words");
                client.expect("victim left");
            }
        }
        expect_quiet([&mut amy, &mut bob]);
        assert_eq!(server.stop().0, Some(0));
        let log = server.stderr.all();
        let reported = log.iter().filter(|line| line.contains("handling it panicked")).count();
        assert_eq!(reported, VICTIMS);
        assert_eq!(closed_by_internal_errors(&log), VICTIMS);
    });
}

/// How many connections all shards say, in the end, that they closed because of internal errors.
fn closed_by_internal_errors(log: &[String]) -> usize {
    let counts = log.iter().filter_map(|line| line.split_once("closed_internal_error="));
    let number = |rest: &str| rest.split(' ').next().and_then(|word| word.parse::<usize>().ok());
    counts.map(|(_, rest)| number(rest).unwrap_or_else(|| panic!("no number in {rest:?}"))).sum()
}

#[test]
fn f36_a_panic_frees_the_rooms_of_its_connection() {
    on_every_shard_count(|server| {
        let [mut amy, mut victim] = people(server, ["amy", "victim"]);
        victim.join("den");
        amy.skip_to("victim left");
        victim.send("/fault-panic");
        victim.expect(INTERNAL_ERROR);
        victim.closed();
        eventually("the room is gone", || amy.ask("/rooms") == "Rooms - main (1)");
    });
}

#[test]
fn f37_a_panic_in_a_shards_own_loop_ends_the_process_at_once() {
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &["--drain-seconds", "3600"]);
        let [mut amy, _bob, _eve] = people(&server, ["amy", "bob", "eve"]);
        // Nor does a connection that lingers keep it.
        let mut quitter = Client::greeted(&server);
        quitter.send("/quit");
        amy.skip_to(&format!("{} left", quitter.name()));
        amy.send("/fault-loop");
        let status = server.ended_within(AT_ONCE);
        assert_eq!(status.code(), Some(1), "{shards} shards");
        // The shard of the first who came.
        let said = |what: &[&str]| {
            let log = server.stderr.all();
            log.iter().any(|line| what.iter().all(|word| line.contains(word)))
        };
        assert!(said(&["a shard died", "shard=0"]), "{shards} shards");
        assert!(said(&["panicked", "shard-0", "faults.rs", "somebody asked"]), "{shards} shards");
    }
}

#[test]
fn f37_a_shard_that_dies_while_the_server_stops_ends_it_at_once() {
    for shards in [1, 2] {
        let server = Server::start(shards, &["--drain-seconds", "3600"]);
        let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
        order(&mut amy, "/fault-drain");
        assert_eq!(bob.ask("hello"), "bob: hello");
        server.signal("TERM");
        let status = server.ended_within(AT_ONCE);
        assert_eq!(status.code(), Some(1), "{shards} shards");
    }
}

#[test]
fn f38_a_stuck_shard_is_reported_and_gets_no_new_connections() {
    const STUCK_SECONDS: u64 = 16;
    const STUCK: Duration = Duration::from_secs(STUCK_SECONDS);
    const NEWCOMERS: usize = 5;
    let (server, admin) = Admin::start(2, &[]);
    // The room `main` is at home on the shard of the first who comes.
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    let began = Instant::now();
    bob.send(&format!("/fault-block-{STUCK_SECONDS}"));
    let report = |line: &str| line.contains("a shard is stuck").then(|| line.to_owned());
    let first = server.stderr.wait_for(report).or_else(|| server.stderr.wait_for(report));
    let first = first.expect("a shard that has been stuck for ten seconds is reported");
    let readiness = admin.get("/readyz");
    assert_eq!(readiness.status, 503);
    assert!(readiness.body.starts_with("shard 1 has been stuck for "), "{}", readiness.body);
    assert_eq!(admin.get("/healthz").status, 200, "starting anew would help nobody yet");
    let stuck = |shard: usize| {
        let label = format!("shard=\"{shard}\"");
        admin.metrics().sum_with("hubbub_shard_stuck_seconds", &label)
    };
    assert!(stuck(0) == 0.0 && stuck(1) >= 10.0);
    for part in ["ERROR", "shard=1", "seconds=10"] {
        assert!(first.contains(part), "{part:?} is missing in {first:?}");
    }
    let mut newcomers: Vec<Client> = (0..NEWCOMERS).map(|_| Client::greeted(&server)).collect();
    newcomers.iter().for_each(|it| {
        amy.skip_to(&format!("{} joined", it.name()));
    });
    let line = amy.say_something();
    newcomers.iter_mut().for_each(|it| {
        it.skip_to(&line);
    });
    assert!(began.elapsed() < STUCK, "newcomers had to wait for the shard that is stuck");

    let again = |line: &str| line.contains("turns again").then(|| line.to_owned());
    let again = server.stderr.wait_for(again).expect("it is told that the shard turns again");
    assert!(again.contains("shard=1"), "{again:?}");
    eventually("it is ready again", || admin.get("/readyz").status == 200);
    // The one who was on it has missed nothing.
    bob.skip_to(&format!("Unrecognized command /fault-block-{STUCK_SECONDS}, try /help"));
    bob.skip_to(&line);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all();
    let reports = log.iter().filter(|line| report(line).is_some()).count() as u64;
    assert!((1..=STUCK_SECONDS).contains(&reports), "{reports} reports");
    assert_eq!(log.iter().filter(|line| line.contains("turns again")).count(), 1);
}

#[test]
fn what_waits_for_a_stuck_shard_shows_in_its_mailbox_and_as_stalls_of_the_others() {
    /// More than may be on its way to a shard.
    const LINES: usize = 20_000;
    let (server, admin) = Admin::start(2, &[]);
    // The room `main` is at home with amy.
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    amy.send("/fault-block-3");
    bob.send_bytes("hello\n".repeat(LINES).as_bytes());
    eventually("the shard is stuck", || admin.get("/readyz").status == 503);
    // It has time to show what waits, and is stuck again before it has handled that.
    amy.send("/fault-block-3");
    let shows = |name: &str| eventually(name, || admin.metrics().sum(name) > 0.0);
    shows("hubbub_mailbox_depth");
    shows("hubbub_credit_stalls_total");
}

#[test]
fn f39_a_log_on_a_full_device_stops_nothing() {
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    chat_and_stop(&start_unheard(&[], full.into()));
}

#[test]
fn f38_a_service_with_a_stuck_shard_gives_no_sign_of_life() {
    let manager = Manager::new("stuck");
    let variables = [("NOTIFY_SOCKET", manager.address()), ("WATCHDOG_USEC", "100000")];
    let server = Server::start_as(&Setup { shards: 2, variables: &variables, ..Setup::default() });
    let mut amy = Client::named(&server, "amy");
    amy.send("/fault-block-6");
    // Far more than the pause between two signs of life, and far less than the shard is stuck.
    manager.falls_silent_for(Duration::from_secs(1));
    amy.skip_to("Unrecognized command /fault-block-6, try /help");
    assert_eq!(manager.expect(), ["WATCHDOG=1"], "it does not tell that it is well again");
}

#[test]
fn f39_a_log_that_is_closed_stops_nothing() {
    chat_and_stop(&start_unheard(&["sh", "-c", r#"exec "$0" "$@" 2>&-"#], Stdio::null()));
}

#[test]
fn f39_a_log_into_a_pipe_whose_reader_is_gone_stops_nothing() {
    let (reader, writer) = std::io::pipe().expect("there are descriptors");
    drop(reader);
    chat_and_stop(&start_unheard(&[], writer.into()));
}

#[test]
fn f39_a_log_into_a_pipe_that_nobody_reads_stops_nothing() {
    let (server, reader) = start_unread();
    chat_and_stop(&server);
    drop(reader);
}

#[test]
fn f39_panics_into_a_pipe_that_nobody_reads_close_their_connections_only() {
    let (server, reader) = start_unread();
    let [mut amy, mut victim] = ["amy", "victim"].map(|name| Client::named(&server, name));
    flood_the_log(&mut amy);
    victim.send("/fault-panic");
    victim.skip_to(INTERNAL_ERROR);
    victim.closed();
    amy.skip_to("victim left");
    chat_and_stop(&server);
    drop(reader);
}

#[test]
fn f39_what_a_slow_reader_of_the_log_has_missed_is_told_and_counted() {
    let (server, reader) = start_unread();
    let mut amy = Client::named(&server, "amy");
    flood_the_log(&mut amy);
    let log = Output::collect(reader);
    let told = log.wait_for(lost).expect("the log says that lines were lost");
    assert!(told > 0);
    assert_eq!(server.stop().0, Some(0));
    let lines = log.all();
    let written = lines.iter().filter(|line| line.contains(" line=")).count() as u64;
    let told = lines.iter().rev().find_map(|line| lost(line)).expect("it was there before");
    let missing = FLOOD_LINES - written;
    // The notices themselves can be lost, one a second.
    assert!((missing..missing + 60).contains(&told), "{missing} are missing, not {told}");
    let last = lines.last().expect("there are lines");
    assert!(last.ends_with("stopped"), "the end is not told: {last:?}");
}

/// The number in a line that says how many were lost.
fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("log lines were lost")?;
    rest.rsplit_once("lost=")?.1.parse().ok()
}

#[test]
fn f39_a_log_on_a_full_disk_stops_nothing_and_goes_on_when_there_is_room() {
    const BALLAST_BYTES: usize = 40 << 10;
    const FREE_BYTES: u64 = 24 << 10;
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join("small-disk");
    fs::create_dir_all(&disk).expect("a folder of our own");
    let disk = disk.to_str().expect("a path of ours is text");
    let script = format!(
        r#"mount -t tmpfs -o size=64k none {disk} && head -c {BALLAST_BYTES} /dev/zero \
        >{disk}/ballast && exec "$0" "$@" 2>>{disk}/log"#
    );
    // The disk is there for the server only, and goes with it.
    let server = start_unheard(&["unshare", "-rm", "sh", "-c", &script], Stdio::null());
    let file = |name: &str| PathBuf::from(format!("/proc/{}/root{disk}/{name}", server.pid()));
    let mut amy = Client::named(&server, "amy");
    let mut bob = Client::named(&server, "bob");
    order(&mut amy, "/fault-log-500");
    eventually("the disk is full", || {
        fs::metadata(file("log")).is_ok_and(|log| log.len() == FREE_BYTES)
    });
    talk(&mut amy, &mut bob);
    fs::remove_file(file("ballast")).expect("it is there");
    eventually("the log goes on", || {
        order(&mut amy, "/fault-log-1");
        let log = fs::read_to_string(file("log")).expect("it is there");
        let told = log.lines().find(|line| lost(line).is_some_and(|count| count > 0));
        told.is_some_and(|line| line.starts_with("20"))
    });
    talk(&mut amy, &mut bob);
    drop((amy, bob));
    chat_and_stop(&server);
}

/// Starts a server of two shards whose standard error is no good.
fn start_unheard(wrapper: &[&str], stderr: Stdio) -> Server {
    let setup = Setup { wrapper, shards: 2, port: free_port(), ..Setup::default() };
    Server::start_unheard(&setup, stderr)
}

/// The same with a pipe that is read by nobody, for now.
fn start_unread() -> (Server, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("there are descriptors");
    (start_unheard(&[], writer.into()), reader)
}

/// Has the server log more than it can keep.
fn flood_the_log(client: &mut Client) {
    order(client, &format!("/fault-log-{FLOOD_LINES}"));
}

/// Has the server do something that it answers like a command that nobody knows.
fn order(client: &mut Client, command: &str) {
    client.send(command);
    client.skip_to(&format!("Unrecognized command {command}, try /help"));
}

/// One says much, both hear it.
fn talk(speaker: &mut Client, listener: &mut Client) {
    for _ in 0..100 {
        let line = speaker.say_something();
        speaker.skip_to(&line);
        listener.skip_to(&line);
    }
}

/// Two clients chat while the server logs more than anybody could take, and are seen off.
fn chat_and_stop(server: &Server) {
    let [mut ann, mut ben] = ["ann", "ben"].map(|name| Client::named(server, name));
    for _ in 0..3 {
        flood_the_log(&mut ann);
        talk(&mut ann, &mut ben);
    }
    assert_eq!(server.stop().0, Some(0));
    for client in [&mut ann, &mut ben] {
        client.skip_to(FAREWELL);
        client.closed();
    }
}
