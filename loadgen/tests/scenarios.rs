//! Every built-in scenario against the real server, on a small scale: it runs to its end, the
//! server keeps what the scenario promises, and the accounts add up.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::{env, fs, io};

use loadgen::dialect::Dialect;
use loadgen::result::RunResult;
use loadgen::run::{Options, run};
use loadgen::scenario::{BUILT_IN, Placement, Scenario, Text};
use loadgen::spawn::{self, Server};

const SHARDS: u16 = 2;

/// The server that was built with the tests: beside their folder.
fn program() -> PathBuf {
    let mut program: PathBuf = env::current_exe().expect("our own path");
    program.pop();
    program.set_file_name("hubbub");
    program
}

fn small(name: &str) -> Scenario {
    let full = Scenario::built_in(name).expect("it is built in");
    Scenario {
        connections: full.connections.min(60),
        // So many that hardly ever all of them are at home on one shard, where nobody would find a
        // seat in a room of another.
        rooms: full.rooms.min(24),
        rate: full.rate.min(200.0),
        churn_per_second: full.churn_per_second.min(30.0),
        warm_up_seconds: full.warm_up_seconds.min(0.2),
        measure_seconds: 1.0,
        ..full
    }
}

/// Everybody pays, as strangers do, and may have what a scenario wants from one address.
const METERED: &str = "--exempt none --address-connections-max 10000 \
                       --address-connects-per-minute 60000 --messages-per-second 1000 \
                       --messages-burst 10000 --rooms-per-minute 10000";

fn measure(scenario: &Scenario, server_args: &str) -> RunResult {
    let options = spawn::Options {
        program: Some(program()),
        shards: SHARDS,
        extra: server_args.split_whitespace().map(ToOwned::to_owned).collect(),
        web: scenario.dialect == Dialect::HubbubWebSocket,
        ..Default::default()
    };
    let server = Server::start(&options).expect("the server was built with the tests");
    let options =
        Options { shards: SHARDS, pid: Some(server.pid()), ..Options::to(server.address()) };
    let mut result =
        run(scenario, &options, &AtomicBool::new(false), &mut |_| ()).expect("it runs");
    result.server_stopped(&server.stop().expect("it stops"));
    result
}

#[test]
fn what_is_wrong_with_a_file_is_told_in_plain_sentences() {
    for (file, expected) in [
        ("\nlosless = 5", "line 2: there is no setting `losless`; did you mean `lossless`?"),
        ("\"rate\\u001b\" = 5", r"line 1: there is no setting `rate\u{1b}`; did you mean `rate`?"),
        ("seed = 99999999999999999999", "line 1: 99999999999999999999 is too large a number"),
        ("seed = 9_f'\0'", r"line 1: 9f\'\0\' is no number"),
        ("rate = true", "line 1: `rate` must be a number from 0 to 100000000"),
    ] {
        let problems = Scenario::parse(file).expect_err(file);
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn every_scenario_runs_and_its_accounts_add_up() {
    run_all(Dialect::Hubbub, "");
}

#[test]
fn so_they_do_over_websocket() {
    run_all(Dialect::HubbubWebSocket, "");
}

#[test]
fn so_they_do_where_nobody_is_exempt() {
    run_all(Dialect::Hubbub, METERED);
}

fn run_all(dialect: Dialect, server_args: &str) {
    for (name, _) in BUILT_IN {
        let scenario = Scenario { dialect, ..small(name) };
        let result = measure(&scenario, server_args);
        assert_eq!(result.failures, Vec::<String>::new(), "{name}: {:?}", result.messages);
        let (messages, times) = (&result.messages, &result.times);
        assert_eq!(messages.expected, messages.delivered + messages.lost, "{name}");
        assert_eq!(result.connections.failed, 0, "{name}: {:?}", result.connect_error);
        assert_eq!(times.greeting.len(), result.connections.opened, "{name}: all are greeted");
        let speaks = scenario.rate > 0.0 && scenario.text == Text::Measured;
        assert_eq!(messages.delivered > 0, speaks, "{name}: {messages:?}");
        let opened = u64::from(scenario.connections);
        let comes_back = scenario.churn_per_second > 0.0 || scenario.herds > 0;
        if comes_back {
            assert!(result.connections.opened > opened, "{name}: nobody came back");
        } else if scenario.placement == Placement::Any {
            assert_eq!(result.connections.opened, opened, "{name}");
        }
        let herd = u64::from(scenario.herds) * opened;
        assert_eq!(times.comeback.len(), herd, "{name}: all that broke came back");
        assert_eq!(times.slow.is_empty(), scenario.slow_share == 0.0, "{name}");
        let intervals: u64 = result.intervals.iter().map(|(_, it)| it.times().len()).sum();
        assert_eq!(intervals, times.delivery.len(), "{name}: the seconds make the whole");
    }
}

#[test]
fn processes_together_find_what_one_does() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("processes");
    let _ = fs::remove_dir_all(&folder);
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["fanout", "--spawn", "--procs", "3", "--connections", "50", "--rooms", "4"])
        .args(["--rate", "200", "--seconds", "1", "--cpus", "0", "--server"])
        .arg(program())
        .arg("--out")
        .arg(&folder)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // Whether the machine was quiet enough is not the question.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let text = fs::read_to_string(folder.join("run.json")).expect("a report");
    let run: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let messages = &run["messages"];
    let count = |what: &str| messages[what].as_u64().expect("a count");
    assert_eq!(run["failures"], serde_json::json!([]), "{said}");
    assert!(count("sent") > 50, "{messages}");
    assert_eq!((count("lost"), count("delivered")), (0, count("expected")));
    assert_eq!(run["times"]["delivery"]["count"].as_u64(), Some(count("delivered")));
    assert_eq!(run["times"]["greeting"]["count"], 50);
    let said = run["server"]["counted"]["said"].as_u64();
    assert_eq!(said, Some(count("sent") + count("uncounted")));
    let threads = run["generator"]["threads"].as_array().expect("threads");
    let loading = threads.iter().filter_map(|thread| thread["name"].as_str());
    let loading = loading.filter(|name| name.starts_with("load-")).count();
    assert_eq!(loading, 3, "{threads:?}");
}

#[test]
fn who_reads_no_further_is_not_complained_to() {
    for args in [&["list"][..], &["show", "fanout"]] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        let output = command.args(args).stdout(writer).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}
