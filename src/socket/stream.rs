//! A connection as the kernel has it.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, recv};

/// A connected socket that does not wait, of TCP or of the Unix domain: the same system calls serve
/// both, so nothing on the message path asks which it is.
#[derive(Debug)]
pub struct Stream(socket2::Socket);

impl Stream {
    /// The other side's IP address and port; none on a Unix socket, and none any more after a
    /// reset.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr().ok()?.as_socket()
    }

    /// The IP address and port at which the other side has reached us, if it has none on a Unix
    /// socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()?.as_socket()
    }

    /// Reads, and leaves what it has read to be read again.
    ///
    /// # Errors
    /// As for any socket that does not wait.
    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        Ok(recv(&self.0, into, RecvFlags::PEEK)?.0)
    }

    /// Ends one or both directions.
    ///
    /// # Errors
    /// Those of the operating system, above all that the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl From<OwnedFd> for Stream {
    /// Takes over a connected socket that does not wait.
    fn from(socket: OwnedFd) -> Self {
        Self(socket.into())
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, all: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).register(registry, token, all)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, all: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).reregister(registry, token, all)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).deregister(registry)
    }
}
