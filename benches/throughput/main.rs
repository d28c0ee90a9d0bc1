//! What the server costs, over real sockets on loopback, beside three references.
//!
//! `cargo bench --bench throughput -- --help` explains the options. Every figure comes from a
//! server in a process of its own on one core, loaded by `loadgen` from another:
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

mod cases;
mod cli;
mod figures;
mod floor;
mod json;
mod measure;
mod picture;
mod reference;
mod sitting;
mod summary;
mod table;
mod tutorial;

use std::env;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    if env::args().any(|word| word == reference::FLAG) {
        let Err(error) = reference::play(&reference::Flags::parse()) else {
            return ExitCode::SUCCESS;
        };
        eprintln!("throughput: {error}");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    if cfg!(debug_assertions) {
        eprintln!("built without optimisation, nothing worth measuring: use `cargo bench`");
        return ExitCode::SUCCESS;
    }
    sitting::hold(&cli).unwrap_or_else(|sentence| {
        eprintln!("throughput: {sentence}");
        ExitCode::FAILURE
    })
}
