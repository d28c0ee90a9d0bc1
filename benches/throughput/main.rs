//! End-to-end throughput of the server, beside three references, over real sockets on loopback.
//!
//! `cargo bench --bench throughput -- --help` explains the options. Every figure comes from a
//! server in a process of its own on one core, driven by one generator thread on another:
//!
//! - `hubbub`: the server under test;
//! - `floor-each`: a bare epoll loop with a write per delivery, what a naive server cannot beat;
//! - `floor-coalesced`: the same loop with a write per member and turn, what hardly anybody can
//!   beat without another kernel interface, and the stricter of the two comparisons;
//! - `tutorial`: a task per user, a broadcast channel per room and a line codec, what most people
//!   write first.
//!
//! The servers take turns within each round, so that a noisy minute of a shared machine hits all of
//! them; medians over the rounds are reported with their spread.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table and the progress lines are what this program is for"
)]

mod cli;
mod counters;
mod drive;
mod floor;
mod framing;
mod json;
mod message;
mod row;
mod server;
mod sitting;
#[path = "../support/mod.rs"]
mod support;
mod swarm;
mod table;
mod tally;
mod tutorial;
mod workload;

use clap::Parser;
use std::io;
use std::process::ExitCode;

use cli::{Cli, Role};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.role {
        Some(role) => play(role, cli.port),
        None if cfg!(debug_assertions) => {
            eprintln!("built without optimisation, nothing worth measuring: use `cargo bench`");
            Ok(ExitCode::SUCCESS)
        }
        None => sitting::hold(&cli),
    };
    done.unwrap_or_else(|error| {
        eprintln!("throughput: {error}");
        ExitCode::FAILURE
    })
}

/// Becomes a reference server: the bench starts itself again for each of them.
fn play(role: Role, port: u16) -> io::Result<ExitCode> {
    counters::print_at_end_of_input();
    match role {
        Role::FloorEach => floor::serve(port, floor::Flush::EachLine)?,
        Role::FloorCoalesced => floor::serve(port, floor::Flush::EachTurn)?,
        Role::Tutorial => tutorial::serve(port)?,
    }
    Ok(ExitCode::SUCCESS)
}
