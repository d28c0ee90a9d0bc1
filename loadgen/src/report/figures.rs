//! Figures that follow from what was measured: percentiles, rates, costs, and whether the messages
//! add up.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::result::{RunResult, ServerUse, Times};

/// The percentiles that are reported: their names for programs and for people, and the quantile.
pub(crate) const PERCENTILES: &[(&str, &str, f64)] = &[
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p99_9", "p99.9", 0.999),
    ("p99_99", "p99.99", 0.9999),
];

/// How many samples above a percentile make it one: with fewer, it is the luck of a few.
const SAMPLES_ABOVE_MIN: f64 = 10.0;

/// A shorter ramp says nothing about how many clients come in a second: whether it is over is only
/// looked at so often.
const RAMP_SECONDS_MIN: f64 = 0.1;

/// The value at `quantile`, in nanoseconds; none if too few samples are above it to tell.
pub(crate) fn quantile(times: &Histogram<u64>, quantile: f64) -> Option<u64> {
    (quantile <= quantile_max(times)).then(|| times.value_at_quantile(quantile))
}

/// The highest quantile with enough samples above it; negative if there is none.
pub(crate) fn quantile_max(times: &Histogram<u64>) -> f64 {
    // The tiny allowance is for quantiles that no float is equal to, like 0.99.
    1.0 - SAMPLES_ABOVE_MIN / times.len().max(1) as f64 + 1e-12
}

/// What follows from a run's measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How long messages counted, in seconds.
    pub measured_seconds: f64,
    /// Messages due a second.
    pub offered_per_second: f64,
    /// Messages sent a second.
    pub sent_per_second: f64,
    /// Messages sent for each that was due; none if none were.
    pub achieved_share: Option<f64>,
    /// Deliveries a second.
    pub delivered_per_second: f64,
    /// Expected deliveries that neither came nor are known to be lost. Anything but 0 is a mistake
    /// in the counting.
    pub unaccounted: i64,
    /// Clients that came in a second, until all were there; none if that was too quick to tell.
    pub arrived_per_second: Option<f64>,
    /// CPU time of the busiest generator thread, as a part of the time.
    pub generator_busiest: f64,
    /// What the server's use comes to; none if it could not be watched.
    pub server: Option<ServerFigures>,
}

/// What a server's use comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerFigures {
    /// CPU time, in cores.
    pub cores: f64,
    /// CPU time in user code for each delivery, in nanoseconds; none without deliveries.
    pub user_ns_per_delivery: Option<f64>,
    /// CPU time in the kernel for each delivery, in nanoseconds; none without deliveries.
    pub system_ns_per_delivery: Option<f64>,
    /// CPU time for each client until all were where they should be, in nanoseconds; none without
    /// clients.
    pub gather_ns_per_connection: Option<f64>,
    /// Resident memory gained for each connection, in bytes; none without connections.
    pub rss_bytes_per_connection: Option<f64>,
    /// Lines of rooms in each call that wrote, over the server's whole life; none if it is not
    /// known what it counted.
    pub lines_per_write: Option<f64>,
}

impl Figures {
    /// What follows from `result`.
    #[must_use]
    pub fn of(result: &RunResult) -> Self {
        let messages = &result.messages;
        let measured = result.phases.iter().find(|phase| phase.name == "measure");
        let seconds = measured.map_or(result.scenario.measure_seconds, |phase| phase.seconds);
        let ramp = result.phases.iter().find(|phase| phase.name == "ramp");
        let ramp = ramp.map(|ramp| ramp.seconds).filter(|seconds| *seconds > RAMP_SECONDS_MIN);
        let ramp = ramp.unwrap_or(0.0);
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let generator = &result.generator;
        let busiest = generator.threads.iter().map(|thread| thread.cpu_ns).max().unwrap_or(0);
        Self {
            measured_seconds: seconds,
            offered_per_second: per_second(messages.offered),
            sent_per_second: per_second(messages.sent),
            achieved_share: share(messages.sent as f64, messages.offered as f64),
            delivered_per_second: per_second(messages.delivered),
            unaccounted: messages.expected.wrapping_sub(messages.delivered + messages.lost) as i64,
            arrived_per_second: share(result.connections.most as f64, ramp),
            generator_busiest: share(busiest as f64, generator.seconds * 1e9).unwrap_or(0.0),
            server: result.server.as_ref().map(|server| ServerFigures::of(server, result)),
        }
    }
}

impl ServerFigures {
    fn of(server: &ServerUse, result: &RunResult) -> Self {
        let delivered = result.messages.delivered as f64;
        let gained = server.rss_after as f64 - server.rss_before as f64;
        let cpu = (server.user_ns + server.system_ns) as f64;
        Self {
            cores: share(cpu, server.seconds * 1e9).unwrap_or(0.0),
            user_ns_per_delivery: share(server.user_ns as f64, delivered),
            system_ns_per_delivery: share(server.system_ns as f64, delivered),
            gather_ns_per_connection: share(
                server.gather_ns as f64,
                result.connections.most as f64,
            ),
            rss_bytes_per_connection: share(gained, result.connections.most as f64),
            lines_per_write: server
                .counted
                .and_then(|counted| share(counted.deliveries as f64, counted.writes as f64)),
        }
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// A distribution and its name.
pub(crate) type Named<'a> = (&'static str, &'a Histogram<u64>);

/// How messages travelled, the most important distribution first. Those without samples are left
/// out.
pub(crate) fn of_messages(times: &Times) -> Vec<Named<'_>> {
    named(times, &["delivery", "service", "lag"])
}

/// How clients came in, the most important distribution first. Those without samples are left out.
pub(crate) fn of_clients(times: &Times) -> Vec<Named<'_>> {
    named(times, &["greeting", "connect", "join"])
}

fn named<'a>(times: &'a Times, names: &[&str]) -> Vec<Named<'a>> {
    let find = |name: &&str| times.each().find(|(other, times)| other == name && !times.is_empty());
    names.iter().filter_map(find).collect()
}

/// What a distribution is the time of, in a few words.
pub(crate) fn meaning(name: &str) -> &'static str {
    match name {
        "slow" => "the same as delivery, of those who read slowly",
        "comeback" => "from when a connection broke to when its client was back",
        "delivery" => "from when a message was due to when a receiver had it",
        "service" => "from when it was sent to when a receiver had it",
        "lag" => "from when it was due to when it was sent",
        "completion" => "from when it was due to when its last receiver had it",
        "connect" => "from starting a connection to having one",
        "greeting" => "from starting a connection to being given a name",
        "join" => "from asking for a room to being in it",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::result::times;

    #[test]
    fn a_percentile_needs_ten_samples_above_it() {
        let mut few = times();
        few.record_n(1_000_000, 999).expect("in range");
        assert_eq!(quantile(&few, 0.99), None);
        assert!(quantile(&few, 0.9).is_some());
        few.record(1_000_000).expect("in range");
        assert!(quantile(&few, 0.99).is_some());
        assert_eq!(quantile(&few, 0.999), None);
        assert_eq!(quantile(&times(), 0.5), None);
    }

    #[test]
    fn costs_are_for_each_delivery() {
        let mut result = fixture::named("fanout");
        result.messages.delivered = 1_000;
        result.messages.expected = 1_003;
        result.messages.lost = 1;
        let server = result.server.as_mut().expect("a watched server");
        (server.user_ns, server.system_ns, server.seconds) = (3_000_000, 1_000_000, 0.002);
        let figures = Figures::of(&result);
        assert_eq!(figures.unaccounted, 2);
        let server = figures.server.expect("a watched server");
        assert_eq!(server.user_ns_per_delivery, Some(3_000.0));
        assert_eq!(server.system_ns_per_delivery, Some(1_000.0));
        assert!((server.cores - 2.0).abs() < 1e-9);
    }

    #[test]
    fn rates_are_those_of_the_time_that_was_measured() {
        let mut result = fixture::named("fanout");
        for phase in result.phases.iter_mut().filter(|phase| phase.name == "measure") {
            phase.seconds = 4.0;
        }
        let figures = Figures::of(&result);
        assert_eq!((figures.measured_seconds, figures.delivered_per_second), (4.0, 250_000.0));
    }

    #[test]
    fn nothing_at_all_is_no_division_by_zero() {
        let figures = Figures::of(&fixture::named("empty"));
        assert_eq!(figures.achieved_share, None);
        assert!(figures.sent_per_second.abs() < f64::EPSILON);
    }
}
