//! A server under a steady load with comings and goings: what grows that should not?

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::programs::{answer, built, cargo, root, target_folder};
use crate::reports;
use crate::signals::attend;

/// The generator, and the server beside it.
const BUILD: &str = "build --locked --release --message-format=json-render-diagnostics";
/// Bytes an hour by which resident memory may grow in the second half.
const SLOPE_MAX: f64 = 1024.0 * 1024.0;
/// Shorter runs say nothing of that: a few pages at the wrong moment would decide.
const JUDGED: Duration = Duration::from_secs(20 * 60);
/// Descriptors of the server that are no clients.
const DESCRIPTORS_OWN: u64 = 64;
/// Exit codes of the generator that come with a report: all is well, a promise was broken, the
/// machine was the limit.
const WITH_REPORT: [i32; 3] = [0, 1, 3];

/// What was seen of the server.
#[derive(Debug)]
pub(super) struct Soaked {
    measured: Duration,
    /// Seconds from the beginning of the second half, and resident bytes then.
    second_half: Vec<(f64, f64)>,
    descriptors: u64,
    clients: u64,
    delivered: u64,
    failures: Vec<String>,
}

/// Loads a server for so long.
pub(super) fn run(duration: Duration) -> Result<Soaked, String> {
    let messages = answer(cargo().args(BUILD.split_whitespace()).stderr(Stdio::inherit()))?;
    let loadgen = built(&messages, "loadgen").ok_or("cargo built no load generator")?;
    let out = target_folder()?.join("soak");
    if out.exists() {
        fs::remove_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    }
    let mut command = Command::new(loadgen);
    command.args(["soak", "--spawn", "--shards", "2", "--seconds"]);
    command.arg(duration.as_secs_f64().to_string()).arg("--out").arg(&out);
    let status = attend(command.current_dir(root()));
    let status = status.map_err(|error| format!("the load generator did not start: {error}"))?;
    if !status.code().is_some_and(|code| WITH_REPORT.contains(&code)) {
        return Err(format!("the load generator: {status}"));
    }
    let text = reports::read(&out.join("run.json"))?;
    let run: Value = serde_json::from_str(&text).map_err(|error| format!("run.json: {error}"))?;
    Soaked::of(&run).ok_or_else(|| "run.json has not the figures it should have".to_owned())
}

impl Soaked {
    fn of(run: &Value) -> Option<Self> {
        let phases = run["phases"].as_array()?;
        let measure = phases.iter().find(|phase| phase["name"] == "measure")?;
        let (start, seconds) = (measure["start_seconds"].as_f64()?, measure["seconds"].as_f64()?);
        let (middle, end) = (start + seconds / 2.0, start + seconds);
        let rows = run["timeline"].as_array()?.iter();
        let rows =
            rows.filter_map(|row| Some((row["second"].as_f64()?, row["server_rss"].as_f64()?)));
        let second_half =
            rows.filter(|&(second, rss)| second >= middle && second < end && rss > 0.0);
        let failures = run["failures"].as_array()?.iter().filter_map(Value::as_str);
        Some(Self {
            measured: Duration::try_from_secs_f64(seconds).ok()?,
            second_half: second_half.map(|(second, rss)| (second - middle, rss)).collect(),
            descriptors: run["server"]["descriptors"].as_u64()?,
            clients: run["connections"]["most"].as_u64()?,
            delivered: run["messages"]["delivered"].as_u64()?,
            failures: failures.map(str::to_owned).collect(),
        })
    }

    /// Resident memory over time, as a table.
    pub(super) fn memory(&self) -> String {
        let mut table = "seconds_of_second_half,resident_bytes\n".to_owned();
        for (second, rss) in &self.second_half {
            let _ = writeln!(table, "{second},{rss}");
        }
        table
    }

    /// What there is to say, if nothing is wrong.
    pub(super) fn judge(&self) -> Result<String, String> {
        if let Some(failure) = self.failures.first() {
            return Err(failure.clone());
        }
        let (descriptors, clients) = (self.descriptors, self.clients);
        if descriptors > clients + DESCRIPTORS_OWN {
            return Err(format!("{descriptors} descriptors for {clients} clients"));
        }
        let slope = slope(&self.second_half).ok_or("nothing was seen of the server's memory")?;
        let said = format!("{:+.2} MiB an hour in the second half", slope / (1024.0 * 1024.0));
        let is_judged = self.measured >= JUDGED;
        if is_judged && slope > SLOPE_MAX {
            return Err(format!("resident memory: {said}"));
        }
        let note = if is_judged { "" } else { " (too short a time to judge by)" };
        let delivered = self.delivered;
        Ok(format!(
            "{delivered} deliveries, none lost; {descriptors} descriptors for {clients} clients; \
             resident memory {said}{note}"
        ))
    }
}

/// How much `y` grows in an hour, with `x` in seconds: the median of the slopes of all pairs, which
/// a few odd ones do not move.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let pairs = points.iter().enumerate();
    let pairs = pairs.flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
    let mut slopes: Vec<f64> = pairs.map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
    let middle = slopes.len() / 2;
    let (_, median, _) =
        (!slopes.is_empty()).then(|| slopes.select_nth_unstable_by(middle, f64::total_cmp))?;
    Some(*median * 3600.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A run of so many seconds that measures from the tenth on, with memory as given.
    fn soaked(seconds: u32, rss: impl Fn(u32) -> u32) -> Soaked {
        let rows =
            (0..seconds + 20).map(|second| json!({"second": second, "server_rss": rss(second)}));
        let run = json!({
            "phases": [{"name": "measure", "start_seconds": 10.0, "seconds": seconds}],
            "timeline": rows.collect::<Vec<_>>(),
            "server": {"descriptors": 120},
            "connections": {"most": 100},
            "messages": {"delivered": 5},
            "failures": [],
        });
        Soaked::of(&run).expect("a run")
    }

    #[test]
    fn only_steady_growth_in_the_second_half_counts() {
        let hour = 3_600;
        assert!(soaked(hour, |second| second.min(1_810) * 10_000 + 1).judge().is_ok());
        assert!(soaked(hour, |second| if second == 3_000 { 1 << 30 } else { 1 }).judge().is_ok());
        let grows = soaked(hour, |second| second * 300 + 1).judge();
        assert_eq!(grows, Err("resident memory: +1.03 MiB an hour in the second half".to_owned()));
        let short = soaked(60, |second| second * 300 + 1).judge().expect("too short");
        assert!(short.contains("too short"), "{short}");
    }

    #[test]
    fn descriptors_that_nobody_has_are_wrong() {
        let leaks = Soaked { descriptors: 200, ..soaked(60, |_| 1) };
        assert_eq!(leaks.judge(), Err("200 descriptors for 100 clients".to_owned()));
    }

    #[test]
    fn what_the_generator_holds_against_the_server_is_passed_on() {
        let wrong = Soaked { failures: vec!["3 lost".to_owned()], ..soaked(60, |_| 1) };
        assert_eq!(wrong.judge(), Err("3 lost".to_owned()));
    }
}
