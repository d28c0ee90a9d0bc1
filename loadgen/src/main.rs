//! `loadgen`: drives a chat server and tells what came of it.

mod cli;
mod live;
mod output;
mod signals;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use clap::error::ErrorKind;
use loadgen::address::Target;
use loadgen::report::{Environment, Folder, Verdict};
use loadgen::result::RunResult;
use loadgen::run::{Options, command_line, run};
use loadgen::scenario::{BUILT_IN, Scenario};
use loadgen::series::Series;
use loadgen::spawn::{self, Server};
use loadgen::{compare, crew, report};

use cli::{Cli, RunArgs, Verb};
use output::Output;

/// The server broke a promise.
const EXIT_FAILED: u8 = 1;
/// There is no run, or not all of its report.
const EXIT_USAGE: u8 = 2;
/// The figures say nothing about the server, or not whether it is another one.
const EXIT_INVALID: u8 = 3;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let done = match &cli.verb {
        Some(Verb::List) => Ok(answer(&list(), ExitCode::SUCCESS)),
        Some(Verb::Show { scenario }) => show(scenario),
        Some(Verb::Compare { a, b, force }) => compare_folders(a, b, *force),
        Some(Verb::Crew) => crew::serve(io::stdin(), io::stdout()).map(|()| ExitCode::SUCCESS),
        None => load(&cli.run),
    };
    done.unwrap_or_else(|sentence| complain(&sentence))
}

fn complain(sentence: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "loadgen: {sentence}");
    ExitCode::from(EXIT_USAGE)
}

/// Shows the help that was asked for, or what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_help && printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) }
}

/// Prints what was asked for instead of a run, and ends with `code` if all of it was taken.
fn answer(text: &str, code: ExitCode) -> ExitCode {
    let mut out = Output::new(io::stdout());
    let _ = out.write_all(text.as_bytes());
    match out.finish() {
        None => code,
        Some(error) if output::is_closed(&error) => ExitCode::from(EXIT_USAGE),
        Some(error) => complain(&output::sentence(&error)),
    }
}

fn list() -> String {
    let line = |(name, _): &(&str, &str)| {
        let scenario = Scenario::built_in(name).expect("it is built in");
        format!("{name:16}{}\n", scenario.description)
    };
    let lines: String = BUILT_IN.iter().map(line).collect();
    format!("{lines}\n`loadgen show NAME` prints one as a file to edit.\n")
}

fn show(name: &str) -> Result<ExitCode, String> {
    let built_in = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
    let (_, text) = built_in.ok_or_else(|| cli::no_such_scenario(name))?;
    Ok(answer(text, ExitCode::SUCCESS))
}

fn compare_folders(a: &Path, b: &Path, force: bool) -> Result<ExitCode, String> {
    let comparison = compare::compare(a, b, force)?;
    let tells = if comparison.tells() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_INVALID) };
    Ok(answer(&format!("{comparison}\n"), tells))
}

/// Runs what is asked for: once, or several times.
fn load(args: &RunArgs) -> Result<ExitCode, String> {
    let scenario = args.scenario()?;
    args.check(&scenario)?;
    let target = args.target(&scenario)?;
    let interrupted = signals::listen()?;
    // What is measured now is of what is checked out now.
    let environment = Environment::gather(&command_line());
    let folder = args.out.as_deref().map(Folder::prepare).transpose();
    let folder = folder.map_err(|e| format!("--out: {e}"))?;
    let folder = folder.as_ref().map(Folder::path);
    let mut out = Output::new(io::stdout());
    let mut once = |scenario: &Scenario| once(args, target.as_ref(), scenario, &interrupted);
    let verdict = match args.series() {
        Some(kind) => {
            let out = &mut out;
            Series::new(&scenario, &mut once, &interrupted, folder, &environment, out).make(&kind)
        }
        None => once(&scenario).and_then(|result| tell(&result, &environment, folder, &mut out)),
    };
    if let (Some(folder), true) = (folder, verdict.is_ok()) {
        let _ = writeln!(out, "\nwritten to {}", folder.display());
    }
    // Whatever else there is to complain of: this much was not read.
    let unread = out.finish().map(|error| output::sentence(&error));
    let code = match verdict? {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::from(EXIT_FAILED),
        Verdict::Invalid => ExitCode::from(EXIT_INVALID),
    };
    unread.map_or(Ok(code), Err)
}

/// One run, with a server of its own if it is to be started: what one run leaves behind in a server
/// is no matter of the next.
fn once(
    args: &RunArgs,
    target: Option<&Target>,
    scenario: &Scenario,
    interrupted: &AtomicBool,
) -> Result<RunResult, String> {
    let spawned = args.server(scenario);
    let server = spawned.as_ref().map(Server::start).transpose()?;
    let running = server.as_ref().map(|server| server.address().into());
    let target = running.or_else(|| target.cloned()).expect("without --spawn there is a target");
    let options = Options {
        spawned: spawned.as_ref().map(spawn::Options::spawned),
        pid: server.as_ref().map(Server::pid).or(args.pid),
        ..args.options(scenario, target)?
    };
    let mut live = live::Live::new(&scenario.name);
    let mut result = run(scenario, &options, interrupted, &mut |progress| live.show(progress))?;
    if let Some(server) = server {
        let stopped = server.stop().map_err(|e| format!("cannot stop the server: {e}"))?;
        result.server_stopped(&stopped);
    }
    Ok(result)
}

/// Prints and writes the report of a single run.
fn tell(
    result: &RunResult,
    environment: &Environment,
    folder: Option<&Path>,
    out: &mut impl Write,
) -> Result<Verdict, String> {
    report::print(result, out).map_err(|e| output::sentence(&e))?;
    if let Some(folder) = folder {
        report::write(result, environment, folder).map_err(|e| report::unwritten(&e))?;
    }
    Ok(Verdict::of(result))
}
