//! Room for newcomers in a full server. Whoever has many addresses could fill it and keep everybody
//! else out, by saying nothing: so while newcomers are refused, idle clients of the network that
//! has most connections are evicted, until it has as few as the newcomers' own.

use std::net::IpAddr;
use std::time::Duration;

use super::Server;
use crate::mesh::Mail;
use crate::model::Moment;
use crate::net::LINGER_MAX;

/// How often clients are evicted, at most: each time, the table of addresses is looked through, and
/// every shard's connections. Those evicted before count until they have closed their side, too.
const EVERY: Duration = LINGER_MAX.saturating_add(Duration::from_secs(1));
/// Clients evicted at a time, at most, but for one for each shard.
const COUNT_MAX: u32 = 256;

/// How many each of `shards` evicts, when the fullest network has `surplus` more than the
/// newcomer's. It is left with more than that has, however its clients are spread over the shards.
fn count_for_each(surplus: u32, shards: u32) -> Option<u32> {
    (surplus > shards).then(|| (surplus / 2).min(COUNT_MAX).div_ceil(shards))
}

impl Server {
    /// Somebody at `newcomer` has been refused because the server is full: has others make room for
    /// the next, if their network has many more connections.
    pub(super) fn make_room(&mut self, newcomer: IpAddr, now: Moment) {
        if now < self.next_eviction {
            return;
        }
        self.next_eviction = now.after(EVERY);
        let Some((network, surplus)) = self.admission.fullest(newcomer) else { return };
        let shards = u32::try_from(self.addresses.len()).expect("a number of shards");
        let Some(count) = count_for_each(surplus, shards) else { return };
        for shard in self.addresses.iter() {
            shard.send(Mail::Evict(network, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_network_is_never_left_with_fewer_than_the_newcomer_s() {
        for shards in 1..=64 {
            assert_eq!(count_for_each(shards, shards), None);
            for surplus in shards + 1..2_000 {
                let evicted = count_for_each(surplus, shards).expect("some") * shards;
                assert!((1..surplus).contains(&evicted), "{evicted} of {surplus}, {shards} shards");
            }
        }
    }
}
