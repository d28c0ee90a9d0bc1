//! What we want of the server, and what came of it, from the reports of `throughput` and
//! `bench-peers`.

use serde_json::Value;

/// The reports.
pub(crate) struct Measured {
    /// `throughput.json`
    pub(crate) throughput: Value,
    /// `peers.json`
    pub(crate) peers: Value,
}

/// What is asked of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// That many times, or more.
    Times(f64),
    /// That, or more.
    AtLeast(f64),
    /// That, or less.
    AtMost(f64),
}

/// A mark, and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Under which load.
    pub(crate) load: &'static str,
    /// Which figure.
    pub(crate) what: String,
    /// What is wanted of it.
    pub(crate) wanted: Wanted,
    /// What it was; none if that has not been measured.
    pub(crate) measured: Option<f64>,
    /// The same comparison by the server's CPU time, where the figure is one of deliveries a
    /// second: a closed loop on one core tells little of a server that is faster than its clients.
    pub(crate) by_cpu: Option<f64>,
}

/// Whether a mark holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does.
    Holds,
    /// Not in deliveries a second, but in CPU time: the generator was the limit.
    ByCpu,
    /// It does not.
    Missed,
    /// Nobody knows.
    NotMeasured,
}

impl Wanted {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::Times(least) | Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl Mark {
    /// Whether it holds.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.measured, self.by_cpu) {
            (Some(figure), _) if self.wanted.holds(figure) => Verdict::Holds,
            (_, Some(figure)) if self.wanted.holds(figure) => Verdict::ByCpu,
            (Some(_), _) => Verdict::Missed,
            (None, _) => Verdict::NotMeasured,
        }
    }
}

impl Measured {
    /// All marks.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mut marks = vec![];
        for (load, workload, tutorial, redis) in [
            ("1 × 1 000, 64 in flight", "1x1000-w64", 16.0, 3.3),
            ("200 × 10, 16 in flight", "200x10-w16", 4.0, 1.6),
            ("500 × 2, 16 in flight", "500x2-w16", 4.0, 1.6),
            ("200 × 10, everyone sending", "200x10-all-w1", 2.7, 1.4),
        ] {
            marks.push(self.faster(load, workload, "tutorial", tutorial));
            marks.push(self.faster(load, workload, "redis", redis));
            if workload == "1x1000-w64" {
                marks.push(self.user_time(load, workload, 4.0));
            }
        }
        for (load, workload) in
            [("200 × 10, 1 in flight", "200x10-w1"), ("500 × 2, 1 in flight", "500x2-w1")]
        {
            marks.extend(self.others().iter().map(|peer| self.faster(load, workload, peer, 1.08)));
            marks.push(self.user_time(load, workload, 250.0));
            marks.push(self.times_of(load, workload, "p99_us", "tutorial", 0.2));
        }
        marks.extend(self.open_loop());
        marks.extend(self.websocket());
        marks.extend(self.crowds());
        marks.extend(self.shards());
        marks.extend(self.floor());
        marks
    }

    /// Everyone but Hubbub among the peers.
    fn others(&self) -> Vec<&str> {
        let servers = self.peers["servers"].as_array().into_iter().flatten();
        let names = servers.filter_map(|server| server["name"].as_str());
        names.filter(|name| !name.starts_with("hubbub")).collect()
    }

    /// The median of a figure of one of the peers.
    fn peer(&self, workload: &str, server: &str, figure: &str) -> Option<f64> {
        let spread = entry(&self.peers["spreads"], "workload", workload, server)?;
        spread["figures"][figure]["median"].as_f64()
    }

    fn cpu(&self, workload: &str, server: &str) -> Option<f64> {
        let part = |figure| self.peer(workload, server, figure);
        Some(part("user_ns")? + part("system_ns")?)
    }

    /// How many times as fast as another server.
    fn faster(&self, load: &'static str, workload: &str, other: &str, times: f64) -> Mark {
        let rate = |server| self.peer(workload, server, "deliveries_per_second");
        Mark {
            load,
            what: format!("deliveries/s, to {other}'s"),
            wanted: Wanted::Times(times),
            measured: ratio(rate("hubbub"), rate(other)),
            by_cpu: ratio(self.cpu(workload, other), self.cpu(workload, "hubbub")),
        }
    }

    fn user_time(&self, load: &'static str, workload: &str, ns: f64) -> Mark {
        let measured = self.peer(workload, "hubbub", "user_ns");
        mark(load, "user ns a delivery".to_owned(), Wanted::AtMost(ns), measured)
    }

    /// A time, as a part of another server's.
    fn times_of(
        &self,
        load: &'static str,
        workload: &str,
        figure: &str,
        other: &str,
        part: f64,
    ) -> Mark {
        let time = |server| self.peer(workload, server, figure);
        let measured = ratio(time("hubbub"), time(other));
        let name = figure.trim_end_matches("_us").replace('_', ".");
        mark(load, format!("{name}, to {other}'s"), Wanted::AtMost(part), measured)
    }

    fn open_loop(&self) -> Vec<Mark> {
        let (load, workload) = ("200 × 10, 100 000 deliveries/s", "200x10-open");
        let best = |figure: &str| {
            let times = self.others().into_iter();
            let times = times.filter_map(|peer| Some((peer, self.peer(workload, peer, figure)?)));
            let best = times.min_by(|a, b| a.1.total_cmp(&b.1));
            best.map_or("redis", |best| best.0).to_owned()
        };
        let mark = |figure: &str| self.times_of(load, workload, figure, &best(figure), 1.0);
        vec![mark("p99_us"), mark("p99_9_us")]
    }

    /// What frames cost the server beside lines.
    fn websocket(&self) -> Vec<Mark> {
        let loads = [
            ("1 × 1 000, 64 in flight", "1x1000-w64"),
            ("200 × 10, 16 in flight", "200x10-w16"),
            ("500 × 2, 16 in flight", "500x2-w16"),
            ("200 × 10, everyone sending", "200x10-all-w1"),
        ];
        let what = "CPU of a delivery over WebSocket, to that of a line";
        loads
            .into_iter()
            .map(|(load, workload)| {
                let cpu = |server| self.cpu(workload, server);
                let measured = ratio(cpu("hubbub-websocket"), cpu("hubbub"));
                mark(load, what.to_owned(), Wanted::AtMost(1.1), measured)
            })
            .collect()
    }

    /// A figure of the bench: its median, or itself.
    fn bench(&self, case: &str, server: &str, figure: &str) -> Option<f64> {
        let found = &entry(&self.throughput["summary"], "case", case, server)?[figure];
        found.as_f64().or_else(|| found["median"].as_f64())
    }

    fn growth(&self, first_case: &str, figure: &str) -> Option<f64> {
        let mut all = self.throughput["growth"].as_array()?.iter();
        let found = all.find(|it| {
            let case = it["cases"][0].as_str().unwrap_or_default();
            case.starts_with(first_case) && it["server"] == "hubbub"
        })?;
        found[figure].as_f64()
    }

    fn crowds(&self) -> Vec<Mark> {
        let all = self.throughput["summary"].as_array().into_iter().flatten();
        let cases = all.filter_map(|it| it["case"].as_str()).collect::<Vec<_>>();
        let last = |name: &str| cases.iter().rev().find(|it| it.starts_with(name)).copied();
        let cost = |name| self.bench(last(name)?, "hubbub", "cpu_ns");
        let rate = cost("arrivals").and_then(|come| Some(1e9 / (come + cost("join-storm")?)));
        let idle = "idle, named, in a room";
        let crowd = "connect + name + join";
        let bytes = "bytes resident, for each more".to_owned();
        let power = "CPU grows with the crowd to the power of".to_owned();
        let a_second = "a second of server CPU".to_owned();
        vec![
            mark(idle, bytes, Wanted::AtMost(350.0), self.growth("arrivals", "rss_bytes_each")),
            mark(crowd, a_second, Wanted::AtLeast(30_000.0), rate),
            mark(crowd, power, Wanted::AtMost(1.1), self.growth("join-storm", "cpu_exponent")),
        ]
    }

    fn shards(&self) -> Vec<Mark> {
        let loads = [
            ("1 × 1 000, 16 in flight", "1x1000-w16"),
            ("200 × 10, 16 in flight", "200x10-w16"),
            ("1 × 1 000, a tenth of 1 in flight", "1x1000-w1-tenth"),
            ("200 × 10, a tenth of 1 in flight", "200x10-w1-tenth"),
        ];
        // Two shards on one core cost what their messages to each other cost. With a core each, one
        // of them is in the generator's way, because there are no more than two.
        let layouts = [
            ("2shards-1core", "CPU of 2 shards on one core, to 1 shard's"),
            ("2shards", "CPU of 2 shards, one beside the generator, to 1 shard's"),
        ];
        let each = loads.into_iter().flat_map(|load| layouts.map(|layout| (load, layout)));
        each.map(|((load, case), (shards, what))| {
            let cpu = |shards| self.bench(&format!("{case}-{shards}"), "hubbub", "cpu_ns");
            let most = if case.ends_with("tenth") { 2.0 } else { 1.1 };
            mark(load, what.to_owned(), Wanted::AtMost(most), ratio(cpu(shards), cpu("1shard")))
        })
        .collect()
    }

    fn floor(&self) -> Vec<Mark> {
        let loads = [
            ("1 × 1 000, 1 in flight", "1x1000-w1"),
            ("1 × 1 000, 16 in flight", "1x1000-w16"),
            ("1 × 1 000, 64 in flight", "1x1000-w64"),
            ("200 × 10, 1 in flight", "200x10-w1"),
            ("200 × 10, 16 in flight", "200x10-w16"),
            ("200 × 10, 64 in flight", "200x10-w64"),
            ("500 × 2, 1 in flight", "500x2-w1"),
            ("500 × 2, 16 in flight", "500x2-w16"),
            ("500 × 2, 64 in flight", "500x2-w64"),
            ("200 × 10, everyone sending", "200x10-all"),
        ];
        loads
            .map(|(load, case)| {
                let measured = self.bench(case, "floor-coalesced", "hubbub_to_this_cpu_ns");
                mark(load, "CPU, to the floor's".to_owned(), Wanted::AtMost(1.1), measured)
            })
            .into()
    }
}

/// The entry of a list that is about this load, which its `key` names, and this server.
fn entry<'a>(list: &'a Value, key: &str, load: &str, server: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|it| it[key] == load && it["server"] == server)
}

fn ratio(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

fn mark(load: &'static str, what: String, wanted: Wanted, measured: Option<f64>) -> Mark {
    Mark { load, what, wanted, measured, by_cpu: None }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// Reports of a few figures.
    pub(crate) fn measured() -> Measured {
        let peer = |server: &str, workload: &str, rate: f64, system: f64, p99: f64| {
            let figures = json!({
                "deliveries_per_second": {"median": rate}, "user_ns": {"median": 4.0},
                "system_ns": {"median": system}, "p99_us": {"median": p99},
            });
            json!({ "server": server, "workload": workload, "figures": figures })
        };
        let bench = |case: &str, server: &str, cpu: f64| {
            json!({ "case": case, "server": server, "cpu_ns": {"median": cpu},
                    "hubbub_to_this_cpu_ns": 1.2 })
        };
        Measured {
            peers: json!({
                "about": {"date": "2026-11-25 10:15", "commit": "abc1234", "cpu": "EPYC",
                          "kernel": "Linux 6", "rounds": "3"},
                "servers": [{"name": "hubbub"}, {"name": "hubbub-websocket"}, {"name": "redis"},
                            {"name": "nats"}],
                "spreads": [
                    peer("hubbub", "1x1000-w64", 8e6, 76.0, 5.0),
                    peer("hubbub-websocket", "1x1000-w64", 8e6, 80.0, 5.0),
                    peer("redis", "1x1000-w64", 2e6, 156.0, 9.0),
                    peer("hubbub", "200x10-w16", 2e6, 76.0, 5.0),
                    peer("hubbub-websocket", "200x10-w16", 2e6, 100.0, 5.0),
                    peer("redis", "200x10-w16", 1.5e6, 156.0, 9.0),
                    peer("hubbub", "200x10-open", 1e5, 76.0, 5.0),
                    peer("hubbub-websocket", "200x10-open", 1e5, 76.0, 3.0),
                    peer("redis", "200x10-open", 1e5, 156.0, 9.0),
                    peer("nats", "200x10-open", 1e5, 156.0, 4.0),
                ],
            }),
            throughput: json!({
                "summary": [
                    bench("arrivals-4000", "hubbub", 9e9), bench("arrivals-16000", "hubbub", 19e3),
                    bench("join-storm-16000", "hubbub", 6e3),
                    bench("200x10-w16-1shard", "hubbub", 100.0),
                    bench("200x10-w16-2shards", "hubbub", 109.0),
                    bench("200x10-w16-2shards-1core", "hubbub", 120.0),
                    bench("1x1000-w1", "floor-coalesced", 1.0),
                ],
                "growth": [{"cases": ["arrivals-4000", "arrivals-16000"], "server": "hubbub",
                            "rss_bytes_each": 251.0}],
            }),
        }
    }

    fn find(load: &str, what: &str) -> Mark {
        let marks = measured().marks();
        marks.into_iter().find(|it| it.load.starts_with(load) && it.what.contains(what)).unwrap()
    }

    #[test]
    fn marks_hold_are_missed_or_were_not_measured() {
        for (load, what, measured, verdict) in [
            ("1 × 1 000, 64", "redis", Some(4.0), Verdict::Holds),
            ("1 × 1 000, 64", "tutorial", None, Verdict::NotMeasured),
            ("1 × 1 000, 64", "user", Some(4.0), Verdict::Holds),
            ("200 × 10, 100 000", "p99, to nats", Some(1.25), Verdict::Missed),
            ("1 × 1 000, 64", "WebSocket", Some(1.05), Verdict::Holds),
            ("200 × 10, 16", "WebSocket", Some(1.3), Verdict::Missed),
            ("500 × 2, 16", "WebSocket", None, Verdict::NotMeasured),
            ("idle", "bytes", Some(251.0), Verdict::Holds),
            ("connect", "a second", Some(40_000.0), Verdict::Holds),
            ("200 × 10, 16", "2 shards, one", Some(1.09), Verdict::Holds),
            ("200 × 10, 16", "2 shards on one", Some(1.2), Verdict::Missed),
            ("1 × 1 000, 1 in", "floor", Some(1.2), Verdict::Missed),
        ] {
            let mark = find(load, what);
            assert_eq!((mark.measured, mark.verdict()), (measured, verdict), "{load}, {what}");
        }
    }

    #[test]
    fn where_clients_are_the_limit_cpu_time_tells() {
        let mark = find("200 × 10, 16", "redis");
        assert_eq!((mark.by_cpu, mark.verdict()), (Some(2.0), Verdict::ByCpu));
        assert!(mark.measured.is_some_and(|times| times < 1.6));
    }
}
