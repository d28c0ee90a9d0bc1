//! Where the server is reached.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::logging::LostLines;
use crate::net::{Acceptor, Certificates, Port};

/// Where clients come in.
#[derive(Debug)]
pub struct Doors {
    /// Where they speak lines as they are.
    pub plain: TcpListener,
    /// Where they speak them within TLS, if they can.
    pub tls: Option<TcpListener>,
    /// Where browsers come in, if they can.
    pub http: Option<TcpListener>,
    /// Where they speak TLS, if they can.
    pub https: Option<TcpListener>,
    /// What is shown to who speaks it.
    pub certificates: Option<Certificates>,
    /// The operator's, if there is one.
    pub admin: Option<AdminPort>,
}

/// The operator's port, and what only others know of that is to be seen there.
#[derive(Debug)]
pub struct AdminPort {
    /// Where it listens.
    pub listener: TcpListener,
    /// The lines that the log has lost.
    pub lost: Arc<LostLines>,
}

/// The addresses of [`Doors`].
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// See [`Doors::plain`].
    pub plain: SocketAddr,
    /// See [`Doors::tls`].
    pub tls: Option<SocketAddr>,
    /// See [`Doors::http`].
    pub http: Option<SocketAddr>,
    /// See [`Doors::https`].
    pub https: Option<SocketAddr>,
    /// See [`Doors::admin`].
    pub admin: Option<SocketAddr>,
}

impl Doors {
    /// Where they are.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn addresses(&self) -> io::Result<Addresses> {
        let address = |listener: Option<&TcpListener>| listener.map(TcpListener::local_addr);
        let admin = self.admin.as_ref().map(|port| &port.listener);
        Ok(Addresses {
            plain: self.plain.local_addr()?,
            tls: address(self.tls.as_ref()).transpose()?,
            http: address(self.http.as_ref()).transpose()?,
            https: address(self.https.as_ref()).transpose()?,
            admin: address(admin).transpose()?,
        })
    }

    /// Has clients come in. To be called in the runtime that will see to them.
    pub(super) fn open(self) -> io::Result<Vec<Acceptor>> {
        let doors = [
            (Some(self.plain), Port::Plain),
            (self.tls, Port::Tls),
            (self.http, Port::Http),
            (self.https, Port::Https),
        ];
        let acceptor = |(listener, port): (Option<_>, _)| Some(Acceptor::new(listener?, port));
        doors.into_iter().filter_map(acceptor).collect()
    }
}

/// What to tell the user when the server cannot listen at `address`, which these flags decide.
#[must_use]
pub fn explain_listen_error(
    error: &io::Error,
    address: SocketAddr,
    [ip, port]: [&str; 2],
) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => format!("stop what listens there, or choose another {port}"),
        io::ErrorKind::PermissionDenied => {
            format!("choose a port above 1023 with {port}, or ask for the right")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("choose an address of this machine with {ip}, 0.0.0.0 or [::] for all")
        }
        _ => format!("choose another {ip} or {port}"),
    };
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => "the address is already in use".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot listen on {address}: {what}; {hint}")
}
