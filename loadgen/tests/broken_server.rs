//! Servers that break what they promise, each in one way: every way must be noticed, and a server
//! that keeps its promises must be found to do so.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use loadgen::result::{Messages, RunResult};
use loadgen::run::{Options, run};
use loadgen::scenario::{Arrivals, Scenario};

/// What a server does wrong, once: when this many messages have been delivered.
const WRONG_AT: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Drop,
    Repeat,
    Swap,
    Misroute,
    Corrupt,
    /// Lets nobody into a room.
    Deaf,
    /// None, but that who says nothing is not let into the lobby.
    LateLobby,
}

/// A chat server as simple as can be.
struct Double {
    fault: Fault,
    /// Members of each room, by client.
    rooms: HashMap<String, Vec<(usize, TcpStream)>>,
    delivered: u64,
    /// A line that waits for the next one to overtake it, and whom it is for.
    held: Option<(usize, String)>,
}

impl Double {
    fn start(fault: Fault) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let double = Self { fault, rooms: HashMap::new(), delivered: 0, held: None };
        let double = Arc::new(Mutex::new(double));
        thread::spawn(move || {
            for (client, stream) in listener.incoming().enumerate() {
                let (double, stream) = (Arc::clone(&double), stream.expect("a connection"));
                thread::spawn(move || Self::serve(&double, client, stream));
            }
        });
        address
    }

    fn serve(double: &Mutex<Self>, client: usize, stream: TcpStream) {
        let mut out = stream.try_clone().expect("a second handle");
        let _ = writeln!(out, "You are guest{client}");
        let is_late = double.lock().expect("no panic in the double").fault == Fault::LateLobby;
        if !is_late {
            let _ = writeln!(out, "You joined main");
        }
        let mut room = String::new();
        for (number, line) in BufReader::new(&stream).lines().enumerate() {
            let Ok(line) = line else { break };
            let mut double = double.lock().expect("no panic in the double");
            if is_late && number == 0 {
                let _ = writeln!(out, "You joined main");
            }
            if double.fault == Fault::Deaf && line.starts_with("/join ") {
                continue;
            }
            if line == "/quit" {
                double.rooms.values_mut().for_each(|all| all.retain(|(it, _)| *it != client));
                // The end arrives together with the last line.
                let _ = writeln!(out, "goodbye");
                let _ = stream.shutdown(Shutdown::Both);
                break;
            }
            if let Some(name) = line.strip_prefix("/join ") {
                name.clone_into(&mut room);
                let _ = writeln!(out, "You joined {room}");
                let handle = stream.try_clone().expect("a third handle");
                double.rooms.entry(room.clone()).or_default().push((client, handle));
            } else {
                double.say(&room, &format!("guest{client}: {line}"));
            }
        }
    }

    fn say(&mut self, room: &str, line: &str) {
        let members: Vec<(usize, TcpStream)> = self.rooms[room]
            .iter()
            .map(|(client, stream)| (*client, stream.try_clone().expect("a handle")))
            .collect();
        for (client, mut stream) in members {
            self.delivered += 1;
            let wrong = self.delivered == WRONG_AT;
            if let Some((_, held)) = self.held.take_if(|(waiting, _)| *waiting == client) {
                let _ = write!(stream, "{line}\n{held}\n");
                continue;
            }
            let _ = match self.fault {
                Fault::Drop if wrong => Ok(()),
                Fault::Repeat if wrong => write!(stream, "{line}\n{line}\n"),
                Fault::Corrupt if wrong => writeln!(stream, "{}X", &line[..line.len() - 1]),
                Fault::Swap if wrong => {
                    self.held = Some((client, line.to_owned()));
                    Ok(())
                }
                Fault::Misroute if wrong => {
                    self.misroute(room, line);
                    writeln!(stream, "{line}")
                }
                _ => writeln!(stream, "{line}"),
            };
        }
    }

    /// Gives a line to a member of another room as well.
    fn misroute(&self, room: &str, line: &str) {
        let others = self.rooms.iter().filter(|(name, _)| *name != room);
        if let Some((_, stranger)) = others.flat_map(|(_, members)| members).next() {
            let _ = writeln!(stranger.try_clone().expect("a handle"), "{line}");
        }
    }
}

/// One message at a time, and many at once, which are looked at in another way.
const ARRIVALS: [Arrivals; 2] = [Arrivals::Constant, Arrivals::Window];

fn measure(fault: Fault, arrivals: Arrivals) -> RunResult {
    let scenario = Scenario {
        connections: 6,
        rooms: 2,
        arrivals,
        rate: 1_000.0,
        window: 64,
        warm_up_seconds: 0.0,
        measure_seconds: 1.0,
        ..Scenario::default()
    };
    let address = Double::start(fault);
    let options = Options::to(address);
    run(&scenario, &options, &AtomicBool::new(false), &mut |_| ()).expect("a run")
}

/// The counts that should be zero.
fn wrongs(messages: &Messages) -> [u64; 6] {
    let Messages { lost, duplicated, reordered, corrupted, misrouted, disagreements, .. } =
        *messages;
    [lost, duplicated, reordered, corrupted, misrouted, disagreements]
}

#[test]
fn a_server_that_keeps_its_promises_is_found_to_do_so() {
    for arrivals in ARRIVALS {
        let result = measure(Fault::None, arrivals);
        let messages = &result.messages;
        assert!(messages.delivered > WRONG_AT, "{messages:?}");
        assert_eq!(wrongs(messages), [0; 6], "{messages:?}");
        assert_eq!(messages.expected, messages.delivered);
        assert_eq!(result.failures, Vec::<String>::new());
    }
}

#[test]
fn every_way_to_break_a_promise_is_noticed() {
    for (fault, expected) in [
        (Fault::Drop, [1, 0, 0, 0, 0, 0]),
        (Fault::Repeat, [0, 1, 0, 0, 0, 0]),
        (Fault::Swap, [0, 0, 1, 0, 0, 0]),
        // What is corrupted is lost, too.
        (Fault::Corrupt, [1, 0, 0, 1, 0, 0]),
        (Fault::Misroute, [0, 0, 0, 0, 1, 0]),
    ] {
        for arrivals in ARRIVALS {
            let result = measure(fault, arrivals);
            let messages = &result.messages;
            assert_eq!(wrongs(messages), expected, "{fault:?} {arrivals:?}: {messages:?}");
            assert!(!result.failures.is_empty(), "{fault:?} fails the run");
        }
    }
}

#[test]
fn who_is_in_the_lobby_with_its_first_line_asks_for_its_room_at_once() {
    let result = measure(Fault::LateLobby, Arrivals::Constant);
    assert_eq!(wrongs(&result.messages), [0; 6], "{:?}", result.messages);
    assert_eq!(result.connections.failed, 0, "{:?}", result.connect_error);
    assert!(result.messages.delivered > WRONG_AT, "{:?}", result.messages);
}

#[test]
fn clients_come_from_where_any_would() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let come = thread::spawn(move || {
        let come = |_| listener.accept().expect("a connection").1.ip();
        (0..3).map(come).collect::<Vec<_>>()
    });
    let scenario = Scenario { connections: 3, ..Scenario::default() };
    // Nobody speaks to them.
    let _ = run(&scenario, &Options::to(address), &AtomicBool::new(false), &mut |_| ());
    assert_eq!(come.join().expect("three came"), [address.ip(); 3]);
}

#[test]
fn a_server_that_lets_nobody_in_is_noticed() {
    let result = measure(Fault::Deaf, Arrivals::Constant);
    let reasons = result.invalid.join("\n");
    assert!(reasons.contains("6 connections could not be made"), "{reasons}");
    assert!(reasons.contains("never let it into its room"), "{reasons}");
}

#[test]
fn who_goes_with_the_last_line_comes_back() {
    let scenario = Scenario {
        connections: 4,
        churn_per_second: 100.0,
        warm_up_seconds: 0.0,
        measure_seconds: 1.0,
        ..Scenario::default()
    };
    let options = Options::to(Double::start(Fault::None));
    let result = run(&scenario, &options, &AtomicBool::new(false), &mut |_| ()).expect("a run");
    // Whoever does not notice the end is never replaced, and there are only four.
    assert!(result.connections.opened > 40, "{:?}", result.connections);
    assert_eq!(wrongs(&result.messages), [0; 6], "{:?}", result.messages);
}

#[test]
fn without_a_server_the_user_is_told_how_to_start_one() {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let options = Options::to(address);
    let scenario = Scenario { connections: 3, ..Scenario::default() };
    let told = run(&scenario, &options, &AtomicBool::new(false), &mut |_| ()).unwrap_err();
    assert!(told.contains("cargo run --release"), "{told}");
}

#[test]
fn ctrl_c_ends_a_phase_and_still_reports() {
    let interrupted = AtomicBool::new(false);
    let scenario = Scenario {
        connections: 4,
        measure_seconds: 600.0,
        warm_up_seconds: 0.0,
        ..Scenario::default()
    };
    let address = Double::start(Fault::None);
    let options = Options::to(address);
    let mut watch = |progress: &loadgen::run::Progress<'_>| {
        if progress.phase == "measure" && progress.second.is_some_and(|s| s.delivered > 0) {
            interrupted.store(true, Ordering::Relaxed);
        }
    };
    let result = run(&scenario, &options, &interrupted, &mut watch).expect("a run");
    assert!(result.messages.delivered > 0);
    assert_eq!(wrongs(&result.messages), [0; 6], "{:?}", result.messages);
}
