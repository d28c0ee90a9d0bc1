//! Connections that come through a proxy, which says in their first bytes where they come from:
//! versions 1 and 2 of the PROXY protocol.
//!
//! Whether a connection may have such a header is decided by where it comes from, never by how it
//! looks: everybody could claim to be anybody otherwise. From a proxy it must have one, but on the
//! ports for HTTP, where a proxy may say it in each request instead.

use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use ppp::{HeaderResult, v1, v2};
use tokio::task::JoinSet;

use crate::net::acceptor::BATCH_MAX;
use crate::net::{Arrival, Port, WatchedStream};
use crate::proto::PROXY_V2_SIGNATURE;

/// How long a proxy may take to send the header of a connection.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(3);
/// Bytes of a header, at most: the longest addresses and a good deal of what else may be in it.
const HEADER_BYTES_MAX: usize = 536;
/// Bytes of a header of version 1, at most, as the protocol has it.
const V1_BYTES_MAX: usize = 107;
/// Bytes that every header has, and by which its version is known.
const SIGNATURE_BYTES: usize = 12;
const V1_SIGNATURE: &[u8] = b"PROXY ";
/// How often it is looked whether more has come of a signature that came in pieces.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What comes before the rest of a header of version 2: a signature, what it is, how long the rest.
const V2_START_BYTES: usize = 16;
/// Connections whose header is waited for, at most.
const WAITING_MAX: usize = 1024;

/// Proxies, and connections of theirs that have not yet said where they come from.
#[derive(Debug)]
pub struct Proxies {
    networks: Vec<IpNet>,
    waiting: JoinSet<Heard>,
}

/// What a proxy has said of a connection of its.
#[derive(Debug)]
pub enum Heard {
    /// It comes from where it says now.
    Client(Arrival),
    /// It has HTTP on it, and requests say where they come from.
    Requests(Arrival),
    /// The header has no address, as in `LOCAL`, and then a client has spoken.
    Nowhere(Arrival),
    /// It is over, and nothing was said: a proxy that looks whether we are there.
    Silence,
    /// What was sent is no header, or it came too late; the proxy.
    Junk(SocketAddr),
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
            let heard = tokio::time::timeout(HEADER_WAIT_MAX, hear(arrival));
            heard.await.ok().and_then(Result::ok).unwrap_or(Heard::Junk(proxy))
        });
        Ok(())
    }

    /// Whether there is room for as many more as are accepted at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.len() + BATCH_MAX <= WAITING_MAX
    }

    /// What was said of the next connection. Waits for ever while there is none.
    pub async fn next(&mut self) -> Heard {
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

/// Reads the header, if there is one, and nothing after it.
async fn hear(Arrival { stream, from: proxy, port }: Arrival) -> io::Result<Heard> {
    let mut stream = WatchedStream::new(stream)?;
    if stream.when_readable(|it| it.peek(&mut [0])).await? == 0 {
        return Ok(Heard::Silence);
    }
    let is_http = matches!(port, Port::Http | Port::Https);
    let header = match starts_as_header(&mut stream).await? {
        false if is_http => None,
        _ => Some(read_header(&mut stream).await?),
    };
    let source = header.map_or(Some(Source::Unknown), |header| source(&header));
    let arrival =
        |stream: WatchedStream, from| Arrival { stream: stream.into_stream(), from, port };
    Ok(match source.ok_or(ErrorKind::InvalidData)? {
        Source::Address(from) => Heard::Client(arrival(stream, from)),
        Source::Unknown if is_http => Heard::Requests(arrival(stream, proxy)),
        Source::Unknown => {
            let spoken = stream.when_readable(|it| it.peek(&mut [0]));
            match tokio::time::timeout(HEADER_WAIT_MAX, spoken).await {
                Ok(Ok(1..)) => Heard::Nowhere(arrival(stream, proxy)),
                _ => Heard::Silence,
            }
        }
    })
}

/// Whether what has come begins as a header does. Nothing is read of it, as it may be a request.
async fn starts_as_header(stream: &mut WatchedStream) -> io::Result<bool> {
    let mut start = [0; SIGNATURE_BYTES];
    loop {
        let count = stream.when_readable(|it| it.peek(&mut start)).await?;
        let [is_v1, is_v2] = [V1_SIGNATURE, PROXY_V2_SIGNATURE].map(|signature| {
            let common = count.min(signature.len());
            signature[..common] == start[..common]
        });
        if is_v1 && count >= V1_SIGNATURE.len() || is_v2 && count == SIGNATURE_BYTES {
            return Ok(true);
        }
        if !is_v1 && !is_v2 {
            return Ok(false);
        }
        // The kernel has told of all there is, and would tell of it again at once.
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads a header and nothing after it.
async fn read_header(stream: &mut WatchedStream) -> io::Result<Vec<u8>> {
    let mut header = vec![];
    read(stream, &mut header, SIGNATURE_BYTES).await?;
    if header.starts_with(V1_SIGNATURE) {
        while !header.ends_with(b"\n") && header.len() < V1_BYTES_MAX {
            read(stream, &mut header, 1).await?;
        }
    } else {
        read(stream, &mut header, V2_START_BYTES - SIGNATURE_BYTES).await?;
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if V2_START_BYTES + rest > HEADER_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        read(stream, &mut header, rest).await?;
    }
    Ok(header)
}

/// Reads so many bytes more.
async fn read(stream: &mut WatchedStream, into: &mut Vec<u8>, count: usize) -> io::Result<()> {
    let mut filled = into.len();
    into.resize(filled + count, 0);
    while filled < into.len() {
        match stream.when_readable(|it| it.read(&mut into[filled..])).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(())
}

/// Where a connection comes from, as a header has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From there.
    Address(SocketAddr),
    /// It does not say, as in a proxy's own checks, or of clients that reach it over a Unix socket.
    Unknown,
}

/// Where a connection comes from that has this header, whole and with nothing after it; nothing if
/// it is no header.
#[must_use]
pub fn source(header: &[u8]) -> Option<Source> {
    let of = |ip: IpAddr, port| Source::Address((ip, port).into());
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Some(match header.addresses {
            v1::Addresses::Tcp4(it) => of(it.source_address.into(), it.source_port),
            v1::Addresses::Tcp6(it) => of(it.source_address.into(), it.source_port),
            v1::Addresses::Unknown => Source::Unknown,
        }),
        HeaderResult::V2(Ok(header)) => Some(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(it)) => {
                of(it.source_address.into(), it.source_port)
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(it)) => {
                of(it.source_address.into(), it.source_port)
            }
            _ => Source::Unknown,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [PROXY_V2_SIGNATURE, &[command, family], &length, rest].concat()
    }

    #[test]
    fn f09_a_header_says_where_a_connection_comes_from() {
        let ip4 = [198, 51, 100, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80];
        let ip6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 27], &[1, 0x30, 0x39, 0, 80]].concat();
        let tlv = [&ip4[..], &[4, 0, 2, 0, 0]].concat();
        for (header, from) in [
            (b"PROXY TCP4 198.51.100.7 192.0.2.1 12345 80\r\n".to_vec(), "198.51.100.7:12345"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n".to_vec(), "[2001:db8::7]:12345"),
            (b"PROXY UNKNOWN\r\n".to_vec(), ""),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), ""),
            (v2(0x21, 0x11, &ip4), "198.51.100.7:12345"),
            (v2(0x21, 0x11, &tlv), "198.51.100.7:12345"),
            (v2(0x21, 0x21, &ip6), "[2001:db8::]:12345"),
            (v2(0x20, 0x00, &[]), ""),
            (v2(0x20, 0x11, &ip4), ""),
            (v2(0x21, 0x00, &[]), ""),
            (v2(0x21, 0x31, &[0; 216]), ""),
        ] {
            let from = from.parse().map_or(Source::Unknown, Source::Address);
            assert_eq!(source(&header), Some(from), "{header:?}");
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
            assert_eq!(source(header), None, "{header:?}");
        }
    }
}
