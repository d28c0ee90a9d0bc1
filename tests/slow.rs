//! Members who read slowly or not at all cost only themselves, and big rooms announce in sums.
//! On 1, 2 and 8 shards.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, Server, at_the_end, expect_quiet, introduced, people};

/// What a room may keep for members who read slowly, in the tests here.
const FEED_BYTES_MAX: &str = "65536";

/// A message's text, but for its number: the longest there may be.
const TEXT_CHARS: usize = 394;

/// How many messages are on their way at a time: a quarter of the feed, so that a member who
/// reads can never fall behind.
const WINDOW: usize = 40;

/// Enough messages to fill every buffer between the server and a client who does not read: the
/// system lets the sender's grow to some megabytes.
const MESSAGES: usize = 26_000;

#[test]
fn who_never_reads_costs_others_nothing_and_is_told_what_was_missed() {
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &["--feed-bytes-max", FEED_BYTES_MAX]);
        let mut readers = people(&server, ["amy", "bob", "eve"]);
        let mut sloth = introduced(Client::connect_narrowly(&server), "sloth", &mut readers);
        for first in (0..MESSAGES).step_by(WINDOW) {
            let texts: Vec<String> = (first..first + WINDOW).map(text).collect();
            readers[0].send_bytes(format!("{}\n", texts.join("\n")).as_bytes());
            for reader in &mut readers {
                texts.iter().for_each(|text| reader.expect(&format!("amy: {text}")));
            }
        }
        let missed = catch_up(&mut sloth);
        assert!(missed > 0, "{MESSAGES} messages fitted into the buffers, so this proves nothing");
        // Having caught up, the sloth is a member like any other.
        let [amy, bob, eve] = &mut readers;
        expect_quiet([&mut sloth, amy, bob, eve]);
    }
}

/// The text of a message: its number and padding.
fn text(number: usize) -> String {
    format!("{number:06}{}", "x".repeat(TEXT_CHARS))
}

/// Reads everything that was said, with gaps where the server says how many messages are missing,
/// checks that both together are exactly all of it, and returns how many were missed.
fn catch_up(sloth: &mut Client) -> usize {
    let (mut next, mut missed) = (0, 0);
    while next < MESSAGES {
        let line = sloth.read_line();
        if let Some(count) = dropped(&line) {
            assert!(count > 0, "a gap of nothing");
            missed += count;
            next += count;
        } else {
            assert_eq!(line, format!("amy: {}", text(next)), "after {missed} missed");
            next += 1;
        }
    }
    assert_eq!(next, MESSAGES, "more messages were received or missed than there were");
    missed
}

/// The number in the notice of a gap.
fn dropped(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("Server is very busy and dropped ")?;
    rest.strip_suffix(" messages, sorry!")?.parse().ok()
}

/// A time in which a peer that has vanished would be found to have: so much data is outstanding for
/// the clients below, and TCP's own timeout is half of `--vanish-seconds`.
const LONGER_THAN_A_PEER_VANISHES: Duration = Duration::from_secs(4);

/// Has `talker` talk until `over`. All that it is told which nobody said.
fn talk_until(over: &AtomicBool, talker: &mut Client) -> Vec<String> {
    let text = "x".repeat(TEXT_CHARS);
    let said = format!("{}: {text}", talker.name());
    let mut told = vec![];
    while !over.load(Ordering::Relaxed) {
        talker.send_bytes(format!("{text}\n").repeat(WINDOW).as_bytes());
        (0..WINDOW).for_each(|_| told.extend(talker.skip_to(&said)));
        thread::sleep(Duration::from_millis(10));
    }
    told
}

/// Has somebody talk while `reads` takes the time it takes to read as a client of an ordinary
/// receive buffer; then that client must still be here.
fn is_judged_by_the_stall_rule_alone(args: &[&str], reads: impl FnOnce(&mut Client)) {
    let server = Server::start(1, args);
    let mut talkers = people(&server, ["talker"]);
    let mut reader = introduced(Client::connect(&server), "reader", &mut talkers);
    let [mut talker] = talkers;
    let over = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        let talks = scope.spawn(|| talk_until(&over, &mut talker));
        let _over = at_the_end(|| over.store(true, Ordering::Relaxed));
        reads(&mut reader);
        over.store(true, Ordering::Relaxed);
        talks.join().expect("nothing is wrong with the talker")
    });
    assert_eq!(told, [""; 0], "{:?}", server.stderr.so_far());
    let line = talker.say_something();
    reader.skip_to(&line);
}

#[test]
fn who_does_not_read_for_a_while_has_not_vanished() {
    let args = ["--stall-seconds", "60", "--vanish-seconds", "2"];
    is_judged_by_the_stall_rule_alone(&args, |_| thread::sleep(LONGER_THAN_A_PEER_VANISHES));
}

#[test]
fn who_reads_in_small_steps_has_not_vanished() {
    let args = ["--stall-seconds", "20", "--vanish-seconds", "2"];
    is_judged_by_the_stall_rule_alone(&args, |reader| {
        let started = Instant::now();
        while started.elapsed() < LONGER_THAN_A_PEER_VANISHES * 2 {
            assert_ne!(reader.read_blindly(4 << 10), 0, "the connection is open");
            thread::sleep(Duration::from_millis(200));
        }
    });
}

#[test]
fn big_rooms_announce_in_sums() {
    for shards in [1, 2, 8] {
        let server = Server::start(shards, &["--announce-max", "5"]);
        let mut witness = Client::greeted(&server);
        let started = Instant::now();
        let mut others: Vec<Client> = Vec::new();
        let mut shortest_wait = Duration::MAX;
        for _ in 0..11 {
            let began = Instant::now();
            let mut client = Client::connect(&server);
            client.expect_help_and_name();
            client.skip_to("You joined main");
            shortest_wait = shortest_wait.min(began.elapsed());
            others.push(client);
        }
        // Those who join are told at once, however slow the machine is at times.
        assert!(shortest_wait < Duration::from_millis(500), "a join took {shortest_wait:?}");
        let mut tally = Tally::default();
        tally.read_until(&mut witness, |it| it.joined == 11);
        assert_eq!(tally.told_singly, 4, "the room was small for four joins: {tally:?}");
        for _ in 0..7 {
            let mut leaver = others.pop().expect("eleven of them");
            leaver.send("/quit");
            while leaver.read_line_or_end().is_some() {}
        }
        tally.read_until(&mut witness, |it| it.left == 7);
        assert_eq!(tally.joined, 11, "somebody was counted twice: {tally:?}");
        let seconds = started.elapsed().as_secs() + 2;
        assert!(tally.sums <= seconds, "{} sums in {seconds} seconds", tally.sums);
        assert!(tally.sums >= 2, "joins and leaves of a big room were told one by one: {tally:?}");
        others.truncate(0);
        // The room is small again.
        tally.read_until(&mut witness, |it| it.left == 11);
        expect_quiet([&mut witness]);
    }
}

/// What a member has been told of others' coming and going.
#[derive(Debug, Default)]
struct Tally {
    joined: u64,
    left: u64,
    /// Lines that spoke of one person.
    told_singly: u64,
    /// Lines that spoke of many.
    sums: u64,
}

impl Tally {
    fn read_until(&mut self, witness: &mut Client, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let line = witness.read_line();
            if let Some((joined, left)) = sum(&line) {
                self.joined += joined;
                self.left += left;
                self.sums += 1;
                assert!(joined + left > 0, "a sum of nothing");
            } else {
                self.joined += u64::from(line.ends_with(" joined"));
                self.left += u64::from(line.ends_with(" left"));
                self.told_singly += 1;
            }
            assert!(self.joined <= 11 && self.left <= 11, "too many: {line:?} made it {self:?}");
        }
    }
}

/// The numbers in `{n} joined, {m} left`.
fn sum(line: &str) -> Option<(u64, u64)> {
    let (joined, left) = line.strip_suffix(" left")?.split_once(" joined, ")?;
    Some((joined.parse().ok()?, left.parse().ok()?))
}
