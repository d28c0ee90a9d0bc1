//! What Tokio wakes us for: the readiness set that all connections of a shard share, a listening
//! socket, and a connection that has no shard yet.
//!
//! The one module with `unsafe` in it. Tokio takes an owned descriptor only on our word that it
//! stays open; in return a whole shard is one source to it, which makes an idle connection cost a
//! tenth of the memory of a task per connection and a delivery half the user time (measured on the
//! prototypes, see `ARCHITECTURE.md`).
#![expect(
    unsafe_code,
    reason = "Tokio's AsyncFd is registered by promise; see the SAFETY comments"
)]

use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll as TaskPoll, ready};
use std::time::Duration;

use mio::{Events, Poll, Registry};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::net::Listener;
use crate::socket::{Brought, Scratch, Socket, Stream};

/// A `mio::Poll` nested in Tokio's own: many descriptors that are one to Tokio.
#[derive(Debug)]
pub(super) struct ReadinessSet(AsyncFd<Poll>);

/// A listening socket whose connections Tokio does not take over.
#[derive(Debug)]
pub struct WatchedListener(AsyncFd<Listener>);

/// A connection that a task waits for.
#[derive(Debug)]
pub struct WatchedSocket(AsyncFd<Socket>);

/// The same of one on which there is nothing but what the kernel has of it.
#[derive(Debug)]
pub struct WatchedStream(AsyncFd<Stream>);

impl ReadinessSet {
    /// An empty set. To be called in the runtime that will wait for it.
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        // SAFETY: `Poll` opened its descriptor and closes it when dropped, which happens after
        // `AsyncFd`, its owner, has taken it off the runtime. This module never moves the `Poll`
        // out or puts another in its place.
        let set = unsafe { AsyncFd::register_with_interest(poll, Interest::READABLE) };
        Ok(Self(set?))
    }

    /// Where descriptors are added.
    pub(super) fn registry(&self) -> &Registry {
        self.0.get_ref().registry()
    }

    /// What has become ready, without waiting.
    pub(super) fn poll(&mut self, events: &mut Events) -> io::Result<()> {
        self.0.get_mut().poll(events, Some(Duration::ZERO))
    }

    /// Waits until something is ready. With `forget`, what became ready before the last
    /// [`ReadinessSet::poll`], which must have brought all there was, does not count.
    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        forget: bool,
    ) -> TaskPoll<io::Result<()>> {
        loop {
            match self.0.poll_read_ready(cx) {
                TaskPoll::Ready(Ok(mut ready)) if forget => ready.clear_ready(),
                TaskPoll::Ready(ready) => return TaskPoll::Ready(ready.map(drop)),
                TaskPoll::Pending => return TaskPoll::Pending,
            }
        }
    }
}

impl WatchedListener {
    /// Waits for connections of `listener`. To be called in the runtime that will wait for it.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(listener: Listener) -> io::Result<Self> {
        // SAFETY: `Listener` owns its descriptor and closes it when dropped, which happens after
        // `AsyncFd`, its owner, has taken it off the runtime. This module never moves the listener
        // out or puts another in its place.
        let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
        Ok(Self(listener?))
    }

    /// Waits until there is a connection to accept, and accepts it; where it comes from.
    ///
    /// # Errors
    /// Those of accept(2).
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        self.0.async_io(Interest::READABLE, Listener::accept).await
    }

    /// Accepts a connection if there is one.
    pub(super) fn try_accept(&self) -> io::Result<(Stream, SocketAddr)> {
        self.0.get_ref().accept()
    }
}

impl WatchedStream {
    /// Waits for what comes on `stream`. To be called in the runtime that will wait for it.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(stream: Stream) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        // SAFETY: `Stream` owns its descriptor, which is the same for all of its life, and closes
        // it when dropped, which happens after `AsyncFd`, its owner, has taken it off the runtime.
        // This module moves it out only by `into_inner`, which does so first.
        let stream = unsafe { AsyncFd::register_with_interest(stream, both) };
        Ok(Self(stream?))
    }

    /// The connection, for others to wait for.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.0.into_inner()
    }

    /// Waits until `read` does not have to wait.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn when_readable<T>(
        &mut self,
        read: impl FnMut(&mut Stream) -> io::Result<T>,
    ) -> io::Result<T> {
        self.0.async_io_mut(Interest::READABLE, read).await
    }

    /// Waits until `write` does not have to wait.
    ///
    /// # Errors
    /// Those of `write`.
    pub async fn when_writable<T>(
        &mut self,
        write: impl FnMut(&mut Stream) -> io::Result<T>,
    ) -> io::Result<T> {
        self.0.async_io_mut(Interest::WRITABLE, write).await
    }
}

impl WatchedSocket {
    /// Waits for what comes on `socket`. To be called in the runtime that will wait for it.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(socket: Socket) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        // SAFETY: `Socket` owns its descriptor, which is the same for all of its life, and closes
        // it when dropped, which happens after `AsyncFd`, its owner, has taken it off the runtime.
        // This module moves it out only by `into_inner`, which does so first.
        let socket = unsafe { AsyncFd::register_with_interest(socket, both) };
        Ok(Self(socket?))
    }

    /// The connection, for others to wait for.
    #[must_use]
    pub fn into_socket(self) -> Socket {
        self.0.into_inner()
    }

    /// Waits until [`Socket::read`] brings something.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
        scratch: &mut Scratch,
    ) -> TaskPoll<io::Result<Brought>> {
        if self.0.get_ref().has_input() {
            return TaskPoll::Ready(self.0.get_mut().read(into, scratch));
        }
        self.poll_reading(cx, |socket| socket.read(into, scratch))
    }

    /// Waits until [`Socket::discard`] has thrown something away.
    pub fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> TaskPoll<io::Result<usize>> {
        self.poll_reading(cx, |socket| socket.discard(buffer))
    }

    /// Waits until [`Socket::write_parts`] takes something.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
        scratch: &mut Scratch,
    ) -> TaskPoll<io::Result<usize>> {
        ready!(self.poll_flush(cx, scratch))?;
        self.poll_writing(cx, |socket| socket.write_parts(parts, scratch))
    }

    /// Waits until [`Socket::flush`] has nothing left to send.
    pub fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> TaskPoll<io::Result<()>> {
        self.poll_writing(cx, |socket| socket.flush(scratch))
    }

    /// Waits until [`Socket::end`] has told the other side.
    pub fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> TaskPoll<io::Result<()>> {
        self.poll_writing(cx, |socket| socket.end(scratch))
    }

    fn poll_reading<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Socket) -> io::Result<T>,
    ) -> TaskPoll<io::Result<T>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready_mut(cx))?;
            match read(ready.get_inner_mut()) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                done => return TaskPoll::Ready(done),
            }
        }
    }

    fn poll_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Socket) -> io::Result<T>,
    ) -> TaskPoll<io::Result<T>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready_mut(cx))?;
            match write(ready.get_inner_mut()) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                done => return TaskPoll::Ready(done),
            }
        }
    }
}
