//! A server under load: a process of its own that never outlives its value here.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::{Cli, Subject};
use crate::counters;
use crate::sys;

const START_TIME_MAX: Duration = Duration::from_secs(10);
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(10);

/// How much of a failed server's log is shown.
const LAST_LINES: usize = 10;

/// A running server.
pub(crate) struct Server {
    child: Child,
    subject: Subject,
    port: u16,
    /// A file, not a pipe: nobody has to empty it while the load runs.
    log: PathBuf,
}

impl Server {
    /// Starts it on these CPUs and a free port, and returns when it accepts connections.
    pub(crate) fn start(subject: Subject, cli: &Cli, cpus: &[usize]) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = env::temp_dir().join(format!("throughput-{}-{port}.log", process::id()));
        let mut command = match subject.role() {
            Some(role) => {
                let mut command = Command::new(env::current_exe()?);
                command.args(["--role", role.name(), "--port", &port.to_string()]);
                command
            }
            None => {
                let mut command = Command::new(cli.server_path()?);
                command.args(["--ip", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--shards", &cli.shards.to_string(), "--no-pin"]);
                command
            }
        };
        // Colours would hide the counters in the log from their parser.
        command.env("RUST_LOG", "info").env("NO_COLOR", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log)?);
        sys::confine(&mut command, cpus);
        let child = command.spawn().inspect_err(|_| drop(fs::remove_file(&log)))?;
        let mut server = Self { child, subject, port, log };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The process that serves.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in the way it likes best and returns the messages per write it has counted, if any.
    pub(crate) fn stop(mut self) -> io::Result<Option<f64>> {
        drop(self.child.stdin.take());
        if self.subject == Subject::Hubbub {
            sys::terminate(self.child.id())?;
        }
        let deadline = Instant::now() + STOP_TIME_MAX;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the server did not stop when asked to"));
            }
            thread::sleep(PATIENCE);
        }
        Ok(counters::messages_per_write(&fs::read_to_string(&self.log)?))
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

impl Drop for Server {
    fn drop(&mut self) {
        // All of this fails harmlessly when the server has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}
