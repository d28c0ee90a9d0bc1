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
