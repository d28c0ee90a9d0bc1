//! What the program says of its own command line: completions for shells, and the manual.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::Program;

/// Every long flag that `--help` shows.
fn flags() -> Vec<String> {
    let help = said(&["--help"]);
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let flags = starts.filter_map(|line| line.split([' ', ',']).find(|it| it.starts_with("--")));
    flags.map(ToOwned::to_owned).collect()
}

/// What the program prints when it is given these arguments and has nothing to complain of.
fn said(args: &[&str]) -> String {
    let ended = Program::hubbub(args, &[]);
    assert!(ended.status.success() && ended.stderr.is_empty(), "{args:?}: {}", ended.stderr);
    ended.stdout
}

/// Has `program` look at `text`, and fails if it finds anything wrong.
fn accepts(program: &str, args: &[&str], text: &str) {
    let mut checker = Program::start(Command::new(program).args(args).env("LC_ALL", "C.UTF-8"));
    text.lines().for_each(|line| checker.type_line(line));
    let ended = checker.ended();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{program}: {}", ended.stderr);
}

#[test]
fn completions_know_every_flag_and_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&["completions", shell]);
        for flag in flags() {
            // fish has flags without their dashes.
            let bare = flag.trim_start_matches('-');
            assert!(script.contains(bare), "{shell} is not told of {flag}");
        }
        for subcommand in ["gen-cert", "completions", "man"] {
            assert!(script.contains(subcommand), "{shell} is not told of {subcommand}");
        }
    }
    assert!(flags().len() > 25, "most flags are missing: {:?}", flags());
}

#[test]
fn bash_takes_its_completions() {
    accepts("bash", &["-n"], &said(&["completions", "bash"]));
}

#[test]
fn bash_completes_a_flag() {
    let script = said(&["completions", "bash"]);
    let ask = "COMP_WORDS=(hubbub --drain); COMP_CWORD=1; _hubbub hubbub --drain hubbub; \
               echo \"${COMPREPLY[@]}\"";
    let mut bash = Program::start(Command::new("bash").args(["--norc", "-s"]));
    script.lines().chain([ask]).for_each(|line| bash.type_line(line));
    assert_eq!(bash.ended().stdout, "--drain-seconds");
}

#[test]
fn an_unknown_shell_is_told_which_there_are() {
    let ended = Program::hubbub(&["completions", "cmd"], &[]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("bash") && ended.stderr.contains("zsh"), "{}", ended.stderr);
}

#[test]
fn the_manual_knows_every_flag_and_is_a_good_page() {
    let page = said(&["man"]);
    for flag in flags() {
        // As roff has it: a dash that stays one.
        assert!(page.contains(&flag.replace('-', "\\-")), "{flag} is not in the manual");
    }
    assert!(page.contains("HUBBUB_PORT"), "variables are not in the manual");
    accepts("man", &["--warnings", "-E", "UTF-8", "-l", "-"], &page);
}

#[test]
fn each_subcommand_has_a_page() {
    let page = said(&["man", "gen-cert"]);
    assert!(page.contains("hubbub\\-gen\\-cert") && page.contains("\\-\\-out"), "{page}");
    accepts("man", &["--warnings", "-E", "UTF-8", "-l", "-"], &page);
    let ended = Program::hubbub(&["man", "gen-certs"], &[]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("gen-cert, completions, man"), "{}", ended.stderr);
}

/// Flags that documents have of other programs: Cargo's and its tasks', Docker's, systemctl's, and
/// those of our other programs.
const OF_OTHERS: &[&str] = &[
    "--bench",
    "--bin",
    "--bless",
    "--dialect",
    "--force",
    "--from",
    "--lib",
    "--list",
    "--server-args",
    "--locked",
    "--mouse",
    "--network",
    "--now",
    "--only",
    "--procs",
    "--profile",
    "--quick",
    "--release",
    "--repeat",
    "--search",
    "--skip",
    "--spawn",
    "--sweep",
    "--system",
    "--test",
    "--tls",
    "--tls-ca",
    "--ulimit",
    "--websocket",
    "--file",
];

/// All texts for operators.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("docs"), root.join("packaging")];
    let mut found = vec![root.join("README.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of ours") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|it| it != "png") {
                found.push(path);
            }
        }
    }
    found
}

/// All that `text` has which begins with `start` and goes on with what `may_follow`.
fn words<'a>(text: &'a str, start: &str, may_follow: impl Fn(char) -> bool) -> Vec<&'a str> {
    let word = |(at, _): (usize, &str)| {
        let rest = &text[at..];
        let end =
            rest[start.len()..].find(|c| !may_follow(c)).map_or(rest.len(), |it| it + start.len());
        let begins = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c));
        begins.then(|| rest[..end].trim_end_matches(['-', '_']))
    };
    text.match_indices(start).filter_map(word).filter(|it| it.len() > start.len()).collect()
}

#[test]
fn documents_name_flags_and_variables_that_there_are() {
    let help: String = [&[][..], &["doctor"], &["gen-cert"], &["completions"], &["man"]]
        .map(|subcommand| said(&[subcommand, &["--help"]].concat()))
        .concat();
    let is_flag = |c: char| c.is_ascii_lowercase() || c == '-';
    let is_variable = |c: char| c.is_ascii_uppercase() || c == '_';
    let [flags, variables] = [words(&help, "--", is_flag), words(&help, "HUBBUB_", is_variable)];
    let mut wrong = vec![];
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a text of ours");
        let is_known = |it: &&str| flags.contains(it) || OF_OTHERS.contains(it);
        let unknown_flags = words(&text, "--", is_flag).into_iter().filter(|it| !is_known(it));
        let unknown = words(&text, "HUBBUB_", is_variable);
        let unknown = unknown.into_iter().filter(|it| !variables.contains(it));
        // One that many programs heed, and this one does not.
        let ignored = text.contains("RUST_LOG").then_some("RUST_LOG");
        wrong.extend(
            unknown_flags.chain(unknown).chain(ignored).map(|it| (document.clone(), it.to_owned())),
        );
    }
    assert_eq!(wrong, []);
}
