//! What this machine has to offer, as far as this process may have it.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory for clients and rooms is one of so many parts if nobody says how much: the rest is for
/// their sockets in the kernel, and for everything else.
pub const MEMORY_PARTS: u64 = 2;
/// Descriptors kept for everything that is not a client: listener, readiness sets, logs, a spare
/// for the operator.
const DESCRIPTORS_RESERVED: u64 = 64;
/// Descriptors each shard needs for itself.
const DESCRIPTORS_PER_SHARD: u64 = 8;

/// The machine, and what holds this process back in it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Cores this process may run on.
    pub cores: u16,
    /// Descriptors this process may have.
    pub descriptors_max: u64,
    /// Bytes of memory there are, for this process or its group of processes; unknown if nobody
    /// says.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// Looks, and raises the descriptor limit as far as it goes.
    #[must_use]
    pub fn look() -> Self {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            cores: u16::try_from(cores).unwrap_or(u16::MAX),
            descriptors_max: raise_descriptor_limit(),
            memory_bytes: memory_bytes(Path::new("/")),
        }
    }
}

/// Raises this process's limit of descriptors as far as it goes; the limit.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    now.current.unwrap_or(u64::MAX)
}

/// Descriptors that a server of so many shards needs before there is any client.
#[must_use]
pub fn own_descriptors(shards: u16) -> u64 {
    DESCRIPTORS_RESERVED + DESCRIPTORS_PER_SHARD * u64::from(shards)
}

/// Bytes of memory there are for this process, on the machine whose files are below `root`.
#[must_use]
pub fn memory_bytes(root: &Path) -> Option<u64> {
    let text = |path: &str| fs::read_to_string(root.join(path)).ok();
    let machine = text("proc/meminfo").and_then(|text| total(&text));
    let groups = text("proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(limit_file).filter_map(|path| {
        // `max`, where there is none, is no number.
        text(&path)?.trim().parse().ok()
    });
    limits.chain(machine).min()
}

/// The total in the text of `/proc/meminfo`, see proc_meminfo(5).
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Where the limit stands, below the root, of the group in a line of `/proc/self/cgroup`, see
/// cgroups(7).
fn limit_file(line: &str) -> Option<String> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    if controllers.is_empty() {
        Some(format!("sys/fs/cgroup{path}/memory.max"))
    } else {
        let is_memory = controllers.split(',').any(|it| it == "memory");
        is_memory.then(|| format!("sys/fs/cgroup/memory{path}/memory.limit_in_bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_s_limit_is_found_in_either_version() {
        for (line, file) in [
            ("0::/user/chat", Some("sys/fs/cgroup/user/chat/memory.max")),
            ("7:memory:/chat", Some("sys/fs/cgroup/memory/chat/memory.limit_in_bytes")),
            ("4:cpu,cpuacct:/chat", None),
            ("nonsense", None),
        ] {
            assert_eq!(limit_file(line).as_deref(), file, "{line}");
        }
        assert_eq!(total("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16_384));
    }
}
