//! Layer 2: one connection's bytes, plain or through TLS, in frames or not. Knows nothing of who is
//! on it.

mod framed;
mod scratch;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};

use crate::proto::web::Frames;

pub use framed::Framed;
pub use scratch::Scratch;
pub use session::Session;
pub use stream::Stream;
pub use tls::Tls;

/// Bytes that a plain socket is read for at once.
const READ_BYTES_MAX: usize = 16 << 10;
/// Room that [`Socket::read`] needs: for the longest record of TLS, and more than a plain socket
/// is read for.
pub const READ_ROOM: usize = RECORD_WIRE_BYTES_MAX;
/// Bytes of the longest record there can be, as it is sent.
const RECORD_WIRE_BYTES_MAX: usize = 5 + (16 << 10) + (2 << 10);

/// One end of a connection. Never waits.
#[derive(Debug)]
pub enum Socket {
    /// What is written is what is sent.
    Plain(Stream),
    /// The other side has been proved to hear us, and nobody else.
    Tls(Box<Tls<Stream>>),
    /// Either, with the frames of a WebSocket.
    Framed(Box<Framed>),
}

/// What a read has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// So many bytes; none where TLS had something to say to itself only.
    Bytes {
        /// How many.
        count: usize,
        /// How many were taken off the wire for them, with the records and frames around them.
        taken: usize,
        /// Whether there may be more.
        more: bool,
    },
    /// The other side will send no more.
    End,
}

impl Socket {
    /// This one, on which everything comes in frames from now on, as some may have, `early`. With
    /// `joins_lines`, each message is one line.
    #[must_use]
    pub fn framed(self, early: &[u8], joins_lines: bool) -> Self {
        Self::Framed(Box::new(Framed::new(self, early, Frames::new(joins_lines))))
    }

    /// Reads once, into the first bytes of `into`, of which there must be [`READ_ROOM`].
    ///
    /// # Errors
    /// Those of the operating system; and, for TLS, what is not what the other side can have sent.
    #[inline]
    pub fn read(&mut self, into: &mut [u8], scratch: &mut Scratch) -> io::Result<Brought> {
        match self {
            Self::Plain(stream) => match stream.read(&mut into[..READ_BYTES_MAX])? {
                0 => Ok(Brought::End),
                // One that was not filled has emptied the socket.
                count => Ok(Brought::Bytes { count, taken: count, more: count == READ_BYTES_MAX }),
            },
            Self::Tls(tls) => tls.read(into, scratch),
            Self::Framed(framed) => framed.read(into, scratch),
        }
    }

    /// Writes as much of `bytes` as is taken, and says how much that is.
    ///
    /// # Errors
    /// As for any socket that does not wait.
    #[inline]
    pub fn write(&mut self, bytes: &[u8], scratch: &mut Scratch) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes, scratch),
            Self::Framed(framed) => framed.inner.write(bytes, scratch),
        }
    }

    /// As [`Socket::write`], from several places.
    ///
    /// # Errors
    /// The same.
    pub fn write_parts(
        &mut self,
        parts: &[IoSlice<'_>],
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(parts),
            Self::Tls(tls) => tls.write_parts(parts, scratch),
            Self::Framed(framed) => framed.inner.write_parts(parts, scratch),
        }
    }

    /// Sends what has been taken and has not left yet. To be called when the socket can be written.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] while there is some left; or why there will never be none.
    #[inline]
    pub fn flush(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(scratch),
            Self::Framed(framed) => framed.inner.flush(scratch),
        }
    }

    /// Tells the other side that there will be no more. To be called again when the socket can be
    /// written, for as long as there is something to be sent before that.
    ///
    /// # Errors
    /// As [`Socket::flush`].
    pub fn end(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        match self {
            Self::Plain(_) => {}
            Self::Tls(tls) => tls.end(scratch)?,
            Self::Framed(framed) => return framed.inner.end(scratch),
        }
        self.stream().shutdown(Shutdown::Write)
    }

    /// Whether the other side is to be told that there is no more even if it has closed its own.
    #[must_use]
    pub fn must_end(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(_) => true,
            Self::Framed(framed) => framed.inner.must_end(),
        }
    }

    /// Throws away what has come, by way of `buffer`: how much it was, 0 at the end.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream_mut().read(buffer)
    }

    /// Whether there is input that the kernel has told of already.
    #[must_use]
    pub fn has_input(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_input(),
            Self::Framed(framed) => framed.has_input(),
        }
    }

    /// Bytes that have been taken and have not left yet.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.unsent_bytes(),
            Self::Framed(framed) => framed.inner.unsent_bytes(),
        }
    }

    /// Bytes that are kept of what has come and of what is to be sent.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.held_bytes(),
            Self::Framed(framed) => framed.inner.held_bytes(),
        }
    }

    /// What it is to the kernel.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.stream(),
            Self::Framed(framed) => framed.inner.stream(),
        }
    }

    /// Whether what is sent is sealed by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(_) => true,
            Self::Framed(framed) => framed.inner.is_tls(),
        }
    }

    /// See [`Socket::stream`].
    pub fn stream_mut(&mut self) -> &mut Stream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.stream_mut(),
            Self::Framed(framed) => framed.inner.stream_mut(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.stream().as_raw_fd()
    }
}

/// Whether this is no error but a wish to be asked again later.
fn would_block(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}
