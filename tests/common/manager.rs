//! A service manager as far as a server can see: the socket on which it says how it is.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use super::PATIENCE;

/// The socket, and the file by which it is found.
pub struct Manager {
    socket: UnixDatagram,
    file: PathBuf,
}

impl Manager {
    /// One of this name, which no other test may have.
    pub fn new(name: &str) -> Self {
        let file = env::temp_dir().join(format!("hubbub-{}-{name}.sock", process::id()));
        let socket = UnixDatagram::bind(&file).expect("a socket in the temporary directory");
        Self { socket, file }
    }

    /// What `NOTIFY_SOCKET` is to be.
    pub fn address(&self) -> &str {
        self.file.to_str().expect("a path in UTF-8")
    }

    /// The next thing that is said, as its assignments.
    pub fn expect(&self) -> Vec<String> {
        self.next_within(PATIENCE).expect("the server says something")
    }

    /// The same, if it is said in this time.
    pub fn next_within(&self, wait: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Ok(count) => {
                let text = str::from_utf8(&buffer[..count]).expect("UTF-8");
                Some(text.lines().map(ToOwned::to_owned).collect())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("the manager's socket: {error}"),
        }
    }

    /// Reads until nothing has been said for so long.
    pub fn falls_silent_for(&self, wait: Duration) {
        let started = Instant::now();
        while let Some(said) = self.next_within(wait) {
            assert!(started.elapsed() < PATIENCE, "the server goes on saying {said:?}");
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}
