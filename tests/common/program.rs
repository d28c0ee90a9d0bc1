//! Other programs that the tests run: the server where it is meant to fail, and other people's
//! clients.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::output::Output;

/// A process with all its ends in our hands; it does not outlive this value.
pub struct Program {
    /// What was started, for messages.
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Output,
    stderr: Output,
}

/// What a program left behind.
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to standard output.
    pub stdout: String,
    /// All that it wrote to standard error.
    pub stderr: String,
}

impl Program {
    /// Starts `command` with pipes to its standard streams.
    pub fn start(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{what} did not start: {error}; `cargo xtask test packages` installs it")
            });
        let stdin = child.stdin.take();
        let stdout = Output::collect(child.stdout.take().expect("it is piped"));
        let stderr = Output::collect(child.stderr.take().expect("it is piped"));
        Self { what, child, stdin, stdout, stderr }
    }

    /// Runs `hubbub` with these arguments and variables to an end that must come by itself.
    pub fn hubbub(args: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = super::server::hubbub();
        Self::start(command.args(args).envs(variables.iter().copied())).ended()
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.type_keys(&format!("{line}\n"));
    }

    /// Types what ends no line.
    pub fn type_keys(&mut self, keys: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(keys.as_bytes()).expect("the program reads");
        stdin.flush().expect("the program reads");
    }

    /// Waits until the program prints exactly this line.
    pub fn expect(&self, line: &str) {
        let found = self.stdout.wait_for(|it| (it == line).then_some(()));
        assert!(found.is_some(), "{} did not print {line:?}:\n{}", self.what, self.stdout.so_far());
    }

    /// Closes the program's input and waits for its end.
    pub fn ended(mut self) -> Ended {
        drop(self.stdin.take());
        let status = wait(&mut self.child, PATIENCE)
            .unwrap_or_else(|| panic!("{} does not end:\n{}", self.what, self.stderr.so_far()));
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|it| it.all().join("\n"));
        Ended { status, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child's end for a bounded time.
pub fn wait(child: &mut Child, at_most: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + at_most;
    loop {
        let status = child.try_wait().expect("the child is ours");
        if status.is_some() || Instant::now() > deadline {
            return status;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
