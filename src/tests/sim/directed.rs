//! Games that are not left to chance alone: a shard stands still, or the server goes down, at the
//! worst of moments.

use super::Rng;
use super::client::Ask;
use super::shard::COMMANDS_PER_READ_MAX;
use super::world::World;
use crate::core::placement::home_of;
use crate::model::{Allowance, Limits, Name};

const SEEDS: u64 = 40;
const SHARDS: u16 = 4;
/// On each shard.
const CLIENTS: usize = 2;
/// Turns and arrivals in which everything that can be done is done.
const STEPS: usize = 4_000;
/// Rounds after which one command has had all its effects.
const ROUNDS_MAX: usize = 12;

/// Rooms at home on `shard`.
fn rooms_of(shard: usize) -> impl Iterator<Item = String> {
    let rooms = (0..).map(|number| format!("room{number}"));
    rooms.filter(move |room| {
        home_of(&Name::new(room).expect("a name").key(), SHARDS).index() == shard
    })
}

fn room_of(shard: usize) -> String {
    rooms_of(shard).next().expect("one of many")
}

/// Nothing goes wrong but what a test does, and nobody has to rest.
fn world(seed: u64, credit_max: u32, limits: Limits) -> World {
    let allowance = Allowance { each_ms: 1, burst: 1_000_000 };
    let limits = Limits { allowance, ..limits };
    let mut world = World::of(Rng::Seed(seed), seed, SHARDS, credit_max, limits);
    world.faulty = false;
    for _ in 0..CLIENTS {
        (0..usize::from(SHARDS)).for_each(|shard| world.arrive(shard));
    }
    world.rest();
    for client in &mut world.clients {
        (client.many_rooms, client.window) = (false, 100_000);
    }
    world
}

/// The clients that are not on `shard`.
fn others(world: &World, shard: usize) -> Vec<usize> {
    let all = 0..world.clients.len();
    all.filter(|&client| world.clients[client].session.shard.index() != shard).collect()
}

fn say(world: &mut World, client: usize) {
    world.said += 1;
    world.ask(client, Ask::Say(format!("m{}", world.said)));
}

fn said(world: &World, client: usize) -> usize {
    String::from_utf8_lossy(&world.clients[client].reader.lines).matches(": m").count()
}

/// Chance decides who goes on.
fn work(world: &mut World) {
    let shard = world.rng.below(world.shards.len());
    world.work(shard);
}

#[test]
fn f37_who_has_nothing_to_do_with_a_shard_that_pauses_notices_nothing() {
    for seed in 0..SEEDS {
        let credit_max = [1, 2, 8][(seed % 3) as usize];
        let mut world = world(seed, credit_max, Limits::default());
        let paused = world.rng.below(world.shards.len());
        let clients = others(&world, paused);
        let room = room_of((paused + 1) % world.shards.len());
        for &client in &clients {
            world.ask(client, Ask::Switch(room.clone()));
        }
        world.rest();
        world.shards[paused].paused = u32::MAX;
        for &client in clients.iter().cycle().take(clients.len() * 20) {
            say(&mut world, client);
        }
        (0..STEPS).for_each(|_| work(&mut world));
        for &client in &clients {
            assert_eq!(said(&world, client), clients.len() * 20, "seed {seed}, client {client}");
        }
        world.come_to_rest();
    }
}

#[test]
fn f29_what_waits_for_a_shard_that_pauses_is_bounded_by_credit() {
    for seed in 0..SEEDS {
        let credit_max = [1, 2, 8][(seed % 3) as usize];
        let mut world = world(seed, credit_max, Limits::default());
        let home = world.rng.below(world.shards.len());
        for client in 0..world.clients.len() {
            world.ask(client, Ask::Switch(room_of(home)));
        }
        world.rest();
        let paused = world.rng.below(world.shards.len());
        world.shards[paused].paused = u32::MAX;
        for client in others(&world, paused).into_iter().cycle().take(1_200) {
            say(&mut world, client);
        }
        // A shard uses its credit up, and then what its clients say in a turn. To that comes what
        // the home is sent by the others, each of which has its own credit and turn.
        let each = credit_max + (CLIENTS * COMMANDS_PER_READ_MAX) as u32;
        let bound = each * (u32::from(SHARDS) - 1);
        for _ in 0..STEPS {
            work(&mut world);
            let most = world.in_flight.iter().flatten().max();
            assert!(most <= Some(&bound), "seed {seed}: {most:?} in flight, over {bound}");
        }
        let unread = world.clients.iter().map(|client| client.asks.len()).sum::<usize>();
        assert!(unread > 600, "seed {seed}: all but {unread} were read for nobody");
        world.come_to_rest();
        for client in 0..world.clients.len() {
            assert_eq!(said(&world, client), 1_200, "seed {seed}, client {client}");
        }
    }
}

#[test]
fn f37_a_list_ends_in_time_without_a_shard_that_pauses() {
    for seed in 0..SEEDS {
        let mut world = world(seed, 8, Limits::default());
        let paused = world.rng.below(world.shards.len());
        world.shards[paused].paused = u32::MAX;
        let client = others(&world, paused)[0];
        world.ask(client, Ask::Rooms);
        // Nobody but the shard itself has a deadline.
        world.rest();
        let seen = String::from_utf8_lossy(&world.clients[client].reader.lines);
        assert!(seen.contains("(incomplete: 1 shards "), "seed {seed}: {seen}");
        world.come_to_rest();
    }
}

/// The longest chain of messages between shards that one command sets off: out of one room, not
/// into another whose home has enough of them, and into the lobby.
#[test]
fn f34_going_down_waits_for_who_is_refused_a_room() {
    let lobby = home_of(&Name::new("main").expect("a name").key(), SHARDS).index();
    let [own, left, full] = [1, 2, 3].map(|n| (lobby + n) % usize::from(SHARDS));
    for rounds in 0..=ROUNDS_MAX {
        let limits = Limits { home_rooms_max: 1, ..Limits::default() };
        let mut world = world(1, 4_096, limits);
        let other = others(&world, own);
        let client = (0..world.clients.len()).find(|it| !other.contains(it)).expect("on its own");
        world.ask(client, Ask::Switch(room_of(left)));
        world.ask(other[0], Ask::Switch(room_of(full)));
        world.rest();
        world.ask(client, Ask::Switch(rooms_of(full).nth(1).expect("one of many")));
        for _ in 0..rounds {
            world.go_on();
        }
        (0..SHARDS).for_each(|_| world.tell_to_drain());
        world.rest();
        world.check_gone_down();
        world.check_views(true);
        let seen = String::from_utf8_lossy(&world.clients[client].reader.lines);
        let has_time = rounds == ROUNDS_MAX;
        assert!(!has_time || seen.contains("is not there to join"), "{seen}");
    }
}

#[test]
fn who_moves_on_is_out_of_all_rooms_before() {
    for seed in 0..SEEDS {
        let mut world = world(seed, 8, Limits::default());
        let paused = world.rng.below(world.shards.len());
        let [left, entered] = [1, 2].map(|n| room_of((paused + n) % world.shards.len()));
        let client = others(&world, paused)[0];
        world.clients[client].many_rooms = true;
        for room in [left, room_of(paused)] {
            world.ask(client, Ask::Enter(room));
        }
        world.rest();
        world.shards[paused].paused = u32::MAX;
        world.ask(client, Ask::Switch(entered.clone()));
        world.rest();
        let line = format!("You joined {entered}\n");
        let has_joined = |world: &World| {
            String::from_utf8_lossy(&world.clients[client].reader.lines).contains(&line)
        };
        assert!(!has_joined(&world), "seed {seed}: it is still in a room of the shard that pauses");
        world.come_to_rest();
        assert!(has_joined(&world), "seed {seed}");
    }
}
