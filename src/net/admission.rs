//! Who may come in: how many connections one address may have, how fast it may come, and how fast
//! everyone together may.
//!
//! All of it is decided by the acceptor alone. Shards only say when a connection has gone, by its
//! ticket (see [`Loads`]).

use std::collections::HashMap;
use std::net::IpAddr;

use ahash::RandomState;
use ipnet::IpNet;

use crate::model::{Allowance, CloseReason, Moment, Spent, Ticket};
use crate::net::Loads;
use crate::net::networks::{CUSTOMER_BITS, network};

/// Requests that cost as much as a connection: as many as may come on one.
const REQUESTS_PER_CONNECTION: u32 = 32;

/// What connections are measured by.
#[derive(Clone, Debug)]
pub struct AdmissionLimits {
    /// Networks that no limit holds for.
    pub exempt: Vec<IpNet>,
    /// Addresses that are remembered: those with connections, and those that had some of late. If
    /// there are more, those without connections are forgotten, with what they have spent.
    pub addresses_max: usize,
    /// Connections an address may have at a time.
    pub per_address_max: u32,
    /// How often an address may connect.
    pub per_address: Allowance,
    /// How often all addresses together may.
    pub overall: Allowance,
}

/// How many bits of an IPv4 address are counted as one, and how many times the connections of an
/// address such a network may have: a provider's customers may be many behind few addresses, but
/// nobody has many of one network by chance.
const V4_NETWORKS: [(u8, u32); 2] = [(CUSTOMER_BITS[0], 1), (24, 16)];
/// The same of IPv6. A customer is given 64, 56 or 48 bits (RFC 6177), and within them has as many
/// addresses as they like.
const V6_NETWORKS: [(u8, u32); 3] = [(CUSTOMER_BITS[1], 1), (56, 4), (48, 16)];
/// Bits of the widest of them, of IPv4 and of IPv6.
const WIDEST_BITS: [u8; 2] = [V4_NETWORKS[1].0, V6_NETWORKS[2].0];
/// Entries in the table for a connection, at most.
pub const ENTRIES_PER_CONNECTION: usize = V6_NETWORKS.len();

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// To connect.
    Connection,
    /// A page's file, on a connection of a proxy that has others' requests on it, too. As
    /// `REQUESTS_PER_CONNECTION` may come on one connection, each costs that part of one.
    Request,
}

/// The table of addresses.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    loads: Loads,
    by_source: HashMap<IpNet, (Ticket, Spent), RandomState>,
    /// Tickets that were used and are free again.
    free: Vec<Ticket>,
    /// The number of the next ticket that was never used.
    next: u32,
    overall: Spent,
}

/// `address` as it is counted, and the networks around it from the smallest on, each with how many
/// times the connections of an address it may have.
fn networks_around(address: IpAddr) -> impl DoubleEndedIterator<Item = (IpNet, u32)> {
    let networks = match address.to_canonical() {
        IpAddr::V4(_) => &V4_NETWORKS[..],
        IpAddr::V6(_) => &V6_NETWORKS[..],
    };
    networks.iter().map(move |&(bits, times)| (network(address, [bits; 2]), times))
}

impl Admission {
    /// Nobody is in yet.
    #[must_use]
    pub fn new(limits: AdmissionLimits, loads: Loads) -> Self {
        Self {
            limits,
            loads,
            by_source: HashMap::default(),
            free: vec![],
            next: 1,
            overall: Spent::nothing(Moment::default()),
        }
    }

    /// Other limits hold from `now` on. Addresses that are more than are to be remembered are
    /// forgotten when the next comes, if they have no connections.
    pub fn change_limits(&mut self, limits: AdmissionLimits, now: Moment) {
        let old = std::mem::replace(&mut self.limits, limits);
        self.limits.addresses_max = self.limits.addresses_max.min(self.loads.addresses_max());
        let per_address = [old.per_address, self.limits.per_address];
        for (_, spent) in self.by_source.values_mut() {
            *spent = spent.convert(per_address, now);
        }
        self.overall = self.overall.convert([old.overall, self.limits.overall], now);
    }

    /// Lets a connection from `address` in, and counts it under the ticket it gets.
    ///
    /// # Errors
    /// Why it may not come in.
    pub fn admit(
        &mut self,
        address: IpAddr,
        cost: Cost,
        now: Moment,
    ) -> Result<Ticket, CloseReason> {
        let canonical = address.to_canonical();
        if self.limits.exempt.iter().any(|net| net.contains(&canonical)) {
            return Ok(Ticket::EXEMPT);
        }
        self.admit_limited(address, cost, now)
    }

    /// As [`Admission::admit`], but no address is exempt: it is not the client's.
    ///
    /// # Errors
    /// The same.
    pub fn admit_limited(
        &mut self,
        address: IpAddr,
        cost: Cost,
        now: Moment,
    ) -> Result<Ticket, CloseReason> {
        let ticket = self.ticket(address, cost, now)?;
        if cost == Cost::Connection {
            self.overall.spend(self.limits.overall, 1, now);
        }
        Ok(ticket)
    }

    fn ticket(&mut self, address: IpAddr, cost: Cost, now: Moment) -> Result<Ticket, CloseReason> {
        let may_grow =
            |it: &Self| it.by_source.len() + ENTRIES_PER_CONNECTION <= it.limits.addresses_max;
        let is_known = networks_around(address).all(|(it, _)| self.by_source.contains_key(&it));
        if !is_known && !may_grow(self) {
            self.forget_the_absent();
            if !may_grow(self) {
                return Err(CloseReason::Full);
            }
        }
        let mut around = Ticket::EXEMPT;
        for (source, times) in networks_around(address).rev() {
            let ticket = self.entry(source, now);
            if self.loads.of_address(ticket) >= self.limits.per_address_max.saturating_mul(times) {
                return Err(CloseReason::AddressFull);
            }
            self.loads.belongs(ticket, around);
            around = ticket;
        }
        let (source, _) = networks_around(address).next().expect("the address itself");
        let (ticket, spent) = self.by_source.get_mut(&source).expect("it has an entry");
        if spent.wait_ms(self.limits.per_address, now) > 0 {
            return Err(CloseReason::AddressFast);
        }
        let each_ms = self.limits.per_address.each_ms;
        let cost_ms = match cost {
            Cost::Connection => each_ms,
            Cost::Request => each_ms / REQUESTS_PER_CONNECTION,
        };
        spent.spend_ms(self.limits.per_address, cost_ms, now);
        Ok(*ticket)
    }

    /// The network that has most connections, and how many more than that of `newcomer`. It looks
    /// at the whole table.
    #[must_use]
    pub fn fullest(&self, newcomer: IpAddr) -> Option<(Ticket, u32)> {
        let count = |&(ticket, _): &(Ticket, Spent)| self.loads.of_address(ticket);
        let its_own = self.by_source.get(&network(newcomer, WIDEST_BITS)).map_or(0, count);
        let is_widest = |net: &IpNet| *net == network(net.addr(), WIDEST_BITS);
        let networks = self.by_source.iter().filter(|(net, _)| is_widest(net));
        let fullest = networks.map(|(_, it)| it).max_by_key(|it| count(it))?;
        Some((fullest.0, count(fullest).saturating_sub(its_own)))
    }

    /// The ticket that `source` is counted under, from now on if it was not yet.
    fn entry(&mut self, source: IpNet, now: Moment) -> Ticket {
        let (ticket, _) = self.by_source.entry(source).or_insert_with(|| {
            let fresh = Ticket(self.next);
            let ticket = self.free.pop().unwrap_or_else(|| {
                self.next += 1;
                fresh
            });
            (ticket, Spent::nothing(now))
        });
        *ticket
    }

    /// Makes room for others. Whoever has come too fast may do so again then, which is no worse
    /// than coming from another address, as all those who fill the table do.
    fn forget_the_absent(&mut self) {
        let (loads, free) = (&self.loads, &mut self.free);
        self.by_source.retain(|_, (ticket, _)| {
            let is_here = loads.of_address(*ticket) > 0;
            if !is_here {
                free.push(*ticket);
            }
            is_here
        });
    }

    /// How long nobody more should be accepted, in milliseconds, because so many came of late.
    #[must_use]
    pub fn wait_ms(&self, now: Moment) -> u32 {
        self.overall.wait_ms(self.limits.overall, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ShardId;

    const SHARD: ShardId = ShardId(0);
    const ADDRESSES_MAX: usize = 1_000;
    const START: Moment = Moment(1_000);

    fn admission(exempt: &[&str]) -> (Admission, Loads) {
        let loads = Loads::new(1, ADDRESSES_MAX);
        let limits = AdmissionLimits {
            exempt: exempt.iter().map(|net| net.parse().unwrap()).collect(),
            addresses_max: ADDRESSES_MAX,
            per_address_max: 3,
            per_address: Allowance { each_ms: 1_000, burst: 9 },
            overall: Allowance { each_ms: 1, burst: 1_000_000 },
        };
        (Admission::new(limits, loads.clone()), loads)
    }

    /// A connection from `address` comes, and stays if it may.
    fn comes(
        (admission, loads): &mut (Admission, Loads),
        address: &str,
        now: Moment,
    ) -> Result<Ticket, CloseReason> {
        let ticket = admission.admit(address.parse().unwrap(), Cost::Connection, now)?;
        loads.came(SHARD, ticket);
        Ok(ticket)
    }

    #[test]
    fn f08_an_address_has_so_many_connections_and_no_more() {
        let mut all = admission(&[]);
        let tickets = [(); 3].map(|()| comes(&mut all, "192.0.2.1", START).unwrap());
        assert_eq!(comes(&mut all, "192.0.2.1", START), Err(CloseReason::AddressFull));
        assert!(comes(&mut all, "192.0.2.2", START).is_ok(), "somebody else");
        let mapped = comes(&mut all, "::ffff:192.0.2.1", START);
        assert_eq!(mapped, Err(CloseReason::AddressFull), "the same, written as IPv6");
        all.1.went(SHARD, tickets[1]);
        assert_eq!(comes(&mut all, "192.0.2.1", START), Ok(tickets[0]));
    }

    #[test]
    fn f08_an_ipv6_network_of_64_bits_is_one_address() {
        let mut all = admission(&[]);
        for host in 1..=3 {
            comes(&mut all, &format!("2001:db8:0:7::{host}"), START).unwrap();
        }
        assert_eq!(comes(&mut all, "2001:db8:0:7:f::1", START), Err(CloseReason::AddressFull));
        assert!(comes(&mut all, "2001:db8:0:8::1", START).is_ok());
    }

    #[test]
    fn networks_around_an_address_have_so_many_connections_and_no_more() {
        let mut all = admission(&[]);
        // Three of an address, twelve of 56 bits, 48 of 48 bits, and of 24 bits of IPv4.
        let v6 = |n: u32| format!("2001:db8:7:{n:x}::1");
        let v4 = |n: u32| format!("192.0.2.{n}");
        let mut count = |name: &dyn Fn(u32) -> String, range: std::ops::Range<u32>| {
            let come = range.flat_map(|n| [n; 4]).filter(|&n| {
                let came = comes(&mut all, &name(n), START);
                assert!(matches!(came, Ok(_) | Err(CloseReason::AddressFull)), "{came:?}");
                came.is_ok()
            });
            come.count()
        };
        assert_eq!(count(&v6, 0..0x100), 12, "one of 56 bits");
        assert_eq!(count(&v6, 0x100..0x1000), 36, "the rest of 48 bits");
        assert_eq!(count(&v4, 0..256), 48, "one of 24 bits");
        assert!(comes(&mut all, "2001:db8:8::1", START).is_ok(), "another of 48 bits");
        assert!(comes(&mut all, "192.0.3.1", START).is_ok(), "another of 24 bits");
    }

    #[test]
    fn what_goes_makes_room_in_every_network_around_it() {
        let mut all = admission(&[]);
        let v6 = |n: u32| format!("2001:db8:7:{n:x}::1");
        for _ in 0..3 {
            let tickets: Vec<Ticket> =
                (0..12).map(|n| comes(&mut all, &v6(n), START).unwrap()).collect();
            assert_eq!(comes(&mut all, &v6(12), START), Err(CloseReason::AddressFull));
            tickets.into_iter().for_each(|ticket| all.1.went(SHARD, ticket));
            all.0.forget_the_absent();
            assert!(all.0.by_source.is_empty());
        }
    }

    #[test]
    fn f08_an_address_may_come_only_so_often() {
        let mut all = admission(&[]);
        let mut come_and_go = |now| {
            let came = comes(&mut all, "192.0.2.1", now);
            came.map(|ticket| all.1.went(SHARD, ticket))
        };
        let came = (0..100).take_while(|_| come_and_go(START).is_ok()).count();
        assert_eq!(came, 10, "a burst, and the one that goes over it");
        assert_eq!(come_and_go(Moment(START.0 + 999)), Err(CloseReason::AddressFast));
        assert_eq!(come_and_go(Moment(START.0 + 1_000)), Ok(()));
    }

    #[test]
    fn exempt_networks_come_as_they_like() {
        let mut all = admission(&["127.0.0.0/8", "::1/128"]);
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            for _ in 0..100 {
                assert_eq!(comes(&mut all, address, START), Ok(Ticket::EXEMPT));
            }
        }
        assert_eq!(all.1.total(), 400);
    }

    #[test]
    fn f08_the_table_is_bounded_whoever_comes() {
        let mut all = admission(&[]);
        let stays = comes(&mut all, "192.0.2.1", START).unwrap();
        for n in 0..200_000_u32 {
            let address = format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff);
            let ticket = comes(&mut all, &address, START).unwrap();
            assert_ne!(ticket, stays, "who is here is not forgotten");
            all.1.went(SHARD, ticket);
            assert!(all.0.by_source.len() <= ADDRESSES_MAX);
        }
        assert!(all.0.next as usize <= ADDRESSES_MAX + 1, "tickets are used again");
    }

    #[test]
    fn limits_that_change_hold_at_once() {
        let loads = Loads::new(1, ADDRESSES_MAX);
        let low = AdmissionLimits {
            exempt: vec![],
            addresses_max: 5,
            per_address_max: 1,
            per_address: Allowance { each_ms: 60_000, burst: 1 },
            overall: Allowance { each_ms: 1, burst: 1_000_000 },
        };
        let high = AdmissionLimits {
            addresses_max: 6,
            per_address_max: 5,
            per_address: Allowance { each_ms: 1, burst: 100 },
            ..low.clone()
        };
        let mut all = (Admission::new(low.clone(), loads.clone()), loads);
        comes(&mut all, "192.0.2.1", START).unwrap();
        comes(&mut all, "192.0.2.2", START).unwrap();
        assert_eq!(comes(&mut all, "192.0.2.3", START), Err(CloseReason::Full));
        assert_eq!(comes(&mut all, "192.0.2.1", START), Err(CloseReason::AddressFull));
        all.0.change_limits(high, START);
        for address in ["192.0.2.3", "192.0.2.1", "192.0.2.1", "192.0.2.1"] {
            comes(&mut all, address, START).unwrap();
        }
        all.0.change_limits(AdmissionLimits { per_address_max: 9, ..low.clone() }, START);
        assert_eq!(comes(&mut all, "192.0.2.4", START), Err(CloseReason::Full));
        comes(&mut all, "192.0.2.1", START).unwrap();
        assert_eq!(comes(&mut all, "192.0.2.1", START), Err(CloseReason::AddressFast));
        let huge = AdmissionLimits { addresses_max: usize::MAX, ..low };
        all.0.change_limits(huge, START);
        assert_eq!(all.0.limits.addresses_max, all.1.addresses_max(), "as many as can be counted");
    }

    #[test]
    fn requests_through_a_proxy_cost_what_they_would_on_connections() {
        let (mut admission, _) = admission(&[]);
        admission.limits.per_address = Allowance { each_ms: 3_200, burst: 9 };
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut ask = |cost, now| admission.admit(address, cost, now);
        let asked = (0..1_000).take_while(|_| ask(Cost::Request, START).is_ok()).count();
        assert_eq!(asked, 9 * 32 + 1);
        assert_eq!(ask(Cost::Connection, START), Err(CloseReason::AddressFast));
        assert!(ask(Cost::Request, Moment(START.0 + 100)).is_ok());
    }

    #[test]
    fn an_address_that_is_not_the_client_s_is_not_exempt() {
        let (mut admission, _) = admission(&["127.0.0.0/8"]);
        let address = IpAddr::from([127, 0, 0, 1]);
        let ticket = admission.admit_limited(address, Cost::Connection, START).unwrap();
        assert!(!ticket.is_exempt());
        let mut again = || admission.admit_limited(address, Cost::Connection, START);
        assert!((0..100).any(|_| again() == Err(CloseReason::AddressFast)));
    }

    #[test]
    fn f10_a_herd_is_let_in_at_its_pace() {
        let (mut admission, _) = admission(&[]);
        admission.limits.overall = Allowance { each_ms: 2, burst: 100 };
        let mut now = START;
        for n in 0..1_000_u32 {
            now.0 += u64::from(admission.wait_ms(now));
            let address = IpAddr::from([10, 0, (n >> 8) as u8, n as u8]);
            admission.admit(address, Cost::Connection, now).unwrap();
        }
        assert_eq!(now.0 - START.0, (1_000 - 101) * 2);
    }
}
