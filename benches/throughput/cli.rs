//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::cases::Pace;

/// Measures what a delivery, a connection and a change of room cost the chat server, beside three
/// references that are measured in turn with it: a table, and with `--out` the raw figures and a
/// picture.
#[derive(Debug, Parser)]
#[command(name = "throughput")]
pub(crate) struct Cli {
    /// The server under test [default: the `hubbub` binary cargo built for this bench]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Only cases whose name contains this text, such as `200x10`, `half` or `arrivals`; a case
    /// that needs another's rate has that measured too
    #[arg(long, value_name = "SUBSTR", default_value = "", hide_default_value = true)]
    pub(crate) only: String,

    /// The servers to measure, in this order within each round
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        default_value = "hubbub,floor-each,floor-coalesced,tutorial"
    )]
    pub(crate) servers: Vec<Subject>,

    /// Seconds measured in each run
    #[arg(long, default_value_t = 2.0, value_parser = seconds, conflicts_with = "quick")]
    seconds: f64,

    /// Seconds of load before the measured ones
    #[arg(long, default_value_t = 0.7, value_parser = seconds, conflicts_with = "quick")]
    warmup: f64,

    /// Rounds: every server runs once per case in each, medians are reported
    #[arg(long, default_value_t = 3, conflicts_with = "quick",
          value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// Messages of a room that the server under test keeps for newcomers, as it does by itself; the
    /// references keep none
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) history_messages: u32,

    /// Write throughput.txt, throughput.json and throughput.svg into this folder, which must be new
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// A first impression in two minutes: one round, short runs, small crowds
    #[arg(long)]
    pub(crate) quick: bool,

    /// Cargo passes this to every bench; it changes nothing here.
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

impl Cli {
    /// The binary under test, from the flag or from the build.
    pub(crate) fn server_path(&self) -> PathBuf {
        self.server.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_hubbub").into())
    }

    /// How long runs are and how many clients crowds have.
    pub(crate) fn pace(&self) -> Pace {
        if self.quick {
            return Pace { warm_up: 0.2, seconds: 0.6, settle: 1.3, crowds: [1_000, 4_000] };
        }
        let (warm_up, seconds) = (self.warmup, self.seconds);
        Pace { warm_up, seconds, settle: 2.5, crowds: [4_000, 16_000] }
    }

    /// How many times each server runs each case.
    pub(crate) fn rounds(&self) -> u16 {
        if self.quick { 1 } else { self.rounds }
    }
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The server under test.
    Hubbub,
    /// The bare loop with a write per delivery.
    FloorEach,
    /// The bare loop with a write per member and turn.
    FloorCoalesced,
    /// A task per user and a broadcast channel per room.
    Tutorial,
}

impl Subject {
    /// Everyone, in the order of reports.
    pub(crate) const ALL: [Self; 4] =
        [Self::Hubbub, Self::FloorEach, Self::FloorCoalesced, Self::Tutorial];

    /// The name in tables, in JSON and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hubbub => "hubbub",
            Self::FloorEach => "floor-each",
            Self::FloorCoalesced => "floor-coalesced",
            Self::Tutorial => "tutorial",
        }
    }
}

/// Accepts a span a run can have: long enough to measure, short enough to end.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.1..=600.0).contains(&value) => Ok(value),
        _ => Err("expected seconds from 0.1 to 600".to_owned()),
    }
}
