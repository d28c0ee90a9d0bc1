//! What the black-box tests share: a real server process, clients over real sockets, and waits that
//! end. Nothing here sleeps to let something happen: a test waits for the line that says it has.
#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(unreachable_pub, reason = "every test file is a crate of its own")]

pub mod admin;
pub mod client;
pub mod crowd;
pub mod frames;
pub mod manager;
pub mod memory;
pub mod namespace;
pub mod output;
pub mod program;
pub mod proxy;
pub mod server;
pub mod talk;
pub mod tls;
pub mod victims;
pub mod vitals;
pub mod web;
pub mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use client::Client;
pub use server::Server;

/// How long anything that must happen may take. Generous, as the machine may be busy: a test that
/// passes never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `body` against a fresh server of 1, of 2 and of 8 shards: nothing a client can see may
/// depend on their number.
pub fn on_every_shard_count(body: impl Fn(&Server)) {
    for shards in [1, 2, 8] {
        body(&Server::start(shards, &[]));
    }
}

/// Connects clients and gives them these names. All of them are in `main`, and have read everything
/// up to here.
pub fn people<const N: usize>(server: &Server, names: [&str; N]) -> [Client; N] {
    let mut here: Vec<Client> = Vec::with_capacity(N);
    for name in names {
        let client = introduced(Client::connect(server), name, &mut here);
        here.push(client);
    }
    here.try_into().unwrap_or_else(|_| unreachable!("one client for each name"))
}

/// Reads a new client's greeting and gives it a name, which all others in `main` read too.
pub fn introduced(mut client: Client, name: &str, others: &mut [Client]) -> Client {
    let guest = client.expect_help_and_name();
    client.expect("You joined main");
    client.rename(name);
    for other in others {
        other.expect(&format!("{guest} joined"));
        other.expect(&format!("{guest} is now {name}"));
    }
    client
}

/// Proves that these members of one room have nothing more to read: the first of them says
/// something, and that is the next line for all.
pub fn expect_quiet<const N: usize>(clients: [&mut Client; N]) {
    let line = clients[0].say_something();
    for client in clients {
        client.expect(&line);
    }
}

/// Asks again and again until the answer is yes: for what happens on its own time and announces
/// itself to nobody.
pub fn eventually(what: &str, mut question: impl FnMut() -> bool) {
    let started = Instant::now();
    while !question() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until no other test of the same file is within such a section. For tests that take time or
/// memory, or tell it: side by side they would measure each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something when its result is dropped, in a panic too.
pub fn at_the_end<F: FnMut()>(action: F) -> impl Drop {
    struct AtTheEnd<F: FnMut()>(F);
    impl<F: FnMut()> Drop for AtTheEnd<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    AtTheEnd(action)
}
