//! What the chat allocates, counted exactly.
//!
//! Three claims, each with a table; the program fails if one of them does not hold:
//!
//! - *delivery*: a turn allocates as often for ten thousand members as for ten, and not at all in a
//!   server of one shard;
//! - *silence*: a member that never reads costs its room a few times the feed's capacity, whatever
//!   is said there, and gives it back when it has read or is gone;
//! - *churn*: sessions that have come, spoken and gone leave nothing behind.
//!
//! It all happens in the cores, without sockets, and always in the same way: nothing here is timed.

#![allow(clippy::print_stdout, reason = "the tables are what this program is for")]

#[path = "../support/chat.rs"]
mod chat;
mod churn;
mod counting;
mod delivery;
mod silence;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() -> ExitCode {
    let claims = [delivery::check(), silence::check(), churn::check()];
    let broken: Vec<String> = claims.into_iter().flat_map(Result::err).collect();
    for claim in &broken {
        println!("does not hold: {claim}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
