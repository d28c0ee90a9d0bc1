//! What is worth counting in instructions: the hot path, case by case, always in the same way and
//! on one thread.
//!
//! `cargo xtask icount` runs each case under callgrind, which counts only what happens inside
//! [`counted`], and compares the counts with a committed baseline. On its own this program says
//! that the cases still run.

#![allow(clippy::print_stdout, reason = "it answers on its standard output")]

mod cases;
#[path = "../support/chat.rs"]
mod chat;
mod scaling;

use std::process::ExitCode;

use cases::CASES;

/// What callgrind is told to look for: it begins to count when this is called, and stops when it
/// returns. Each case has one of its own, as each closure makes another function of it.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn main() -> ExitCode {
    // Cargo adds `--bench` to whatever it was told to hand on.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.as_slice() {
        [] => {
            for (name, run) in CASES {
                println!("{name}: {} operations", run());
            }
            println!("`cargo xtask icount` counts their instructions.");
        }
        [flag] if flag == "--list" => CASES.iter().for_each(|(name, _)| println!("{name}")),
        [flag, shards, members] if flag == "--scaling" => {
            let (Ok(shards), Ok(members)) = (shards.parse(), members.parse()) else {
                println!("Please say how many shards, and how many members a room has.");
                return ExitCode::FAILURE;
            };
            let scaling::Run { deliveries, messages, hops } = scaling::run(shards, members);
            println!("{deliveries} {messages} {hops}");
        }
        [chosen] => {
            let Some((_, run)) = CASES.iter().find(|(name, _)| name == chosen) else {
                println!("There is no case called `{chosen}`; `--list` shows those there are.");
                return ExitCode::FAILURE;
            };
            println!("{}", run());
        }
        _ => {
            println!("Please name one case, or none for all, or `--scaling SHARDS MEMBERS`.");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
