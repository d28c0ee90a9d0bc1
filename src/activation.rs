//! Layer 5: sockets that a service manager has opened for us, by the protocol of sd_listen_fds(3).
//! It keeps them while the server is started anew, so clients that come meanwhile wait.

use std::env;
use std::io;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;

/// The names of sockets that are not for lines as they are, as `FileDescriptorName=` sets them.
const TLS: &str = "hubbub-tls";
const HTTP: &str = "hubbub-http";
const HTTPS: &str = "hubbub-https";

/// Sockets to be used instead of those that flags ask for.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The one that is named `hubbub-tls`.
    pub tls: Option<OwnedFd>,
    /// The one that is named `hubbub-http`.
    pub http: Option<OwnedFd>,
    /// The one that is named `hubbub-https`.
    pub https: Option<OwnedFd>,
    /// The other one.
    pub plain: Option<OwnedFd>,
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
            let listener = take(&mut sockets, index).map_err(|error| {
                format!(
                    "the socket {name:?} of the service manager is neither of TCP nor a stream \
                     of the Unix domain: {error}"
                )
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

/// The socket with this index, once.
fn take(sockets: &mut ListenFd, index: usize) -> io::Result<Option<OwnedFd>> {
    match sockets.take_tcp_listener(index) {
        Err(_) => Ok(sockets.take_unix_listener(index)?.map(OwnedFd::from)),
        tcp => Ok(tcp?.map(OwnedFd::from)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use socket2::SockRef;

    use crate::net::{ListenOptions, Listener};

    const OPTIONS: ListenOptions =
        ListenOptions { vanish_wait: Duration::from_secs(42), unix_mode: 0o660 };

    fn options(listener: &impl AsFd) -> String {
        let socket = SockRef::from(listener);
        let options = (
            (socket.tcp_nodelay().unwrap(), socket.nonblocking().unwrap()),
            (socket.keepalive().unwrap(), socket.tcp_keepalive_time().unwrap()),
            (socket.tcp_keepalive_interval().unwrap(), socket.tcp_keepalive_retries().unwrap()),
            (socket.tcp_user_timeout().unwrap(), socket.tcp_notsent_lowat().unwrap()),
        );
        format!("{options:?}")
    }

    #[test]
    fn an_inherited_socket_is_as_one_of_our_own() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let inherited = TcpListener::bind(any).unwrap();
        let own = options(&Listener::open(&any.into(), OPTIONS).unwrap());
        assert_ne!(options(&inherited), own);
        let adopted = Listener::adopt(inherited.into(), OPTIONS).unwrap();
        assert_eq!(options(&adopted), own);
    }

    #[test]
    fn a_connection_is_not_taken_for_a_listener() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let error = Listener::adopt(stream.into(), OPTIONS).unwrap_err();
        assert!(error.to_string().contains("Accept=no"), "{error}");
    }
}
