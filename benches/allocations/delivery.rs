//! Delivering messages: as many allocations for a big room as for a small one.

use hubbub::model::{Command, Limits, ShardId};
use hubbub::proto::Wire;

use crate::chat::{Chat, NullSink};
use crate::counting::tally;

const SHARDS: [u16; 2] = [1, 2];
const MESSAGES: [usize; 2] = [1, 64];
const MEMBERS: [usize; 3] = [10, 1_000, 10_000];
const WARM_UP_TURNS: u64 = 100;
const TURNS: u64 = 100;

/// One message, as the client sends it.
const LINE: &[u8] =
    b"The quick brown fox jumps over the lazy dog, and the dog says nothing at all.\n";

/// Prints the table; what does not hold, if anything.
pub(crate) fn check() -> Result<(), String> {
    println!("delivery: allocations in {TURNS} turns, after {WARM_UP_TURNS} to warm up");
    println!("shards  messages a turn  members  deliveries  allocations  per message");
    let mut result = Ok(());
    for shards in SHARDS {
        for messages in MESSAGES {
            let calls = MEMBERS.map(|members| measure(shards, messages, members));
            if calls.iter().any(|&each| each != calls[0]) {
                result = Err(format!("{shards} shards: {calls:?} allocations for {MEMBERS:?}"));
            } else if shards == 1 && calls[0] > 0 {
                result = Err(format!("one shard allocates {} times in {TURNS} turns", calls[0]));
            }
        }
    }
    println!();
    result
}

/// Has the first session of the last shard speak, so that of several shards it is not the room's
/// home; how often was allocated for that.
fn measure(shards: u16, messages: usize, members: usize) -> u64 {
    let limits = Limits::default();
    let mut chat = Chat::with_members(shards, members, &limits);
    let mut speak = speaker(shards, messages, limits);
    for _ in 0..WARM_UP_TURNS {
        speak(&mut chat);
    }
    let delivered = |chat: &mut Chat| -> u64 {
        ShardId::all(shards).map(|shard| chat.core(shard).counters.deliveries).sum()
    };
    let (before, deliveries) = (tally(), delivered(&mut chat));
    for _ in 0..TURNS {
        speak(&mut chat);
    }
    let (calls, deliveries) = (tally().calls - before.calls, delivered(&mut chat) - deliveries);
    assert_eq!(deliveries, TURNS * (messages * members) as u64, "everyone gets everything");
    let each = calls as f64 / (TURNS * messages as u64) as f64;
    println!("{shards:>6} {messages:>16} {members:>8} {deliveries:>11} {calls:>12} {each:>12.2}");
    calls
}

/// A turn in which one client's messages arrive, are decoded, said and delivered.
fn speaker(shards: u16, messages: usize, limits: Limits) -> impl FnMut(&mut Chat) {
    let (mut decoder, mut clean) = (Wire::Line.decoder(), String::new());
    let (mut buffer, arrived) = (LINE.repeat(messages), 0..LINE.len() * messages);
    // `admit` may need one byte more than has arrived.
    buffer.push(0);
    let session = (ShardId(shards - 1), 0);
    move |chat| {
        let end = decoder.admit(&mut buffer, arrived.clone());
        let mut at = 0;
        while let Some(command) = decoder.next(&buffer[..end], &mut at, &limits, &mut clean) {
            assert!(matches!(command, Command::Say(_)), "all lines are messages");
            chat.command(session, command);
        }
        chat.run(&mut NullSink);
    }
}
