//! What comes with the server to install it: units of systemd, and a Dockerfile. They are looked
//! at by the programs that would know, and held against what the server does.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use common::program::Program;
use common::server::Setup;
use common::{Client, Server, at_the_end};

const DOCKERFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/Dockerfile");

/// What `systemd-analyze security` may find at most, of 100; without any hardening it is 96.
const EXPOSURE_MAX: &str = "--threshold=20";

/// The units as they would be installed with this build's program, in a folder of this name.
fn installed(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    let folder = env::temp_dir().join(format!("hubbub-{}-{name}", process::id()));
    fs::create_dir_all(&folder).expect("a folder in the temporary directory");
    for unit in ["hubbub.service", "hubbub.socket"] {
        let text = fs::read_to_string(source.join(unit)).expect("a unit");
        let text = text.replace("/usr/bin/hubbub", env!("CARGO_BIN_EXE_hubbub"));
        fs::write(folder.join(unit), text).expect("a file in the folder");
    }
    folder
}

/// What `systemd-analyze` says; it must have nothing to complain of.
fn analyze(args: &[&str], folder: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    let ended = Program::start(command.args(args).current_dir(folder)).ended();
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.status.success() && ended.stderr.is_empty(), "{args:?}: {said}");
    ended.stdout
}

#[test]
fn systemd_takes_the_units() {
    let folder = installed("verify");
    let _remove = at_the_end(|| fs::remove_dir_all(&folder).expect("the folder goes"));
    analyze(&["verify", "--man=no", "./hubbub.service", "./hubbub.socket"], &folder);
}

#[test]
fn a_service_that_is_taken_over_can_do_little() {
    let folder = installed("security");
    let _remove = at_the_end(|| fs::remove_dir_all(&folder).expect("the folder goes"));
    analyze(&["security", "--offline=yes", EXPOSURE_MAX, "./hubbub.service"], &folder);
}

#[test]
fn the_service_may_make_every_system_call_that_the_server_makes() {
    let folder = installed("calls");
    let _remove = at_the_end(|| fs::remove_dir_all(&folder).expect("the folder goes"));
    let trace = folder.join("trace");
    let file = trace.to_str().expect("a path in UTF-8");
    let wrapper = ["strace", "-D", "-f", "-qq", "-o", file];
    let server = Server::start_as(&Setup { wrapper: &wrapper, shards: 2, ..Setup::default() });
    Client::greeted(&server).say_something();
    server.signal("HUP");
    assert_eq!(server.stop().0, Some(0));
    let mut made = calls_in(&fs::read_to_string(&trace).expect("strace has written it"));
    assert!(made.contains("accept4") && made.contains("prlimit64"), "{made:?}");
    // Test servers are not pinned; the service is.
    made.insert("sched_setaffinity".to_owned());

    let unit = fs::read_to_string(folder.join("hubbub.service")).expect("the unit");
    let mut allowed = BTreeSet::new();
    for filter in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let denied = filter.strip_prefix('~');
        for name in denied.unwrap_or(filter).split(' ') {
            for call in calls_of(name, &folder) {
                if denied.is_some() {
                    allowed.remove(&call)
                } else {
                    allowed.insert(call)
                };
            }
        }
    }
    let missing: Vec<_> = made.difference(&allowed).collect();
    assert!(missing.is_empty(), "the unit's filter forbids {missing:?}");
}

/// The names of all calls in what strace has written, each behind a process id.
fn calls_in(trace: &str) -> BTreeSet<String> {
    let calls = trace.lines().filter_map(|line| line.split_once(' ')?.1.trim().split_once('('));
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    calls.map(|(name, _)| name).filter(is_name).map(ToOwned::to_owned).collect()
}

/// The calls in a set such as `@system-service`, with those of sets in it.
fn calls_of(name: &str, folder: &Path) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return BTreeSet::from([name.to_owned()]);
    }
    let set = analyze(&["syscall-filter", name], folder);
    let members = set.lines().skip(1).map(str::trim);
    let members = members.filter(|line| !line.is_empty() && !line.starts_with('#'));
    members.flat_map(|member| calls_of(member, folder)).collect()
}

#[test]
#[allow(clippy::print_stderr, reason = "the test harness keeps it for whoever asks")]
fn a_linter_takes_the_dockerfile() {
    let hadolint =
        Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python").join("bin/hadolint");
    if !hadolint.is_file() {
        let hadolint = hadolint.display();
        eprintln!("skipped: there is no {hadolint}; `cargo xtask test python` installs it");
        return;
    }
    let ended = Program::start(Command::new(hadolint).arg(DOCKERFILE)).ended();
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
}

#[test]
fn the_dockerfile_builds_with_the_oldest_rust_that_will_do() {
    let text = fs::read_to_string(DOCKERFILE).expect("the Dockerfile");
    let image = format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(text.contains(&image), "{image} is not in it");
}
