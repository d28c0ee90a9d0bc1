//! The program as people run it: what it says of a command line that cannot work, what becomes of
//! a run that is interrupted or whose report cannot be written, and its exit codes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loadgen::spawn::{self, Server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No command here takes as long on any machine.
const LIMIT: Duration = Duration::from_secs(120);
/// A small load.
const SMALL: &[&str] = &["--connections", "10", "--rate", "20", "--seconds", "0.3"];

/// The server that was built with the tests: beside their folder.
fn server_program() -> PathBuf {
    let mut program: PathBuf = std::env::current_exe().expect("our own path");
    program.pop();
    program.with_file_name("hubbub")
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("command-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn loadgen(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(words).stdin(Stdio::null());
    if words.contains(&"--spawn") {
        command.arg("--server").arg(server_program());
    }
    command
}

/// What a command came to.
struct Done {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Done {
    fn code(&self) -> Option<i32> {
        self.status.code()
    }

    #[track_caller]
    fn is_refused(&self, says: &[&str]) {
        assert_eq!(self.code(), Some(2), "{}", self.err);
        for part in says {
            assert!(self.err.contains(part), "no {part:?} in {}", self.err);
        }
        assert!(!self.err.contains("ramp"), "a run was made: {}", self.err);
    }
}

fn all_of(stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || io::read_to_string(stream).expect("UTF-8"))
}

/// Waits for the end, and kills what does not end.
fn wait(mut child: Child) -> ExitStatus {
    let (ended, end) = mpsc::channel::<()>();
    let pid = Pid::from_child(&child);
    let guard = thread::spawn(move || {
        if end.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let status = child.wait().expect("it ends");
    drop(ended);
    guard.join().expect("a guard");
    status
}

fn done(command: &mut Command) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("it starts");
    let out = all_of(child.stdout.take().expect("it is piped"));
    let err = all_of(child.stderr.take().expect("it is piped"));
    let status = wait(child);
    Done { status, out: out.join().expect("text"), err: err.join().expect("text") }
}

fn report(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("run.json")).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    let folder = folder("unwritable");
    fs::write(folder.join("file"), "").expect("a file");
    for out in [folder.join("file/report"), "/proc/nowhere/report".into()] {
        for more in [&[][..], &["--repeat", "2"]] {
            let words = [&["fanout", "--spawn"], SMALL, more].concat();
            let refused = done(loadgen(&words).arg("--out").arg(&out));
            refused.is_refused(&["--out", &out.display().to_string()]);
        }
    }
    let refused = done(loadgen(&["fanout", "--out"]).arg(&folder));
    refused.is_refused(&["exists already"]);
}

#[test]
fn a_run_that_cannot_be_made_leaves_no_folder() {
    let out = folder("nothing").join("report");
    let words = ["fanout", "--connections", "1", "--address", "127.0.0.1:1", "--out"];
    let failed = done(loadgen(&words).arg(&out));
    assert_eq!(failed.code(), Some(2), "{}", failed.err);
    assert!(!out.exists(), "an empty folder is in the way of the next run");
}

#[test]
fn a_full_disk_leaves_the_report_on_standard_output() {
    for (name, more) in [("full", &[][..]), ("full-series", &["--repeat", "1"])] {
        let out = folder(name).join("report");
        let words = [&["fanout", "--spawn"], SMALL, more].concat();
        let mut inner = loadgen(&words);
        inner.arg("--out").arg(&out);
        // Files may have one block: as much as the folder is tried with.
        let mut limited = Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
        limited.arg(inner.get_program()).args(inner.get_args());
        let failed = done(&mut limited);
        assert_eq!(failed.code(), Some(2), "{}", failed.err);
        assert!(failed.err.contains("run.json"), "{}", failed.err);
        assert!(failed.err.contains("standard output"), "{}", failed.err);
        assert!(failed.out.contains("expected ="), "no report: {}", failed.out);
    }
}

#[test]
fn standard_output_that_takes_nothing_is_an_error_and_the_report_is_written() {
    let small = [&["fanout", "--spawn"], SMALL].concat();
    let series = [&small[..], &["--repeat", "1"]].concat();
    for (name, words, inner) in [("mute", &small, ""), ("mute-series", &series, "1")] {
        let out = folder(name).join("report");
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        for (number, stdout) in [Stdio::from(full), Stdio::from(closed)].into_iter().enumerate() {
            let out = out.join(number.to_string());
            let mut command = loadgen(words);
            command.arg("--out").arg(&out).stdout(stdout).stderr(Stdio::piped());
            let mut child = command.spawn().expect("it starts");
            let err = all_of(child.stderr.take().expect("it is piped"));
            let (status, err) = (wait(child), err.join().expect("text"));
            assert_eq!(status.code(), Some(2), "{err}");
            assert!(err.contains("standard output") && !err.contains("panicked"), "{err}");
            assert_eq!(report(&out.join(inner))["messages"]["lost"], 0, "{name}");
        }
    }
    for words in [&["--help"][..], &["--version"], &["list"], &["show", "fanout"]] {
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let status = loadgen(words).stdout(full).stderr(Stdio::null()).status();
        assert_eq!(status.expect("it runs").code(), Some(2), "{words:?}");
    }
}

/// A run that has come to measuring.
struct Measuring {
    child: Child,
    lines: io::Lines<BufReader<std::process::ChildStderr>>,
    server: u32,
}

fn measuring(out: &Path, more: &[&str]) -> Measuring {
    let words = ["fanout", "--spawn", "--connections", "5", "--rate", "20", "--seconds", "600"];
    let mut command = loadgen(&[&words, more].concat());
    command.arg("--out").arg(out).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|it| it.contains("fanout measure")))
        .expect("a run")
        .expect("a line");
    let server = children(child.id()).into_iter().find(|pid| name(*pid) == "hubbub");
    Measuring { server: server.expect("a server"), child, lines }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children"));
    let all: Vec<String> = tasks.filter_map(|task| of_task(task.ok()?).ok()).collect();
    all.concat().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn name(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a number")).expect("a process");
    let _ = kill_process(pid, signal);
}

/// Whether a server outlived those who started it; it does not outlive the test.
fn outlived(server: u32) -> bool {
    let lives = name(server) == "hubbub";
    if lives {
        signal(server, Signal::KILL);
    }
    lives
}

#[test]
fn a_signal_ends_load_and_server_and_the_report_says_so() {
    for (number, (kind, more)) in [
        (Signal::INT, &[][..]),
        (Signal::TERM, &[]),
        (Signal::HUP, &[]),
        (Signal::TERM, &["--procs", "2", "--cpus", "0"]),
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder(&format!("signal-{number}")).join("report");
        let run = measuring(&out, more);
        signal(run.child.id(), kind);
        let rest = thread::spawn(move || run.lines.map_while(Result::ok).collect::<Vec<_>>());
        let status = wait(run.child);
        assert!(!outlived(run.server), "{kind:?}: the server is still there");
        assert!(matches!(status.code(), Some(0 | 3)), "{kind:?}: {status}, {:?}", rest.join());
        let run = report(&out);
        assert_eq!(run["interrupted"], "measure", "{kind:?}");
        assert_eq!(run["failures"], serde_json::json!([]), "{kind:?}");
        assert!(run["server"]["counted"].is_object(), "{kind:?}: the server ended by itself");
        let page = fs::read_to_string(out.join("report.html")).expect("a page");
        assert!(page.contains("INTERRUPTED"), "{kind:?}");
    }
}

#[test]
fn a_signal_ends_a_series_and_its_present_run() {
    let out = folder("signal-series").join("report");
    let run = measuring(&out, &["--repeat", "3"]);
    signal(run.child.id(), Signal::TERM);
    let rest = thread::spawn(move || run.lines.map_while(Result::ok).collect::<Vec<_>>());
    wait(run.child);
    assert!(!outlived(run.server), "the server is still there: {:?}", rest.join());
    assert_eq!(report(&out.join("1"))["interrupted"], "measure");
    assert!(!out.join("2").exists(), "another run was begun");
}

#[test]
fn a_second_signal_ends_at_once() {
    let out = folder("signals").join("report");
    // What was sent takes its time to be given up, as nothing of it comes back.
    let run = measuring(&out, &["--set", "slow_share=1", "--set", "drain_seconds_max=3600"]);
    signal(run.server, Signal::STOP);
    signal(run.child.id(), Signal::TERM);
    let mut lines = run.lines;
    let drains = lines.find(|line| line.as_ref().is_ok_and(|it| it.contains("fanout drain")));
    drains.expect("the first signal is heard").expect("a line");
    signal(run.child.id(), Signal::TERM);
    let rest = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let status = wait(run.child);
    assert!(!outlived(run.server), "the server is still there");
    assert_eq!(status.code(), Some(143), "{:?}", rest.join());
    assert!(!out.join("run.json").exists(), "it took its time");
}

#[test]
fn compare_that_cannot_tell_has_an_exit_code_of_its_own() {
    let both = folder("compare");
    for side in ["a", "b"] {
        let words = [&["fanout", "--spawn", "--repeat", "1"], SMALL].concat();
        done(loadgen(&words).arg("--out").arg(both.join(side)));
        let file = both.join(side).join("1/run.json");
        let text = fs::read_to_string(&file).expect("a report");
        let mut run: Value = serde_json::from_str(&text).expect("JSON");
        // Whether the machine was quiet enough is not the question.
        run["invalid"] = serde_json::json!([]);
        fs::write(file, run.to_string()).expect("written");
    }
    let told = done(loadgen(&["compare"]).arg(both.join("a")).arg(both.join("b")));
    assert_eq!(told.code(), Some(3), "{} {}", told.out, told.err);
    assert!(told.out.contains("cannot tell anything"), "{}", told.out);
    let nothing = done(loadgen(&["compare"]).arg(&both).arg(&both));
    nothing.is_refused(&["there are no runs"]);
}

#[test]
fn cores_that_there_are_not_are_refused_with_those_that_there_are() {
    for words in [&["--cpus", "99"][..], &["--cpus", "0,99"], &["--server-cpus", "99"]] {
        let refused = done(&mut loadgen(&[&["fanout", "--spawn"], SMALL, words].concat()));
        refused.is_refused(&[words[0], "99", "this process may use 0"]);
    }
}

#[test]
fn a_dialect_that_hubbub_does_not_speak_is_not_spawned_and_gets_no_advice_for_it() {
    for dialect in ["resp", "nats", "irc", "websocket"] {
        let words = ["fanout", "--dialect", dialect];
        let refused = done(&mut loadgen(&[&words[..], &["--spawn"]].concat()));
        refused.is_refused(&["--spawn", dialect]);
        let words = [&words[..], &["--connections", "1", "--address", "127.0.0.1:1"]].concat();
        let failed = done(&mut loadgen(&words));
        assert_eq!(failed.code(), Some(2), "{}", failed.err);
        for advice in ["cargo run", "--spawn"] {
            assert!(!failed.err.contains(advice), "{dialect}: {}", failed.err);
        }
    }
    let words = ["fanout", "--spawn", "--set", "tls=true"];
    done(&mut loadgen(&words)).is_refused(&["--spawn", "tls"]);
}

#[test]
fn a_server_is_found_by_its_name() {
    let options =
        spawn::Options { program: Some(server_program()), shards: 1, ..Default::default() };
    let server = Server::start(&options).expect("it starts");
    let port = server.address().port();
    let address = format!("localhost:{port}");
    let run = done(&mut loadgen(&[&["fanout", "--address", &address], SMALL].concat()));
    assert!(matches!(run.code(), Some(0 | 3)), "{}", run.err);
    assert!(run.out.contains("10 opened"), "{}", run.out);
    server.stop().expect("it stops");
    let gone = done(&mut loadgen(&["fanout", "--connections", "1", "--address", &address]));
    assert_eq!(gone.code(), Some(2), "{}", gone.err);
    let tried = format!("127.0.0.1:{port}");
    assert!(gone.err.contains("localhost") && gone.err.contains(&tried), "{}", gone.err);
    for wrong in ["localhost", "127.0.0.1", ":42069", "localhost:port", "local host:1", ""] {
        done(&mut loadgen(&["fanout", "--address", wrong])).is_refused(&["--address", "HOST:PORT"]);
    }
}

/// A server that takes this machine for any other one, and small enough limits to meet them.
fn held_to_limits(name: &str, load: &[&str]) -> (Done, Value) {
    let out = folder(name).join("report");
    let words = ["fanout", "--spawn", "--server-args", "--exempt none"];
    let done = done(loadgen(&[&words, load].concat()).arg("--out").arg(&out));
    let run = report(&out);
    (done, run)
}

#[test]
fn rejections_are_the_servers_own_words_and_no_broken_promise() {
    for dialect in ["hubbub", "hubbub-websocket"] {
        let load = ["--connections", "80", "--rate", "5", "--seconds", "1", "--dialect", dialect];
        let (done, run) = held_to_limits(&format!("rejected-{dialect}"), &load);
        assert_eq!(done.code(), Some(3), "{} {}", done.out, done.err);
        assert_eq!(run["failures"], serde_json::json!([]), "{dialect}");
        assert_eq!(run["connections"]["refused"], 16, "{dialect}: 64 an address");
        for part in [
            "16 × There are too many connections from your address",
            "the server rejected 16 connections",
            "--exempt",
        ] {
            assert!(done.out.contains(part), "no {part:?} in {}", done.out);
        }
        let said = run["server_words"]["kinds"].as_array().expect("words");
        assert!(said.iter().any(|word| word["count"] == 16), "{said:?}");
    }
}

#[test]
fn a_rate_limit_is_called_one_and_no_broken_promise() {
    let load = ["--connections", "5", "--rate", "200", "--seconds", "1"];
    let more = ["--set", "drain_seconds_max=1"];
    let (done, run) = held_to_limits("throttled", &[&load[..], &more].concat());
    assert_eq!(done.code(), Some(3), "{} {}", done.out, done.err);
    assert_eq!(run["failures"], serde_json::json!([]));
    assert!(run["server"]["counted"]["throttled"].as_u64() > Some(0), "{}", run["server"]);
    for part in ["rate limit", "--messages-per-second", "--exempt"] {
        assert!(done.out.contains(part), "no {part:?} in {}", done.out);
    }
}

#[test]
fn within_the_limits_of_others_a_run_meets_none_of_them() {
    let load = ["--connections", "40", "--rooms", "8", "--rate", "20", "--seconds", "1"];
    let (done, run) = held_to_limits("within", &load);
    assert!(matches!(done.code(), Some(0 | 3)), "{} {}", done.out, done.err);
    assert_eq!(run["failures"], serde_json::json!([]));
    assert_eq!(run["connections"]["refused"], 0);
    assert_eq!(run["server"]["counted"]["throttled"], 0);
    assert_eq!(run["server_words"], serde_json::json!({"kinds": [], "others": 0}));
    assert_eq!(run["setup"]["spawned"]["args"], serde_json::json!(["--exempt", "none"]));
    assert_eq!(run["setup"]["spawned"]["history_messages"], 50);
}

#[test]
fn nobody_let_in_is_told_in_the_servers_words() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let text = b"Server is full, please try again later\n";
            let _ = io::Write::write_all(&mut stream.expect("a connection"), text);
        }
    });
    let words = ["fanout", "--connections", "3", "--address", &address.to_string()];
    let failed = done(&mut loadgen(&words));
    assert_eq!(failed.code(), Some(2), "{}", failed.err);
    for part in ["Server is full", "--connections-max"] {
        assert!(failed.err.contains(part), "no {part:?} in {}", failed.err);
    }
}

#[test]
fn help_tells_exit_codes_and_signals() {
    let help = done(&mut loadgen(&["--help"]));
    assert_eq!(help.code(), Some(0));
    for part in ["Exit codes", "\n  0  ", "\n  1  ", "\n  2  ", "\n  3  ", "SIGTERM", "--exempt"] {
        assert!(help.out.contains(part), "no {part:?} in {}", help.out);
    }
}

#[test]
fn a_report_is_of_the_run_that_was_made() {
    let out = folder("made").join("report");
    let small = ["fanout", "--spawn", "--connections", "4", "--seconds", "0.2", "--window", "1"];
    let done = done(loadgen(&small).arg("--out").arg(&out));
    for part in ["arrivals = \"window\"", "connections = 4", "measure_seconds = 0.2"] {
        assert!(done.out.contains(part), "no {part:?} in {}", done.out);
    }
    let run = report(&out);
    assert_eq!(run["setup"]["shards"], 1);
    let file = out.join("scenario.toml");
    let file = file.to_str().expect("text");
    let words = ["--spawn", "--connections", "4", "--seconds", "0.2", "--rate", "50", "--set"];
    let again = self::done(&mut loadgen(&[&[file], &words[..], &["name=mine"]].concat()));
    assert!(again.out.contains("\nmine  \n"), "another one's description: {}", again.out);
    assert!(again.out.contains("offered "), "it had no rate: {}", again.out);
    let words = ["fanout", "--window", "1", "--set", "rate=5"];
    self::done(&mut loadgen(&words)).is_refused(&["window", "rate"]);
    let words = ["fanout", "--set", "joins_per_second=5"];
    self::done(&mut loadgen(&words)).is_refused(&["joins_per_second", "rooms"]);
}
