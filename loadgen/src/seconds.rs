//! The seconds of a run, put together from what threads tell and what is seen of processes.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::capture::{Probe, Threads};
use crate::result::{Compressed, Second, times};
use crate::worker::Tick;

/// Seconds after which no thread has anything to add to a second any more.
const LATE_SECONDS_MAX: u32 = 3;

/// Seconds up to now.
#[derive(Debug)]
pub struct Seconds {
    rows: BTreeMap<u32, Second>,
    /// Distributions of seconds that threads may still add to.
    open: BTreeMap<u32, Histogram<u64>>,
    closed: Vec<(u32, Compressed)>,
    server: Option<Probe>,
    /// When the server was looked at last, and its CPU time then.
    server_before: Option<(u32, u64)>,
    /// The generator's processes, and what their threads had done when they were looked at last.
    generator: Vec<(u32, Threads)>,
    generator_second: Option<u32>,
}

impl Seconds {
    /// Of a run of these processes, with the server's process to be looked at.
    #[must_use]
    pub fn new(server: Option<u32>, generator: &[u32]) -> Self {
        let threads = |&pid: &u32| Threads::of(pid).ok().map(|threads| (pid, threads));
        Self {
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            closed: vec![],
            server: server.and_then(|pid| Probe::new(pid).ok()),
            server_before: None,
            generator: generator.iter().filter_map(threads).collect(),
            generator_second: None,
        }
    }

    /// Adds what a thread did in a second.
    ///
    /// # Panics
    /// Never: all distributions have the same bounds.
    pub fn add(&mut self, tick: &Tick) {
        let row = self.rows.entry(tick.second).or_default();
        row.second = tick.second;
        row.connections += tick.connections;
        row.sent += tick.sent;
        row.delivered += tick.delivered;
        let all = self.open.entry(tick.second).or_insert_with(times);
        all.add(&tick.times).expect("distributions of one kind");
        let micros = |value: u64| value as f64 / 1e3;
        row.p50_us = micros(all.value_at_quantile(0.5));
        row.p99_us = micros(all.value_at_quantile(0.99));
        row.max_us = micros(all.max());
        self.look_at_server(tick.second);
        self.look_at_generator(tick.second);
        self.close_before(tick.second.saturating_sub(LATE_SECONDS_MAX));
    }

    /// The last second there is anything of.
    #[must_use]
    pub fn last(&self) -> Option<&Second> {
        self.rows.values().next_back()
    }

    /// All seconds, and the distributions of those in which anything arrived.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Second>, Vec<(u32, Compressed)>) {
        self.close_before(u32::MAX);
        (self.rows.into_values().collect(), self.closed)
    }

    fn close_before(&mut self, second: u32) {
        let still_open = self.open.split_off(&second);
        let over = std::mem::replace(&mut self.open, still_open);
        let some = over.iter().filter(|(_, times)| !times.is_empty());
        self.closed.extend(some.map(|(second, times)| (*second, Compressed::new(times))));
    }

    fn look_at_server(&mut self, second: u32) {
        if self.server_before.is_some_and(|(last, _)| last >= second) {
            return;
        }
        let Some(Ok(reading)) = self.server.as_ref().map(Probe::read) else { return };
        let before = self.server_before.replace((second, reading.cpu_ns));
        let row = self.rows.entry(second).or_default();
        row.server_rss = reading.rss;
        if let Some((last, cpu_ns)) = before {
            let used = reading.cpu_ns.saturating_sub(cpu_ns);
            row.server_cpu = used as f64 / 1e9 / f64::from(second - last);
        }
    }

    fn look_at_generator(&mut self, second: u32) {
        if self.generator_second.is_some_and(|last| last >= second) {
            return;
        }
        let before = self.generator_second.replace(second);
        let mut busiest = 0;
        for (pid, threads) in &mut self.generator {
            let Ok(now) = Threads::of(*pid) else { continue };
            let used = now.since(threads).into_iter().map(|thread| thread.cpu_ns).max();
            busiest = busiest.max(used.unwrap_or(0));
            *threads = now;
        }
        if let Some(last) = before {
            let row = self.rows.entry(second).or_default();
            row.generator_cpu = busiest as f64 / 1e9 / f64::from(second - last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(second: u32, us: u64) -> Tick {
        let mut all = times();
        all.record(us * 1_000).expect("in range");
        Tick { second, connections: 2, sent: 3, delivered: 1, times: all }
    }

    #[test]
    fn threads_are_added_up_and_their_intervals_make_the_whole() {
        let mut seconds = Seconds::new(None, &[]);
        for second in 0..10 {
            seconds.add(&tick(second, 100));
            // The other one is late.
            if let Some(earlier) = second.checked_sub(2) {
                seconds.add(&tick(earlier, 300));
            }
        }
        assert_eq!(seconds.last().map(|row| row.second), Some(9));
        let (rows, intervals) = seconds.finish();
        assert_eq!(rows.len(), 10);
        assert_eq!((rows[3].connections, rows[3].sent, rows[3].delivered), (4, 6, 2));
        assert!((rows[3].max_us - 300.0).abs() < 1.0, "{:?}", rows[3]);
        let numbers: Vec<u32> = intervals.iter().map(|(second, _)| *second).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<u32>>());
        let counts: u64 = intervals.iter().map(|(_, interval)| interval.times().len()).sum();
        assert_eq!(counts, 18);
    }

    #[test]
    fn an_empty_second_has_a_row_and_no_interval() {
        let mut seconds = Seconds::new(None, &[]);
        seconds.add(&Tick { times: times(), ..tick(1, 1) });
        let (rows, intervals) = seconds.finish();
        assert_eq!((rows.len(), intervals.len()), (1, 0));
    }
}
