//! What attacks on memory and on a shard's time cost, by the server's own figures: a measurement,
//! run by `cargo test --test attacks -- --ignored`, which leaves `target/tmp/attacks.tsv`.
//!
//! Each attack runs on a server of its own, in alternation with the same server left in peace.
//! Victims chat meanwhile and must read every message in order.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::admin::{ADMIN, Admin};
use common::frames::frame;
use common::server::Setup;
use common::victims::Victims;
use common::vitals::resident_bytes;
use common::web::HTTP;
use common::{Client, Server, at_the_end, web};

/// Times that each attack, and the calm before it, are measured.
const ROUNDS: usize = 3;
/// How long each takes.
const SPAN: Duration = Duration::from_secs(5);
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What resident memory may have beside 1.5 times the account.
const UNCOUNTED_BYTES_MAX: f64 = (64 << 20) as f64;
/// Who attacks comes from 127.0.1.0/24, sixty to an address; victims are exempt.
const ARGS: [&str; 4] = ["--exempt", "127.0.0.1", "--address-connects-per-minute", "60000"];

/// The server has this core to itself: what others take of it is no turn's doing.
const ON_A_CORE: &[&str] = &["taskset", "--cpu-list", "0"];

/// What the server said of itself.
struct Seen {
    /// The longest turn, in seconds.
    longest_turn: f64,
    /// Turns in a million that took longer than 4.1 ms.
    long_turns: f64,
    /// The account and resident memory, in bytes, when the second was highest above its bound.
    held: f64,
    resident: f64,
}

impl Seen {
    fn excess(&self) -> f64 {
        self.resident - 1.5 * self.held - UNCOUNTED_BYTES_MAX
    }
}

/// One attack: how the server is set up, and what is done to it.
struct Attack {
    name: &'static str,
    args: &'static [&'static str],
    attack: fn(&Server, Admin, Instant),
}

const ATTACKS: [Attack; 4] = [
    Attack { name: "pings that are not read", args: &[], attack: send_pings },
    Attack {
        name: "input over the limit, little memory",
        args: &["--memory-max", "64M"],
        attack: flood,
    },
    Attack { name: "questions for a list of 1 000 rooms", args: &[], attack: ask_for_rooms },
    Attack {
        name: "silence from many networks, and newcomers",
        args: &["--connections-max", "3000", "--proxies", "127.0.0.9"],
        attack: fill,
    },
];

/// Connects as the attacker with this number.
fn attacker(number: usize, addr: SocketAddr) -> TcpStream {
    Client::stream_from(&format!("127.0.1.{}", 1 + number / 60), addr)
}

/// Writes `bytes` to all of `streams`, again and again, as far as they take them.
fn write_until(streams: &mut [TcpStream], bytes: &[u8], until: Instant) {
    for stream in streams.iter() {
        stream.set_nonblocking(true).expect("an option of our own socket");
    }
    while Instant::now() < until {
        for stream in streams.iter_mut() {
            // It may be full, or have been evicted.
            let _ = stream.write(bytes);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn send_pings(_: &Server, door: Admin, until: Instant) {
    let opening = web::opening(&[("Sec-WebSocket-Protocol", Some("hubbub.v1.json"))]);
    let open = |number| web::converse_on(attacker(number, door.addr), &opening).1;
    let mut streams: Vec<TcpStream> = (0..1_000).map(open).collect();
    write_until(&mut streams, &frame(0x89, b"x").repeat(500), until);
}

fn flood(server: &Server, _: Admin, until: Instant) {
    let mut streams: Vec<TcpStream> = (0..1_500).map(|it| attacker(it, server.addr)).collect();
    write_until(&mut streams, &b"hi\n".repeat(1_000), until);
}

fn ask_for_rooms(server: &Server, _: Admin, until: Instant) {
    let mut streams: Vec<TcpStream> = (0..1_000).map(|it| attacker(it, server.addr)).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        writeln!(stream, "/join room-{number}").expect("it reads");
    }
    write_until(&mut streams, &b"/rooms\n".repeat(500), until);
}

/// Networks of 48 bits without number: those beyond the limit are rejected, and have others
/// evicted.
fn fill(server: &Server, _: Admin, until: Instant) {
    let mut streams = vec![];
    for number in 0_usize.. {
        if Instant::now() >= until {
            return;
        }
        let from = format!("2001:db8:{:x}:{:x}::1", number / 600, number % 600 * 4);
        let mut stream = Client::stream_from("127.0.0.9", server.addr);
        let header = format!("PROXY TCP6 {from} {from} 4000 1\r\n");
        let _ = stream.write(header.as_bytes());
        streams.push(stream);
        if streams.len() > 5_000 {
            streams.drain(..100);
        }
    }
}

/// Victims chat on a fresh server while `abuse` runs until the time is up.
fn observe(it: &Attack, abuse: impl FnOnce(&Server, Admin, Instant) + Send) -> Seen {
    let args = [&HTTP[..], &ARGS, it.args, &ADMIN].concat();
    let server = Server::start_as(&Setup { wrapper: ON_A_CORE, args: &args, ..Setup::default() });
    let door = Admin { addr: web::address(&server, "http") };
    let admin = Admin::of(&server);
    let mut victims = Victims::in_room(&server, "cafe");
    let over = AtomicBool::new(false);
    let mut worst: Option<Seen> = None;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let held = admin.metrics().sum("hubbub_held_bytes");
                let resident = resident_bytes(server.pid()) as f64;
                let seen = Seen { longest_turn: 0.0, long_turns: 0.0, held, resident };
                if worst.as_ref().is_none_or(|it| it.excess() < seen.excess()) {
                    worst = Some(seen);
                }
                thread::sleep(LOOK_EVERY);
            }
        });
        let _over = at_the_end(|| over.store(true, Ordering::Relaxed));
        victims.talk_during(|| abuse(&server, door, Instant::now() + SPAN));
    });
    let metrics = admin.metrics();
    let longest_turn = metrics.sum("hubbub_longest_turn_seconds");
    let turns = metrics.sum("hubbub_turn_seconds_count");
    let short = metrics.sum_with("hubbub_turn_seconds_bucket", r#"le="0.004096""#);
    Seen {
        longest_turn,
        long_turns: (turns - short) / turns * 1e6,
        ..worst.expect("memory was looked at")
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[test]
#[ignore = "it measures, for two minutes"]
fn what_attacks_cost() {
    hubbub::machine::raise_descriptor_limit();
    let others = core_affinity::get_core_ids().and_then(|mut cores| cores.pop());
    others.map(core_affinity::set_for_current);
    let mut table =
        "attack\tround\tcalm_ms\tattacked_ms\tcalm_long_ppm\tattacked_long_ppm\theld_mib\t\
         resident_mib\tbound_mib\n"
            .to_owned();
    let mut summary = String::new();
    for attack in &ATTACKS {
        let mut turns = [vec![], vec![]];
        for round in 0..ROUNDS {
            let rest = |_: &Server, _, until: Instant| thread::sleep(until - Instant::now());
            let [calm, attacked] = [observe(attack, rest), observe(attack, attack.attack)];
            turns[0].push(calm.longest_turn);
            turns[1].push(attacked.longest_turn);
            let [calm_ms, attacked_ms] = [&calm, &attacked].map(|it| it.longest_turn * 1e3);
            let [calm_ppm, attacked_ppm] = [&calm, &attacked].map(|it| it.long_turns);
            let Seen { held, resident, .. } = attacked;
            let [held, resident, bound] = [held, resident, 1.5 * held + UNCOUNTED_BYTES_MAX]
                .map(|bytes| bytes / f64::from(1 << 20));
            let name = attack.name;
            let _ = writeln!(
                table,
                "{name}\t{round}\t{calm_ms:.3}\t{attacked_ms:.3}\t{calm_ppm:.0}\t\
                 {attacked_ppm:.0}\t{held:.1}\t{resident:.1}\t{bound:.1}"
            );
        }
        let [calm, attacked] = turns.map(median);
        let _ =
            writeln!(summary, "# {}: {:.2} times the longest turn", attack.name, attacked / calm);
        fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/attacks.tsv"), table.clone() + &summary)
            .expect("a file of our own");
    }
}
