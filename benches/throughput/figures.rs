//! What came of one run.

use hdrhistogram::Histogram;

/// So many samples must lie above a percentile for it to be one.
const SAMPLES_ABOVE_MIN: f64 = 10.0;

/// What a server did in one run. All that is each or a second is of the part that counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Deliveries, connections or joins a second.
    pub(crate) per_second: f64,
    /// CPU nanoseconds of the server for each.
    pub(crate) cpu_ns: f64,
    /// CPU time outside the kernel, sampled: good for the split of several runs, not for one's sum.
    pub(crate) sampled_user_ns: u64,
    /// The same inside the kernel.
    pub(crate) sampled_system_ns: u64,
    /// The same as `cpu_ns`, of a crowd, until all that it causes was done.
    pub(crate) told_cpu_ns: Option<f64>,
    /// Lines that one write held, over the server's life.
    pub(crate) lines_per_write: Option<f64>,
    /// Sleeping shards woken for each line handed to a socket, over the server's life.
    pub(crate) rings: Option<f64>,
    /// Half of them took no longer, in nanoseconds: deliveries, from when they were due; greetings;
    /// joins.
    pub(crate) p50_ns: Option<f64>,
    /// 99 of 100.
    pub(crate) p99_ns: Option<f64>,
    /// 999 of 1 000.
    pub(crate) p999_ns: Option<f64>,
    /// Deliveries that should have been and were not, those the server owned up to included.
    pub(crate) lost: u64,
    /// Deliveries that came twice, late in their order, corrupted or to the wrong room.
    pub(crate) damaged: u64,
    /// The server's resident memory at the end of the load, in bytes.
    pub(crate) rss: u64,
    /// How much of its time the busiest generator thread had a core.
    pub(crate) generator_busy: f64,
    /// The part of the machine's time that its hypervisor took away.
    pub(crate) steal_share: f64,
    /// Why the run says nothing about the server.
    pub(crate) invalid: Vec<String>,
    /// What the server should have kept to and did not.
    pub(crate) failures: Vec<String>,
}

/// The time at `quantile`; none if too few are above it to tell.
pub(crate) fn percentile(times: &Histogram<u64>, quantile: f64) -> Option<f64> {
    let above = (1.0 - quantile) * times.len() as f64;
    (above >= SAMPLES_ABOVE_MIN).then(|| times.value_at_quantile(quantile) as f64)
}
