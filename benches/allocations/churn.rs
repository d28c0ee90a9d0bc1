//! Sessions that come and go: what they leave behind.

use hubbub::model::{Command, Limits, ShardId, Slot};

use crate::chat::{Chat, NullSink};
use crate::counting::{Tally, tally};

const SHARDS: u16 = 2;
/// Sessions in one cycle.
const SESSIONS: usize = 100;
const ROOMS: usize = 10;
const MESSAGES: usize = 100;
/// Cycles at the same time before anything is counted, so that all tables have the capacity that
/// they will ever need.
const WARM_UP_AT_ONCE: usize = 2;
const CYCLES: usize = 100;
const SHOWN_EVERY: usize = 20;
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog says nothing at all.";

/// Prints the table; what does not hold, if anything.
pub(crate) fn check() -> Result<(), String> {
    println!("churn: {SESSIONS} sessions open, take a name, join one of {ROOMS} rooms,");
    println!("say {MESSAGES} messages each and quit, on {SHARDS} shards");
    println!("cycles  live bytes  live blocks");
    let mut chat = Chat::new(SHARDS, &Limits::default());
    cycle(&mut chat, SESSIONS * WARM_UP_AT_ONCE);
    cycle(&mut chat, SESSIONS);
    let before = tally();
    let mut after = before;
    print(0, before);
    for number in 1..=CYCLES {
        cycle(&mut chat, SESSIONS);
        after = tally();
        if number % SHOWN_EVERY == 0 {
            print(number, after);
        }
    }
    println!();
    if (after.bytes, after.blocks) == (before.bytes, before.blocks) {
        return Ok(());
    }
    Err(format!(
        "after {CYCLES} cycles there are {} bytes in {} blocks, not {} in {}",
        after.bytes, after.blocks, before.bytes, before.blocks
    ))
}

fn print(cycles: usize, tally: Tally) {
    println!("{cycles:>6} {:>11} {:>12}", tally.bytes, tally.blocks);
}

fn cycle(chat: &mut Chat, sessions: usize) {
    let shard = |number: usize| ShardId::all(SHARDS).nth(number % usize::from(SHARDS));
    let open = |number| shard(number).expect("a shard");
    let all: Vec<(ShardId, Slot)> = (0..sessions)
        .map(|number| {
            let session = (open(number), chat.open(open(number)));
            chat.run(&mut NullSink);
            session
        })
        .collect();
    for (number, &session) in all.iter().enumerate() {
        let (name, room) = (format!("user-{number:04}"), format!("room-{:02}", number % ROOMS));
        for command in [Command::Rename(&name), Command::Switch(&room)] {
            chat.command(session, command);
            chat.run(&mut NullSink);
        }
    }
    for _ in 0..MESSAGES {
        for &session in &all {
            chat.command(session, Command::Say(TEXT));
        }
        chat.run(&mut NullSink);
    }
    for &session in &all {
        chat.command(session, Command::Quit);
        chat.run(&mut NullSink);
    }
    chat.pass_time(&mut NullSink);
    assert!(ShardId::all(SHARDS).all(|s| chat.core(s).sessions().is_empty()), "all have gone");
}
