//! The command line.

use std::io;
use std::path::PathBuf;

use clap::Parser;

use crate::support::process;

/// Measures what it costs the chat server when thousands of clients arrive at once, and what
/// memory they take while they are idle, on loopback.
#[derive(Debug, Parser)]
#[command(name = "crowd")]
pub(crate) struct Cli {
    /// The server under test [default: the `hubbub` binary cargo built for this bench]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Shards of the server; from 2 on it is not pinned to one CPU, and the generator shares its
    /// CPU with it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) shards: u16,

    /// Rounds of arrivals, with a new server in each: medians are reported
    #[arg(long, default_value_t = 3, conflicts_with = "quick",
          value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,

    /// Write all figures and the machine to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// A first impression: one round, 1 000 and 4 000 connections only
    #[arg(long)]
    quick: bool,

    /// Cargo passes this to every bench; it changes nothing here.
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

impl Cli {
    /// The binary under test, from the flag or from the build, if it is there.
    pub(crate) fn server_path(&self) -> io::Result<PathBuf> {
        process::server_path(self.server.as_deref())
    }

    /// How many rounds of arrivals there are.
    pub(crate) fn rounds(&self) -> u16 {
        if self.quick { 1 } else { self.repeats }
    }

    /// How many connections arrive at once.
    pub(crate) fn arrivals(&self) -> &'static [usize] {
        if self.quick { &[1_000, 4_000] } else { &[1_000, 2_000, 4_000, 8_000, 15_000] }
    }

    /// With how many idle connections memory is measured.
    pub(crate) fn idle(&self) -> &'static [usize] {
        if self.quick { &[1_000, 4_000] } else { &[1_000, 4_000, 8_000, 12_000, 16_000] }
    }
}
