//! Starting servers that are scripts.

use rustix::thread::sched_getaffinity;

use super::*;

const LISTEN: &str = "echo 'hubbub 0.1.0 listening on 127.0.0.1:4321' >&2\n";
const SERVE: &str = "while :; do sleep 0.01; done\n";

/// A stand-in for a server, and the folder that it is in.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str) -> Self {
        let folder = env::temp_dir().join(format!("loadgen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join("server");
        // Written by another process: a program that any of our children may still have open
        // for writing cannot be run.
        let written = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s' \"$1\" >\"$0\"; chmod +x \"$0\""])
            .arg(&program)
            .arg(text)
            .status();
        assert!(written.expect("a shell").success());
        Self(program)
    }

    fn options(&self) -> Options {
        Options { program: Some(self.0.clone()), shards: 2, ..Options::default() }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().expect("its folder"));
    }
}

#[test]
fn a_server_is_started_with_its_flags_and_stopped_with_its_counters() {
    let text = format!(
        "trap 'echo \"2025 INFO shard=0 turns=9 deliveries=40 writes=4\" >&2
         echo \"2025 INFO shard=1 turns=3 deliveries=2 writes=1\" >&2
         exit 0' TERM\necho \"flags $* $HUBBUB_LOG_LEVEL\" >&2\n{LISTEN}{SERVE}"
    );
    let script = Script::new("flags", &text);
    let options = Options { extra: vec!["--no-pin".to_owned()], ..script.options() };
    let mut server = Server::start(&options).expect("it starts");
    assert_eq!(server.address(), "127.0.0.1:4321".parse().expect("an address"));
    assert!(server.is_running());
    let group = rustix::process::getpgid(Some(Pid::from_child(&server.child)));
    let group = group.expect("a group").as_raw_nonzero().get().unsigned_abs();
    assert_eq!(group, server.pid(), "Ctrl-C is not for it");
    let stopped = server.stop().expect("it stops");
    assert!(stopped.status.success() && !stopped.killed, "{stopped:?}");
    let flags = "flags --ip 127.0.0.1 --port 0 --shards 2 --no-pin info";
    assert_eq!(stopped.log[0], flags);
    assert_eq!(stopped.shards.len(), 2);
    assert_eq!(stopped.shards[&1]["deliveries"], 2);
    assert_eq!((stopped.total("deliveries"), stopped.total("writes")), (42, 5));
}

#[test]
fn where_browsers_go_is_where_a_server_is_loaded_if_that_is_asked_for() {
    let browser = "echo \"  browser  http://127.0.0.1:$((8000 + ${HUBBUB_HTTP##*:}))/\" >&2\n";
    let script = Script::new("web", &format!("{LISTEN}{browser}{SERVE}"));
    let options = Options { web: true, ..script.options() };
    let server = Server::start(&options).expect("it starts");
    assert_eq!(server.address(), "127.0.0.1:8000".parse().expect("an address"));
}

#[test]
fn a_server_that_ends_at_once_is_quoted() {
    let script = Script::new("ends", "echo 'hubbub: no such flag' >&2; exit 2\n");
    let error = Server::start(&script.options()).expect_err("it ends");
    assert!(error.contains("ended before it listened"), "{error}");
    assert!(error.contains("hubbub: no such flag"), "{error}");
}

#[test]
fn a_server_that_does_not_stop_is_killed() {
    let script = Script::new("stubborn", &format!("trap '' TERM\n{LISTEN}{SERVE}"));
    let server = Server::start(&script.options()).expect("it starts");
    let stopped = server.stop_within(Duration::from_millis(50)).expect("it stops");
    assert!(stopped.killed && !stopped.status.success(), "{stopped:?}");
}

#[test]
fn a_server_that_is_dropped_is_gone() {
    let script = Script::new("dropped", &format!("{LISTEN}{SERVE}"));
    let server = Server::start(&script.options()).expect("it starts");
    let pid = server.pid();
    drop(server);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_server_that_ends_by_itself_is_noticed() {
    let script = Script::new("short", &format!("{LISTEN}exit 3\n"));
    let mut server = Server::start(&script.options()).expect("it starts");
    let limit = Instant::now() + Duration::from_secs(10);
    while server.is_running() && Instant::now() < limit {
        thread::sleep(Duration::from_millis(1));
    }
    let stopped = server.stop().expect("it has stopped");
    assert_eq!(stopped.status.code(), Some(3));
}

#[test]
fn a_server_gets_its_cores_before_it_runs() {
    let own = sched_getaffinity(None).expect("our cores");
    let cpu = (0..CpuSet::MAX_CPU).rfind(|&cpu| own.is_set(cpu)).expect("a core");
    let text = format!("grep Cpus_allowed_list /proc/$$/status >&2\n{LISTEN}{SERVE}");
    let script = Script::new("cores", &text);
    let options = Options { cpus: vec![cpu], ..script.options() };
    let server = Server::start(&options).expect("it starts");
    assert_eq!(server.log()[0], format!("Cpus_allowed_list:\t{cpu}"));
    let now = sched_getaffinity(None).expect("our cores");
    assert!(now == own, "our own cores stay");
    for missing in [CpuSet::MAX_CPU - 1, CpuSet::MAX_CPU] {
        let options = Options { cpus: vec![cpu, missing], ..script.options() };
        let error = Server::start(&options).expect_err("no such core");
        assert!(error.contains(&format!("no core {missing}")), "{error}");
    }
}

#[test]
fn a_missing_server_says_how_to_build_it() {
    let program = Some(PathBuf::from("/nowhere/hubbub"));
    let error = Server::start(&Options { program, ..Options::default() }).expect_err("none");
    assert!(error.contains("/nowhere/hubbub"), "{error}");
    assert!(error.contains("cargo build --release"), "{error}");
}

#[test]
fn the_log_is_kept_only_so_far() {
    let mut log = Log::default();
    for number in 0..1000 {
        log.keep(format!("line {number}"));
    }
    assert_eq!(log.lines.len(), LOG_LINES_MAX);
    assert_eq!(log.lines.back().map(String::as_str), Some("line 999"));
}

#[test]
fn only_counters_count() {
    assert_eq!(counters("shard=3 died"), None);
    assert_eq!(counters("a=1 b=2"), None);
    let (shard, counters) = counters("INFO shard=3 said=5 name=x").expect("counters");
    assert_eq!((shard, counters), (3, Counters::from([("said".to_owned(), 5)])));
}
