//! What a process costs, as the system counts it.

use std::fs;
use std::time::Duration;

use loadgen::capture::{Probe, Reading};

/// Bytes of memory that the process has resident.
pub fn resident_bytes(pid: u32) -> u64 {
    reading(pid).rss
}

/// Processor time that all threads of the process have used, in steps of a hundredth of a second.
pub fn cpu_time(pid: u32) -> Duration {
    Duration::from_nanos(reading(pid).cpu_ns)
}

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours").count()
}

fn reading(pid: u32) -> Reading {
    Probe::new(pid).and_then(|probe| probe.read()).expect("a process of ours")
}

/// How many descriptors the process may have.
pub fn descriptors_max(pid: u32) -> f64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("a process of ours");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.unwrap_or(f64::INFINITY)
}

/// The one process that `pid` has started.
pub fn only_child(pid: u32) -> u32 {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(file).expect("a process of ours");
    children.trim().parse().expect("one child")
}

/// Whether a process waits for something to happen.
pub fn is_asleep(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}
