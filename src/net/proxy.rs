//! Connections that come through a proxy, which says in their first bytes where they come from:
//! versions 1 and 2 of the PROXY protocol.
//!
//! Whether a connection has such a header is decided by where it comes from, never by how it looks:
//! from a proxy it must, and from anybody else it is a line like any other. Everybody could claim
//! to be anybody otherwise.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use mio::net::TcpStream;
use ppp::{HeaderResult, v1, v2};
use tokio::net::TcpStream as TokioStream;
use tokio::task::JoinSet;

use crate::net::Arrival;

/// How long a proxy may take to send the header of a connection.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(3);
/// Bytes of a header, at most: the longest addresses and a good deal of what else may be in it.
const HEADER_BYTES_MAX: usize = 536;
/// Bytes of a header of version 1, at most, as the protocol has it.
const V1_BYTES_MAX: usize = 107;
/// Bytes that every header has, and by which its version is known.
const SIGNATURE_BYTES: usize = 12;
const V1_SIGNATURE: &[u8] = b"PROXY ";
/// What comes before the rest of a header of version 2: a signature, what it is, how long the rest.
const V2_START_BYTES: usize = 16;
/// Connections whose header is waited for, at most.
const WAITING_MAX: usize = 1024;

/// Proxies, and connections of theirs that have not yet said where they come from.
#[derive(Debug)]
pub struct Proxies {
    networks: Vec<IpNet>,
    waiting: JoinSet<Result<Arrival, SocketAddr>>,
}

impl Proxies {
    /// Connections from `networks` have a header.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, waiting: JoinSet::new() }
    }

    /// From now on, connections from `networks` have a header, and no others.
    pub fn change(&mut self, networks: Vec<IpNet>) {
        self.networks = networks;
    }

    /// Whether a connection from there must have a header.
    #[must_use]
    pub fn contain(&self, from: SocketAddr) -> bool {
        let address = from.ip().to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// How many connections have not yet said where they come from.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Waits for the header of a connection that a proxy has made.
    ///
    /// # Errors
    /// The connection, if there are too many that are waited for.
    pub fn ask(&mut self, arrival: Arrival) -> Result<(), Arrival> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(arrival);
        }
        let proxy = arrival.from;
        self.waiting.spawn(async move {
            let header = tokio::time::timeout(HEADER_WAIT_MAX, read_header(arrival));
            header.await.ok().and_then(Result::ok).ok_or(proxy)
        });
        Ok(())
    }

    /// The next connection that has said where it comes from; or the proxy whose connection is
    /// closed because it has not, or not in time. Waits for ever while there is none.
    pub async fn next(&mut self) -> Result<Arrival, SocketAddr> {
        loop {
            match self.waiting.join_next().await {
                Some(Ok(answer)) => return answer,
                // One that was ended with the runtime, and nobody will ask for.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Reads the header and nothing after it.
async fn read_header(arrival: Arrival) -> io::Result<Arrival> {
    let Arrival { stream, from: proxy, port } = arrival;
    let stream = TokioStream::from_std(stream.into())?;
    let mut header = vec![];
    read(&stream, &mut header, SIGNATURE_BYTES).await?;
    if header.starts_with(V1_SIGNATURE) {
        while !header.ends_with(b"\n") && header.len() < V1_BYTES_MAX {
            read(&stream, &mut header, 1).await?;
        }
    } else {
        read(&stream, &mut header, V2_START_BYTES - SIGNATURE_BYTES).await?;
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if V2_START_BYTES + rest > HEADER_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        read(&stream, &mut header, rest).await?;
    }
    let from = source(&header, proxy).ok_or(ErrorKind::InvalidData)?;
    Ok(Arrival { stream: TcpStream::from_std(stream.into_std()?), from, port })
}

/// Reads so many bytes more.
async fn read(stream: &TokioStream, into: &mut Vec<u8>, count: usize) -> io::Result<()> {
    let mut filled = into.len();
    into.resize(filled + count, 0);
    while filled < into.len() {
        stream.readable().await?;
        match stream.try_read(&mut into[filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Where a connection comes from that has this header, whole and with nothing after it; nothing if
/// it is no header. Where that does not say, as in a proxy's own checks, it is the proxy itself.
#[must_use]
pub fn source(header: &[u8], proxy: SocketAddr) -> Option<SocketAddr> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Some(match header.addresses {
            v1::Addresses::Tcp4(it) => (it.source_address, it.source_port).into(),
            v1::Addresses::Tcp6(it) => (it.source_address, it.source_port).into(),
            v1::Addresses::Unknown => proxy,
        }),
        HeaderResult::V2(Ok(header)) => Some(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(it)) => {
                (it.source_address, it.source_port).into()
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(it)) => {
                (it.source_address, it.source_port).into()
            }
            _ => proxy,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    fn proxy() -> SocketAddr {
        ([192, 0, 2, 9], 1).into()
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    #[test]
    fn f09_a_header_says_where_a_connection_comes_from() {
        let ip4 = [198, 51, 100, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80];
        let ip6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 27], &[1, 0x30, 0x39, 0, 80]].concat();
        let tlv = [&ip4[..], &[4, 0, 2, 0, 0]].concat();
        for (header, from) in [
            (b"PROXY TCP4 198.51.100.7 192.0.2.1 12345 80\r\n".to_vec(), "198.51.100.7:12345"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n".to_vec(), "[2001:db8::7]:12345"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "192.0.2.9:1"),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), "192.0.2.9:1"),
            (v2(0x21, 0x11, &ip4), "198.51.100.7:12345"),
            (v2(0x21, 0x11, &tlv), "198.51.100.7:12345"),
            (v2(0x21, 0x21, &ip6), "[2001:db8::]:12345"),
            (v2(0x20, 0x00, &[]), "192.0.2.9:1"),
            (v2(0x20, 0x11, &ip4), "192.0.2.9:1"),
            (v2(0x21, 0x00, &[]), "192.0.2.9:1"),
            (v2(0x21, 0x31, &[0; 216]), "192.0.2.9:1"),
        ] {
            assert_eq!(source(&header, proxy()), from.parse().ok(), "{header:?}");
        }
    }

    #[test]
    fn f09_what_is_no_header_says_nothing() {
        for header in [
            &b"PROXY TCP4 198.51.100.7 192.0.2.1 12345\r\n"[..],
            b"PROXY TCP4 198.51.100.700 192.0.2.1 12345 80\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 99999 80\r\n",
            b"PROXY TCP4 2001:db8::7 2001:db8::1 12345 80\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 12345 80\n",
            b"PROXY SCTP 198.51.100.7 192.0.2.1 12345 80\r\n",
            b"PROXY\r\n",
            b"hello there, it is me\n",
            &v2(0x21, 0x11, &[198, 51, 100, 7]),
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x2f, 0x11, &[0; 12]),
            b"",
        ] {
            assert_eq!(source(header, proxy()), None, "{header:?}");
        }
    }
}
