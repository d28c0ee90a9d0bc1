//! How often a server writes, counted by the server itself and printed when it ends.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Messages this reference server has handed to members.
pub(crate) static DELIVERIES: AtomicU64 = AtomicU64::new(0);

/// Write calls this reference server has made for them.
pub(crate) static WRITES: AtomicU64 = AtomicU64::new(0);

/// Counts; the printing thread reads it once, so no order is needed.
pub(crate) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

/// Ends this process, after one line of counters, once its standard input is closed.
///
/// That is how the bench asks a reference server to stop, and it also happens when the bench dies.
pub(crate) fn print_at_end_of_input() {
    thread::spawn(|| {
        let mut input = std::io::stdin().lock();
        while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
        let deliveries = DELIVERIES.load(Ordering::Relaxed);
        let writes = WRITES.load(Ordering::Relaxed);
        eprintln!("shard=0 deliveries={deliveries} writes={writes}");
        process::exit(0);
    });
}

/// Messages per write over a server's whole life, from what it logged; nothing if it did not.
///
/// A shard that reports more than once is taken at its last word.
pub(crate) fn messages_per_write(log: &str) -> Option<f64> {
    let mut shards = BTreeMap::new();
    for line in log.lines() {
        let value = |key| line.split_whitespace().find_map(|word| word.strip_prefix(key));
        let count = |key| value(key).and_then(|text| text.parse::<u64>().ok());
        let counts = (count("deliveries="), count("writes="));
        if let (Some(shard), (Some(deliveries), Some(writes))) = (value("shard="), counts) {
            shards.insert(shard, (deliveries, writes));
        }
    }
    let deliveries: u64 = shards.values().map(|counts| counts.0).sum();
    let writes: u64 = shards.values().map(|counts| counts.1).sum();
    (writes > 0).then(|| deliveries as f64 / writes as f64)
}
