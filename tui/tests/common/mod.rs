//! A real server, a real terminal, and patience.
#![allow(unreachable_pub, reason = "every test file is a crate of its own")]
#![allow(dead_code, reason = "no test file uses all of it")]

mod server;
mod tmux;

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

pub use server::{Client, Server};
pub use tmux::Terminal;

/// What may take a moment on a busy machine, and does not take for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until there is something to be seen; nothing once patience is over.
pub fn wait_for<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    wait_at_most(PATIENCE, look)
}

/// The same with less patience.
pub fn wait_at_most<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() > until {
            return seen;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The server that was built with the tests: beside their folder.
pub fn hubbub() -> PathBuf {
    let mut program = env::current_exe().expect("our own path");
    program.pop();
    program.set_file_name("hubbub");
    assert!(program.exists(), "there is no {}: please run cargo build", program.display());
    program
}
