//! The figures of a run, and what several runs have in common.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::server::Peer;
use super::table::grouped;
use super::workload::{Kind, Workload};

/// A generator busier than this, and than the server, may have been the limit.
const GENERATOR_BUSY_MAX: f64 = 0.85;

/// The figures that a report of the load generator has, by their names here, with where they are
/// and what they are multiplied by.
const REPORTED: &[(&str, &str, f64)] = &[
    ("deliveries_per_second", "/figures/delivered_per_second", 1.0),
    ("user_ns", "/figures/server/user_ns_per_delivery", 1.0),
    ("system_ns", "/figures/server/system_ns_per_delivery", 1.0),
    ("p50_us", "/times/delivery/percentiles_ns/p50", 1e-3),
    ("p99_us", "/times/delivery/percentiles_ns/p99", 1e-3),
    ("p99_9_us", "/times/delivery/percentiles_ns/p99_9", 1e-3),
    ("lost", "/messages/lost", 1.0),
    ("missed", "/messages/missed", 1.0),
    ("server_cores", "/figures/server/cores", 1.0),
    ("generator_cores", "/figures/generator_busiest", 1.0),
    ("stolen_share", "/generator/steal_share", 1.0),
    ("rss_bytes_per_connection", "/figures/server/rss_bytes_per_connection", 1.0),
];

/// One server under one workload, once.
pub(crate) struct Run {
    pub(crate) workload: &'static Workload,
    pub(crate) peer: &'static Peer,
    /// The round, from 1.
    pub(crate) round: u32,
    /// Its figures, or why there are none.
    pub(crate) outcome: Result<Figures, String>,
}

/// The figures of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    values: BTreeMap<&'static str, f64>,
    /// What the load generator has to say against the run or the server.
    remarks: Value,
}

impl Figures {
    /// From a report of the load generator; none if it was not watching a server.
    pub(crate) fn of(run: &Value) -> Option<Self> {
        let at = |&(name, at, factor): &(&'static str, &str, f64)| {
            Some((name, run.pointer(at)?.as_f64()? * factor))
        };
        let mut values: BTreeMap<&str, f64> = REPORTED.iter().filter_map(at).collect();
        let phases = run["phases"].as_array()?;
        let seconds = |name: &str| {
            phases.iter().find(|it| it["name"] == name).and_then(|it| it["seconds"].as_f64())
        };
        let connections = run["connections"]["most"].as_f64()?;
        for (name, phase) in [("connects_per_second", "ramp"), ("joins_per_second", "join")] {
            values.insert(name, connections / seconds(phase)?);
        }
        let remarks = json!({ "invalid": run["invalid"], "failures": run["failures"] });
        values.contains_key("server_cores").then_some(Self { values, remarks })
    }

    /// The figure of this name, if there is one.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Whether the generator may have been the limit. A server with many threads on one core is as
    /// busy as all of them together, which the generator's own verdict does not know.
    pub(crate) fn is_generator_bound(&self) -> bool {
        let cores = |name| self.get(name).unwrap_or(0.0);
        let generator = cores("generator_cores");
        generator > GENERATOR_BUSY_MAX && generator > cores("server_cores")
    }

    fn json(&self) -> Value {
        let values: Map<String, Value> =
            self.values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "figures": values, "remarks": self.remarks,
                "generator_bound": self.is_generator_bound() })
    }
}

impl Run {
    /// All of it, for programs.
    pub(crate) fn json(&self) -> Value {
        let mut run = match &self.outcome {
            Ok(figures) => figures.json(),
            Err(why) => json!({ "failed": why }),
        };
        run["workload"] = json!(self.workload.name);
        run["server"] = json!(self.peer.name);
        run["round"] = json!(self.round);
        run
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, round {}, {}: ", self.workload.name, self.round, self.peer.name)?;
        let figures = match &self.outcome {
            Ok(figures) => figures,
            Err(why) => return write!(f, "FAILED: {why}"),
        };
        let get = |name| figures.get(name).unwrap_or(0.0);
        match self.workload.kind {
            Kind::Closed => write!(f, "{} deliveries/s", grouped(get("deliveries_per_second")))?,
            Kind::Open => write!(f, "p99 {} µs", grouped(get("p99_us")))?,
            Kind::Idle => {
                write!(f, "{} bytes a connection", grouped(get("rss_bytes_per_connection")))?;
            }
        }
        if get("lost") + get("missed") > 0.0 {
            write!(f, ", {} lost", grouped(get("lost") + get("missed")))?;
        }
        if figures.is_generator_bound() { f.write_str(", generator-bound") } else { Ok(()) }
    }
}

/// A figure over several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one; of an even number the mean of the middle two.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of these values; none of none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median, min, max })
    }
}

/// The runs of one server under one workload.
pub(crate) struct Group<'a> {
    pub(crate) peer: &'static Peer,
    /// Those that did not fail.
    pub(crate) figures: Vec<&'a Figures>,
}

impl<'a> Group<'a> {
    /// The runs of this server under this workload among all.
    pub(crate) fn of(runs: &'a [Run], peer: &'static Peer, workload: &Workload) -> Self {
        let figures = runs
            .iter()
            .filter(|run| run.peer == peer && run.workload == workload)
            .filter_map(|run| run.outcome.as_ref().ok());
        Self { peer, figures: figures.collect() }
    }

    /// What they have in common in the figure of this name, if all have it.
    pub(crate) fn spread(&self, name: &str) -> Option<Spread> {
        let values = self.figures.iter().map(|figures| figures.get(name));
        Spread::of(values.collect::<Option<_>>()?)
    }

    /// Whether the generator may have been the limit in any of them.
    pub(crate) fn is_generator_bound(&self) -> bool {
        self.figures.iter().any(|figures| figures.is_generator_bound())
    }

    /// The spreads of all figures, for programs.
    pub(crate) fn json(&self) -> Value {
        let names = self.figures.iter().flat_map(|figures| figures.values.keys());
        let spreads: Map<String, Value> = names
            .filter_map(|&name| Some((name.to_owned(), self.spread(name)?)))
            .map(|(name, it)| (name, json!({"median": it.median, "min": it.min, "max": it.max})))
            .collect();
        json!(spreads)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report like those of the load generator, as far as it is read here.
    pub(crate) fn report(per_second: f64, generator: f64) -> Value {
        json!({
            "figures": {
                "delivered_per_second": per_second,
                "generator_busiest": generator,
                "server": {
                    "cores": 0.9, "user_ns_per_delivery": 40.0, "system_ns_per_delivery": 80.0,
                    "rss_bytes_per_connection": 244.0,
                },
            },
            "times": {"delivery": {"percentiles_ns": {"p50": 5_000, "p99": 9_000, "p99_9": null}}},
            "messages": {"lost": 0, "missed": 0},
            "generator": {"steal_share": 0.01},
            "connections": {"most": 1000},
            "phases": [
                {"name": "ramp", "seconds": 0.5}, {"name": "join", "seconds": 2.0},
            ],
            "invalid": [], "failures": ["2 deliveries came again"],
        })
    }

    #[test]
    fn figures_are_found_in_a_report() {
        let figures = Figures::of(&report(8e6, 0.5)).expect("all is there");
        let get = |name| figures.get(name);
        assert_eq!(get("deliveries_per_second"), Some(8e6));
        assert_eq!((get("user_ns"), get("system_ns")), (Some(40.0), Some(80.0)));
        assert_eq!((get("p99_us"), get("p99_9_us")), (Some(9.0), None));
        assert_eq!((get("connects_per_second"), get("joins_per_second")), (Some(2e3), Some(500.0)));
        assert_eq!(figures.json()["remarks"]["failures"][0], "2 deliveries came again");
        let mut unwatched = report(8e6, 0.5);
        unwatched["figures"]["server"] = Value::Null;
        assert_eq!(Figures::of(&unwatched), None);
    }

    #[test]
    fn the_generator_is_the_limit_if_it_is_busy_and_the_server_less_so() {
        let bound = [0.80, 0.89, 0.91].map(|generator| {
            Figures::of(&report(1.0, generator)).expect("all is there").is_generator_bound()
        });
        assert_eq!(bound, [false, false, true]);
    }

    #[test]
    fn a_spread_is_a_median_between_extremes() {
        let spread = |values: &[f64]| Spread::of(values.to_vec()).map(|s| (s.median, s.min, s.max));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(&[1.0, 2.0]), Some((1.5, 1.0, 2.0)));
        assert_eq!(spread(&[]), None);
    }
}
