//! The steps of `cargo xtask test`: one list, run in order, stopped at the first failure.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::icount::Purpose;
use crate::programs::{cargo, succeed};
use crate::tools::{self, Tool};
use crate::{browser, fuzz, icount, packages, python, suite};

/// One check, with the name under which it can be run alone.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// What `cargo xtask test NAME` calls it.
    pub(crate) name: &'static str,
    /// What it is for, in a few words for the headline.
    what: &'static str,
    /// What it does.
    action: Action,
}

/// How a step does its work. The command lines hold no quotes: a blank always ends an argument.
#[derive(Debug, PartialEq)]
enum Action {
    /// Install the Debian packages of the programs that the tests drive.
    Packages,
    /// Install the Python packages that the tests use.
    Python,
    /// A command line of `cargo`.
    Cargo(&'static str),
    /// A command line of `cargo doc`, where every warning is an error.
    CargoDoc(&'static str),
    /// A command line of `cargo` whose subcommand is no part of the toolchain.
    CargoTool(Tool, &'static str),
    /// Build the programs with tests, and run them.
    Suite,
    /// Look at the page in a browser.
    Browser,
    /// Try what is known to fuzz targets, and look for more.
    Fuzz,
    /// Count the instructions of the hot path.
    Icount,
}

/// How a step ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It was run and found nothing wrong.
    Passed,
    /// It could say nothing here, because something optional is missing or another than it needs.
    Skipped,
}

/// Every step, the quick and the telling ones first. To add one, add it here.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "packages",
        what: "install the programs that the tests drive",
        action: Action::Packages,
    },
    Step {
        name: "python",
        what: "install the Python packages that the tests use, under target/",
        action: Action::Python,
    },
    Step {
        name: "fmt",
        what: "the formatting is rustfmt's",
        action: Action::Cargo("fmt --all --check"),
    },
    Step {
        name: "clippy",
        what: "no warning from the compiler or clippy",
        action: Action::Cargo(
            "clippy --locked --workspace --all-targets --all-features -- -D warnings",
        ),
    },
    Step {
        name: "doc",
        what: "the documentation builds and its links lead somewhere",
        action: Action::CargoDoc("doc --locked --workspace --no-deps --document-private-items"),
    },
    Step {
        name: "test",
        what: "unit tests, the simulation and black-box tests, with debug assertions",
        action: Action::Suite,
    },
    Step {
        name: "browser",
        what: "people on the page, in a real browser",
        action: Action::Browser,
    },
    Step {
        name: "inside",
        what: "faults inside the server, built so that it breaks when told to",
        action: Action::Cargo(
            "test --locked --workspace --features hubbub/fault-injection --test inside",
        ),
    },
    Step {
        name: "doctest",
        what: "the examples in the documentation",
        action: Action::Cargo("test --locked --workspace --doc"),
    },
    Step {
        name: "bench",
        what: "the benches build",
        // As tests are built, which is a tenth of the work: to link one with all optimisation
        // there is takes a minute, and `icount` proves that one can be.
        action: Action::Cargo("test --locked --workspace --benches --no-run"),
    },
    Step {
        name: "icount",
        what: "the hot path takes no more instructions than it did",
        action: Action::Icount,
    },
    Step {
        name: "fuzz",
        what: "what is known to fuzz targets, and 20 seconds of looking for more in each",
        action: Action::Fuzz,
    },
    Step {
        name: "deny",
        what: "licences, duplicates and origins of the dependencies",
        action: Action::CargoTool(
            tools::DENY,
            "deny --locked --workspace check bans licenses sources",
        ),
    },
];

/// The step of this name, or a sentence that lists the names there are.
pub(crate) fn find(name: &str) -> Result<&'static Step, String> {
    STEPS.iter().find(|step| step.name == name).ok_or_else(|| {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        format!("There is no step called `{name}`; there are {}.", names.join(", "))
    })
}

/// Two lines for each step: its name and what it is for, and the command behind it.
pub(crate) fn list() -> String {
    STEPS.iter().fold(String::new(), |mut list, step| {
        let _ = writeln!(list, "  {:10}{}\n  {:10}{}", step.name, step.what, "", step.command());
        list
    })
}

/// Runs the steps in order up to the first failure, each with a headline and its time, and sums up.
pub(crate) fn run(steps: &[&Step]) -> ExitCode {
    let mut done: Vec<(&str, Outcome, Duration)> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let title = format!("{}/{} {}", index + 1, steps.len(), step.name);
        println!("\n== {title}: {}", step.what);
        let started = Instant::now();
        let result = step.run();
        let took = started.elapsed();
        match result {
            Ok(outcome) => done.push((step.name, outcome, took)),
            Err(why) => {
                eprintln!("\n== {title} FAILED after {}: {why}", seconds(took));
                eprintln!("   it ran:           {}", step.command());
                eprintln!("   to run it alone:  cargo xtask test {}", step.name);
                return ExitCode::FAILURE;
            }
        }
        println!("== {title} took {}", seconds(took));
    }
    print!("\n{}", summary(&done));
    ExitCode::SUCCESS
}

/// The table at the end: each step, how long it took, and whether it was left out.
fn summary(done: &[(&str, Outcome, Duration)]) -> String {
    let mut table = String::new();
    for (name, outcome, took) in done {
        let note = match outcome {
            Outcome::Passed => "",
            Outcome::Skipped => "  skipped",
        };
        let _ = writeln!(table, "  {name:10}{:>9}{note}", seconds(*took));
    }
    let total = done.iter().map(|(_, _, took)| *took).sum();
    let _ = writeln!(table, "  {:10}{:>9}", "all", seconds(total));
    table
}

/// A duration as people read it, to the tenth.
fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

impl Step {
    /// Runs the step to its end, or says in a few words why it failed.
    fn run(&self) -> Result<Outcome, String> {
        let mut cargo = cargo();
        match self.action {
            Action::Packages => packages::install_missing(packages::TESTS)?,
            Action::Python => python::install_missing(&python::TESTS)?,
            Action::Cargo(line) => succeed(cargo.args(line.split(' ')))?,
            Action::CargoDoc(line) => {
                succeed(cargo.env("RUSTDOCFLAGS", "-D warnings").args(line.split(' ')))?;
            }
            Action::CargoTool(ref tool, line) => succeed(tool.cargo()?.args(line.split(' ')))?,
            Action::Suite => suite::run()?,
            Action::Browser => browser::run()?,
            Action::Fuzz => fuzz::run()?,
            Action::Icount => return icount::run(Purpose::Compare),
        }
        Ok(Outcome::Passed)
    }

    /// The command as one would type it.
    fn command(&self) -> String {
        match self.action {
            Action::Packages => packages::install_line(packages::TESTS),
            Action::Python => python::install_line(&python::TESTS),
            Action::Cargo(line) | Action::CargoTool(_, line) => format!("cargo {line}"),
            Action::Suite => suite::line(),
            Action::Browser => browser::line(),
            Action::Fuzz => fuzz::line(),
            Action::CargoDoc(line) => format!("RUSTDOCFLAGS='-D warnings' cargo {line}"),
            Action::Icount => "cargo xtask icount".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_distinct() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(step.name.len() <= 10, "{} breaks the tables", step.name);
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{}", step.name);
        }
    }

    #[test]
    fn every_build_is_locked() {
        for step in STEPS {
            let (Action::Cargo(line) | Action::CargoDoc(line)) = step.action else { continue };
            assert!(line.starts_with("fmt") || line.contains("--locked"), "{}", step.name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let message = find("tests").expect_err("a step nobody wrote");
        assert!(message.contains("`tests`") && message.contains("clippy"), "{message}");
    }

    #[test]
    fn the_summary_adds_up() {
        let done = [
            ("fmt", Outcome::Passed, Duration::from_millis(1_250)),
            ("deny", Outcome::Skipped, Duration::from_millis(250)),
        ];
        let table =
            "  fmt           1.2 s\n  deny          0.2 s  skipped\n  all           1.5 s\n";
        assert_eq!(summary(&done), table);
    }
}
