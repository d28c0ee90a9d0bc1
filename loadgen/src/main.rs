//! `loadgen`: drives a chat server and tells what came of it.

mod cli;
mod live;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use loadgen::report::Verdict;
use loadgen::result::RunResult;
use loadgen::run::run;
use loadgen::scenario::{BUILT_IN, Scenario};
use loadgen::series::Series;
use loadgen::spawn::Server;
use loadgen::{compare, crew, report};

use cli::{Cli, RunArgs, Verb};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_INVALID: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.verb {
        Some(Verb::List) => Ok(list()),
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

/// Answers what was asked for instead of a run. Whoever reads no further, as `head` does, is not
/// complained to.
fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EXIT_FAILED),
    }
}

fn list() -> ExitCode {
    let line = |(name, _): &(&str, &str)| {
        let scenario = Scenario::built_in(name).expect("it is built in");
        format!("{name:16}{}\n", scenario.description)
    };
    let lines: String = BUILT_IN.iter().map(line).collect();
    say(&format!("{lines}\n`loadgen show NAME` prints one as a file to edit.\n"))
}

fn show(name: &str) -> Result<ExitCode, String> {
    let built_in = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
    let (_, text) = built_in.ok_or_else(|| cli::no_such_scenario(name))?;
    Ok(say(text))
}

fn compare_folders(a: &Path, b: &Path, force: bool) -> Result<ExitCode, String> {
    Ok(say(&format!("{}\n", compare::compare(a, b, force)?)))
}

/// Runs what is asked for: once, or several times.
fn load(args: &RunArgs) -> Result<ExitCode, String> {
    let scenario = args.scenario()?;
    let folder = args.out.as_deref();
    folder.map_or(Ok(()), report::must_be_new).map_err(|e| e.to_string())?;
    args.check_descriptors(&scenario)?;
    // A run takes the first one back when it has ended its phase; the second one stays.
    let (interrupted, enough) = (set_by_ctrl_c()?, set_by_ctrl_c()?);
    let mut once = |scenario: &Scenario| once(args, scenario, &interrupted);
    let verdict = match args.series() {
        Some(kind) => {
            let out = &mut io::stdout();
            Series::new(&scenario, &mut once, &enough, folder, out).make(&kind)?
        }
        None => tell(&once(&scenario)?, folder)?,
    };
    if let Some(folder) = folder {
        say(&format!("\nwritten to {}\n", folder.display()));
    }
    Ok(match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::from(EXIT_FAILED),
        Verdict::Invalid => ExitCode::from(EXIT_INVALID),
    })
}

/// One run, with a server of its own if it is to be started: what one run leaves behind in a server
/// is no matter of the next.
fn once(
    args: &RunArgs,
    scenario: &Scenario,
    interrupted: &AtomicBool,
) -> Result<RunResult, String> {
    let server = args.spawn.then(|| Server::start(&args.server(scenario))).transpose()?;
    let options = args.options(scenario, server.as_ref())?;
    let mut live = live::Live::new(&scenario.name);
    let mut result = run(scenario, &options, interrupted, &mut |progress| live.show(progress))?;
    if let Some(server) = server {
        let stopped = server.stop().map_err(|e| format!("cannot stop the server: {e}"))?;
        result.server_stopped(&stopped);
    }
    Ok(result)
}

fn set_by_ctrl_c() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&flag))
        .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))?;
    Ok(flag)
}

/// Prints and writes the report of a single run.
fn tell(result: &RunResult, folder: Option<&Path>) -> Result<Verdict, String> {
    report::print(result, &mut io::stdout()).map_err(|e| format!("cannot print: {e}"))?;
    if let Some(folder) = folder {
        report::write(result, folder).map_err(|e| e.to_string())?;
    }
    Ok(Verdict::of(result))
}
