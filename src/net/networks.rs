//! The networks that addresses are in: limits and the log count some of them as one.

use std::net::IpAddr;

use ipnet::IpNet;

/// Bits of IPv4 and of IPv6 that one customer of a provider is given, at least: within 64 bits of
/// IPv6 an owner has as many addresses as they like.
pub const CUSTOMER_BITS: [u8; 2] = [32, 64];

/// The network of so many bits that `ip` is in; an IPv4-mapped address is one of IPv4.
#[must_use]
pub fn network(ip: IpAddr, [v4_bits, v6_bits]: [u8; 2]) -> IpNet {
    let ip = ip.to_canonical();
    let bits = if ip.is_ipv4() { v4_bits } else { v6_bits };
    IpNet::new_assert(ip, bits).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_one_customer_is_given_counts_as_one_address() {
        let customer =
            |text: &str| network(text.parse().expect("an address"), CUSTOMER_BITS).to_string();
        assert_eq!(customer("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(customer("::ffff:192.0.2.7"), "192.0.2.7/32");
        assert_eq!(customer("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }
}
