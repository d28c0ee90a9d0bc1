//! Distributions in the two formats of the HdrHistogram tools: percentiles as text, which plotters
//! read, and an interval log, which holds everything and can be added to others.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::result::RunResult;

/// Lines until half of the remaining distance to 100 % is covered: what the other tools print.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
/// Nanoseconds in the unit of the percentile text.
const UNIT_NS: f64 = 1e3;
/// Nanoseconds in the unit of the maximum that an interval log repeats for people.
const MAX_UNIT_NS: f64 = 1e6;

/// The percentile text (`.hgrm`) of a distribution, in microseconds.
pub(crate) fn percentile_text(times: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for Row { value, above, of, count } in rows(times) {
        let [value, quantile] = [value as f64 / UNIT_NS, 1.0 - above as f64 / of as f64];
        let inverse = match above {
            0 => "inf".to_owned(),
            _ => format!("{:.2}", of as f64 / above as f64),
        };
        let _ = writeln!(text, "{value:12.3} {quantile:2.12} {count:10} {inverse:>14}");
    }
    let (mean, deviation) = (times.mean() / UNIT_NS, times.stdev() / UNIT_NS);
    let max = times.max() as f64 / UNIT_NS;
    let sub_buckets = (2 * 10_u32.pow(times.sigfig().into())).next_power_of_two();
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {:12}]", times.len());
    let _ =
        writeln!(text, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", times.buckets());
    text
}

/// A row of the percentile text: up to `value` are all samples but `above` in `of`.
struct Row {
    value: u64,
    above: u128,
    of: u128,
    /// Samples up to `value`.
    count: u64,
}

/// The rows of the percentile text: the steps of the other tools. The crate has an iterator for
/// them too; it adds floats up and so misses some percentiles by a sample, and it ends twice.
fn rows(times: &Histogram<u64>) -> Vec<Row> {
    let total = times.len();
    let mut rows = vec![];
    let mut recorded = times.iter_recorded();
    let (mut value, mut count) = (0, 0);
    for step in 0.. {
        let (halvings, tick) = (step / TICKS_PER_HALF_DISTANCE, step % TICKS_PER_HALF_DISTANCE);
        let above = u128::from(2 * TICKS_PER_HALF_DISTANCE - tick);
        let of = u128::from(2 * TICKS_PER_HALF_DISTANCE) << halvings;
        let least = u128::from(total) - u128::from(total) * above / of;
        while u128::from(count) < least.max(1)
            && let Some(next) = recorded.next()
        {
            value = next.value_iterated_to();
            count += next.count_at_value();
        }
        rows.push(Row { value, above, of, count });
        if count == total {
            break;
        }
    }
    rows.push(Row { value, above: 0, of: 1, count });
    rows
}

/// The interval log (`.hlog`) of a run: delivery times second by second, then one interval for each
/// other distribution, with its name as tag.
pub(crate) fn interval_log(result: &RunResult) -> io::Result<String> {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(result.started_unix_seconds);
    let (mut buffer, mut serializer) = (vec![], V2DeflateSerializer::new());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("[loadgen {}: times in ns]", env!("CARGO_PKG_VERSION")))
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(MAX_UNIT_NS)
        .begin_log_with(&mut buffer, &mut serializer)?;
    let measured = result.phases.iter().find(|phase| phase.name == "measure");
    let (from, length) = measured
        .map_or((0.0, result.scenario.measure_seconds), |it| (it.start_seconds, it.seconds));
    let mut add = |name, times: &Histogram<u64>, from, length| {
        let tag = Tag::new(name).expect("a name without commas or blanks");
        let [from, length] = [from, length].map(Duration::from_secs_f64);
        log.write_histogram(times, from, length, Some(tag))
            .map_err(|e| io::Error::other(format!("the distribution {name}: {e}")))
    };
    for (second, interval) in &result.intervals {
        add("delivery", &interval.times(), f64::from(*second), 1.0)?;
    }
    let others = result.times.each().filter(|(name, _)| *name != "delivery");
    for (name, times) in others.filter(|(_, times)| !times.is_empty()) {
        add(name, times, from, length)?;
    }
    String::from_utf8(buffer).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::result::times;

    #[test]
    fn the_last_line_comes_once() {
        let mut few = times();
        for us in [100, 200, 300, 400] {
            few.record(us * 1_000).expect("in range");
        }
        for times in [&few, &fixture::named("fanout").times.delivery] {
            let text = percentile_text(times);
            let ends: Vec<&str> = text.lines().filter(|line| line.ends_with("inf")).collect();
            assert_eq!(ends.len(), 1, "{text}");
            assert_eq!(text.lines().filter(|line| line.contains(" 1.000000000000 ")).count(), 1);
            let columns: Vec<&str> = ends[0].split_whitespace().collect();
            assert_eq!(columns[2], times.len().to_string());
        }
    }

    #[test]
    fn the_log_has_every_distribution_with_samples_and_every_second_of_deliveries() {
        let log = interval_log(&fixture::named("connect-storm")).expect("a log");
        let tags: Vec<&str> =
            log.lines().filter_map(|line| line.strip_prefix("Tag=")?.split(',').next()).collect();
        assert_eq!(tags, ["connect", "greeting", "join"]);
        let log = interval_log(&fixture::named("fanout")).expect("a log");
        let starts =
            |line: &str| Some(line.strip_prefix("Tag=delivery,")?.split_once('.')?.0.into());
        let starts: Vec<String> = log.lines().filter_map(starts).collect();
        assert_eq!(starts, (3..13).map(|second| second.to_string()).collect::<Vec<_>>());
    }
}
