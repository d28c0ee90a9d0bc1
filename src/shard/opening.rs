//! The first line of a connection: it brings its session into the lobby, or shows that its client
//! speaks another protocol than its port.

use std::net::SocketAddr;
use std::ops::Range;

use crate::model::{Moment, Signposts, Slot};
use crate::proto::Opening;
use crate::shard::Shard;

/// The addresses of the ports where other protocols are spoken, as far as there are any over TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Lines within TLS.
    pub tls: Option<SocketAddr>,
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// HTTP within TLS.
    pub https: Option<SocketAddr>,
}

impl Ports {
    /// How they are reached by a client that has reached us at `local`: it may know this machine by
    /// another of its addresses than we listen at.
    fn signposts(&self, local: Option<SocketAddr>) -> Signposts {
        let reached = |port: SocketAddr| match local {
            Some(local) if port.ip().is_unspecified() => SocketAddr::new(local.ip(), port.port()),
            _ => port,
        };
        let https = self.https.map(|port| format!("https://{}/", reached(port)));
        let http = self.http.map(|port| format!("http://{}/", reached(port)));
        Signposts { page: http.or(https), tls: self.tls.map(|port| reached(port).to_string()) }
    }
}

impl Shard {
    /// Looks at `input`, the first that arrived on the connection in `slot`. Whether what is left
    /// of it may be decoded.
    #[cold]
    pub(super) fn look_at_first_line(
        &mut self,
        slot: Slot,
        input: &mut Range<usize>,
        now: Moment,
    ) -> bool {
        let (opening, speaks_telnet) = self.connections.opening(slot, input.clone());
        if speaks_telnet {
            self.core.handle_telnet(slot);
        }
        match opening {
            Opening::Line => self.core.handle_first_line(slot, now),
            Opening::Unfinished => {}
            Opening::Undecided => return false,
            Opening::Foreign(foreign) => {
                input.start = input.end;
                let signposts = self.ports.signposts(self.connections.local_addr(slot));
                self.core.handle_foreign(slot, foreign, &signposts, now);
            }
        }
        true
    }
}
