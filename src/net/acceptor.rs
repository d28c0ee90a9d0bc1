//! New connections. Whatever `accept` reports, the listener lives on: errors of one connection are
//! passed over, a lack of resources is waited out.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::net::Listener;
use crate::net::readiness::WatchedListener;
use crate::socket::Stream;

/// Connections accepted before others get a turn.
pub(super) const BATCH_MAX: usize = 32;
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);
/// Bytes thrown away of what a client has sent that is refused.
const DISCARDED_BYTES_MAX: usize = 4 << 10;
const WARN_EVERY: Duration = Duration::from_secs(1);

/// What is spoken on a connection, which is for the port to say that it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Lines as they are.
    Plain,
    /// Lines within TLS.
    Tls,
    /// HTTP, by browsers and whoever does as they do.
    Http,
    /// HTTP within TLS.
    Https,
}

/// A connection that has been accepted.
#[derive(Debug)]
pub struct Arrival {
    /// The connection.
    pub stream: Stream,
    /// Where it comes from.
    pub from: SocketAddr,
    /// What is spoken on it.
    pub port: Port,
}

/// A listening socket and its patience.
#[derive(Debug)]
pub struct Acceptor {
    listener: WatchedListener,
    port: Port,
    back_off: Duration,
    warned: Option<Instant>,
    /// Nobody is accepted before that. They wait in the order in which they came.
    resting_until: Option<Instant>,
}

/// Tells a connection why it cannot stay, if it listens, and closes it.
pub fn refuse(mut stream: Stream, line: &[u8]) {
    // Closing with input unread would have the kernel throw away what the client has not read.
    let _ = stream.read(&mut [0; DISCARDED_BYTES_MAX]);
    // A new socket's buffer has room for a line, and whoever does not read it has already gone.
    let _ = stream.write(line);
}

impl Acceptor {
    /// Accepts from `listener`, which is a `port`.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn new(listener: Listener, port: Port) -> io::Result<Self> {
        let listener = WatchedListener::new(listener)?;
        Ok(Self { listener, port, back_off: BACK_OFF_MIN, warned: None, resting_until: None })
    }

    /// Which port it accepts from.
    #[must_use]
    pub fn port(&self) -> Port {
        self.port
    }

    /// Waits for connections, and takes as many as there are, up to a limit.
    pub async fn accept(&mut self) -> Vec<Arrival> {
        if let Some(until) = self.resting_until {
            tokio::time::sleep_until(until.into()).await;
            self.resting_until = None;
        }
        let mut batch = vec![];
        while batch.is_empty() {
            match self.listener.accept().await {
                Ok((stream, from)) => batch.push(Arrival { stream, from, port: self.port }),
                Err(e) if is_of_one_connection(&e) => {}
                Err(e) => self.wait_out(&e).await,
            }
        }
        self.back_off = BACK_OFF_MIN;
        while batch.len() < BATCH_MAX {
            match self.listener.try_accept() {
                Ok((stream, from)) => batch.push(Arrival { stream, from, port: self.port }),
                Err(e) if is_of_one_connection(&e) => {}
                // None left, or an error that will come again after these have been seen to.
                Err(_) => break,
            }
        }
        batch
    }

    /// Accepts nobody for a while.
    pub fn rest(&mut self, wait: Duration) {
        self.resting_until = Some(Instant::now() + wait);
    }

    async fn wait_out(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.warned.is_none_or(|at| now.duration_since(at) >= WARN_EVERY) {
            self.warned = Some(now);
            warn!(%error, "cannot accept connections for now, will go on trying");
        }
        tokio::time::sleep(self.back_off).await;
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
    }
}

/// Whether an error of `accept` says something about the connection that was next rather than about
/// ourselves (accept(2), "Error handling").
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::TimedOut
    ) || error.raw_os_error() == Some(EPROTO)
}

const EPROTO: i32 = 71;
