//! A server under load: a process of its own that never outlives its value here.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::sys;

const START_TIME_MAX: Duration = Duration::from_secs(10);
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(10);

/// How much of a failed server's log is shown.
const LAST_LINES: usize = 10;

/// A running server.
pub(crate) struct Process {
    child: Child,
    port: u16,
    /// A file, not a pipe: nobody has to empty it while the load runs.
    log: PathBuf,
}

/// The binary under test, from the flag or from the build, if it is there.
pub(crate) fn server_path(flag: Option<&Path>) -> io::Result<PathBuf> {
    let built = option_env!("CARGO_BIN_EXE_hubbub").map(PathBuf::from);
    let path = flag.map(Path::to_owned).or(built);
    let path = path.ok_or_else(|| io::Error::other("no server to test: give --server"))?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(io::Error::other(format!("no server at {}", path.display())))
    }
}

/// How the server under test is started.
pub(crate) fn hubbub(path: &Path, shards: u16, port: u16) -> Command {
    let mut command = Command::new(path);
    command.args(["--ip", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--shards", &shards.to_string(), "--no-pin"]);
    // Colours would hide the counters in the log from their parser.
    command.env("RUST_LOG", "info").env("NO_COLOR", "1");
    command
}

impl Process {
    /// Starts what `command` says for a free port, on these CPUs, and returns when it accepts
    /// connections.
    pub(crate) fn start(
        command: impl FnOnce(u16) -> io::Result<Command>,
        cpus: &[usize],
    ) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = env::temp_dir().join(format!("bench-server-{}-{port}.log", process::id()));
        let mut command = command(port)?;
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log)?);
        sys::confine(&mut command, cpus);
        let child = command.spawn().inspect_err(|_| drop(fs::remove_file(&log)))?;
        let mut process = Self { child, port, log };
        process.wait_until_ready()?;
        Ok(process)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it the signal to end.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        sys::terminate(self.child.id())
    }

    /// Closes its standard input, waits until it has ended and returns what it logged.
    pub(crate) fn finish(mut self) -> io::Result<String> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + STOP_TIME_MAX;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the server did not stop when asked to"));
            }
            thread::sleep(PATIENCE);
        }
        fs::read_to_string(&self.log)
    }

    /// The end of its log, to explain a failure.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let skipped = log.lines().count().saturating_sub(LAST_LINES);
        log.lines().skip(skipped).map(|line| format!("    {line}\n")).collect()
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let words = self.last_words();
                return Err(io::Error::other(format!("the server ended, {status}\n{words}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the server does not accept connections"));
            }
            thread::sleep(PATIENCE);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // All of this fails harmlessly when the server has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}
