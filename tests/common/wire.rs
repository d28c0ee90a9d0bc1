//! What a client's bytes go through: a socket as it is, or TLS over one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A connection that waits.
pub enum Wire {
    /// As it is. A Unix socket is one, too, but for its address: see [`unix`].
    Plain(TcpStream),
    /// Through TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection to the Unix socket at `path`, as what all others are: it reads, writes and waits in
/// the same way.
pub fn unix(path: &Path) -> TcpStream {
    let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    OwnedFd::from(stream).into()
}

impl Wire {
    /// Comes to terms with a server that has a certificate for this machine. Sends this with the
    /// last that there is to say about it.
    pub fn secure(stream: TcpStream, config: &Arc<ClientConfig>, bytes: &[u8]) -> io::Result<Self> {
        let ip = stream.peer_addr().map_or(Ipv4Addr::LOCALHOST.into(), |it| it.ip());
        let client = ClientConnection::new(Arc::clone(config), ip.into());
        let mut tls = StreamOwned::new(client.map_err(io::Error::other)?, stream);
        tls.conn.writer().write_all(bytes)?;
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self::Tls(Box::new(tls)))
    }

    /// The socket underneath.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.sock,
        }
    }

    /// Says that there will be no more.
    pub fn end_output(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.conn.complete_io(&mut tls.sock).map(drop)
            }
        }
    }

    /// Sends only the first half of what it takes to send this.
    pub fn send_half(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self::Tls(tls) = self else { return self.write_all(&bytes[..bytes.len() / 2]) };
        tls.conn.writer().write_all(bytes)?;
        let mut sealed = vec![];
        tls.conn.write_tls(&mut sealed)?;
        tls.sock.write_all(&sealed[..sealed.len() / 2])
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            // A write may have left ciphertext with rustls.
            Self::Tls(tls) => loop {
                match tls.flush() {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    flushed => return flushed,
                }
            },
        }
    }
}
