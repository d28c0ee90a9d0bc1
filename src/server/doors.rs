//! Where the server is reached.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::logging::LostLines;
use crate::net::{Acceptor, Certificates, ListenAddress, Listener, Port};

/// Where clients come in.
#[derive(Debug)]
pub struct Doors {
    /// Where they speak lines as they are.
    pub plain: Listener,
    /// Where they speak them within TLS, if they can.
    pub tls: Option<Listener>,
    /// Where browsers come in, if they can.
    pub http: Option<Listener>,
    /// Where they speak TLS, if they can.
    pub https: Option<Listener>,
    /// What is shown to who speaks it.
    pub certificates: Option<Certificates>,
    /// The operator's, if there is one.
    pub admin: Option<AdminPort>,
}

/// The operator's port, and what only others know of that is to be seen there.
#[derive(Debug)]
pub struct AdminPort {
    /// Where it listens.
    pub listener: Listener,
    /// The lines that the log has lost.
    pub lost: Arc<LostLines>,
}

/// The addresses of [`Doors`].
#[derive(Clone, Debug)]
pub struct Addresses {
    /// See [`Doors::plain`].
    pub plain: ListenAddress,
    /// See [`Doors::tls`].
    pub tls: Option<ListenAddress>,
    /// See [`Doors::http`].
    pub http: Option<ListenAddress>,
    /// See [`Doors::https`].
    pub https: Option<ListenAddress>,
    /// See [`Doors::admin`].
    pub admin: Option<ListenAddress>,
}

impl Doors {
    /// Where they are.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let address = |listener: Option<&Listener>| listener.map(Listener::address).cloned();
        Addresses {
            plain: self.plain.address().clone(),
            tls: address(self.tls.as_ref()),
            http: address(self.http.as_ref()),
            https: address(self.https.as_ref()),
            admin: address(self.admin.as_ref().map(|port| &port.listener)),
        }
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
    address: &ListenAddress,
    flags: [&str; 2],
) -> String {
    let hint = match address {
        ListenAddress::Tcp(_) => tcp_hint(error.kind(), flags),
        ListenAddress::Unix(_) => unix_hint(error.kind(), flags[0]),
    };
    let what = match error.kind() {
        ErrorKind::AddrInUse => "the address is already in use".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot listen on {address}: {what}; {hint}")
}

fn tcp_hint(error: ErrorKind, [ip, port]: [&str; 2]) -> String {
    match error {
        ErrorKind::AddrInUse => format!("stop what listens there, or choose another {port}"),
        ErrorKind::PermissionDenied => {
            format!("choose a port above 1023 with {port}, or ask for the right")
        }
        ErrorKind::AddrNotAvailable => {
            format!("choose an address of this machine with {ip}, 0.0.0.0 or [::] for all")
        }
        _ => format!("choose another {ip} or {port}"),
    }
}

fn unix_hint(error: ErrorKind, flag: &str) -> String {
    match error {
        ErrorKind::AddrInUse => {
            format!("stop what listens there, or choose another path with {flag}")
        }
        ErrorKind::NotFound => {
            "make its folder, for which systemd has RuntimeDirectory=".to_owned()
        }
        ErrorKind::PermissionDenied => {
            format!("choose a path with {flag} in a folder that this user may write to")
        }
        _ => format!("choose another path with {flag}"),
    }
}
