//! What the program says of its own command line: completions for shells, and the manual.

mod common;

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
