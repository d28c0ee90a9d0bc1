//! CPU time and machine facts, as the kernel tells them.

use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The kernel tells ticks of a hundredth of a second, however often its timer really fires.
const TICK_MS: u64 = 10;

/// CPU time a process has used, all threads together.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime {
    /// Exact to the scheduler's last update, a few milliseconds at most.
    pub(crate) total_ns: u64,
    /// Sampled by the kernel's timer tick and told in ticks: good for the split, not for the total.
    pub(crate) user_ticks: u64,
    /// The same for the kernel's share.
    pub(crate) system_ticks: u64,
}

impl CpuTime {
    /// What this process has used so far.
    pub(crate) fn of_process(pid: u32) -> io::Result<Self> {
        let mut total_ns = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end between the listing and the reading.
            let schedstat = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            total_ns += field(&schedstat, 0).unwrap_or(0);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the program's name in brackets and may contain anything.
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = |at| field(behind_name, at).ok_or_else(|| io::Error::other("odd /proc/*/stat"));
        Ok(Self { total_ns, user_ticks: ticks(11)?, system_ticks: ticks(12)? })
    }

    /// What was used between an earlier reading and this one.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total_ns: self.total_ns.saturating_sub(earlier.total_ns),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }

    /// The part of the total spent outside the kernel, from 0 to 1.
    pub(crate) fn user_share(self) -> f64 {
        self.user_ticks as f64 / (self.user_ticks + self.system_ticks).max(1) as f64
    }
}

/// CPU time the calling thread has used.
pub(crate) fn thread_cpu_ns() -> io::Result<u64> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    field(&schedstat, 0).ok_or_else(|| io::Error::other("odd /proc/thread-self/schedstat"))
}

/// What became of the time of all CPUs together since boot.
#[derive(Clone, Copy)]
pub(crate) struct AllCpus {
    /// Milliseconds in which a CPU ran something.
    pub(crate) busy_ms: u64,
    /// Milliseconds in which it wanted to and the hypervisor ran somebody else.
    pub(crate) steal_ms: u64,
}

impl AllCpus {
    /// The totals so far.
    pub(crate) fn read() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let ms = |at| field(&stat, at).unwrap_or(0) * TICK_MS;
        // After the word `cpu`: user, nice, system, idle, iowait, irq, softirq, steal.
        let busy_ms = [1, 2, 3, 6, 7].map(ms).iter().sum();
        Ok(Self { busy_ms, steal_ms: ms(8) })
    }
}

/// Where and when the figures were taken.
pub(crate) fn machine() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cpu": entry(&cpuinfo, "model name"),
        "cpus": cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        "memory": entry(&meminfo, "MemTotal"),
        "kernel": kernel.trim(),
        "date": today(),
    })
}

fn field(text: &str, at: usize) -> Option<u64> {
    text.split_whitespace().nth(at)?.parse().ok()
}

fn entry<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim())
}

/// The date in UTC; years are counted from March, so that the leap day is their last.
fn today() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let days = since_epoch.as_secs() / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
