//! `loadgen`: drives a chat server and tells what came of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]

mod cli;
mod live;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use loadgen::result::RunResult;
use loadgen::run::run;
use loadgen::scenario::{BUILT_IN, Scenario};
use loadgen::spawn::Server;
use loadgen::{compare, crew, report, search};

use cli::{Cli, RunArgs, Verb};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_INVALID: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.verb {
        Some(Verb::List) => list(),
        Some(Verb::Show { scenario }) => show(scenario),
        Some(Verb::Compare { a, b, force }) => compare_folders(a, b, *force),
        Some(Verb::Crew) => crew::serve(io::stdin(), io::stdout()).map(|()| ExitCode::SUCCESS),
        None => load(&cli.run),
    };
    done.unwrap_or_else(|sentence| {
        let _ = writeln!(io::stderr(), "loadgen: {sentence}");
        ExitCode::from(EXIT_USAGE)
    })
}

fn list() -> Result<ExitCode, String> {
    for (name, _) in BUILT_IN {
        let scenario = Scenario::built_in(name).expect("it is built in");
        println!("{name:16}{}", scenario.description);
    }
    println!("\n`loadgen show NAME` prints one as a file to edit.");
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str) -> Result<ExitCode, String> {
    let built_in = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
    let (_, text) = built_in.ok_or_else(|| cli::no_such_scenario(name))?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

fn compare_folders(a: &Path, b: &Path, force: bool) -> Result<ExitCode, String> {
    println!("{}", compare::compare(a, b, force)?);
    Ok(ExitCode::SUCCESS)
}

/// Runs what is asked for: once, over rates, or in search of one.
fn load(args: &RunArgs) -> Result<ExitCode, String> {
    let scenario = args.scenario()?;
    if let Some(folder) = &args.out {
        report::must_be_new(folder).map_err(|e| e.to_string())?;
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupted))
        .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))?;
    args.check_descriptors(&scenario)?;
    let server = args.spawn.then(|| Server::start(&args.server(&scenario))).transpose()?;
    let options = args.options(&scenario, server.as_ref())?;
    let mut once = |scenario: &Scenario| {
        let mut live = live::Live::new(&scenario.name);
        run(scenario, &options, &interrupted, &mut |progress| live.show(progress))
    };
    let mut result = match (&args.sweep, args.search) {
        (Some(rates), _) => search::sweep(&scenario, rates, &mut once, &mut io::stdout())?,
        (None, Some(p99_us)) => search::search(&scenario, p99_us, &mut once, &mut io::stdout())?,
        (None, None) => once(&scenario)?,
    };
    if let Some(server) = server {
        let stopped = server.stop().map_err(|e| format!("cannot stop the server: {e}"))?;
        if args.sweep.is_none() && args.search.is_none() {
            result.counted(stopped.counts());
        }
    }
    report::print(&result, &mut io::stdout()).map_err(|e| format!("cannot print: {e}"))?;
    if let Some(folder) = &args.out {
        report::write(&result, folder).map_err(|e| e.to_string())?;
        println!("\nwritten to {}", folder.display());
    }
    Ok(verdict(&result))
}

fn verdict(result: &RunResult) -> ExitCode {
    if !result.invalid.is_empty() {
        return ExitCode::from(EXIT_INVALID);
    }
    if result.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
}
