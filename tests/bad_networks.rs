//! Clients behind networks that cut, hold, slow down and break what they carry: who is behind a
//! slow one reads everything all the same, who is cut off has left, and nobody else notices.

mod common;

use std::time::{Duration, Instant};

use common::proxy::{Accident, Faults, GOOD, Proxy};
use common::victims::Victims;
use common::{Client, Server, expect_quiet, introduced, people};

/// Says where a failure comes from; any number will do.
const SEED: u64 = 20_260_101;

/// Bytes that pass before an accident: more than the greeting, less than what is said after it.
const BEFORE_BYTES: usize = 600;

/// A client behind such a network, who has read its greeting; `others` are in `main`, too.
fn behind(proxy: &Proxy, name: &str, others: &mut [Client]) -> Client {
    introduced(Client::connect_to(proxy.addr), name, others)
}

#[test]
fn who_is_behind_a_bad_network_reads_everything_in_order() {
    const LINES: usize = 100;
    let dribble = Faults { piece_bytes_max: 1, ..GOOD };
    let crumbs = Faults { piece_bytes_max: 9, jitter: Duration::from_micros(500), ..GOOD };
    let far = Faults { delay: Duration::from_millis(30), ..GOOD };
    let modem = Faults { rate: Some(7_000), piece_bytes_max: 512, ..GOOD };
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &[]);
        let mut victims = Victims::in_room(&server, "victims");
        let mut here = people(&server, ["amy"]).into_iter().collect::<Vec<_>>();
        let networks = [dribble, crumbs, far, modem];
        let proxies = networks.map(|faults| Proxy::start(server.addr, SEED, faults, faults));
        for (number, proxy) in proxies.iter().enumerate() {
            let newcomer = behind(proxy, &format!("bad-{number}"), &mut here);
            here.push(newcomer);
        }
        victims.unharmed_by(|| everybody_says(LINES, &mut here));
    }
}

/// Everybody says so many lines at once, and hears everybody's, in one order.
fn everybody_says(lines: usize, here: &mut [Client]) {
    for member in &mut *here {
        let said: String = (0..lines).map(|number| format!("{number}\n")).collect();
        member.send_bytes(said.as_bytes());
    }
    let total = lines * here.len();
    let (first, rest) = here.split_first_mut().expect("amy");
    for _ in 0..total {
        let line = first.read_line();
        rest.iter_mut().for_each(|it| it.expect(&line));
    }
}

#[test]
fn a_delay_holds_what_passes() {
    const DELAY: Duration = Duration::from_millis(100);
    let server = Server::start(1, &[]);
    let faults = Faults { delay: DELAY, ..GOOD };
    let proxy = Proxy::start(server.addr, SEED, faults, faults);
    let mut far = behind(&proxy, "far", &mut []);
    let began = Instant::now();
    let line = far.say_something();
    far.expect(&line);
    assert!(began.elapsed() >= 2 * DELAY, "there and back took {:?}", began.elapsed());
}

#[test]
fn a_client_whose_connection_is_reset_has_left() {
    let faults = Faults { accident: Some((BEFORE_BYTES, Accident::Reset)), ..GOOD };
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &[]);
        let mut here = people(&server, ["amy", "bob"]).into_iter().collect::<Vec<_>>();
        let proxy = Proxy::start(server.addr, SEED, GOOD, faults);
        let _lost = behind(&proxy, "lost", &mut here);
        let [amy, bob] = &mut here[..] else { unreachable!("two") };
        let mut left = false;
        while !left {
            let line = amy.say_something();
            for member in [&mut *amy, &mut *bob] {
                let before = member.skip_to(&line);
                assert!(before.iter().all(|it| it == "lost left"), "{before:?}");
                left = !before.is_empty();
            }
        }
        expect_quiet([amy, bob]);
    }
}

#[test]
fn a_client_whose_input_ends_on_the_way_has_left_after_all_it_said() {
    let faults = Faults { accident: Some((BEFORE_BYTES, Accident::HalfClose)), ..GOOD };
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &[]);
        let mut here = people(&server, ["amy"]).into_iter().collect::<Vec<_>>();
        let proxy = Proxy::start(server.addr, SEED, faults, GOOD);
        let mut lost = behind(&proxy, "lost", &mut here);
        let said: String = (0..200).map(|number| format!("{number:03}\n")).collect();
        lost.send_bytes(said.as_bytes());
        // What has passed, and the line that was cut, is all there is.
        let passed = BEFORE_BYTES - "/name lost\n".len();
        let [amy] = &mut here[..] else { unreachable!("one") };
        for number in 0..passed / 4 {
            amy.expect(&format!("lost: {number:03}"));
        }
        amy.expect(&format!("lost: {}", &said[passed / 4 * 4..passed]));
        amy.expect("lost left");
        expect_quiet([amy]);
    }
}

#[test]
fn a_stall_looks_like_silence_and_keeps_nobody_waiting() {
    let faults = Faults { accident: Some((BEFORE_BYTES, Accident::Stall)), ..GOOD };
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &[]);
        let mut here = people(&server, ["amy", "bob"]).into_iter().collect::<Vec<_>>();
        let proxy = Proxy::start(server.addr, SEED, faults, faults);
        let _stalled = behind(&proxy, "stalled", &mut here);
        let [amy, bob] = &mut here[..] else { unreachable!("two") };
        for _ in 0..100 {
            expect_quiet([&mut *amy, &mut *bob]);
        }
        amy.send("/users");
        amy.expect("Users - amy, bob, stalled");
        // With the network, the connection goes.
        drop(proxy);
        amy.expect("stalled left");
        bob.expect("stalled left");
    }
}
