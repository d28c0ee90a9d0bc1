//! The parts of the hot path, one by one and without sockets: what `throughput` measures in one.
//!
//! `cargo bench --bench parts` runs all of them, in less than a minute; a part of a name after `--`
//! chooses some.

#[path = "support/chat.rs"]
mod chat;
#[path = "support/courier.rs"]
mod courier;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use hubbub::model::{Command, Event, Limits, Name, ShardId, Stamp};
use hubbub::proto::Wire;

use chat::{Chat, NullSink};
use courier::{Courier, Manner};

const SAMPLES: usize = 30;
const WARM_UP_TIME: Duration = Duration::from_millis(300);
const MEASUREMENT_TIME: Duration = Duration::from_millis(1_500);

/// The first session of the only shard.
const SPEAKER: (ShardId, u32) = (ShardId(0), 0);
const PLAIN: &str = "The quick brown fox jumps over the lazy dogs, and the dog, who has seen \
                     foxes, says nothing at all.\n";
const ACCENTED: &str = "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich - à la \
                        mode, как всегда! 👋\n";

fn main() {
    let criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP_TIME)
        .measurement_time(MEASUREMENT_TIME);
    let mut criterion = criterion.configure_from_args();
    decode(&mut criterion);
    render(&mut criterion);
    deliver(&mut criterion);
    come_and_go(&mut criterion);
    rename(&mut criterion);
    hop(&mut criterion);
    criterion.final_summary();
}

/// Bytes of a client to commands: one line of a hundred bytes, and many that arrived at once.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, line, lines) in
        [("ascii", PLAIN, 1), ("utf-8", ACCENTED, 1), ("64 lines", PLAIN, 64)]
    {
        assert_eq!(line.len(), 100, "what {name} is measured with");
        let limits = Limits::default();
        let (mut decoder, mut clean) = (Wire::Line.decoder(), String::new());
        let (mut buffer, arrived) = (line.repeat(lines).into_bytes(), 0..line.len() * lines);
        // `admit` may need one byte more than has arrived.
        buffer.push(0);
        group.throughput(Throughput::Elements(lines as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let end = decoder.admit(black_box(&mut buffer), arrived.clone());
                let mut at = 0;
                while let Some(command) = decoder.next(&buffer[..end], &mut at, &limits, &mut clean)
                {
                    black_box(command);
                }
            });
        });
    }
}

/// A message to the bytes that every member gets.
fn render(criterion: &mut Criterion) {
    let name = |text| Name::new(text).expect("a valid name");
    let (room, author) = (name("main"), name("AmberOtter"));
    let event = Event::Said { author: &author, text: PLAIN.trim_end() };
    let mut bytes = Vec::with_capacity(2 * PLAIN.len());
    criterion.bench_function("render a message", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            Wire::Line.render_event(&room, Stamp::default(), black_box(&event), &mut bytes);
            black_box(&bytes);
        });
    });
}

/// A turn in which messages are appended to a feed and written to every member. Elements are
/// deliveries.
fn deliver(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deliver");
    for members in [10, 1_000] {
        for messages in [1, 16, 64] {
            let mut chat = Chat::with_members(1, members, &Limits::default());
            let mut turn = || {
                for _ in 0..messages {
                    chat.command(SPEAKER, Command::Say(black_box(PLAIN.trim_end())));
                }
                chat.run(&mut NullSink);
                chat.core(SPEAKER.0).counters.deliveries
            };
            let deliveries = (messages * members) as u64;
            assert_eq!(turn() + deliveries, turn(), "everyone gets everything");
            group.throughput(Throughput::Elements(deliveries));
            let id = BenchmarkId::new(format!("{members} members"), messages);
            group.bench_function(id, |bencher| bencher.iter(&mut turn));
        }
    }
}

/// A member of the lobby goes to another room, whose members are told, and comes back.
fn come_and_go(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join and leave");
    for members in [10, 1_000] {
        let mut chat = Chat::with_members(1, members, &Limits::default());
        group.bench_function(format!("{members} members"), |bencher| {
            bencher.iter(|| {
                for room in ["den", "main"] {
                    chat.command(SPEAKER, Command::Switch(black_box(room)));
                    chat.run(&mut NullSink);
                }
            });
        });
    }
}

/// A member of a room of ten takes another name, and everyone is told.
fn rename(criterion: &mut Criterion) {
    let mut chat = Chat::with_members(1, 10, &Limits::default());
    let mut names = ["bob", "eve"].into_iter().cycle();
    criterion.bench_function("rename", |bencher| {
        bencher.iter(|| {
            let name = names.next().expect("there is always another");
            chat.command(SPEAKER, Command::Rename(black_box(name)));
            chat.run(&mut NullSink);
        });
    });
}

/// Messages from one shard's thread to another's, so many to a parcel; the time is that of one
/// message, whatever the parcel.
fn hop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox hop");
    for (name, manner) in [("busy", Manner::Busy), ("asleep", Manner::Asleep)] {
        for batch in [1, 8, 64] {
            let mut courier = Courier::new(manner, batch);
            let id = BenchmarkId::new(format!("receiver {name}"), batch);
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|messages| courier.carry(messages));
            });
        }
    }
}
