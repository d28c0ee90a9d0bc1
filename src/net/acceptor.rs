//! New connections. Whatever `accept` reports, the listener lives on: errors of one connection are
//! passed over, a lack of resources is waited out.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, TcpKeepalive, Type};
use tracing::warn;

use crate::net::readiness::Listener;
use crate::socket::Stream;

/// Connections accepted before others get a turn.
pub(super) const BATCH_MAX: usize = 32;
/// Connections the kernel keeps for us until we accept them; it may have a lower limit of its own.
pub const BACKLOG: i32 = 4096;
/// How often a peer that is silent is asked whether it is still there.
const PROBES: u32 = 3;
/// Bytes that the kernel takes for a client ahead of what the network can carry: enough to keep it
/// busy, and little enough that it is soon known who does not read. Half of it has to go before it
/// takes more, so this is also what decides how slow is too slow.
const UNSENT_BYTES_MAX: u32 = 32 << 10;
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
    listener: Listener,
    port: Port,
    back_off: Duration,
    warned: Option<Instant>,
    /// Nobody is accepted before that. They wait in the order in which they came.
    resting_until: Option<Instant>,
}

/// Opens a socket for new connections at `address`, whose peers are taken for gone when they have
/// not answered for about `vanish_wait`.
///
/// # Errors
/// Those of the operating system, above all that the address is in use or not ours.
pub fn listen(address: SocketAddr, vanish_wait: Duration) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    prepare(&socket, vanish_wait)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// As [`listen`], for a socket that somebody else has opened.
///
/// # Errors
/// Those of the operating system, and that it is a connection.
pub fn adopt(
    listener: std::net::TcpListener,
    vanish_wait: Duration,
) -> io::Result<std::net::TcpListener> {
    let socket = Socket::from(listener);
    if !socket.is_listener()? {
        return Err(io::Error::other("it is no socket that listens: set Accept=no"));
    }
    prepare(&socket, vanish_wait)?;
    Ok(socket.into())
}

fn prepare(socket: &Socket, vanish_wait: Duration) -> io::Result<()> {
    // All of these are inherited by every connection: no system call for each.
    socket.set_tcp_nodelay(true)?;
    // Probes are for connections on which nothing waits, the other is for those on which something
    // does: neither finds both. For a slow consumer the other is suspended, see `user_timeout`.
    socket.set_tcp_keepalive(&keepalive(vanish_wait))?;
    socket.set_tcp_user_timeout(Some(vanish_wait / 2))?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    socket.set_nonblocking(true)
}

/// Half of the time in silence, and half of it asking.
fn keepalive(vanish_wait: Duration) -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(vanish_wait / 2)
        .with_interval((vanish_wait / 2 / PROBES).max(Duration::from_secs(1)))
        .with_retries(PROBES)
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
    pub fn new(listener: std::net::TcpListener, port: Port) -> io::Result<Self> {
        let listener = Listener::new(listener)?;
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
