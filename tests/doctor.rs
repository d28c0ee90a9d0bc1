//! `hubbub doctor` on this machine.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::program::{Ended, Program};
use common::server::hubbub;

/// Runs it where a process may have so many descriptors at first, and so many at all.
fn doctor(descriptors: &str, args: &[&str]) -> Ended {
    let direct = hubbub();
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={descriptors}")).arg(direct.get_program());
    for (variable, _) in direct.get_envs() {
        command.env_remove(variable);
    }
    Program::start(command.arg("doctor").args(args)).ended()
}

/// What it says of descriptors.
fn line(ended: &Ended) -> &str {
    let mut lines = ended.stdout.lines();
    lines.find(|line| line.contains("  descriptors  ")).expect("they are always looked at")
}

#[test]
fn too_few_descriptors_are_a_change_to_make_and_status_1() {
    let ended = doctor("256:1024", &["--clients", "5000"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let line = line(&ended);
    assert!(line.starts_with("change "), "{line}");
    assert!(line.contains("hard limit 1024, to which the soft one of 256"), "{line}");
    assert!(line.contains("LimitNOFILE=5"), "{line}");
}

#[test]
fn status_0_is_for_a_machine_without_anything_to_change() {
    let ended = doctor("256:1024", &["--clients", "500"]);
    assert!(line(&ended).starts_with("ok "), "{}", ended.stdout);
    let is_well = !ended.stdout.lines().any(|line| line.starts_with("change "));
    assert_eq!(ended.status.code(), Some(i32::from(!is_well)), "{}", ended.stdout);
}

#[test]
fn what_settings_ask_for_is_judged() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doctor.toml");
    fs::write(&file, "connections-max = 7000\nshards = 1\n").expect("a folder for tests");
    let path = file.to_str().expect("a plain path");
    let ended = doctor("256:1024", &["--config", path]);
    assert!(line(&ended).contains("LimitNOFILE=7072 "), "{}", ended.stdout);
    let ended = doctor("256:1024", &["--config", path, "--clients", "8000"]);
    assert!(line(&ended).contains("LimitNOFILE=8072 "), "{}", ended.stdout);
    fs::write(&file, "conections-max = 7000\n").expect("a folder for tests");
    let ended = doctor("256:1024", &["--config", path]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("line 1: "), "{}", ended.stderr);
}
