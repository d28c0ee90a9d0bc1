//! Hubbub's chores, in Rust so that they need nothing but a toolchain: `cargo xtask test` installs
//! what the tests need and runs every check there is, in the order in which failures are cheapest.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to its terminal")]

mod browser;
mod coverage;
mod fuzz;
mod icount;
mod nightly;
mod packages;
mod peers;
mod programs;
mod python;
mod reports;
mod results;
mod scaling;
mod signals;
mod steps;
mod suite;
mod tools;

use std::process::ExitCode;

use icount::Purpose;
use steps::{STEPS, Step};

/// What `cargo xtask` alone and `--help` say.
const USAGE: &str = "\
Hubbub's chores

Usage:
  cargo xtask test            install what the tests need, then run every step below
  cargo xtask test NAME...    run only these steps
  cargo xtask test --list     show the steps and the commands behind them
  cargo xtask icount          count the instructions of the hot path, compare with the baseline
  cargo xtask icount --bless  count them, and make them the baseline
  cargo xtask bench-peers     install other servers, and measure them beside this one
    --rounds N                how often each is measured [default: 3]
    --quick                   one round of short runs, for a first impression
    --only NAME               only this server or workload; may be repeated
    --out DIR                 where the report goes [default: results/DATE-COMMIT-peers]
  cargo xtask scaling         count what a delivery costs on 1 to 16 shards, and fit a model to it
    --out DIR                 where the report goes [default: target/scaling]
  cargo xtask results         measure everything that results/ shows of the server's speed, anew
    --out DIR                 where it goes; parts that are there are kept
                              [default: results/DATE-COMMIT]
  cargo xtask coverage        show which lines the tests run, as a table and under target/coverage
  cargo xtask nightly         look up advisories, fuzz, simulate, load for hours, and write a page
    --fuzz-minutes N          for each target; 0 for none [default: 30]
    --seeds N                 games that are simulated [default: 200000]
    --soak-minutes N          load on a server [default: 60]
    --out DIR                 where the page goes [default: results/DATE-COMMIT-nightly]
  cargo xtask --help          show this
";

/// Exit code of a command line that makes no sense, as clap and most tools have it.
const EXIT_USAGE: u8 = 2;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Request {
    /// Explain the chores.
    Help,
    /// Show the steps of `test`.
    List,
    /// Run these steps, in this order.
    Test(Vec<&'static Step>),
    /// Count instructions.
    Icount(Purpose),
    /// Measure other servers beside ours.
    BenchPeers(peers::Options),
    /// Count what shards cost, into this folder.
    Scaling(String),
    /// Measure everything, into this folder.
    Results(Option<String>),
    /// Show which lines the tests run.
    Coverage,
    /// Run for hours.
    Nightly(nightly::Options),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match parse(&args) {
        Ok(Request::Help) => {
            print!("{USAGE}\nSteps:\n{}", steps::list());
            ExitCode::SUCCESS
        }
        Ok(Request::List) => {
            print!("{}", steps::list());
            ExitCode::SUCCESS
        }
        Ok(Request::Test(chosen)) => steps::run(&chosen),
        Ok(Request::Icount(purpose)) => ended(icount::run(purpose).map(drop)),
        Ok(Request::BenchPeers(options)) => ended(peers::run(options)),
        Ok(Request::Scaling(out)) => ended(scaling::run(&out)),
        Ok(Request::Results(out)) => ended(results::run(out.as_deref())),
        Ok(Request::Coverage) => ended(coverage::run()),
        Ok(Request::Nightly(options)) => ended(nightly::run(&options)),
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Tells why a chore failed, if it did.
fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Turns the arguments after the program's name into a request, or into a sentence on what is
/// wrong with them.
fn parse(args: &[&str]) -> Result<Request, String> {
    let Some((chore, rest)) = args.split_first() else { return Ok(Request::Help) };
    if args.iter().any(|arg| matches!(*arg, "-h" | "--help" | "help")) {
        return Ok(Request::Help);
    }
    match *chore {
        "test" => parse_test(rest),
        "icount" => match rest {
            [] => Ok(Request::Icount(Purpose::Compare)),
            ["--bless"] => Ok(Request::Icount(Purpose::Bless)),
            _ => Err(format!("`cargo xtask icount` knows `--bless`, not `{}`.", rest.join(" "))),
        },
        "bench-peers" => peers::Options::parse(rest).map(Request::BenchPeers),
        "scaling" => {
            let out = parse_out("scaling", rest)?.unwrap_or_else(|| "target/scaling".to_owned());
            Ok(Request::Scaling(out))
        }
        "results" => parse_out("results", rest).map(Request::Results),
        "coverage" => match rest {
            [] => Ok(Request::Coverage),
            _ => Err(format!("`cargo xtask coverage` knows no `{}`.", rest.join(" "))),
        },
        "nightly" => nightly::Options::parse(rest).map(Request::Nightly),
        _ => Err(format!("There is no chore called `{chore}`.")),
    }
}

/// The same for what comes after a chore that only wants to be told where its report goes.
fn parse_out(chore: &str, rest: &[&str]) -> Result<Option<String>, String> {
    match rest {
        [] => Ok(None),
        ["--out", out] => Ok(Some((*out).to_owned())),
        _ => Err(format!("`cargo xtask {chore}` knows `--out DIR`, not `{}`.", rest.join(" "))),
    }
}

/// The same for what comes after `test`.
fn parse_test(rest: &[&str]) -> Result<Request, String> {
    if rest == ["--list"] {
        return Ok(Request::List);
    }
    if let Some(flag) = rest.iter().find(|arg| arg.starts_with('-')) {
        return Err(format!("`cargo xtask test` does not know `{flag}` here."));
    }
    if rest.is_empty() {
        return Ok(Request::Test(STEPS.iter().collect()));
    }
    rest.iter().map(|name| steps::find(name)).collect::<Result<_, _>>().map(Request::Test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_help_teach() {
        for args in [&[][..], &["--help"], &["-h"], &["test", "--help"], &["help"]] {
            assert_eq!(parse(args), Ok(Request::Help), "{args:?}");
        }
    }

    #[test]
    fn test_alone_runs_every_step_in_order() {
        assert_eq!(parse(&["test"]), Ok(Request::Test(STEPS.iter().collect())));
    }

    #[test]
    fn named_steps_run_in_the_order_given() {
        let Ok(Request::Test(chosen)) = parse(&["test", "clippy", "fmt"]) else {
            panic!("two good names were refused")
        };
        assert_eq!(chosen.iter().map(|step| step.name).collect::<Vec<_>>(), ["clippy", "fmt"]);
    }

    #[test]
    fn list_is_only_a_list() {
        assert_eq!(parse(&["test", "--list"]), Ok(Request::List));
    }

    #[test]
    fn the_baseline_is_only_rewritten_when_asked_to() {
        assert_eq!(parse(&["icount"]), Ok(Request::Icount(Purpose::Compare)));
        assert_eq!(parse(&["icount", "--bless"]), Ok(Request::Icount(Purpose::Bless)));
    }

    #[test]
    fn mistakes_are_named() {
        for (args, culprit) in [
            (&["tset"][..], "tset"),
            (&["test", "--lists"], "--lists"),
            (&["test", "fmt", "clipy"], "clipy"),
            (&["icount", "--blest"], "--blest"),
            (&["bench-peers", "--quik"], "--quik"),
            (&["results", "--outt", "x"], "--outt"),
            (&["scaling", "16"], "16"),
            (&["coverage", "--html"], "--html"),
            (&["nightly", "--seed", "1"], "--seed"),
        ] {
            let message = parse(args).expect_err("a mistake was accepted");
            assert!(message.contains(culprit), "{message}");
        }
    }
}
