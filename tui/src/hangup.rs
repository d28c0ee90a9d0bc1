//! Whether the terminal is still there.

use std::future::pending;
use std::io;

#[cfg(target_os = "linux")]
use std::os::fd::AsFd as _;
#[cfg(target_os = "linux")]
use tokio::{io::Interest, net::unix::pipe};

/// Watches standard input, which must be a terminal, for its end: a window that is closed, a
/// connection that is dropped. Not every terminal that goes sends SIGHUP, and reading keys from one
/// that is gone brings neither a key nor an error.
#[derive(Debug)]
pub(crate) struct Hangup {
    /// No pipe, but watched like one, and never read.
    #[cfg(target_os = "linux")]
    input: pipe::Receiver,
}

impl Hangup {
    /// Begins to watch.
    #[cfg(target_os = "linux")]
    pub(crate) fn watch() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self { input: pipe::Receiver::from_owned_fd_unchecked(input)? })
    }

    /// Elsewhere the end of input and SIGHUP have to do.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until the terminal is gone.
    pub(crate) async fn wait(&self) {
        // What is wanted is never there: keys are no priority data. A hang-up is told besides.
        #[cfg(target_os = "linux")]
        if self.input.ready(Interest::PRIORITY).await.is_ok_and(|ready| ready.is_read_closed()) {
            return;
        }
        pending().await
    }
}
