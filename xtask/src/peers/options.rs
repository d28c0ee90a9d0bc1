//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use super::server::{PEERS, Peer};
use super::workload::{WORKLOADS, Workload};

/// How to measure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// How often each server runs each workload.
    pub(crate) rounds: u32,
    /// A first impression is enough.
    pub(crate) quick: bool,
    /// Only these servers and workloads; all of a kind of which none is named.
    pub(crate) only: Vec<String>,
    /// Where the report goes, if not to the results.
    pub(crate) out: Option<PathBuf>,
}

/// How long a run takes, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Before anything counts.
    pub(crate) warm_up: f64,
    /// What counts.
    pub(crate) measure: f64,
}

impl Timing {
    /// What a run takes with its server's start and end, and all that comes and goes.
    pub(crate) fn usual(self) -> Duration {
        Duration::from_secs_f64(self.warm_up + self.measure + 3.0)
    }

    /// When a run is ended that takes so much longer that something is wrong.
    pub(crate) fn limit(self) -> Duration {
        Duration::from_secs_f64(self.warm_up + self.measure + 40.0)
    }
}

impl Options {
    /// From the words after `bench-peers`.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self { rounds: 0, quick: false, only: vec![], out: None };
        let mut words = words.iter();
        while let Some(&flag) = words.next() {
            let mut value =
                |what| words.next().copied().ok_or(format!("`{flag}` wants {what} behind it."));
            match flag {
                "--quick" => options.quick = true,
                "--rounds" => {
                    let rounds = value("a number")?.parse().ok().filter(|it| (1..=99).contains(it));
                    options.rounds = rounds.ok_or("`--rounds` wants a number from 1 to 99.")?;
                }
                "--only" => options.only.push(known(value("a server or a workload")?)?),
                "--out" => options.out = Some(value("a folder")?.into()),
                _ => return Err(format!("`cargo xtask bench-peers` does not know `{flag}`.")),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 1 } else { 3 };
        }
        Ok(options)
    }

    /// The servers that are asked for.
    pub(crate) fn peers(&self) -> Vec<&'static Peer> {
        self.chosen(PEERS, |peer| peer.name)
    }

    /// The workloads that are asked for.
    pub(crate) fn workloads(&self) -> Vec<&'static Workload> {
        self.chosen(WORKLOADS, |workload| workload.name)
    }

    fn chosen<T>(&self, all: &'static [T], name: fn(&T) -> &'static str) -> Vec<&'static T> {
        let is_named = |it: &&T| self.only.iter().any(|only| only == name(it));
        let named: Vec<&T> = all.iter().filter(is_named).collect();
        if named.is_empty() { all.iter().collect() } else { named }
    }

    /// How long runs take.
    pub(crate) fn timing(&self) -> Timing {
        if self.quick {
            Timing { warm_up: 0.3, measure: 0.7 }
        } else {
            Timing { warm_up: 0.7, measure: 2.0 }
        }
    }
}

/// The name of a server or a workload, or a sentence with all there are.
fn known(name: &str) -> Result<String, String> {
    let names = || PEERS.iter().map(|it| it.name).chain(WORKLOADS.iter().map(|it| it.name));
    if names().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = names().collect();
    Err(format!("There is no server or workload `{name}`; there are {}.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_all_is_measured_three_times() {
        let options = Options::parse(&[]).expect("no flags");
        assert_eq!((options.rounds, options.quick, &options.out), (3, false, &None));
        assert_eq!(options.peers().len(), PEERS.len());
        assert_eq!(options.workloads().len(), WORKLOADS.len());
    }

    #[test]
    fn quick_is_one_round_unless_more_are_asked_for() {
        assert_eq!(Options::parse(&["--quick"]).expect("a flag").rounds, 1);
        assert_eq!(Options::parse(&["--rounds", "5", "--quick"]).expect("flags").rounds, 5);
    }

    #[test]
    fn naming_servers_leaves_all_workloads_and_the_other_way_round() {
        let options = Options::parse(&["--only", "redis", "--only", "nats"]).expect("flags");
        let names: Vec<&str> = options.peers().iter().map(|peer| peer.name).collect();
        assert_eq!(names, ["redis", "nats"]);
        assert_eq!(options.workloads().len(), WORKLOADS.len());
        let options = Options::parse(&["--only", "idle", "--out", "here"]).expect("flags");
        assert_eq!((options.peers().len(), options.workloads().len()), (PEERS.len(), 1));
        assert_eq!(options.out, Some("here".into()));
    }

    #[test]
    fn mistakes_are_named() {
        for (words, culprit) in [
            (&["--rounds", "0"][..], "--rounds"),
            (&["--rounds", "many"], "--rounds"),
            (&["--rounds"], "--rounds"),
            (&["--only", "rediss"], "redis, nats"),
            (&["--quik"], "--quik"),
        ] {
            let message = Options::parse(words).expect_err("a mistake was accepted");
            assert!(message.contains(culprit), "{message}");
        }
    }
}
