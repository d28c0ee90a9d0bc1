//! What holds when many clients do things at once: one winner, one order, exact membership, and
//! nothing left of those who are gone. On 1, 2 and 8 shards.

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Client, eventually, expect_quiet, on_every_shard_count, people};

#[test]
fn one_of_many_who_want_a_name_gets_it() {
    const RIVALS: usize = 24;
    on_every_shard_count(|server| {
        let rivals: Vec<Client> = (0..RIVALS).map(|_| Client::greeted(server)).collect();
        let start = Barrier::new(RIVALS);
        let mut rivals: Vec<(Client, bool)> = thread::scope(|scope| {
            let race = |(index, rival)| {
                scope.spawn({
                    let start = &start;
                    move || claim(rival, index, start)
                })
            };
            let racing: Vec<_> = rivals.into_iter().enumerate().map(race).collect();
            racing.into_iter().map(|it| it.join().expect("a rival failed")).collect()
        });
        assert_eq!(rivals.iter().filter(|(_, won)| *won).count(), 1, "not exactly one winner");
        let (first, _) = &mut rivals[0];
        first.send("/users");
        let users = loop {
            let line = first.read_line();
            if line.starts_with("Users - ") {
                break line.to_lowercase();
            }
        };
        assert_eq!(users.split([',', ' ']).filter(|it| *it == "champion").count(), 1, "{users}");
    });
}

/// Asks for the name at the same time as everybody else, in one spelling or another, and returns
/// whether it was given.
fn claim(mut rival: Client, index: usize, start: &Barrier) -> (Client, bool) {
    let wanted = ["champion", "Champion", "CHAMPION"][index % 3];
    let won = format!("{} is now {wanted}", rival.name());
    let lost = format!("{wanted} is already taken");
    start.wait();
    rival.send(&format!("/name {wanted}"));
    loop {
        let line = rival.read_line();
        if line == won || line == lost {
            return (rival, line == won);
        }
    }
}

#[test]
fn all_members_hear_everything_in_one_order() {
    const LINES_EACH: usize = 200;
    on_every_shard_count(|server| {
        let names = ["amy", "bob", "eve", "joe", "kim", "leo", "max", "zoe"];
        let mut members = people(server, names);
        let start = Barrier::new(members.len());
        let heard: Vec<Vec<String>> = thread::scope(|scope| {
            let talk = |member| scope.spawn(|| talk_and_listen(member, &start, LINES_EACH));
            let talking: Vec<_> = members.iter_mut().map(talk).collect();
            talking.into_iter().map(|it| it.join().expect("a member failed")).collect()
        });
        for (name, lines) in names.iter().zip(&heard) {
            assert!(lines == &heard[0], "{name} and {} heard different orders", names[0]);
            let own: Vec<&String> =
                lines.iter().filter(|line| line.starts_with(&format!("{name}: "))).collect();
            let said: Vec<String> = (0..LINES_EACH).map(|it| format!("{name}: {it}")).collect();
            assert!(own.iter().copied().eq(&said), "{name} was not heard as it spoke");
        }
        // Nobody heard anything twice, or more than was said.
        let [first, rest @ ..] = &mut members;
        let line = first.say_something();
        first.expect(&line);
        rest.iter_mut().for_each(|it| it.expect(&line));
    });
}

/// Says numbered lines while others do, and returns all that the eight of them said.
fn talk_and_listen(member: &mut Client, start: &Barrier, lines_each: usize) -> Vec<String> {
    start.wait();
    for number in 0..lines_each {
        member.send(&number.to_string());
    }
    (0..8 * lines_each).map(|_| member.read_line()).collect()
}

#[test]
fn members_hear_exactly_what_is_said_while_they_are_there() {
    const VISITS: usize = 15;
    on_every_shard_count(|server| {
        let mut residents = people(server, ["amy", "bob", "eve"]);
        residents.iter_mut().for_each(|it| it.go("den"));
        let [amy, bob, eve] = &mut residents;
        let mut visitor = Client::named(server, "visitor");
        let talking = AtomicBool::new(true);
        let (visits, log) = thread::scope(|scope| {
            let _stop = StopOnDrop(&talking);
            for talker in [amy, bob] {
                scope.spawn(|| talk_while(talker, &talking));
            }
            let witness = scope.spawn(|| eve.skip_to("visitor: that was all"));
            let visits: Vec<_> = (0..VISITS).map(|_| visit_den(&mut visitor)).collect();
            visitor.go("den");
            visitor.send("that was all");
            (visits, witness.join().expect("the witness failed"))
        });
        check_visits(&visits, &log);
    });
}

/// Ends the talk when the visits are over, and also when one fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Says numbered lines, each after the one before has come back.
fn talk_while(talker: &mut Client, talking: &AtomicBool) {
    let mut number = 0;
    while talking.load(Ordering::Relaxed) {
        talker.send(&number.to_string());
        talker.skip_to(&format!("{}: {number}", talker.name()));
        number += 1;
    }
}

/// Goes to the den, stays for some lines, goes back to `main`, and returns what was heard in the
/// den. In `main` nobody speaks but the visitor, so that nothing of the den may be heard there.
fn visit_den(visitor: &mut Client) -> Vec<String> {
    visitor.join("den");
    let mut heard: Vec<String> = (0..20).map(|_| visitor.read_line()).collect();
    visitor.send("/join main");
    heard.extend(visitor.skip_to("You joined main"));
    expect_quiet([visitor]);
    heard
}

/// Holds each visit against what a member who stayed has heard: it must start with the first line
/// after the visitor came and miss nothing up to its own end, at the latest when the visitor left.
fn check_visits(visits: &[Vec<String>], log: &[String]) {
    let mut stays = log.split(|line| line == "visitor joined").skip(1);
    for (index, heard) in visits.iter().enumerate() {
        let stay = stays.next().unwrap_or_else(|| panic!("visit {index} was not announced"));
        let end = stay.iter().position(|line| line == "visitor left");
        let said = &stay[..end.unwrap_or_else(|| panic!("the end of visit {index} was not told"))];
        assert!(
            said.starts_with(heard),
            "visit {index} was not a run of the room's lines from its start\nheard: {heard:#?}\n\
             said: {said:#?}"
        );
    }
}

#[test]
fn names_and_rooms_are_free_after_hang_ups() {
    on_every_shard_count(|server| {
        let [mut amy] = people(server, ["amy"]);
        let names: Vec<String> = (0..20).map(|it| format!("ghost-{it:02}")).collect();
        let mut ghosts: Vec<Client> = Vec::new();
        for name in &names {
            let mut ghost = Client::named(server, name);
            ghost.go(name);
            ghosts.push(ghost);
        }
        // Some with a request on its way, some with an answer nobody reads: an orderly end here,
        // a reset there.
        for (index, ghost) in ghosts.iter_mut().enumerate() {
            match index % 3 {
                0 => ghost.send("/name phoenix\n/join ashes"),
                1 => ghost.send("/help"),
                _ => {}
            }
        }
        drop(ghosts);
        eventually("only main is left", || {
            amy.send("/rooms");
            loop {
                let line = amy.read_line();
                if line.starts_with("Rooms - ") {
                    break line == "Rooms - main (1)";
                }
            }
        });
        for name in names.iter().map(String::as_str).chain(["phoenix"]) {
            eventually(name, || !amy.ask(&format!("/name {name}")).ends_with("already taken"));
        }
        assert_eq!(amy.ask("/users"), "Users - phoenix");
    });
}
