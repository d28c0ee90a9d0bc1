//! What a process costs, as the system counts it.

use std::fs;
use std::time::Duration;

/// How many ticks of `/proc/PID/stat` a second has. Linux tells all programs 100, whatever its own
/// clock does.
const TICKS_PER_SECOND: u64 = 100;

/// Where `/proc/PID/stat` has the time spent in user and in system code, counted from the field
/// behind the program's name.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

/// Bytes of memory that the process has resident.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|it| it.trim().parse::<u64>().ok()).expect("a number of kilobytes") << 10
}

/// Processor time that all threads of the process have used, in steps of a hundredth of a second.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = read(pid, "stat");
    // The name may hold anything, so the fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = [USER_TICKS, SYSTEM_TICKS].map(|at| fields[at].parse::<u64>().expect("ticks"));
    Duration::from_millis(ticks.iter().sum::<u64>() * 1_000 / TICKS_PER_SECOND)
}

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours").count()
}

fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process of ours")
}
