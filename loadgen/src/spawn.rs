//! Starting a server to measure, and stopping it after.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::result::ServerCounts;

const START_WAIT_MAX: Duration = Duration::from_secs(10);
/// The server drains for five seconds on its own.
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);
/// For the last words of a server that has ended.
const LOG_WAIT_MAX: Duration = Duration::from_secs(1);
const STOP_LOOK_EVERY: Duration = Duration::from_millis(5);
const LOG_LINES_MAX: usize = 200;
const LOG_LINE_BYTES_MAX: u64 = 4096;

/// Which server to start, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program; none for the `hubbub` beside this one.
    pub program: Option<PathBuf>,
    /// Its `--shards`.
    pub shards: u16,
    /// Cores it may run on; none for all that we may.
    pub cpus: Vec<usize>,
    /// More flags for it.
    pub extra: Vec<String>,
    /// Its port for browsers is what is to be loaded.
    pub web: bool,
}

/// What a shard counted, by the names that the server has for it.
pub type Counters = BTreeMap<String, u64>;

/// What became of a server that was stopped.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// Whether it had to be killed, because it did not end by itself.
    pub killed: bool,
    /// What each shard counted in its life.
    pub shards: BTreeMap<u16, Counters>,
    /// The last lines of its log.
    pub log: Vec<String>,
}

impl Stopped {
    /// What all shards counted together under `name`.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        self.shards.values().filter_map(|counters| counters.get(name)).sum()
    }

    /// What is wrong with how it ended; none for a clean end.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let how = match (self.killed, self.status.success()) {
            (true, _) => "did not end when it was asked to, and was killed".to_owned(),
            (false, true) => return None,
            (false, false) => format!("ended badly ({})", self.status),
        };
        let last = self.log.last().map_or("nothing", String::as_str);
        Some(format!("the server {how}; the last it said was: {last}"))
    }

    /// What it counted; none for a server that did not come to telling it.
    #[must_use]
    pub fn counts(&self) -> Option<ServerCounts> {
        (!self.shards.is_empty()).then(|| ServerCounts {
            said: self.total("said"),
            deliveries: self.total("deliveries"),
            writes: self.total("writes"),
            bytes_written: self.total("bytes_written"),
        })
    }
}

/// A server that runs as long as this is kept.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    log_ends: Receiver<()>,
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    shards: BTreeMap<u16, Counters>,
}

impl Server {
    /// Starts a server on a free port and waits until it listens.
    ///
    /// # Errors
    /// A sentence, with what the server said.
    pub fn start(options: &Options) -> Result<Self, String> {
        let program = program(options)?;
        let mut child = start_on(command(&program, options), &options.cpus)
            .map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        let stderr = child.stderr.take().expect("it is piped");
        let log = Arc::new(Mutex::new(Log::default()));
        let (tell_address, address) = mpsc::channel();
        let (ended, log_ends) = mpsc::channel();
        let shared = Arc::clone(&log);
        let mark = if options.web { "browser  http://" } else { "listening on " };
        thread::Builder::new()
            .name("server-log".to_owned())
            .spawn(move || read_log(stderr, &shared, (mark, tell_address), ended))
            .map_err(|e| format!("cannot start a thread: {e}"))?;
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, address: nowhere, log, log_ends };
        match address.recv_timeout(START_WAIT_MAX) {
            Ok(address) => server.address = address,
            Err(e) => return Err(server.did_not_start(&program, e)),
        }
        Ok(server)
    }

    /// Where it listens for those who load it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        lock(&self.log).lines.iter().cloned().collect()
    }

    /// Asks it to end and waits, up to a limit.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub fn stop(self) -> io::Result<Stopped> {
        self.stop_within(STOP_WAIT_MAX)
    }

    fn stop_within(mut self, limit: Duration) -> io::Result<Stopped> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        let too_late = Instant::now() + limit;
        let mut killed = false;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if !killed && Instant::now() >= too_late {
                killed = true;
                self.child.kill()?;
            }
            thread::sleep(STOP_LOOK_EVERY);
        };
        // A child of the server's own may keep its standard error open for ever.
        let _ = self.log_ends.recv_timeout(LOG_WAIT_MAX);
        let log = self.log();
        let shards = lock(&self.log).shards.clone();
        Ok(Stopped { status, killed, shards, log })
    }

    fn did_not_start(&mut self, program: &Path, error: mpsc::RecvTimeoutError) -> String {
        let how = match error {
            mpsc::RecvTimeoutError::Timeout => {
                format!("did not listen within {} s", START_WAIT_MAX.as_secs())
            }
            mpsc::RecvTimeoutError::Disconnected => "ended before it listened".to_owned(),
        };
        let log = self.log();
        let said = if log.is_empty() { "nothing".to_owned() } else { log.join("\n  ") };
        format!("{} {how}; it said:\n  {said}", program.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both do nothing for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(options: &Options) -> Result<PathBuf, String> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()
            .map_err(|e| format!("cannot tell where this program is: {e}"))?
            .with_file_name("hubbub"),
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(format!(
        "there is no server at {}: build it with `cargo build --release`, or say where it is",
        program.display()
    ))
}

fn command(program: &Path, options: &Options) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--ip", "127.0.0.1", "--port", "0", "--shards"])
        .arg(options.shards.to_string())
        .args(&options.extra)
        // Its log is read by us: neither another format nor another level will do.
        .env("HUBBUB_LOG_LEVEL", "info")
        .env("HUBBUB_LOG_FORMAT", "text")
        // The usual port for browsers is for whoever else runs one on this machine.
        .env("HUBBUB_HTTP", if options.web { "127.0.0.1:0" } else { "off" })
        // Ctrl-C is for us: the server is stopped when the report's last figures are in.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Starts a process that may run on `cpus` only. It inherits them from the thread that starts it,
/// so that it never runs, counts cores or starts threads without.
fn start_on(mut command: Command, cpus: &[usize]) -> io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    let mut set = CpuSet::new();
    for &cpu in cpus {
        if cpu >= CpuSet::MAX_CPU {
            return Err(no_such_cpu(cpus));
        }
        set.set(cpu);
    }
    let starter = thread::spawn(move || {
        // The kernel leaves out what there is not, and refuses only if nothing is left.
        let is_set = sched_setaffinity(None, &set).is_ok();
        let is_all = is_set && sched_getaffinity(None)? == set;
        is_all.then(|| command.spawn()).transpose()
    });
    let started = starter.join().unwrap_or_else(|_| Err(io::Error::other("a thread died")));
    started?.ok_or_else(|| no_such_cpu(cpus))
}

fn no_such_cpu(cpus: &[usize]) -> io::Error {
    let text = format!("this process may not run on all of the cores {cpus:?}");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a server's log to its end, so that the server never waits for a full pipe. Dropping the
/// senders is how others know: of no address any more, and of the end.
fn read_log(
    stderr: ChildStderr,
    log: &Mutex<Log>,
    (mark, address): (&str, Sender<SocketAddr>),
    _ended: Sender<()>,
) {
    let mut address = Some(address);
    let mut reader = BufReader::new(stderr);
    let mut bytes = vec![];
    loop {
        bytes.clear();
        match reader.by_ref().take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        let listening = address_behind(mark, &line);
        lock(log).keep(line);
        if let Some(listening) = listening
            && let Some(address) = address.take()
        {
            let _ = address.send(listening);
        }
    }
}

impl Log {
    fn keep(&mut self, line: String) {
        if let Some((shard, counters)) = counters(&line) {
            self.shards.entry(shard).or_default().extend(counters);
        }
        if self.lines.len() == LOG_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

fn address_behind(mark: &str, line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once(mark)?;
    after.split(['/', ' ']).next()?.parse().ok()
}

/// The counters of a shard, if `line` has any.
fn counters(line: &str) -> Option<(u16, Counters)> {
    let words = line.split_whitespace().filter_map(|word| word.split_once('='));
    let mut shard = None;
    let mut counters = Counters::new();
    for (name, value) in words {
        if name == "shard" {
            shard = value.parse().ok();
        } else if let Ok(count) = value.parse() {
            counters.insert(name.to_owned(), count);
        }
    }
    shard.filter(|_| !counters.is_empty()).map(|shard| (shard, counters))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: &str = "echo 'hubbub 0.1.0 listening on 127.0.0.1:4321' >&2\n";
    const SERVE: &str = "while :; do sleep 0.01; done\n";

    /// A stand-in for a server, and the folder that it is in.
    struct Script(PathBuf);

    impl Script {
        fn new(name: &str, text: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("loadgen-{name}-{}", std::process::id()));
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
            assert!(error.contains("may not run on all of the cores"), "{error}");
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
}
