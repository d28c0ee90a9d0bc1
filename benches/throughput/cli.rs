//! The command line.

use clap::{Parser, ValueEnum};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::process;

/// Measures delivered messages per second, CPU per delivery and latency of the chat server and of
/// three references, on loopback, one server process at a time.
#[derive(Debug, Parser)]
#[command(name = "throughput")]
pub(crate) struct Cli {
    /// The server under test [default: the `hubbub` binary cargo built for this bench]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Shards of the server under test; from 2 on no server is pinned to one CPU, and the
    /// generator shares its CPU with it: read CPU per delivery then, not the peak
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) shards: u16,

    /// Only workloads whose name contains this text, such as `200x10` or `w64`
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
    #[arg(long, default_value_t = 3.0, value_parser = seconds, conflicts_with = "quick")]
    seconds: f64,

    /// Seconds of load before the measured ones
    #[arg(long, default_value_t = 1.0, value_parser = seconds, conflicts_with = "quick")]
    warmup: f64,

    /// Rounds: every server runs once per workload in each, medians are reported
    #[arg(long, default_value_t = 3, conflicts_with = "quick",
          value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,

    /// Write every run, the medians with their spread and the machine to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// A first impression: one round, 0.3 s of warm-up, 0.7 s measured
    #[arg(long)]
    pub(crate) quick: bool,

    /// Become this reference server instead of measuring.
    #[arg(long, hide = true, requires = "port")]
    pub(crate) role: Option<Role>,

    /// Where the reference server listens.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) port: u16,

    /// Cargo passes this to every bench; it changes nothing here.
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

impl Cli {
    /// The binary under test, from the flag or from the build, if it is there.
    pub(crate) fn server_path(&self) -> io::Result<PathBuf> {
        process::server_path(self.server.as_deref())
    }

    /// How long the load runs before it is measured.
    pub(crate) fn warmup(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.3 } else { self.warmup })
    }

    /// How long is measured.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.7 } else { self.seconds })
    }

    /// How many times each server runs each workload.
    pub(crate) fn rounds(&self) -> u16 {
        if self.quick { 1 } else { self.repeats }
    }
}

/// Whose figures a row holds.
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
    /// The name in tables, in JSON and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hubbub => "hubbub",
            Self::FloorEach => "floor-each",
            Self::FloorCoalesced => "floor-coalesced",
            Self::Tutorial => "tutorial",
        }
    }

    /// What the bench must become to be this server; nothing for the one under test.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::Hubbub => None,
            Self::FloorEach => Some(Role::FloorEach),
            Self::FloorCoalesced => Some(Role::FloorCoalesced),
            Self::Tutorial => Some(Role::Tutorial),
        }
    }
}

/// A reference server inside the bench's own binary.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// See [`Subject::FloorEach`].
    FloorEach,
    /// See [`Subject::FloorCoalesced`].
    FloorCoalesced,
    /// See [`Subject::Tutorial`].
    Tutorial,
}

impl Role {
    /// The value of `--role`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FloorEach => "floor-each",
            Self::FloorCoalesced => "floor-coalesced",
            Self::Tutorial => "tutorial",
        }
    }
}

/// Accepts a span a run can have: long enough to measure, short enough to end.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.05..=600.0).contains(&value) => Ok(value),
        _ => Err("expected seconds from 0.05 to 600".to_owned()),
    }
}
