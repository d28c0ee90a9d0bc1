//! Faults and abuse at the door (`docs/faults.md`): storms of connections, a server that runs out
//! of descriptors, a system that fails to accept, peers that are gone and do not say so.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use common::crowd::{Crowd, Guest};
use common::namespace::Namespace;
use common::server::{Setup, free_port};
use common::victims::Victims;
use common::{Client, Server, alone, eventually, expect_quiet, people, vitals};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const FULL: &str = "Server is full, please try again later";

/// More clients than fit into 128 descriptors.
const CROWD: usize = 300;

/// Descriptors enough for the crowd.
const DESCRIPTORS: u64 = 1_024;

#[test]
fn f04_a_storm_of_connections_is_let_in_and_disturbs_nobody() {
    const STORM: usize = 5_000;
    let _alone = alone();
    let server = Server::start(2, &[]);
    let crowd = Crowd::new();
    let mut victims = Victims::in_room(&server, "victims");
    victims.unharmed_by(|| {
        let guests = crowd.enter(server.addr, STORM);
        assert_eq!(guests.len(), STORM);
        // They hang up all at once, too.
        drop(guests);
    });
}

#[test]
fn f05_a_full_server_says_so_and_takes_others_when_some_have_left() {
    for shards in [1, 2] {
        let wrapper = ["sh", "-c", r#"ulimit -n 128 && exec "$0" "$@""#];
        let server = Server::start_as(&Setup { wrapper: &wrapper, shards, ..Setup::default() });
        let mut inside: Vec<Client> = Vec::new();
        for _ in 0..CROWD {
            inside.extend(try_to_enter(&server));
        }
        assert!((32..128).contains(&inside.len()), "{} were let in", inside.len());
        let mut witness = inside.pop().expect("there are some");
        said_and_heard(&mut witness);

        let leaving = inside.len().min(50);
        inside.truncate(inside.len() - leaving);
        for _ in 0..leaving {
            // A place is free once the server has closed the socket, which nobody is told.
            eventually("a place is free", || {
                let newcomer = try_to_enter(&server);
                let entered = newcomer.is_some();
                inside.extend(newcomer);
                entered
            });
        }
        said_and_heard(&mut witness);
    }
}

/// Connects, and returns the client if it is let in; if not, it must be told why.
fn try_to_enter(server: &Server) -> Option<Client> {
    let mut client = Client::connect(server);
    match client.read_line().as_str() {
        "Server commands" => Some(client),
        FULL => {
            client.closed();
            None
        }
        line => panic!("{line:?} is neither a welcome nor a refusal"),
    }
}

/// Proves that the server still serves this client.
fn said_and_heard(client: &mut Client) {
    client.send("/name witness");
    client.send("/nonsense");
    client.skip_to("Unrecognized command /nonsense, try /help");
}

#[test]
fn f05_without_descriptors_the_server_waits_and_goes_on_serving() {
    /// How long the processor time is counted.
    const WATCHED: Duration = Duration::from_secs(2);
    let _alone = alone();
    let wrapper = ["sh", "-c", &format!(r#"ulimit -n {DESCRIPTORS} && exec "$0" "$@""#)];
    let server = Server::start_as(&Setup { wrapper: &wrapper, shards: 2, ..Setup::default() });
    let mut victims = Victims::in_room(&server, "victims");
    // The limit is lowered behind the server's back: it has places, and no descriptors for them.
    limit_descriptors(&server, vitals::descriptors(server.pid()) as u64);
    let mut waiting: Vec<Client> = (0..CROWD).map(|_| Client::connect(&server)).collect();

    let used = vitals::cpu_time(server.pid());
    let ((), _) = victims.talk_during(|| thread::sleep(WATCHED));
    let used = vitals::cpu_time(server.pid()) - used;
    // The victims' own chat is in it. A loop that spins takes all of the time.
    assert!(used < WATCHED / 5, "{used:?} of {WATCHED:?} went into not accepting");
    let warnings = server.stderr.so_far().matches("cannot accept").count();
    assert!((1..=4).contains(&warnings), "{warnings} warnings in {WATCHED:?}");

    limit_descriptors(&server, DESCRIPTORS);
    for client in &mut waiting {
        client.expect_help_and_name();
        client.skip_to("You joined main");
    }
}

/// Changes how many descriptors the server may have, up to those it was started with.
fn limit_descriptors(server: &Server, descriptors: u64) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process id"));
    let limit = Rlimit { current: Some(descriptors), maximum: Some(DESCRIPTORS) };
    prlimit(pid, Resource::Nofile, limit).expect("a process of ours");
}

#[test]
fn f06_accepting_survives_a_system_without_buffers() {
    accepting_survives("ENOBUFS");
}

#[test]
fn f06_accepting_survives_a_system_without_memory() {
    accepting_survives("ENOMEM");
}

#[test]
fn f06_accepting_survives_a_system_without_descriptors() {
    accepting_survives("EMFILE");
}

#[test]
fn f06_accepting_survives_connections_that_vanish() {
    accepting_survives("ECONNABORTED");
}

#[test]
fn f06_accepting_survives_errors_of_the_protocol() {
    accepting_survives("EPROTO");
}

/// Makes some calls fail, starting when the first clients are in, and checks that every client
/// gets in nevertheless.
fn accepting_survives(error: &str) {
    let trace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("accept-{error}.strace"));
    let trace = trace.to_str().expect("a path of ours is text");
    let injection = format!("inject=accept4:error={error}:when=3..6");
    // As the server's grandchild (`-D`), so that the process we know is the server.
    let strace = ["strace", "-D", "-f", "-qq", "-o", trace, "-e", "trace=accept4", "-e"];
    let wrapper = [&strace[..], &[&injection]].concat();
    let server = Server::start_as(&Setup { wrapper: &wrapper, shards: 2, ..Setup::default() });
    let names = ["amy", "bob", "eve", "joe", "kim", "leo", "max", "ned", "tim", "zoe"];
    let mut clients = people(&server, names);
    let line = clients[9].say_something();
    clients.iter_mut().for_each(|it| it.expect(&line));
    assert_eq!(server.stop().0, Some(0));
    eventually("the trace shows an injected error", || {
        fs::read_to_string(trace).is_ok_and(|calls| calls.contains("INJECTED"))
    });
}

#[test]
fn f07_a_peer_that_is_cut_off_costs_nobody_and_misses_nothing_when_it_is_back() {
    /// Far more than the kernel keeps, far less than the room does.
    const LINES: usize = 500;
    let network = Namespace::make();
    network.narrow(16 << 10);
    let wrapper = network.wrapper();
    let server = Server::start_as(&Setup { wrapper: &wrapper, shards: 2, ..Setup::default() });
    let [mut amy, mut bob, mut tunnel] =
        network.within(|| people(&server, ["amy", "bob", "tunnel"]));
    network.cut(tunnel.addr());
    let said: Vec<String> = (0..LINES).map(|n| format!("{n:03}{}", "x".repeat(390))).collect();
    for text in &said {
        amy.send(text);
        amy.expect(&format!("amy: {text}"));
        bob.expect(&format!("amy: {text}"));
    }
    assert!(tunnel.hears_nothing(), "it was not cut off");
    // A cut like this looks like silence: nobody has left.
    assert_eq!(bob.ask("/users"), "Users - amy, bob, tunnel");
    network.heal();
    said.iter().for_each(|text| tunnel.expect(&format!("amy: {text}")));
    expect_quiet([&mut tunnel, &mut amy, &mut bob]);
}

#[test]
fn f07_a_peer_that_stays_cut_off_is_found_out_whether_it_is_owed_something_or_not() {
    let network = Namespace::make();
    let wrapper = network.wrapper();
    let args = ["--vanish-seconds", "4"];
    let setup = Setup { wrapper: &wrapper, shards: 2, args: &args, ..Setup::default() };
    let server = Server::start_as(&setup);
    network.within(|| {
        let mut here = people(&server, ["amy", "tunnel", "hermit"]);
        here[2].join("cave");
        here[..2].iter_mut().for_each(|client| client.expect("hermit left"));
        // A line that says nothing acknowledges all that came before, and is not answered.
        here[2].send("");
        let [mut amy, tunnel, hermit] = here;
        network.cut(tunnel.addr());
        network.cut(hermit.addr());
        // One is owed this and what comes after, the other nothing.
        let line = amy.say_something();
        amy.expect(&line);
        amy.expect("tunnel left");
        eventually("the hermit is gone", || amy.ask("/rooms") == "Rooms - main (1)");
    });
}

#[test]
fn f10_a_herd_that_comes_back_after_a_crash_is_let_in() {
    const HERD: usize = 5_000;
    let _alone = alone();
    let crowd = &Crowd::new();
    let port = free_port();
    let start = || Server::start_as(&Setup { shards: 2, port, ..Setup::default() });
    let server = start();
    let addr = server.addr;
    let herd = crowd.enter(addr, HERD);
    server.signal("KILL");
    server.ended_within(common::PATIENCE);
    let back = thread::scope(|scope| {
        // They are at the door before it opens, and nobody tells them when it does.
        let returning = scope.spawn(move || crowd.each(herd, move |guest| returned(guest, addr)));
        let server = start();
        let back = returning.join().expect("everybody is let in");
        // And not only the door is open.
        let mut victims = Victims::in_room(&server, "victims");
        victims.talk(20);
        back
    });
    assert_eq!(back.len(), HERD);
}

/// Notices the end of the connection, and comes back.
async fn returned(guest: Guest, addr: SocketAddr) -> Guest {
    guest.ear.cut_off().await;
    Guest::enter(addr).await
}
