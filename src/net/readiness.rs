//! What Tokio wakes us for: the readiness set that all connections of a shard share, and a
//! listening socket.
//!
//! The one module with `unsafe` in it. Tokio takes an owned descriptor only on our word that it
//! stays open; in return a whole shard is one source to it, which makes an idle connection cost a
//! tenth of the memory of a task per connection and a delivery half the user time (measured on the
//! prototypes, see `ARCHITECTURE.md`).
#![expect(
    unsafe_code,
    reason = "Tokio's AsyncFd is registered by promise; see the SAFETY comments"
)]

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll as TaskPoll};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Poll, Registry};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A `mio::Poll` nested in Tokio's own: many descriptors that are one to Tokio.
#[derive(Debug)]
pub(super) struct ReadinessSet(AsyncFd<Poll>);

/// A listening socket whose connections Tokio does not take over.
#[derive(Debug)]
pub(super) struct Listener(AsyncFd<TcpListener>);

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

impl Listener {
    /// Waits for connections of `listener`. To be called in the runtime that will wait for it.
    pub(super) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener);
        // SAFETY: `TcpListener` owns its descriptor and closes it when dropped, which happens after
        // `AsyncFd`, its owner, has taken it off the runtime. This module never moves the listener
        // out or puts another in its place.
        let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
        Ok(Self(listener?))
    }

    /// Waits until there is a connection to accept, and accepts it.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) {
                return accepted;
            }
        }
    }

    /// Accepts a connection if there is one.
    pub(super) fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.get_ref().accept()
    }
}
