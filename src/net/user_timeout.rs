//! `TCP_USER_TIMEOUT`, and for whom it holds. It finds peers that have vanished while data is
//! outstanding, which keepalive does not. But Linux lets the same time run while a living peer
//! acknowledges that its window is shut, until there is room for the next segment: a client that
//! reads slowly would be taken for one that has vanished. So the timeout is suspended as long as a
//! socket takes no more: such a client is a slow consumer, vanished or not, and the core ends it
//! when it makes no progress within [`Limits::stall_wait_max`].
//!
//! What is left is a peer whose window is shut while less than the socket takes is outstanding (see
//! `UNSENT_BYTES_MAX` of the listener): it has to read something within the timeout.
//!
//! [`Limits::stall_wait_max`]: crate::model::Limits::stall_wait_max

use std::time::Duration;

use socket2::SockRef;

use crate::socket::Stream;

/// The timeout that the connections of a shard have inherited from their listeners.
#[derive(Debug, Default)]
pub(super) struct UserTimeout(Option<Duration>);

impl UserTimeout {
    /// `stream` takes no more. Where there is no such option nothing has to be suspended, so errors
    /// do not matter.
    pub(super) fn suspend(&mut self, stream: &Stream) {
        let socket = SockRef::from(stream);
        if let Ok(Some(inherited)) = socket.tcp_user_timeout() {
            self.0 = Some(inherited);
            let _ = socket.set_tcp_user_timeout(None);
        }
    }

    /// `stream`, for which it was suspended, takes bytes again.
    pub(super) fn resume(&self, stream: &Stream) {
        let _ = SockRef::from(stream).set_tcp_user_timeout(self.0);
    }
}
