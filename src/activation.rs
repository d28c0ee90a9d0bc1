//! Layer 5: sockets that a service manager has opened for us, by the protocol of sd_listen_fds(3).
//! It keeps them while the server is started anew, so clients that come meanwhile wait.

use std::env;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The names of sockets that are not for lines as they are, as `FileDescriptorName=` sets them.
const TLS: &str = "hubbub-tls";
const HTTP: &str = "hubbub-http";
const HTTPS: &str = "hubbub-https";

/// Sockets to be used instead of those that flags ask for.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The one that is named `hubbub-tls`.
    pub tls: Option<TcpListener>,
    /// The one that is named `hubbub-http`.
    pub http: Option<TcpListener>,
    /// The one that is named `hubbub-https`.
    pub https: Option<TcpListener>,
    /// The other one.
    pub plain: Option<TcpListener>,
}

impl Inherited {
    /// Those that the environment tells of, which is taken out of it. To be called once, and while
    /// there are no other threads.
    ///
    /// # Errors
    /// A sentence for the user when they are not what a server can use.
    pub fn from_env() -> Result<Self, String> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..sockets.len() {
            let name = names.next().unwrap_or_default();
            let listener = sockets.take_tcp_listener(index).map_err(|error| {
                format!("the socket {name:?} of the service manager is not for TCP: {error}")
            })?;
            let place = match name {
                TLS => &mut inherited.tls,
                HTTP => &mut inherited.http,
                HTTPS => &mut inherited.https,
                _ => &mut inherited.plain,
            };
            if place.is_some() {
                return Err(format!(
                    "the service manager has one socket too many, {name:?}: give one for lines, \
                     and one each with FileDescriptorName={TLS}, {HTTP} or {HTTPS}"
                ));
            }
            *place = listener;
        }
        Ok(inherited)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::net::{adopt, listen};

    #[test]
    fn an_inherited_socket_is_as_one_of_our_own() {
        let options = |listener: &TcpListener| {
            let socket = SockRef::from(listener);
            (
                (socket.tcp_nodelay().unwrap(), socket.nonblocking().unwrap()),
                (socket.keepalive().unwrap(), socket.tcp_keepalive_time().unwrap()),
                (socket.tcp_keepalive_interval().unwrap(), socket.tcp_keepalive_retries().unwrap()),
                (socket.tcp_user_timeout().unwrap(), socket.tcp_notsent_lowat().unwrap()),
            )
        };
        let (any, wait) = (SocketAddr::from(([127, 0, 0, 1], 0)), Duration::from_secs(42));
        let inherited = TcpListener::bind(any).unwrap();
        let own = listen(any, wait).unwrap();
        assert_ne!(options(&inherited), options(&own));
        assert_eq!(options(&adopt(inherited, wait).unwrap()), options(&own));
    }

    #[test]
    fn a_connection_is_not_taken_for_a_listener() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connected = TcpListener::from(std::os::fd::OwnedFd::from(stream));
        let error = adopt(connected, Duration::from_secs(42)).unwrap_err();
        assert!(error.to_string().contains("Accept=no"), "{error}");
    }
}
