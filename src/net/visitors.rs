//! What the operator is told of clients: from where one has come, and why it has gone. Never what
//! they say, nor what they are called.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use tracing::{Level, enabled, field, info, warn};

use crate::model::{CloseReason, ShardId, Slot, Ticket};
use crate::net::networks::network;
use crate::socket::Stream;

/// Bits of an address that are left when it is masked: what an IPv4 and an IPv6 provider gives to
/// several of its customers.
const MASKED_BITS: [u8; 2] = [24, 48];

/// An address as the log may show it.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The address.
    pub from: SocketAddr,
    /// Whether the log may only show which network it is in.
    pub masked: bool,
}

impl Shown {
    /// The network that is shown in place of the address, if it is masked.
    #[must_use]
    pub fn network(&self) -> Option<IpNet> {
        self.masked.then(|| network(self.from.ip(), MASKED_BITS))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            Some(network) => network.fmt(f),
            None => SocketAddr::new(self.from.ip().to_canonical(), self.from.port()).fmt(f),
        }
    }
}

/// The clients of one shard, as the log has them.
#[derive(Debug)]
pub(super) struct Visitors {
    shard: ShardId,
    masked: bool,
    /// Where each comes from who is not exempt, or whose socket never knew, by slot. A socket no
    /// longer knows when it was reset: whoever misbehaves and hangs up would stay unknown.
    origins: Vec<Option<Origin>>,
}

/// An address and its port, in as few bytes as there can be.
#[derive(Clone, Copy, Debug)]
struct Origin {
    ip: [u8; 16],
    port: [u8; 2],
}

impl From<SocketAddr> for Origin {
    fn from(from: SocketAddr) -> Self {
        let v6 = match from.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { ip: v6.octets(), port: from.port().to_be_bytes() }
    }
}

impl From<Origin> for SocketAddr {
    fn from(Origin { ip, port }: Origin) -> Self {
        Self::new(Ipv6Addr::from(ip).into(), u16::from_be_bytes(port))
    }
}

impl Visitors {
    pub(super) fn new(shard: ShardId, masked: bool) -> Self {
        Self { shard, masked, origins: vec![] }
    }

    /// Bytes of memory for what is known of each.
    pub(super) fn held_bytes(&self) -> usize {
        self.origins.capacity() * size_of::<Option<Origin>>()
    }

    /// A connection has come to `slot`; the log does not tell of it before it is announced.
    pub(super) fn came(&mut self, slot: Slot, ticket: Ticket, from: SocketAddr, stream: &Stream) {
        if !ticket.is_exempt() || stream.peer_addr() != Some(from) {
            let place = slot as usize;
            if self.origins.len() <= place {
                self.origins.resize(place + 1, None);
            }
            self.origins[place] = Some(from.into());
        }
    }

    /// The connection in `slot` is a client's. Of those that are exempt the log tells nothing.
    pub(super) fn announce(&self, slot: Slot, ticket: Ticket, stream: &Stream) {
        if !ticket.is_exempt() {
            let from = self.shown(self.origin(slot), stream);
            info!(shard = %self.shard, slot, from, "a client has come");
        }
    }

    fn origin(&self, slot: Slot) -> Option<SocketAddr> {
        self.origins.get(slot as usize).copied().flatten().map(SocketAddr::from)
    }

    /// Where a client comes from, as the log may show it.
    fn shown(
        &self,
        origin: Option<SocketAddr>,
        stream: &Stream,
    ) -> Option<field::DisplayValue<Shown>> {
        let from = origin.or_else(|| stream.peer_addr())?;
        Some(field::display(Shown { from, masked: self.masked }))
    }

    /// It is about to be closed, and has been announced or not.
    pub(super) fn went(
        &mut self,
        slot: Slot,
        (ticket, announced): (Ticket, bool),
        reason: CloseReason,
        stream: &Stream,
    ) {
        let origin = self.origin(slot);
        if let Some(origin) = self.origins.get_mut(slot as usize) {
            *origin = None;
        }
        let is_told = reason.is_notable()
            // When the server stops everybody goes, which is told once.
            || announced && !ticket.is_exempt() && reason != CloseReason::Drain;
        if !is_told || !enabled!(Level::INFO) {
            return;
        }
        let from = self.shown(origin, stream);
        let (shard, why) = (self.shard, reason.label());
        if reason == CloseReason::UnannouncedProxyHeader {
            warn!(%shard, slot, from, "a PROXY header from an address that is not in --proxies");
        }
        if reason.is_notable() {
            info!(%shard, slot, from, reason = why, "a client is sent away");
        } else {
            info!(%shard, slot, from, reason = why, "a client has gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_whole_or_as_the_network_it_is_in() {
        for (from, whole, masked) in [
            ("192.0.2.77:4711", "192.0.2.77:4711", "192.0.2.0/24"),
            ("[2001:db8:1:2:3::4]:5", "[2001:db8:1:2:3::4]:5", "2001:db8:1::/48"),
            ("[::ffff:192.0.2.77]:5", "192.0.2.77:5", "192.0.2.0/24"),
        ] {
            let from: SocketAddr = from.parse().expect("an address");
            assert_eq!(Shown { from, masked: false }.to_string(), whole);
            assert_eq!(Shown { from, masked: true }.to_string(), masked);
            let kept = Origin::from(from).into();
            assert_eq!(Shown { from: kept, masked: false }.to_string(), whole);
        }
    }
}
