//! Starting a server to measure, and stopping it after.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::cores;
use crate::result::{ServerCounts, Spawned};

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
    /// Its `--history-messages`; none for what it keeps without that flag.
    pub history_messages: Option<u32>,
}

impl Options {
    /// The same, for reports.
    #[must_use]
    pub fn spawned(&self) -> Spawned {
        Spawned {
            history_messages: self.history_messages,
            cpus: self.cpus.clone(),
            args: self.extra.clone(),
        }
    }

    /// Its port for browsers. Where a server speaks lines alone it keeps no messages.
    fn http(&self) -> &'static str {
        let has_history = self.history_messages.is_some_and(|messages| messages > 0);
        if self.web || has_history { "127.0.0.1:0" } else { "off" }
    }
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
            throttled: self.total("rests"),
        })
    }
}

/// Servers that have been started here and not been waited for. A signal may have to end them while
/// whoever has the [`Server`] is busy.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(vec![]);

/// Kills all servers that run and waits until they are gone, for a program that has to end at once.
pub fn kill_all() {
    for &pid in &*lock(&RUNNING) {
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
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
        let mut running = lock(&RUNNING);
        let mut child = start_on(command(&program, options), &options.cpus)
            .map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        running.push(Pid::from_child(&child));
        drop(running);
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
        self.forget();
        // A child of the server's own may keep its standard error open for ever.
        let _ = self.log_ends.recv_timeout(LOG_WAIT_MAX);
        let log = self.log();
        let shards = lock(&self.log).shards.clone();
        Ok(Stopped { status, killed, shards, log })
    }

    /// Its number may be that of another process from now on.
    fn forget(&self) {
        let pid = Pid::from_child(&self.child);
        lock(&RUNNING).retain(|running| *running != pid);
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
        self.forget();
    }
}

fn program(options: &Options) -> Result<PathBuf, String> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => env::current_exe()
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
    // What reports say of its settings is all that it has.
    for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command.args(["--ip", "127.0.0.1", "--port", "0", "--shards"]).arg(options.shards.to_string());
    if let Some(messages) = options.history_messages {
        command.args(["--history-messages", &messages.to_string()]);
    }
    command
        .args(&options.extra)
        // Its log is read by us: neither another format nor another level will do.
        .env("HUBBUB_LOG_LEVEL", "info")
        .env("HUBBUB_LOG_FORMAT", "text")
        // The usual port for browsers is for whoever else runs one on this machine.
        .env("HUBBUB_HTTP", options.http())
        // Ctrl-C is for us: the server is stopped when the report's last figures are in.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Whether an environment variable sets something of the server's.
fn is_setting(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"HUBBUB_")
}

/// Starts a process that may run on `cpus` only. It inherits them from the thread that starts it,
/// so that it never runs, counts cores or starts threads without.
fn start_on(mut command: Command, cpus: &[usize]) -> io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    cores::check(cpus).map_err(io::Error::other)?;
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    let starter = thread::spawn(move || {
        sched_setaffinity(None, &set)?;
        command.spawn()
    });
    starter.join().unwrap_or_else(|_| Err(io::Error::other("a thread died")))
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests;
