//! A member that never reads: what its room holds for it.

use std::io::IoSlice;

use hubbub::core::sink::Sink;
use hubbub::model::{CloseReason, Command, Limits, Moment, ShardId, Slot};

use crate::chat::Chat;
use crate::counting::{forget_peak, tally};

const SHARD: ShardId = ShardId(0);
const MEMBERS: usize = 10;
const SPEAKER: Slot = 0;
const SILENT: Slot = 1;
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog says nothing at all.";
const MESSAGES_PER_TURN: usize = 16;
const CAPACITIES: [usize; 2] = [64 << 10, 1 << 20];
/// So many capacities are said.
const SAID: usize = 100;
/// So many capacities may be held while they are.
const HELD_MAX: f64 = 1.0;
/// A feed's buffer of up to this size is kept for the next one, in bytes.
const SPARE_MAX: i64 = 64 << 10;

/// How the silence ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Reads,
    Goes,
}

/// Sockets of which one takes nothing while it is silent.
struct Sockets {
    silent: bool,
    taken: [u64; MEMBERS],
}

impl Sink for Sockets {
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        let count = if self.silent && slot == SILENT { 0 } else { bytes.len() };
        self.taken[slot as usize] += count as u64;
        count
    }

    fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        let count = if self.silent && slot == SILENT { 0 } else { offered };
        self.taken[slot as usize] += count as u64;
        count
    }
}

/// Prints the table; what does not hold, if anything.
pub(crate) fn check() -> Result<(), String> {
    println!("silence: one of {MEMBERS} members never reads while {SAID} capacities are said");
    println!(
        "at most {HELD_MAX} capacities may be held, and a spare buffer when it has read or gone"
    );
    println!("capacity  then   said MiB  held KiB  peak KiB  held × capacity  left bytes");
    let mut result = Ok(());
    for capacity in CAPACITIES {
        for end in [End::Reads, End::Goes] {
            result = result.and(measure(capacity, end));
        }
    }
    println!();
    result
}

fn measure(capacity: usize, end: End) -> Result<(), String> {
    let limits = Limits { feed_bytes_max: capacity, ..Limits::default() };
    let mut chat = Chat::with_members(1, MEMBERS, &limits);
    let frame = frame_bytes(&mut chat);
    let turns = (SAID * capacity).div_ceil(frame * MESSAGES_PER_TURN);
    let mut sockets = Sockets { silent: false, taken: [0; MEMBERS] };
    speak(&mut chat, &mut sockets, turns / SAID);
    let before = tally();
    sockets = Sockets { silent: true, taken: [0; MEMBERS] };
    forget_peak();
    speak(&mut chat, &mut sockets, turns);
    let (held, peak) = (tally().bytes - before.bytes, tally().peak_bytes - before.bytes);
    let said = turns * MESSAGES_PER_TURN * frame;
    for (slot, &taken) in (0..).zip(&sockets.taken) {
        let due = if slot == SILENT { 0 } else { said as u64 };
        assert_eq!(taken, due, "what the member in slot {slot} has got");
    }
    sockets.silent = false;
    match end {
        End::Reads => chat.core(SHARD).handle_writable(SILENT),
        End::Goes => {
            chat.core(SHARD).handle_close(SILENT, CloseReason::HangUp, Moment::default());
        }
    }
    chat.run(&mut sockets);
    let left = tally().bytes.cast_signed() - before.bytes.cast_signed();
    let times = held as f64 / capacity as f64;
    println!(
        "{:>4} KiB  {:<6} {:>8} {:>9} {:>9} {times:>16.2} {left:>11}",
        capacity >> 10,
        format!("{end:?}").to_lowercase(),
        said >> 20,
        held >> 10,
        peak >> 10
    );
    if times > HELD_MAX {
        return Err(format!("a room of {capacity} bytes held {held}"));
    }
    if left > SPARE_MAX {
        return Err(format!("{left} bytes are left after silence"));
    }
    Ok(())
}

fn speak(chat: &mut Chat, sockets: &mut Sockets, turns: usize) {
    for _ in 0..turns {
        for _ in 0..MESSAGES_PER_TURN {
            chat.command((SHARD, SPEAKER), Command::Say(TEXT));
        }
        chat.run(sockets);
    }
}

/// Bytes of one message as everyone gets it: `author: text`.
fn frame_bytes(chat: &mut Chat) -> usize {
    let mut sessions = chat.core(SHARD).sessions().iter();
    let (_, author) = sessions.find(|&(slot, _)| slot == SPEAKER).expect("the one who speaks");
    author.name.as_str().len() + ": ".len() + TEXT.len() + "\n".len()
}
