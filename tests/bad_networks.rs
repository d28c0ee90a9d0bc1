//! Clients behind networks that cut, hold, slow down and break what they carry: who is behind a
//! slow one reads everything all the same, who is cut off has left, and nobody else notices.

mod common;

use std::time::{Duration, Instant};

use common::proxy::{Accident, Faults, GOOD, Proxy};
use common::victims::Victims;
use common::{Client, Server, eventually, expect_quiet, introduced, people};

/// Says where a failure comes from; any number will do.
const SEED: u64 = 20_260_101;

/// Bytes that pass before an accident: more than the greeting, less than what is said after it.
const BEFORE_BYTES: usize = 600;

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
        let mut here = Vec::from(people(&server, ["amy"]));
        let networks = [dribble, crumbs, far, modem];
        let proxies = networks.map(|faults| Proxy::start(server.addr, SEED, faults, faults));
        for (number, proxy) in proxies.iter().enumerate() {
            let newcomer =
                introduced(Client::connect_to(proxy.addr), &format!("bad-{number}"), &mut here);
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
    let mut far = introduced(Client::connect_to(proxy.addr), "far", &mut []);
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
        let mut here = people(&server, ["amy", "bob"]);
        let proxy = Proxy::start(server.addr, SEED, GOOD, faults);
        let _lost = introduced(Client::connect_to(proxy.addr), "lost", &mut here);
        let [amy, bob] = &mut here;
        let mut left = false;
        eventually("somebody has left", || {
            let line = amy.say_something();
            for member in [&mut *amy, &mut *bob] {
                let before = member.skip_to(&line);
                assert!(before.iter().all(|it| it == "lost left"), "{before:?}");
                left = !before.is_empty();
            }
            left
        });
        expect_quiet([amy, bob]);
    }
}

#[test]
fn a_client_whose_input_ends_on_the_way_has_left_after_all_it_said() {
    let faults = Faults { accident: Some((BEFORE_BYTES, Accident::HalfClose)), ..GOOD };
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &[]);
        let mut here = people(&server, ["amy", "bob"]);
        let proxy = Proxy::start(server.addr, SEED, faults, GOOD);
        let mut lost = introduced(Client::connect_to(proxy.addr), "lost", &mut here);
        let cut = says_more_than_passes(&mut lost, &mut here);
        for member in &mut here {
            member.expect(&format!("lost: {cut}"));
            member.expect("lost left");
        }
        let [amy, bob] = &mut here;
        expect_quiet([amy, bob]);
    }
}

#[test]
fn a_stall_looks_like_silence_and_keeps_nobody_waiting() {
    let faults = Faults { accident: Some((BEFORE_BYTES, Accident::Stall)), ..GOOD };
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &[]);
        let mut here = people(&server, ["amy", "bob"]);
        let proxy = Proxy::start(server.addr, SEED, faults, faults);
        let mut lost = introduced(Client::connect_to(proxy.addr), "lost", &mut here);
        // The line that was cut is not told: the rest of it may still come.
        says_more_than_passes(&mut lost, &mut here);
        let [amy, bob] = &mut here;
        for _ in 0..100 {
            expect_quiet([&mut *amy, &mut *bob]);
        }
        assert_eq!(amy.ask("/users"), "Users - amy, bob, lost");
        // With the network, the connection goes, and the line is told after all.
        drop(proxy);
        for member in &mut here {
            member.skip_to("lost left");
        }
        let [amy, bob] = &mut here;
        expect_quiet([amy, bob]);
    }
}

/// Has a client say more than passes before the accident; others read the lines that passed. What
/// has passed of the next one.
fn says_more_than_passes(lost: &mut Client, others: &mut [Client]) -> String {
    let said: String = (0..200).map(|number| format!("{number:03}\n")).collect();
    lost.send_bytes(said.as_bytes());
    let passed = &said[..BEFORE_BYTES - "/name lost\n".len()];
    let (whole, cut) = passed.rsplit_once('\n').expect("many lines");
    for other in others {
        whole.lines().for_each(|line| other.expect(&format!("lost: {line}")));
    }
    cut.to_owned()
}
