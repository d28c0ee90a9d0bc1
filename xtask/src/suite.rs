//! The step `test`: the programs that hold the tests, some of them side by side. Cargo would run
//! one after the other, and most of them wait for a clock or a socket most of the time.

use std::io::{Read as _, pipe};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::programs::{answer, cargo};

/// Builds them all; cargo then says where each is.
const BUILD: &str = "test --locked --workspace --lib --bins --tests --no-run \
                     --message-format=json-render-diagnostics";
/// How many run side by side. Each has a thread for each core already.
const AT_ONCE: usize = 3;
/// Those with tests that compare times, or tell memory: they have the machine to themselves.
const ALONE: &[&str] = &[
    "bad_networks",
    "faults_bytes",
    "faults_intake",
    "faults_process",
    "faults_state",
    "faults_tls",
    "faults_web",
    "slow",
];
/// Those that take longest. They begin first, so that none of them is waited for in the end.
const LONGEST: &[&str] = &["scenarios", "broken_server", "strangers", "shards"];

/// A program with tests.
#[derive(Debug, PartialEq)]
struct Program {
    /// What cargo calls it.
    name: String,
    /// Where it is.
    file: PathBuf,
    /// The folder of its package, in which cargo would run it.
    folder: PathBuf,
}

/// Builds all tests and runs them, up to the first program in which one fails.
pub(crate) fn run() -> Result<(), String> {
    let messages = answer(cargo().args(BUILD.split(' ')).stderr(Stdio::inherit()))?;
    let is_alone = |it: &Program| ALONE.contains(&it.name.as_str());
    let (alone, mut others): (Vec<_>, Vec<_>) = programs(&messages).into_iter().partition(is_alone);
    others.sort_by_key(|it| !LONGEST.contains(&it.name.as_str()));
    run_all(&others, AT_ONCE)?;
    run_all(&alone, 1)
}

/// The command as one would type it.
pub(crate) fn line() -> String {
    BUILD.split(" --no-run").next().map_or(String::new(), |it| format!("cargo {it}"))
}

/// The programs with tests among what cargo says it has built.
fn programs(messages: &str) -> Vec<Program> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let tests = messages.filter(|message| message["profile"]["test"] == true);
    let program = |message: Value| {
        let mut folder = PathBuf::from(message["manifest_path"].as_str()?);
        folder.pop();
        let name = message["target"]["name"].as_str()?.to_owned();
        Some(Program { name, file: message["executable"].as_str()?.into(), folder })
    };
    tests.filter_map(program).collect()
}

/// Runs these, so many at a time. After one that fails none is begun.
fn run_all(programs: &[Program], at_once: usize) -> Result<(), String> {
    let queue = Mutex::new(programs.iter());
    let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let next = || queue().next();
    let work = || {
        while let Some(program) = next() {
            program.run().inspect_err(|_| *queue() = [].iter())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|it| it.join().expect("running programs does not panic"))
    })
}

impl Program {
    /// Runs it to its end, then shows all that it has said.
    fn run(&self) -> Result<(), String> {
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", self.name);
        let (mut said, mouth) = pipe().map_err(|error| failed(&error))?;
        let stderr = mouth.try_clone().map_err(|error| failed(&error))?;
        let mut command = Command::new(&self.file);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        let child = command.stdin(Stdio::null()).stdout(mouth).stderr(stderr).spawn();
        // With it go our own ends of the pipe, which would never end otherwise.
        drop(command);
        let mut child = child.map_err(|error| failed(&error))?;
        let mut text = Vec::new();
        let heard = said.read_to_end(&mut text);
        let ended = child.wait().and_then(|status| heard.map(|_| status));
        print!("     Running {}\n{}", self.file.display(), String::from_utf8_lossy(&text));
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(&status)),
            Err(error) => Err(failed(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::programs::root;

    /// A program that does what a shell makes of its name.
    fn script(folder: &Path, name: &str, text: &str) -> Program {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("a script");
        let made = Command::new("chmod").arg("+x").arg(&file).status();
        assert!(made.is_ok_and(|status| status.success()));
        Program { name: name.to_owned(), file, folder: folder.to_owned() }
    }

    /// An empty folder that goes with this value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn programs_are_those_built_for_tests() {
        let messages = concat!(
            "not JSON\n",
            r#"{"manifest_path":"/r/Cargo.toml","target":{"name":"hubbub"},"#,
            r#""profile":{"test":false},"executable":"/t/hubbub"}"#,
            "\n",
            r#"{"manifest_path":"/r/Cargo.toml","target":{"name":"rooms"},"#,
            r#""profile":{"test":true},"executable":"/t/rooms-1"}"#,
            "\n{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let rooms =
            Program { name: "rooms".into(), file: "/t/rooms-1".into(), folder: "/r".into() };
        assert_eq!(programs(messages), [rooms]);
    }

    #[test]
    fn programs_run_side_by_side() {
        let folder = Folder::new("side-by-side");
        // Each opens one end of two pipes and waits for the other, which only works together.
        let made = Command::new("mkfifo").args(["there", "back"]).current_dir(&folder.0).status();
        assert!(made.is_ok_and(|status| status.success()));
        let patient = |text: &str| format!("exec timeout 20 sh -c '{text}'");
        let one = script(&folder.0, "one", &patient("echo > there; cat back"));
        let other = script(&folder.0, "other", &patient("cat there; echo > back"));
        assert_eq!(run_all(&[one, other], 2), Ok(()));
    }

    #[test]
    fn after_a_failure_nothing_is_begun() {
        let folder = Folder::new("failure");
        let good = script(&folder.0, "good", "touch good-ran");
        let bad = script(&folder.0, "bad", "exit 3");
        let late = script(&folder.0, "late", "touch late-ran");
        assert_eq!(run_all(&[good, bad, late], 1), Err("bad: exit status: 3".to_owned()));
        assert!(folder.0.join("good-ran").exists() && !folder.0.join("late-ran").exists());
    }

    #[test]
    fn whatever_needs_the_machine_is_alone_and_all_names_are_there() {
        let sources = ["tests", "loadgen/tests"].map(|folder| root().join(folder));
        let source = |name: &str| {
            let file = sources.iter().map(|it| it.join(name).with_extension("rs"));
            file.clone().find(|it| it.exists())
        };
        for name in ALONE.iter().chain(LONGEST) {
            assert!(source(name).is_some(), "there are no tests {name}");
        }
        for entry in sources.iter().flat_map(|folder| folder.read_dir().expect("a folder")) {
            let path = entry.expect("an entry").path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let name = path.file_stem().and_then(|it| it.to_str()).expect("a name");
            let measures = text.contains("alone()") || text.contains("unharmed_by");
            assert!(!measures || ALONE.contains(&name), "{name} is not in ALONE");
        }
    }
}
