//! What crowds cost the server: CPU while they come, memory while they are idle.
//!
//! `cargo bench --bench crowd -- --help` explains the options. Every figure comes from a server in
//! a process of its own, on one core, and clients that are all in one generator thread on another:
//!
//! - arrivals: connections that come as fast as they can, each of which is named and joins `main`,
//!   from a thousand at once to fifteen thousand. The cost of one must not depend on how many come:
//!   a room that told everyone of everyone would make it grow with the crowd;
//! - idleness: the server's memory with up to sixteen thousand connections that say nothing, and
//!   what each more of them adds to it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables and the progress lines are what this program is for"
)]

mod arrivals;
mod cli;
mod fit;
mod idleness;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod swarm;
mod witness;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use support::process::Process;
use support::sys;

/// Where the server is, and where we are.
struct Cpus {
    server: Vec<usize>,
    generator: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cfg!(debug_assertions) {
        eprintln!("built without optimisation, nothing worth measuring: use `cargo bench`");
        return ExitCode::SUCCESS;
    }
    match measure(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crowd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> io::Result<()> {
    cli.server_path()?;
    sys::raise_file_limit()?;
    let cpus = sys::allowed_cpus()?;
    let [server, generator, ..] = cpus[..] else {
        return Err(io::Error::other("one CPU for the server and one for the generator needed"));
    };
    sys::pin(generator)?;
    let server = if cli.shards == 1 { vec![server] } else { cpus };
    let cpus = Cpus { server, generator };
    report::print_legend(cli, &cpus);
    let mut sources = swarm::Sources::default();
    let arrivals = arrivals::measure(cli, &cpus, &mut sources)?;
    report::print_arrivals(&arrivals);
    let idleness = idleness::measure(cli, &cpus, &mut sources)?;
    report::print_idleness(&idleness);
    report::write_json(cli, &arrivals, &idleness)
}

/// Has `work` done with a server that was just started, and ends it.
fn with_server<T>(
    cli: &Cli,
    cpus: &Cpus,
    work: impl FnOnce(&Process) -> io::Result<T>,
) -> io::Result<T> {
    let path = cli.server_path()?;
    let command = |port| Ok(support::process::hubbub(&path, cli.shards, port));
    let server = Process::start(command, &cpus.server)?;
    let done = work(&server);
    let done = done.map_err(|e| io::Error::other(format!("{e}\n{}", server.last_words())))?;
    server.terminate()?;
    server.finish()?;
    Ok(done)
}
