//! Faults of the process and around it (`docs/faults.md`): its end, asked for or not, its return,
//! a clock that jumps, and the operator's port. Stops of smaller servers are in `process.rs`.

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use common::admin::{Admin, trickle};
use common::crowd::{Crowd, Guest};
use common::server::{Setup, free_port};
use common::victims::Victims;
use common::{Client, PATIENCE, Server, alone, at_the_end, eventually, people, vitals};

/// How the last line begins that a client reads.
const FAREWELL: &str = "Server is shutting down";

#[test]
fn f34_a_stop_with_a_thousand_clients_is_on_time_and_owes_readers_nothing() {
    const READERS: usize = 500;
    const SLEEPERS: usize = 480;
    /// Sleepers who are owed more than the system keeps for them: those hold up a stop.
    const CHOKED: usize = 20;
    const SAID: usize = 200;
    const DRAIN: Duration = Duration::from_secs(3);
    let _alone = alone();
    // Nothing of the 10 MB that will be said in the den is dropped.
    let limits = ["--feed-bytes-max", "16000000", "--feed-messages-max", "30000"];
    let drain_seconds = DRAIN.as_secs().to_string();
    let args = [&["--drain-seconds", &drain_seconds], &limits[..]].concat();
    let server = Server::start(2, &args);
    let crowd = Crowd::new();
    let readers = crowd.enter(server.addr, READERS);
    let _sleepers = crowd.enter(server.addr, SLEEPERS);
    let _choked = choke(&server, CHOKED);
    let mut speaker = Client::named(&server, "speaker");
    let said: Vec<String> = (0..SAID).map(|_| speaker.say_something()).collect();
    speaker.skip_to(&said[SAID - 1]);

    server.signal("TERM");
    let began = Instant::now();
    let said = Arc::new(said);
    crowd.each(readers, |guest| read_to_the_farewell(guest, Arc::clone(&said)));
    assert!(began.elapsed() < DRAIN, "who reads was told late: {:?}", began.elapsed());
    assert!(server.is_running(), "it did not wait for those who may still read");
    let status = server.ended_within(DRAIN + Duration::from_secs(2));
    assert_eq!(status.code(), Some(0));
}

/// Clients who read nothing, in a room where much is said.
fn choke(server: &Server, clients: usize) -> Vec<Client> {
    let mut talker = Client::named(server, "talker");
    talker.go("den");
    let choked: Vec<Client> = (0..clients)
        .map(|number| {
            let mut client = Client::connect_narrowly(server);
            client.send(&format!("/name choked-{number}\n/join den"));
            talker.expect(&format!("choked-{number} joined"));
            client
        })
        .collect();
    let text = "x".repeat(400);
    let line = format!("talker: {text}");
    let window = format!("{text}\n").repeat(40);
    for _ in 0..600 {
        talker.send_bytes(window.as_bytes());
        (0..40).for_each(|_| talker.expect(&line));
    }
    choked
}

/// Checks that a guest reads all that was said, then the farewell, then the end.
async fn read_to_the_farewell(guest: Guest, said: Arc<Vec<String>>) {
    // The half that talks stays open: it is the server who closes.
    let Guest { ear, mouth: _mouth } = guest;
    let rest = ear.rest().await;
    let heard: Vec<&String> = rest.iter().filter(|line| line.starts_with("speaker: ")).collect();
    assert!(heard.into_iter().eq(said.iter()), "something is missing in {rest:#?}");
    let last = rest.last().expect("there are lines");
    assert!(last.starts_with(FAREWELL), "{last:?} is no farewell");
}

#[test]
fn f35_a_killed_server_is_back_in_under_a_second_with_nothing_to_repair() {
    const TIMES: usize = 20;
    const LOADERS: usize = 50;
    /// From its start to the first message between clients.
    const BACK_WITHIN: Duration = Duration::from_secs(1);
    let _alone = alone();
    let port = free_port();
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let over = Arc::new(AtomicBool::new(false));
    let crowd = Crowd::new();
    thread::scope(|scope| {
        let stop = Arc::clone(&over);
        let _over = at_the_end(|| stop.store(true, Ordering::Relaxed));
        scope.spawn(|| crowd.each(0..LOADERS, |_| load(addr, Arc::clone(&over))));
        let mut late = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            let server = Server::start_as(&Setup { shards: 2, port, ..Setup::default() });
            // Names and rooms are as free as they were at first.
            let [mut amy, mut bob] = ["amy", "bob"].map(|name| {
                let mut client = Client::named(&server, name);
                client.go("den");
                client
            });
            amy.expect("bob joined");
            let line = amy.say_something();
            bob.expect(&line);
            late.extend(Some(began.elapsed()).filter(|took| *took >= BACK_WITHIN));
            server.signal("KILL");
            server.ended_within(PATIENCE);
        }
        // A shared machine may stand still for a moment; twice in a row would be our fault.
        assert!(late.len() <= 1, "of {TIMES} starts these took too long: {late:?}");
    });
}

/// Talks for as long as there is a server, and comes back for as long as it is wanted.
async fn load(addr: SocketAddr, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        // Refusals and broken connections are what this is about.
        let _ = talk_until_cut_off(addr, &over).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn talk_until_cut_off(addr: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let Guest { mut ear, mut mouth } = Guest::try_enter(addr).await?;
    while !over.load(Ordering::Relaxed) {
        mouth.send("hello\n").await?;
        let echo = format!("{}: hello", ear.name);
        while ear.line().await?.ok_or(io::ErrorKind::UnexpectedEof)? != echo {}
    }
    Ok(())
}

#[test]
fn f40_jumps_of_the_clock_change_neither_order_nor_deadlines() {
    const DAY: &str = "86400";
    let _alone = alone();
    let clock = Clock::new();
    let variables = clock.variables();
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    // Joins of a room of more than four are told by a timer, after a second.
    let args = ["--announce-max", "4", "--drain-seconds", "2"];
    let setup = Setup { shards: 2, args: &args, variables: &variables, ..Setup::default() };
    let server = Server::start_as(&setup);
    let mut victims = Victims::in_room(&server, "victims");
    let [mut witness] = people(&server, ["witness"]);
    let mut newcomers: Vec<Client> = (0..4).map(|_| Client::greeted(&server)).collect();
    let mut joined = told_of_joins(&mut witness, newcomers.len());
    for jump in [format!("+{DAY}"), format!("-{DAY}"), "+0".to_owned(), format!("-{DAY}")] {
        victims.talk(20);
        clock.set(&jump);
        victims.talk(20);
        let began = Instant::now();
        newcomers.push(Client::greeted(&server));
        joined += told_of_joins(&mut witness, newcomers.len() - joined);
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(4), "the sum came after {waited:?}, at {jump}");
    }
    server.signal("TERM");
    while !witness.read_line().starts_with(FAREWELL) {}
    clock.set(&format!("+{DAY}"));
    // The newcomers do not close their side: only deadlines can.
    assert_eq!(server.ended_within(Duration::from_secs(6)).code(), Some(0));
    let log = server.stderr.all();
    let today = utc_date();
    let dated = log.iter().filter(|line| line.contains("INFO")).collect::<Vec<_>>();
    assert!(!dated.is_empty(), "the log is empty");
    assert!(!dated.iter().any(|line| line.starts_with(&today)), "no clock was moved: {dated:#?}");
}

/// Reads until so many have joined, one by one or in sums; how many have.
fn told_of_joins(witness: &mut Client, wanted: usize) -> usize {
    let mut joined = 0;
    while joined < wanted {
        let line = witness.read_line();
        joined += match line.split_once(" joined") {
            Some((_, "")) => 1,
            Some((count, _)) => count.parse().expect("a number"),
            None => 0,
        };
    }
    joined
}

/// A wall clock for the server to read, which can be moved.
struct Clock {
    file: PathBuf,
}

impl Clock {
    fn new() -> Self {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clock");
        let clock = Self { file };
        clock.set("+0");
        clock
    }

    /// Moves it this many seconds away from the system's.
    fn set(&self, seconds: &str) {
        // Renamed into place, as the server may look at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, seconds).expect("a file of ours");
        fs::rename(&new, &self.file).expect("a file of ours");
    }

    /// What makes a program read it. The clock that only goes forward is left alone, as it is by
    /// whoever sets a system's time.
    fn variables(&self) -> [(&'static str, String); 4] {
        let library = fs::read_dir("/usr/lib").expect("there are libraries").find_map(|folder| {
            let path = folder.ok()?.path().join("faketime/libfaketime.so.1");
            path.exists().then_some(path)
        });
        let library = library.expect("libfaketime; `cargo xtask test packages` installs it");
        let shown = |path: &Path| path.to_str().expect("a plain path").to_owned();
        [
            ("LD_PRELOAD", shown(&library)),
            ("FAKETIME_TIMESTAMP_FILE", shown(&self.file)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// The system's date, as the log shows dates.
fn utc_date() -> String {
    let date = Command::new("date").args(["-u", "+%F"]).output().expect("every system has it");
    String::from_utf8_lossy(&date.stdout).trim().to_owned()
}

/// Connections to the operator's port at a time, as `admin.rs` has it, and one being closed.
const ADMIN_CONNECTIONS_MAX: usize = 17;

#[test]
fn f43_whatever_is_done_to_the_operators_port_does_not_reach_the_chat() {
    /// As many as wait in the kernel: more would wait for that, and be no trouble meanwhile.
    const CROWD: usize = 100;
    const HAMMERS: usize = 4;
    const TIME: Duration = Duration::from_millis(500);
    let _alone = alone();
    hubbub::machine::raise_descriptor_limit();
    let (server, admin) = Admin::start(2, &[]);
    let mut victims = Victims::in_room(&server, "victims");
    victims.unharmed_by(|| {
        let started = Instant::now();
        while started.elapsed() < TIME {
            trickle(&mut admin.begin_requests(CROWD), TIME / 10);
        }
    });
    // Apart from it: in the long run the few that are hurt by one of them would not show.
    victims.unharmed_by(|| {
        thread::scope(|scope| {
            (0..HAMMERS).for_each(|_| drop(scope.spawn(|| admin.hammer("/metrics", TIME))));
        });
    });
    assert_eq!(admin.get("/readyz").status, 200);
}

#[test]
fn f43_who_never_ends_a_request_takes_few_descriptors_and_keeps_no_operator_out() {
    let _alone = alone();
    let (server, admin) = Admin::start(2, &[]);
    // One on each shard: a shard has its descriptors only when it has begun.
    let _chatting = people(&server, ["amy", "bob"]);
    let before = vitals::descriptors(server.pid());
    let mut slow = admin.begin_requests(200);
    for _ in 0..10 {
        trickle(&mut slow, Duration::from_millis(20));
        assert_eq!(admin.get("/healthz").status, 200);
        let more = vitals::descriptors(server.pid()) - before;
        assert!(more <= ADMIN_CONNECTIONS_MAX, "{more} descriptors");
    }
    // Being heard from does not help: all of them are hung up on.
    eventually("they are gone", || {
        slow.iter_mut().for_each(|it| drop(it.write_all(b"x")));
        vitals::descriptors(server.pid()) == before
    });
}

#[test]
fn f44_nobody_is_shown_the_address_of_anybody() {
    const HIDDEN: &str = "127.0.0.77";
    let server = Server::start(2, &[]);
    let [mut amy] = people(&server, ["amy"]);
    let mut hidden = Client::connect_from(HIDDEN, &server);
    let guest = hidden.expect_help_and_name();
    let lines = ["hello", "/name hid", "/name amy", "/join den", "/users", "/rooms", "/join main"];
    for line in lines.into_iter().chain(["/what", "/quit"]) {
        hidden.send(line);
    }
    let mut shown = vec![guest];
    shown.extend(std::iter::from_fn(|| hidden.read_line_or_end()));
    // Once when it went to the den, once for good.
    for _ in 0..2 {
        shown.extend(amy.skip_to("hid left"));
    }
    shown.push(amy.ask("/users"));
    let showing = shown.iter().find(|line| line.contains(HIDDEN) || line.contains("127-0-0-77"));
    assert_eq!(showing, None);
}
