//! What more shards cost: the same talk in rooms that are spread over some or over many of them.

use hubbub::model::{Command, Limits, ShardId, Slot};

use crate::cases::speak;
use crate::chat::{Chat, NullSink};
use crate::counted;

/// Times that everyone who speaks says something.
const ROUNDS: u64 = 8;
/// Rooms, if they are small: enough that their homes are spread over all shards.
const ROOMS_MAX: usize = 64;
/// Members of all rooms together, at most.
const MEMBERS_MAX: usize = 16_000;

/// What a run came to.
pub(crate) struct Run {
    /// Messages that arrived, once for each member.
    pub(crate) deliveries: u64,
    /// Messages that were said.
    pub(crate) messages: u64,
    /// Messages between shards for them.
    pub(crate) hops: u64,
}

/// Rooms of so many `members`, each spread over all of so many shards, in which one member says
/// something in every turn. Only that is counted.
pub(crate) fn run(shards: u16, members: usize) -> Run {
    let rooms = (MEMBERS_MAX / members).clamp(1, ROOMS_MAX);
    let mut chat = Chat::new(shards, &Limits::default());
    let speakers: Vec<_> = (0..rooms).map(|room| fill(&mut chat, shards, room, members)).collect();
    chat.pass_time(&mut NullSink);
    speakers.iter().for_each(|&speaker| speak(&mut chat, speaker));
    let hops = bring_all(&mut chat, shards);
    chat.run(&mut NullSink);
    let delivered = |chat: &mut Chat| -> u64 {
        ShardId::all(shards).map(|shard| chat.core(shard).counters.deliveries).sum()
    };
    let before = delivered(&mut chat);
    for _ in 0..ROUNDS {
        counted(|| {
            speakers.iter().for_each(|&speaker| speak(&mut chat, speaker));
            chat.run(&mut NullSink);
        });
    }
    let (deliveries, messages) = (delivered(&mut chat) - before, ROUNDS * rooms as u64);
    assert_eq!(deliveries, messages * members as u64, "everyone gets everything");
    Run { deliveries, messages, hops: hops * ROUNDS }
}

/// Has so many sessions join a room of their own, each on another shard than the one before; the
/// first of them.
fn fill(chat: &mut Chat, shards: u16, room: usize, members: usize) -> (ShardId, Slot) {
    let name = format!("room-{room}");
    let all: Vec<_> = (0..members)
        .map(|member| {
            let shard = ShardId::all(shards).nth((room + member) % usize::from(shards));
            let shard = shard.expect("one of them");
            (shard, chat.open(shard))
        })
        .collect();
    chat.run(&mut NullSink);
    for &member in &all {
        chat.command(member, Command::Switch(&name));
    }
    chat.run(&mut NullSink);
    all[0]
}

/// Brings everything that is on its way between shards to its end; how many messages that were.
fn bring_all(chat: &mut Chat, shards: u16) -> u64 {
    let mut hops = 0;
    loop {
        let before = hops;
        for from in ShardId::all(shards) {
            hops += chat.post(from.index());
        }
        if hops == before {
            return hops;
        }
    }
}
