//! Where a server listens, by address or by name.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long one of several addresses of a name may take to accept a connection.
const TRY_MAX: Duration = Duration::from_secs(3);

/// A server's address, and the name that it is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where to connect to.
    pub address: SocketAddr,
    /// The host, as it was given: TLS and HTTP tell the server.
    pub host: String,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { address, host: address.ip().to_string() }
    }
}

impl Target {
    /// Looks up `text`, which is `HOST:PORT`. Where a name has several addresses, it is the first
    /// of them that accepts a connection.
    ///
    /// # Errors
    /// A sentence that has every address there is with what is wrong with it.
    pub fn resolve(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let host = host_of(text).ok_or_else(|| {
            format!(
                "--address wants HOST:PORT, such as chat.example:42069, and `{text}` is not that"
            )
        })?;
        let found = text.to_socket_addrs().map_err(|e| format!("cannot look up `{host}`: {e}"))?;
        let mut all: Vec<SocketAddr> = found.collect();
        all.dedup();
        let host = host.to_owned();
        match all[..] {
            [] => Err(format!("`{host}` has no address")),
            [address] => Ok(Self { address, host }),
            _ => Ok(Self { address: first_that_accepts(text, &all)?, host }),
        }
    }

    /// The host and the port, as in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        let port = self.address.port();
        let is_v6 = self.host.contains(':');
        if is_v6 { format!("[{}]:{port}", self.host) } else { format!("{}:{port}", self.host) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())?;
        let is_name = self.host.parse::<IpAddr>().is_err();
        if is_name { write!(f, " at {}", self.address) } else { Ok(()) }
    }
}

/// The name in `HOST:PORT`, if it can be one.
fn host_of(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(is_name)).then_some(host)
}

fn first_that_accepts(name: &str, all: &[SocketAddr]) -> Result<SocketAddr, String> {
    let mut tried: Vec<String> = vec![];
    for address in all {
        match TcpStream::connect_timeout(address, TRY_MAX) {
            Ok(_) => return Ok(*address),
            Err(e) => tried.push(format!("{address} ({})", in_words(&e))),
        }
    }
    Err(format!("no address of {name} accepts connections: {}", tried.join(", ")))
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::TimedOut => format!("no answer in {} s", TRY_MAX.as_secs()),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn addresses_are_taken_as_they_are_and_names_keep_theirs() {
        for (text, authority) in [("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:42069", "[::1]:42069")]
        {
            let target = Target::resolve(text).expect("an address");
            assert_eq!(
                (target.address.to_string(), target.authority()),
                (text.into(), authority.into())
            );
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let name = format!("localhost:{}", listener.local_addr().expect("an address").port());
        let target = Target::resolve(&name).expect("every machine is called that");
        assert_eq!((target.authority(), target.address.ip().is_loopback()), (name, true));
    }

    #[test]
    fn of_several_addresses_the_first_that_accepts_is_taken_or_all_are_named() {
        let closed =
            TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let open = TcpListener::bind("127.0.0.1:0").expect("a port");
        let open_at = open.local_addr().expect("an address");
        assert_eq!(first_that_accepts("x:1", &[closed, open_at]), Ok(open_at));
        let error = first_that_accepts("x:1", &[closed, closed]).expect_err("nothing listens");
        assert_eq!(
            error.matches(&format!("{closed} (nothing listens there)")).count(),
            2,
            "{error}"
        );
    }
}
