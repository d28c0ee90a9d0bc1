//! The figures of one run, and what several runs have in common.

use crate::cli::Subject;
use crate::drive::Window;
use crate::support::figures::median;
use crate::swarm::Swarm;

/// Above this the generator may have been the limit, not the server.
const GENERATOR_BUSY_MAX: f64 = 95.0;

/// A window of which the hypervisor or other processes took more than this is not worth much; what
/// they take is known in ticks, so a smaller share could be noise.
const DISTURBANCE_MAX: f64 = 0.1;

/// One server under one workload in one round.
pub(crate) struct Row {
    /// The workload's name.
    pub(crate) workload: String,
    /// The server.
    pub(crate) subject: Subject,
    /// The round, from 1.
    pub(crate) round: u16,
    /// Messages that arrived per second.
    pub(crate) deliveries_per_s: f64,
    /// CPU nanoseconds the server used per delivery.
    pub(crate) cpu_ns: f64,
    /// The part of them outside the kernel.
    pub(crate) user_ns: f64,
    /// The part of them inside the kernel.
    pub(crate) system_ns: f64,
    /// How many messages one write of the server held.
    pub(crate) messages_per_write: f64,
    /// Who counted that: the `server`, or the generator by its `reads`, which merges writes.
    pub(crate) writes_counted_by: &'static str,
    /// Median latency of a delivery in microseconds.
    pub(crate) p50_us: f64,
    /// 99 of 100 were faster.
    pub(crate) p99_us: f64,
    /// 999 of 1000 were faster.
    pub(crate) p999_us: f64,
    /// How many latencies the percentiles come from.
    pub(crate) samples: u64,
    /// Latency was taken from one message in this many.
    pub(crate) sampled_one_in: u32,
    /// Messages the senders sent, in the whole run.
    pub(crate) sent: u64,
    /// Deliveries that never came, of all that were due in the whole run.
    pub(crate) lost: u64,
    /// Deliveries skipped in some sender's order, late ones included.
    pub(crate) gaps: u64,
    /// Deliveries that came late in some sender's order, or twice.
    pub(crate) reordered: u64,
    /// Deliveries to the wrong room.
    pub(crate) misrouted: u64,
    /// Lines that were no messages, joining included.
    pub(crate) other_lines: u64,
    /// How busy the server was, in percent of one CPU.
    pub(crate) server_busy: f64,
    /// How busy the generator was, in percent of its CPU.
    pub(crate) generator_busy: f64,
    /// What the hypervisor took meanwhile, in milliseconds over all CPUs.
    pub(crate) steal_ms: u64,
    /// What other processes took meanwhile, in milliseconds over all CPUs.
    pub(crate) others_ms: u64,
    /// Length of the measured window.
    pub(crate) seconds: f64,
}

/// Takes one figure out of a row.
pub(crate) type Metric = fn(&Row) -> f64;

/// What is reported of every row as figure and as median, with its name in the JSON.
pub(crate) const METRICS: [(&str, Metric); 13] = [
    ("deliveries_per_s", |row| row.deliveries_per_s),
    ("cpu_ns", |row| row.cpu_ns),
    ("user_ns", |row| row.user_ns),
    ("system_ns", |row| row.system_ns),
    ("messages_per_write", |row| row.messages_per_write),
    ("p50_us", |row| row.p50_us),
    ("p99_us", |row| row.p99_us),
    ("p999_us", |row| row.p999_us),
    ("lost", |row| row.lost as f64),
    ("server_busy_percent", |row| row.server_busy),
    ("generator_busy_percent", |row| row.generator_busy),
    ("steal_ms", |row| row.steal_ms as f64),
    ("others_ms", |row| row.others_ms as f64),
];

impl Row {
    /// The figures of a run that has just ended; `counted` is what the server says of its writes.
    pub(crate) fn new(
        (workload, subject, round): (&str, Subject, u16),
        swarm: &Swarm,
        window: &Window,
        counted: Option<f64>,
    ) -> Self {
        let tally = swarm.tally();
        let percent = |cpu_ns: u64| cpu_ns as f64 / window.seconds / 1e7;
        let percentile = |share| tally.latency.value_at_quantile(share) as f64 / 1e3;
        let cpu_ns = window.server.total_ns as f64 / window.deliveries.max(1) as f64;
        let user_ns = cpu_ns * window.server.user_share();
        let per_read = window.deliveries as f64 / window.reads.max(1) as f64;
        Self {
            workload: workload.to_owned(),
            subject,
            round,
            deliveries_per_s: window.deliveries as f64 / window.seconds,
            cpu_ns,
            user_ns,
            system_ns: cpu_ns - user_ns,
            messages_per_write: counted.unwrap_or(per_read),
            writes_counted_by: if counted.is_some() { "server" } else { "reads" },
            p50_us: percentile(0.5),
            p99_us: percentile(0.99),
            p999_us: percentile(0.999),
            samples: tally.latency.len(),
            sampled_one_in: tally.sampled_one_in(),
            sent: swarm.sent(),
            lost: swarm.expected().saturating_sub(tally.deliveries),
            gaps: tally.gaps,
            reordered: tally.reordered,
            misrouted: tally.misrouted,
            other_lines: tally.other_lines,
            server_busy: percent(window.server.total_ns),
            generator_busy: percent(window.generator_ns),
            steal_ms: window.steal_ms,
            others_ms: window.others_ms(),
            seconds: window.seconds,
        }
    }

    /// Whether the generator may have been the limit.
    pub(crate) fn generator_bound(&self) -> bool {
        self.generator_busy > GENERATOR_BUSY_MAX
    }

    /// Whether the machine was busy with something else as well.
    pub(crate) fn disturbed(&self) -> bool {
        (self.steal_ms + self.others_ms) as f64 > self.seconds * 1e3 * DISTURBANCE_MAX
    }

    /// Whether every message reached every member of its room, once and in order.
    pub(crate) fn faultless(&self) -> bool {
        self.lost == 0 && self.gaps == 0 && self.reordered == 0 && self.misrouted == 0
    }
}

/// A figure over several rounds.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    /// The middle one; of an even number the mean of the middle two.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of one figure over rows, of which there is at least one.
    pub(crate) fn of(rows: &[&Row], metric: Metric) -> Self {
        let values: Vec<f64> = rows.iter().map(|row| metric(row)).collect();
        let (min, max) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), &v| (v.min(min), v.max(max)));
        Self { median: median(values), min, max }
    }
}

/// How the server under test compares with a reference, medians of both.
pub(crate) struct Ratios {
    /// Its throughput, in multiples of the reference's.
    pub(crate) throughput: f64,
    /// Its CPU per delivery, in multiples of the reference's.
    pub(crate) cpu: f64,
}

impl Ratios {
    /// Compares; nothing without runs of the server under test.
    pub(crate) fn of(hubbub: &[&Row], reference: &[&Row]) -> Option<Self> {
        if hubbub.is_empty() || reference.is_empty() {
            return None;
        }
        let ratio = |metric: Metric| {
            Spread::of(hubbub, metric).median / Spread::of(reference, metric).median
        };
        Some(Self { throughput: ratio(|row| row.deliveries_per_s), cpu: ratio(|row| row.cpu_ns) })
    }
}
