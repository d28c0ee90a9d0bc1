//! A terminal that can be typed into and read: tmux, on a socket of its own.

use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use super::wait_for;

/// A terminal, in which a shell runs the client and then waits: what is left on the screen after
/// its end can be seen.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// One of so many columns and rows, in which the client has been started with `args`.
    pub fn start(columns: u16, rows: u16, args: &str) -> Self {
        let line = format!("{} {args}", env!("CARGO_BIN_EXE_hubbub-tui"));
        Self::run(columns, rows, &line)
    }

    /// One in which this command line runs.
    pub fn run(columns: u16, rows: u16, line: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { socket: format!("hubbub-tui-{}-{count}", process::id()) };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        // The shell tells its child's end, and whether the terminal echoes again.
        let line = format!(
            "echo before; {line}; echo \"ended with $?\"; stty -a | grep -o ' -*echo '; exec cat"
        );
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "sh",
            "-c",
            &line,
        ]);
        terminal
    }

    /// Types text.
    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Presses keys, by tmux's names.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a line and presses Enter.
    pub fn enter(&self, line: &str) {
        self.types(line);
        self.press(&["Enter"]);
    }

    /// Becomes larger or smaller.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What is seen, row by row.
    pub fn screen(&self) -> Vec<String> {
        self.tmux(&["capture-pane", "-p"]).lines().map(str::to_owned).collect()
    }

    /// What is seen, with colours as escape sequences.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// The process of the client.
    pub fn client_pid(&self) -> String {
        let shell = self.tmux(&["list-panes", "-F", "#{pane_pid}"]);
        let children = format!("/proc/{0}/task/{0}/children", shell.trim());
        let child = wait_for(|| {
            let children = std::fs::read_to_string(&children).ok()?;
            children.split_whitespace().next().map(str::to_owned)
        });
        child.expect("the shell has a child")
    }

    /// Waits until a row has this in it, and returns that row.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let found = wait_for(|| self.screen().into_iter().find(|row| row.contains(text)));
        found.unwrap_or_else(|| panic!("no {text:?} on the screen: {:#?}", self.screen()))
    }

    /// Waits until no row has this in it any more.
    #[track_caller]
    pub fn wait_without(&self, text: &str) {
        let gone = wait_for(|| (!self.screen().iter().any(|row| row.contains(text))).then_some(()));
        gone.unwrap_or_else(|| panic!("still {text:?} on the screen: {:#?}", self.screen()));
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket]).args(args);
        // Neither another tmux around us nor the user's taste is to matter.
        command.env_remove("TMUX").env_remove("NO_COLOR").env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        let output = command.output().expect("tmux is there: cargo xtask test packages");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {args:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}
