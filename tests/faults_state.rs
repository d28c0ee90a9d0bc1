//! Faults and abuse of what the server keeps (`docs/faults.md`): storms of joins, races for a name,
//! giant rooms, floods between shards, and memory after a burst.

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use common::crowd::{Crowd, Guest};
use common::memory::MemoryLimit;
use common::namespace::Namespace;
use common::server::Setup;
use common::victims::{ATTEMPTS_MAX, Victims};
use common::{Client, Server, alone, eventually, people, vitals};

#[test]
fn f25_a_storm_of_joins_costs_the_room_a_line_a_second() {
    const CHURNERS: usize = 20;
    /// Times that each comes and goes.
    const TIMES: usize = 300;
    let _alone = alone();
    // Few need to be there for joins to be counted instead of told.
    let server = Server::start(2, &["--announce-max", "10"]);
    let crowd = Crowd::new();
    let residents = crowd.enter(server.addr, 50);
    let mut witness = Client::named(&server, "witness");
    let mut victims = Victims::in_room(&server, "victims");
    let line = witness.say_something();
    witness.skip_to(&line);

    let began = Instant::now();
    let storm = format!("{}/nonsense\n", "/join den\n/join main\n".repeat(TIMES));
    victims.unharmed_by(|| {
        let churners = crowd.enter(server.addr, CHURNERS);
        crowd.each(churners, |mut guest| {
            let storm = storm.clone();
            async move {
                guest.send(&storm).await;
                guest.skip_to("Unrecognized command /nonsense, try /help").await;
            }
        });
    });
    // At the latest now it is told that somebody came.
    let mut heard = vec![witness.read_line()];
    let line = witness.say_something();
    heard.extend(witness.skip_to(&line));
    // One for the second that has begun, one for the time before the storm.
    let seconds = began.elapsed().as_secs() as usize + 3;
    assert!(heard.len() <= seconds, "{} lines in {seconds} seconds: {heard:#?}", heard.len());
    drop(residents);
}

#[test]
fn f26_of_a_thousand_who_claim_one_name_one_gets_it() {
    const RIVALS: usize = 1_000;
    const SPELLINGS: [&str; 3] = ["champion", "Champion", "CHAMPION"];
    let _alone = alone();
    let server = Server::start(4, &["--announce-max", "0"]);
    let crowd = Crowd::new();
    let mut rivals = crowd.enter(server.addr, RIVALS);
    for round in 0..3 {
        let claims = rivals.into_iter().zip(SPELLINGS.into_iter().cycle());
        let claimed = crowd.each(claims, |(mut guest, name)| async move {
            guest.send(&format!("/name {name}\n")).await;
            let won = format!("{} is now {name}", guest.ear.name);
            let lost = format!("{name} is already taken");
            let answer = |line: &str| (line == won || line == lost).then(|| line == won);
            let won = guest.find(answer).await;
            (guest, won)
        });
        let (winners, losers): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|(_, won)| *won);
        assert_eq!(winners.len(), 1, "in round {round}");
        // The winner goes, and the name is for the next to have.
        drop(winners);
        rivals = losers.into_iter().map(|(guest, _)| guest).collect();
        let mut heir = Client::connect(&server);
        let guest = heir.expect_help_and_name();
        eventually("the name is free", || {
            heir.send("/name champion");
            let won = format!("{guest} is now champion");
            loop {
                match heir.read_line() {
                    line if line == won => return true,
                    line if line.ends_with(" is already taken") => return false,
                    _ => {}
                }
            }
        });
    }
}

#[test]
fn f28_a_giant_room_leaves_its_shard_time_for_others() {
    const MEMBERS: usize = 6_000;
    const LINES: usize = 40;
    let _alone = alone();
    // One shard, so that the victims share it.
    let server = Server::start(1, &[]);
    let crowd = Crowd::new();
    let mut victims = Victims::in_room(&server, "victims");
    let mut members = crowd.enter(server.addr, MEMBERS);
    let mut speaker = Client::named(&server, "speaker");
    let mut said = Vec::new();
    victims.unharmed_by(|| {
        for _ in 0..LINES {
            let line = speaker.say_something();
            speaker.skip_to(&line);
            said.push(line);
        }
    });
    // Being served in turns, everybody was served.
    let said = Arc::new(said);
    members = crowd.each(members, |mut guest| {
        let said = Arc::clone(&said);
        async move {
            guest.skip_to(&said[0]).await;
            for line in &said[1..] {
                let heard = guest.find(|it| it.starts_with("speaker: ").then(|| it.to_owned()));
                assert_eq!(heard.await, *line);
            }
            guest
        }
    });
    assert_eq!(members.len(), MEMBERS);
}

#[test]
fn f29_shards_that_flood_each_other_all_get_on() {
    const ROOMS: usize = 8;
    const MEMBERS: usize = 4;
    const LINES: usize = 3_000;
    let _alone = alone();
    // More shards than cores: some are always behind.
    let server = Server::start(4, &[]);
    let crowd = Crowd::new();
    let guests = crowd.enter(server.addr, ROOMS * MEMBERS);
    // The members of each room sit on all shards, and its home is one of them.
    let talks = guests.into_iter().enumerate().map(|(number, guest)| (number / MEMBERS, guest));
    let guests = crowd.each(talks, |(room, mut guest)| async move {
        guest.send(&format!("/join room-{room}\n")).await;
        guest.skip_to(&format!("You joined room-{room}")).await;
        guest
    });
    let lines: String = (0..LINES).map(|number| format!("{number}\n")).collect();
    let lines = Arc::new(lines);
    crowd.each(guests, |guest| talk_and_listen(guest, Arc::clone(&lines), LINES, MEMBERS));
}

/// Says all lines at once, and checks that everybody's arrive, each member's in order.
async fn talk_and_listen(guest: Guest, lines: Arc<String>, count: usize, members: usize) {
    let Guest { mut ear, mut mouth } = guest;
    let talk = async { mouth.send(&lines).await.expect("the server reads") };
    let listen = async {
        let mut heard = std::collections::HashMap::new();
        for _ in 0..members * count {
            let (speaker, number) = ear.find(said).await;
            let next = heard.entry(speaker).or_insert(0);
            assert_eq!(number, *next, "a line is missing, or twice, or late");
            *next += 1;
        }
        assert_eq!(heard.len(), members);
    };
    tokio::join!(talk, listen);
}

/// Who said which number.
fn said(line: &str) -> Option<(String, usize)> {
    let (speaker, number) = line.split_once(": ")?;
    Some((speaker.to_owned(), number.parse().ok()?))
}

#[test]
fn f30_a_backlog_on_a_shard_does_not_keep_its_others_waiting() {
    let _alone = alone();
    let server = Server::start(2, &[]);
    let mut victims = Victims::in_room(&server, "victims");
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        let began = Instant::now();
        let ((), trips) = victims.talk_during(|| flood(&server));
        let flooded = began.elapsed();
        // Both shards are flooded for all of this time. Whoever had to wait for the backlog's end
        // would wait for a good part of it, however fast the machine is.
        if trips.max() < flooded / 4 {
            return;
        }
        seen.push((flooded, trips.max()));
    }
    panic!("the length of each flood, and for how long a victim waited: {seen:?}");
}

/// Eight people in one room who say all that the server takes from them.
fn flood(server: &Server) {
    const FLOODERS: usize = 8;
    /// Each says this many lines this many times.
    const LINES: usize = 10_000;
    const TIMES: usize = 20;
    let crowd = Crowd::new();
    let guests = crowd.enter(server.addr, FLOODERS);
    let lines = Arc::new("flood\n".repeat(LINES));
    crowd.each(guests, |guest| {
        let lines = Arc::clone(&lines);
        async move {
            let Guest { ear, mut mouth } = guest;
            let talk = async {
                for _ in 0..TIMES {
                    mouth.send(&lines).await.expect("the server reads");
                }
                mouth.send("/quit\n").await.expect("the server reads");
            };
            // What they miss, as they read too slowly, is no matter here.
            tokio::join!(talk, ear.cut_off());
        }
    });
}

#[test]
fn f33_memory_after_a_burst_is_what_it_was_after_the_first() {
    const BURST: usize = 5_000;
    /// They come in waves, so that what is on its way at any one time, and the memory for it, does
    /// not depend on how busy the machine is. In the end they are all there, and go at once.
    const WAVE: usize = 250;
    /// What a burst may leave more than the first did, in per cent: the allocator keeps a little
    /// more each time, up to a point. What is lost for each of 5 000 clients is far more.
    const GROWTH_PERCENT_MAX: u64 = 25;
    let _alone = alone();
    // The residents read nothing for as long as it takes.
    let server = Server::start(2, &["--stall-seconds", "3600"]);
    let crowd = Crowd::new();
    let mut after = Vec::new();
    // With one on each shard, both have opened what they need.
    let _residents = people(&server, ["amy", "bob"]);
    let descriptors = vitals::descriptors(server.pid());
    for _ in 0..3 {
        let waves = (0..BURST).step_by(WAVE);
        let guests: Vec<Guest> =
            waves.flat_map(|first| settle(&crowd, &server, first..first + WAVE)).collect();
        drop(guests);
        eventually("everybody has left", || vitals::descriptors(server.pid()) == descriptors);
        after.push(vitals::resident_bytes(server.pid()));
    }
    let most = after[0] + after[0] * GROWTH_PERCENT_MAX / 100;
    assert!(after.iter().all(|&bytes| bytes <= most), "resident after each burst: {after:?}");
}

/// Lets guests in who each take a name, go to a room of their own and say something there.
fn settle(crowd: &Crowd, server: &Server, numbers: Range<usize>) -> Vec<Guest> {
    let guests = crowd.enter(server.addr, numbers.len());
    crowd.each(guests.into_iter().zip(numbers), |(mut guest, number)| async move {
        guest.send(&format!("/name guest-{number}\n/join room-{number}\nhello\n")).await;
        guest.skip_to(&format!("guest-{number}: hello")).await;
        guest
    })
}

#[test]
fn f32_slow_readers_and_a_flood_fit_into_the_memory_there_is() {
    const MEMORY_BYTES: u64 = 256 << 20;
    const ROOMS: usize = 200;
    const SLOW_EACH: usize = 25;
    /// Enough to fill what a room keeps for those who are behind, on each shard.
    const LINES: usize = 3_000;
    let _alone = alone();
    // The kernel would keep megabytes for each: here it keeps little, and the server must not.
    let network = Namespace::make();
    network.narrow(16 << 10);
    let limit = MemoryLimit::of_bytes(MEMORY_BYTES);
    let wrapper = [&limit.wrapper()[..], &network.wrapper()].concat();
    // What it would take by itself if it could see the limit, which a network of its own hides.
    let args = ["--memory-max", "128M"];
    let setup = Setup { wrapper: &wrapper, shards: 2, args: &args, ..Setup::default() };
    let server = Server::start_as(&setup);
    let (crowd, mut victims) =
        network.within(|| (Crowd::new(), Victims::in_room(&server, "victims")));
    let guests = crowd.enter(server.addr, ROOMS * (SLOW_EACH + 1));
    let guests = crowd.each(guests.into_iter().enumerate(), |(number, mut guest)| async move {
        let room = number % ROOMS;
        guest.send(&format!("/join room-{room}\n")).await;
        guest.skip_to(&format!("You joined room-{room}")).await;
        guest
    });
    let mut guests = guests.into_iter();
    let talkers: Vec<Guest> = guests.by_ref().take(ROOMS).collect();
    let slow: Vec<Guest> = guests.collect();
    let lines = Arc::new(format!("{}\n", "x".repeat(400)).repeat(LINES));
    victims.talk_during(|| {
        crowd.each(talkers, |guest| {
            let lines = Arc::clone(&lines);
            async move {
                let Guest { ear, mut mouth } = guest;
                // The server may end it: what matters is who is not flooding.
                tokio::select! {
                    _ = mouth.send(&lines) => {}
                    () = ear.cut_off() => {}
                }
            }
        })
    });
    let resident = vitals::resident_bytes(server.pid());
    assert!(resident < MEMORY_BYTES, "{resident} bytes are resident");
    victims.talk(20);
    assert!(server.is_running());
    drop(slow);
}
