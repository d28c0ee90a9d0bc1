//! The server under test, as a process of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::output::Output;
use super::{PATIENCE, eventually, program};

/// The text before the address in the banner.
const LISTENING: &str = "listening on ";

/// The `hubbub` of this build, with nothing of our own environment that could change it.
pub fn hubbub() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HUBBUB_") {
            command.env_remove(name);
        }
    }
    command
}

/// How a server is to be started.
pub struct Setup<'a> {
    /// What runs `hubbub` and is given it as its last argument, if anything does. It must become
    /// the server (by `exec`, say), so that its process id is the server's.
    pub wrapper: &'a [&'a str],
    /// The number of shards.
    pub shards: usize,
    /// The address, or `unix:` and the path of a Unix socket.
    pub ip: &'a str,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// More arguments.
    pub args: &'a [&'a str],
    /// Environment variables.
    pub variables: &'a [(&'a str, &'a str)],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { wrapper: &[], shards: 1, ip: "127.0.0.1", port: 0, args: &[], variables: &[] }
    }
}

/// A running server; it does not outlive this value.
pub struct Server {
    /// Its process.
    child: Mutex<Child>,
    /// Where it listens, if that is over TCP.
    pub addr: SocketAddr,
    /// How many shards it was told to have.
    pub shards: usize,
    /// What it wrote to standard output.
    pub stdout: Output,
    /// What it wrote to standard error.
    pub stderr: Output,
}

impl Server {
    /// Starts a server of so many shards, on a free port of the loopback interface.
    pub fn start(shards: usize, args: &[&str]) -> Self {
        Self::start_as(&Setup { shards, args, ..Setup::default() })
    }

    /// Starts a server and waits until it says where it listens.
    pub fn start_as(setup: &Setup<'_>) -> Self {
        let mut server = setup.spawn(Stdio::piped());
        if let Some(path) = setup.ip.strip_prefix("unix:") {
            let told = server.stderr.wait_for(|line| line.ends_with(path).then_some(()));
            assert!(told.is_some(), "the server does not say where it listens");
            return server;
        }
        match server.stderr.wait_for(address) {
            Some(addr) => server.addr = addr,
            None => panic!("the server does not say where it listens"),
        }
        server
    }

    /// Starts a server that cannot say where it listens, as nobody reads its standard error; so
    /// the port must be given. A first connection has come and gone when it returns.
    pub fn start_unheard(setup: &Setup<'_>, stderr: Stdio) -> Self {
        let server = setup.spawn(stderr);
        eventually("the server accepts", || TcpStream::connect(server.addr).is_ok());
        server
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Sends a signal by name, as in `kill -NAME`. The shell's own `kill` is everywhere.
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &line]).status().expect("there is a shell");
        assert!(status.success(), "{line}: {status}");
    }

    /// Waits for the server's end, for at most this long.
    pub fn ended_within(&self, at_most: Duration) -> ExitStatus {
        program::wait(&mut self.child(), at_most)
            .unwrap_or_else(|| panic!("the server still runs after {at_most:?}"))
    }

    /// Asks the server to stop, waits, and returns its exit code and how long it took.
    pub fn stop(&self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        self.signal("TERM");
        (self.ended_within(PATIENCE).code(), started.elapsed())
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process is still there.
    pub fn is_running(&self) -> bool {
        self.child().try_wait().expect("the child is ours").is_none()
    }
}

impl Drop for Server {
    #[allow(clippy::print_stderr, reason = "the test harness keeps it for the failure's report")]
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Fails only when it has ended already.
        let _ = child.kill();
        let status = child.wait();
        if std::thread::panicking() {
            let Self { addr, shards, stderr, .. } = self;
            eprintln!("-- server on {addr} with --shards {shards} ended: {status:?}; it said:");
            eprintln!("{}", stderr.last_words());
        }
    }
}

impl Setup<'_> {
    /// Starts the process. Its address is right only if the port was given.
    fn spawn(&self, stderr: Stdio) -> Server {
        let mut command = self.command();
        command.args(["--ip", self.ip, "--no-pin"]);
        command.args(["--port", &self.port.to_string(), "--shards", &self.shards.to_string()]);
        // All servers on a machine would want the same port for browsers. A flag wins over this.
        command.env("HUBBUB_HTTP", "off");
        command.args(self.args).envs(self.variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `cargo xtask test packages` installs what is missing")
        });
        let stdout = child.stdout.take().map(Output::collect).unwrap_or_default();
        let stderr = child.stderr.take().map(Output::collect).unwrap_or_default();
        let addr = SocketAddr::from(([127, 0, 0, 1], self.port));
        Server { child: Mutex::new(child), addr, shards: self.shards, stdout, stderr }
    }

    /// The program and what goes before our own arguments.
    fn command(&self) -> Command {
        let direct = hubbub();
        let Some((first, rest)) = self.wrapper.split_first() else { return direct };
        let mut command = Command::new(first);
        command.args(rest).arg(direct.get_program());
        for (variable, _) in direct.get_envs() {
            command.env_remove(variable);
        }
        command
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// The address in a line of the banner, whatever stands around it.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(LISTENING)?;
    let end = rest.find(|c: char| !matches!(c, '0'..='9' | '.' | ':')).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
