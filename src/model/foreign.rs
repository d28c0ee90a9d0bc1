//! Clients of other protocols that come to a port for lines, and where they are sent instead.

use super::CloseReason;

/// What a connection to a port for lines begins with that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An HTTP request: a browser, a health check, a scanner.
    Http,
    /// A TLS hello.
    Tls,
    /// A PROXY header, of version 1 or 2, from an address that is not in `--proxies`.
    ProxyHeader,
}

/// The addresses that such clients are told, as they are reached from the client's side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signposts {
    /// The URL of the page for browsers.
    pub page: Option<String>,
    /// The address and port where lines are spoken within TLS.
    pub tls: Option<String>,
}

impl From<Foreign> for CloseReason {
    fn from(foreign: Foreign) -> Self {
        match foreign {
            Foreign::Http => Self::HttpOnLinePort,
            Foreign::Tls => Self::TlsOnPlainPort,
            Foreign::ProxyHeader => Self::UnannouncedProxyHeader,
        }
    }
}
