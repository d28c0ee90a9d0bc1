//! A connection as hyper would have it: one that waits, plain or through TLS.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::net::WatchedSocket;
use crate::socket::{Brought, READ_ROOM, Scratch, Socket};

/// Bytes thrown away of what comes when all has been answered.
const DISCARDED_BYTES_MAX: usize = 1 << 20;

/// Room to work in, which all channels of a thread share.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Mutex<Workroom>>);

#[derive(Debug)]
struct Workroom {
    /// Nobody asks for its account: there are so many channels, and none keeps more than a record.
    scratch: Scratch,
    input: Box<[u8]>,
}

/// One connection.
#[derive(Debug)]
pub struct Channel {
    socket: WatchedSocket,
    desk: Desk,
    /// What has come and was more than hyper had room for.
    kept: Vec<u8>,
    has_read: bool,
    has_written: bool,
}

impl Default for Desk {
    fn default() -> Self {
        let input = vec![0; READ_ROOM].into();
        Self(Arc::new(Mutex::new(Workroom { scratch: Scratch::default(), input })))
    }
}

impl Desk {
    fn workroom(&self) -> MutexGuard<'_, Workroom> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// For `socket`, which works at `desk`. To be called in the runtime that will wait for it.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(socket: Socket, desk: Desk) -> io::Result<Self> {
        let socket = WatchedSocket::new(socket)?;
        Ok(Self { socket, desk, kept: vec![], has_read: false, has_written: false })
    }

    /// Whether something has come that nothing has been said to.
    pub(super) fn is_unanswered(&self) -> bool {
        self.has_read && !self.has_written
    }

    /// The connection, and what has come on it from what hyper has `read` and not used on.
    pub(super) fn into_socket(self, read: &[u8]) -> (Socket, Vec<u8>) {
        (self.socket.into_socket(), [read, &self.kept].concat())
    }

    /// Sends all of `text`.
    pub(super) async fn say(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let sent = poll_fn(|cx| Pin::new(&mut *self).poll_write(cx, text)).await?;
            text = &text[sent..];
        }
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await
    }

    /// Says that there will be no more, and waits until the client has closed its side, too:
    /// closing with input unread would have the kernel throw away what the client has not read.
    ///
    /// # Errors
    /// Those of the connection, which is then over.
    pub async fn end(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await?;
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX {
            let Self { socket, desk, .. } = self;
            match poll_fn(|cx| socket.poll_discard(cx, &mut desk.workroom().input)).await? {
                0 => break,
                count => discarded += count,
            }
        }
        Ok(())
    }
}

impl Read for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, desk, kept, has_read, .. } = self.get_mut();
        if kept.is_empty() {
            let mut workroom = desk.workroom();
            let Workroom { scratch, input } = &mut *workroom;
            let count = loop {
                match ready!(socket.poll_read(cx, input, scratch))? {
                    Brought::End => return Poll::Ready(Ok(())),
                    // TLS had something to say to itself.
                    Brought::Bytes { count: 0, .. } => {}
                    Brought::Bytes { count, .. } => break count,
                }
            };
            *has_read = true;
            let taken = count.min(into.remaining());
            into.put_slice(&input[..taken]);
            kept.extend_from_slice(&input[taken..count]);
        } else {
            let taken = kept.len().min(into.remaining());
            into.put_slice(&kept[..taken]);
            kept.drain(..taken);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, desk, has_written, .. } = self.get_mut();
        *has_written = true;
        socket.poll_write(cx, parts, &mut desk.workroom().scratch)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, desk, .. } = self.get_mut();
        socket.poll_flush(cx, &mut desk.workroom().scratch)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, desk, .. } = self.get_mut();
        socket.poll_end(cx, &mut desk.workroom().scratch)
    }
}
