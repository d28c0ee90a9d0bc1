//! New connections. Whatever `accept` reports, the listener lives on: errors of one connection are
//! passed over, a lack of resources is waited out.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};
use tracing::warn;

use crate::net::readiness::Listener;

/// Connections accepted before others get a turn.
const BATCH_MAX: usize = 32;
/// Connections the kernel keeps for us until we accept them; it may have a lower limit of its own.
const BACKLOG: i32 = 4096;
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);
const WARN_EVERY: Duration = Duration::from_secs(1);

/// A listening socket and its patience.
#[derive(Debug)]
pub struct Acceptor {
    listener: Listener,
    back_off: Duration,
    warned: Option<Instant>,
}

/// Opens a socket for new connections at `address`.
///
/// # Errors
/// Those of the operating system, above all that the address is in use or not ours.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Inherited by every connection: one system call less for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Tells a connection why it cannot stay, if it listens, and closes it.
pub fn refuse(mut stream: TcpStream, line: &[u8]) {
    // A new socket's buffer has room for a line, and whoever does not read it has already gone.
    let _ = stream.write(line);
}

impl Acceptor {
    /// Accepts from `listener`.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { listener: Listener::new(listener)?, back_off: BACK_OFF_MIN, warned: None })
    }

    /// Waits for connections, and takes as many as there are, up to a limit.
    pub async fn accept(&mut self) -> Vec<TcpStream> {
        let mut batch = vec![];
        while batch.is_empty() {
            match self.listener.accept().await {
                Ok(stream) => batch.push(stream),
                Err(e) if is_of_one_connection(&e) => {}
                Err(e) => self.wait_out(&e).await,
            }
        }
        self.back_off = BACK_OFF_MIN;
        while batch.len() < BATCH_MAX {
            match self.listener.try_accept() {
                Ok(stream) => batch.push(stream),
                Err(e) if is_of_one_connection(&e) => {}
                // None left, or an error that will come again after these have been seen to.
                Err(_) => break,
            }
        }
        batch
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
