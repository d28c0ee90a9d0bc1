//! The cases. Each prepares what it needs, does its work in [`counted`], and says how many
//! operations that was.

use std::hint::black_box;
use std::task::Waker;
use std::time::Duration;

use hubbub::board::Board;
use hubbub::mesh::credit::Slip;
use hubbub::mesh::{Mail, Parcel, mesh};
use hubbub::metrics::Snapshot;
use hubbub::model::{Command, Event, Limits, Name, ShardId, ShardMsg, Slot, Stamp};
use hubbub::proto::Wire;
use hubbub::proto::web::Frames;

use crate::chat::{Chat, NullSink};
use crate::counted;

/// Its name, and the function that runs it and returns the number of operations.
pub(crate) type Case = (&'static str, fn() -> u64);

/// All of them, in the order of a message's way through the server.
pub(crate) const CASES: &[Case] = &[
    ("decode", || decode(PLAIN)),
    ("decode-utf8", || decode(ACCENTED)),
    ("decode-frame", decode_frame),
    ("say", say),
    ("say-kept", say_kept),
    ("say-afar", say_afar),
    ("hop", hop),
    ("hop-asleep", hop_asleep),
    ("flush-1", || flush(1)),
    ("flush-16", || flush(16)),
    ("flush-64", || flush(64)),
    ("join", join),
    ("rename", rename),
    ("put-up", put_up),
];

const PLAIN: &str = "The quick brown fox jumps over the lazy dogs, and the dog, who has seen \
                     foxes, says nothing at all.\n";
/// The same without its end, as it is said.
const SAID: &str = PLAIN.trim_ascii_end();
const ACCENTED: &str = "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich - à la \
                        mode, как всегда! 👋\n";

/// Times that something is counted, where nothing about it is random.
const ROUNDS: u64 = 64;
/// Operations in each of these times, so that what `counted` itself costs is next to nothing.
const BATCH: u64 = 64;
/// Members of a room that is flushed.
const MEMBERS: usize = 100;
/// Members of any other room.
const FEW: usize = 10;
/// Chats in which [`FEW`] join or take a name. The maps of each are seeded at random, so now and
/// then a look-up meets another key that looks alike at first: with so many maps and names, one run
/// differs from the next by less than 0.05 %. From a folder with a longer path, which moves the
/// heap and gives `malloc` other work, it differs by up to 0.2 %.
const CHATS: usize = 400;

/// A client's line to a command.
fn decode(line: &str) -> u64 {
    let limits = Limits::default();
    let (mut decoder, mut clean) = (Wire::Line.decoder(), String::new());
    let (mut buffer, arrived) = (line.as_bytes().to_vec(), 0..line.len());
    // `admit` may need one byte more than has arrived.
    buffer.push(0);
    for _ in 0..ROUNDS {
        counted(|| {
            for _ in 0..BATCH {
                let end = decoder.admit(black_box(&mut buffer), arrived.clone());
                let command = decoder.next(&buffer[..end], &mut 0, &limits, &mut clean);
                assert!(matches!(black_box(command), Some(Command::Say(_))), "a message");
            }
        });
    }
    ROUNDS * BATCH
}

/// A client's message in a frame of a WebSocket to a command.
fn decode_frame() -> u64 {
    const MASK: [u8; 4] = [0x5a, 0x96, 0x3c, 0xe1];
    let limits = Limits::default();
    let masked = SAID.bytes().zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key);
    let head = [0x81, 0x80 | SAID.len() as u8].into_iter().chain(MASK);
    let sent: Vec<u8> = head.chain(masked).collect();
    let mut kept = Vec::with_capacity(sent.len() + 1);
    let (mut frames, mut clean) = (Frames::new(false), String::new());
    let mut decoder = Wire::WebLine.decoder();
    for _ in 0..ROUNDS {
        counted(|| {
            for _ in 0..BATCH {
                kept.clear();
                kept.extend_from_slice(black_box(&sent));
                kept.push(0);
                let end = frames.admit(&mut kept, 0..sent.len());
                let command = decoder.next(&kept[..end], &mut 0, &limits, &mut clean);
                assert!(matches!(black_box(command), Some(Command::Say(_))), "a message");
            }
        });
    }
    ROUNDS * BATCH
}

/// A message, from command to feed, where the room is at home.
fn say() -> u64 {
    say_with(&lines_only())
}

/// The same where rooms remember what was said.
fn say_kept() -> u64 {
    say_with(&Limits::default())
}

/// Limits of a server that nobody visits who is told the past.
fn lines_only() -> Limits {
    Limits { history_messages_max: 0, ..Limits::default() }
}

fn say_with(limits: &Limits) -> u64 {
    let mut chat = Chat::with_members(1, FEW, limits);
    for _ in 0..ROUNDS {
        counted(|| {
            for _ in 0..BATCH {
                speak(&mut chat, (ShardId(0), 0));
            }
        });
        chat.run(&mut NullSink);
    }
    ROUNDS * BATCH
}

/// A message from a shard that is not the room's home, to the home and into the feeds of both. In a
/// chat of its own each time, because it is looked up in their maps; see [`CHATS`].
fn say_afar() -> u64 {
    let talk = |chat: &mut Chat| {
        for _ in 0..BATCH {
            speak(chat, (ShardId(1), 0));
            for shard in [1, 0] {
                assert!(chat.post(shard) > 0, "there and back");
            }
        }
    };
    for _ in 0..ROUNDS {
        let mut chat = Chat::with_members(2, FEW, &lines_only());
        // A feed's buffer grows but once.
        talk(&mut chat);
        chat.run(&mut NullSink);
        counted(|| talk(&mut chat));
    }
    ROUNDS * BATCH
}

/// One parcel, from one shard's address to another that is awake.
fn hop() -> u64 {
    let (mailboxes, addresses) = mesh(2);
    for _ in 0..ROUNDS {
        let mut parcels: Vec<Mail> = (0..BATCH).map(|_| parcel()).collect();
        let mut arrived = Vec::with_capacity(parcels.len());
        counted(|| {
            for mail in parcels.drain(..) {
                assert!(!addresses[1].send(mail), "it is awake");
                arrived.extend(mailboxes[1].take());
            }
        });
        assert_eq!(arrived.len() as u64, BATCH, "all arrive");
    }
    ROUNDS * BATCH
}

/// One parcel to a shard that sleeps: it looks once more, falls asleep, is woken and takes it.
fn hop_asleep() -> u64 {
    let (mailboxes, addresses) = mesh(2);
    let waker = Waker::noop();
    for _ in 0..ROUNDS {
        let mut parcels: Vec<Mail> = (0..BATCH).map(|_| parcel()).collect();
        let mut arrived = Vec::with_capacity(parcels.len());
        counted(|| {
            for mail in parcels.drain(..) {
                assert!(mailboxes[1].fall_asleep(waker), "there is no mail");
                assert!(addresses[1].send(mail), "it sleeps");
                mailboxes[1].wake_up();
                arrived.extend(mailboxes[1].take());
            }
        });
        assert_eq!(arrived.len() as u64, BATCH, "all arrive");
    }
    ROUNDS * BATCH
}

/// One turn's flush of so many messages to each of [`MEMBERS`].
fn flush(messages: u64) -> u64 {
    let mut chat = Chat::with_members(1, MEMBERS, &Limits::default());
    let before = chat.core(ShardId(0)).counters.deliveries;
    for _ in 0..ROUNDS {
        for _ in 0..messages {
            speak(&mut chat, (ShardId(0), 0));
        }
        counted(|| chat.run(&mut NullSink));
    }
    let deliveries = chat.core(ShardId(0)).counters.deliveries - before;
    assert_eq!(deliveries, ROUNDS * messages * MEMBERS as u64, "everyone gets everything");
    ROUNDS
}

/// A member goes from a room of [`FEW`] to another, whose members are told like those it left.
fn join() -> u64 {
    by_few_in_many_chats(|chat, _| format!("den-{chat}"), |room| Command::Switch(room))
}

/// A member of a room of [`FEW`] takes another name, and everyone is told.
fn rename() -> u64 {
    by_few_in_many_chats(|chat, slot| format!("bob-{chat}-{slot}"), |name| Command::Rename(name))
}

/// The end of a turn, as far as the operator's sake goes: what it took is counted, and all that is
/// known of the shard is put up.
fn put_up() -> u64 {
    let board = Board::new(1);
    let (sheet, mut snapshot) = (board.sheet(ShardId(0)), Snapshot::default());
    for _ in 0..ROUNDS {
        counted(|| {
            for _ in 0..BATCH {
                snapshot.turn_times.count(black_box(Duration::from_micros(70)));
                sheet.put_up(black_box(&snapshot));
            }
        });
    }
    let (_, shown) = board.shards().next().expect("one shard");
    assert_eq!(shown.turn_times.turns(), ROUNDS * BATCH);
    ROUNDS * BATCH
}

/// Has everyone in many chats give a command, with a word that depends on the chat and on who it
/// is.
fn by_few_in_many_chats(
    word: impl Fn(usize, Slot) -> String,
    command: for<'a> fn(&'a str) -> Command<'a>,
) -> u64 {
    for number in 0..CHATS {
        let mut chat = Chat::with_members(1, FEW, &Limits::default());
        for slot in (0..).take(FEW) {
            let word = word(number, slot);
            counted(|| {
                chat.command((ShardId(0), slot), command(&word));
                chat.run(&mut NullSink);
            });
        }
    }
    (CHATS * FEW) as u64
}

/// This member says something.
pub(crate) fn speak(chat: &mut Chat, member: (ShardId, Slot)) {
    chat.command(member, Command::Say(black_box(SAID)));
}

/// What a home has for a shard with members after a single message.
fn parcel() -> Mail {
    let name = |text| Name::new(text).expect("a valid name");
    let event = Event::Said { author: &name("AmberOtter"), text: SAID }.share();
    let message =
        ShardMsg::RoomEvent { room: name("main").key(), stamp: Stamp { seq: 1, time: 0 }, event };
    Mail::Parcel(Parcel { from: ShardId(0), slip: Slip::default(), messages: vec![message] })
}
