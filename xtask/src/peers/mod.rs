//! `cargo xtask bench-peers`: Hubbub beside other servers that give a message to everyone in a
//! room, each with its core to itself, all loaded by the same generator from the other core.
//!
//! They take turns within each round, in another order each time, so that a noisy minute of a
//! shared machine hits all of them; medians over the rounds are told with their spread.

mod figures;
mod load;
mod options;
mod picture;
mod report;
mod server;
mod table;
mod workload;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use figures::Run;
pub(crate) use options::Options;
use server::{Peer, Places};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use workload::Workload;

use crate::packages::{self, Needed};
use crate::programs::{answer, built, cargo, root, succeed, target_folder};
use crate::{python, reports};

/// Everything that is measured in a sitting.
struct Sitting {
    options: Options,
    peers: Vec<&'static Peer>,
    workloads: Vec<&'static Workload>,
    places: Places,
    interrupted: Arc<AtomicBool>,
}

/// Installs and builds what is needed, measures, and writes what came of it.
pub(crate) fn run(options: Options) -> Result<(), String> {
    let workloads = options.workloads();
    let out = out_folder(&options)?;
    let mut peers = options.peers();
    let is_used = |it: &&Needed| peers.iter().any(|peer| peer.is_started_by(it.program));
    let needed: Vec<Needed> = packages::PEERS.iter().filter(is_used).copied().collect();
    packages::install_missing(&needed)?;
    let places = prepare(&mut peers)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
    }
    let sitting = Sitting { options, peers, workloads, places, interrupted };
    sitting.announce();
    let runs = sitting.measure();
    if runs.iter().all(|run| run.outcome.is_err()) {
        return Err("nothing was measured".to_owned());
    }
    let report = report::Report::of(&sitting, runs);
    println!("\n{}", report.text());
    report.write(&out)?;
    println!("written to {}", out.display());
    match report.failed() {
        _ if sitting.is_interrupted() => Err("interrupted: not all was measured".to_owned()),
        0 => Ok(()),
        failed => Err(format!("{failed} runs failed: see `failed` in peers.json")),
    }
}

/// Builds and installs what the servers are started from. Where uWebSockets cannot be had, it is
/// left out: its package has a library that was built elsewhere, for common machines only.
fn prepare(peers: &mut Vec<&'static Peer>) -> Result<Places, String> {
    println!("building hubbub and loadgen, and the tutorial's design in the bench `throughput`");
    succeed(cargo().args(["build", "--locked", "--release"]))
        .map_err(|why| format!("cargo build: {why}"))?;
    let target = target_folder()?;
    let (folder, release) = (target.join("peers"), target.join("release"));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let throughput = if peers.iter().any(|peer| peer.name == "tutorial") {
        let build = "bench --locked --workspace --no-run --bench throughput \
                     --message-format=json-render-diagnostics";
        let messages = answer(cargo().args(build.split(' ')).stderr(Stdio::inherit()))?;
        built(&messages, "throughput").ok_or("cargo built no bench throughput")?
    } else {
        PathBuf::new()
    };
    if peers.iter().any(|peer| peer.name == "uwebsockets")
        && let Err(why) = python::install_missing(&python::PEERS)
    {
        println!("uwebsockets is left out, as its package cannot be used here: {why}");
        peers.retain(|peer| peer.name != "uwebsockets");
    }
    let python = python::interpreter(&python::PEERS)?;
    Ok(Places { release, throughput, python, folder })
}

/// Where the report goes: a folder that is new.
fn out_folder(options: &Options) -> Result<PathBuf, String> {
    let out = match &options.out {
        Some(out) => out.clone(),
        None => root().join(format!("{}-peers", reports::dated_folder()?)),
    };
    reports::prepare(&out)?;
    Ok(out)
}

impl Sitting {
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn count(&self) -> u32 {
        let each = self.peers.len() * self.workloads.len();
        u32::try_from(each).expect("a few") * self.options.rounds
    }

    /// Says how long all of it takes.
    fn announce(&self) {
        let timing = self.options.timing();
        let minutes = |each: Duration| (each * self.count()).as_secs().div_ceil(60);
        println!(
            "{} servers × {} workloads × {} rounds: about {} minutes, {} at most",
            self.peers.len(),
            self.workloads.len(),
            self.options.rounds,
            minutes(timing.usual()),
            minutes(timing.limit()),
        );
        println!("servers on core 0, generator on core 1, Ctrl-C ends it with what there is\n");
    }

    fn measure(&self) -> Vec<Run> {
        let began = Instant::now();
        let mut runs = vec![];
        for (at, workload) in self.workloads.iter().enumerate() {
            for round in 0..self.options.rounds {
                for peer in in_turn(&self.peers, at + round as usize) {
                    let outcome = load::load(self, peer, workload);
                    if self.is_interrupted() {
                        return runs;
                    }
                    let run = Run { workload, peer, round: round + 1, outcome };
                    runs.push(run);
                    let (run, seconds) = (&runs[runs.len() - 1], began.elapsed().as_secs());
                    println!("{:>4} s {:>3}/{} {run}", seconds, runs.len(), self.count());
                }
            }
        }
        runs
    }

    /// A scratch folder for one run's files.
    fn scratch(&self, name: &str) -> PathBuf {
        self.places.folder.join(name)
    }
}

/// All of them, but beginning with another one each time.
fn in_turn<T: Copy>(all: &[T], turn: usize) -> impl Iterator<Item = T> {
    let first = turn % all.len().max(1);
    all.iter().cycle().skip(first).take(all.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_begins_with_another_one_and_has_all() {
        let turns = [0, 1, 3, 4].map(|turn| in_turn(&['a', 'b', 'c'], turn).collect::<String>());
        assert_eq!(turns, ["abc", "bca", "abc", "bca"]);
    }
}
