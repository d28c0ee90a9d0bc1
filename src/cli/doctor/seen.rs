//! What is read of a machine.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::machine::memory_bytes;

/// A machine, as far as it says anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The soft and the hard limit of descriptors.
    pub(super) descriptors: Option<(u64, u64)>,
    /// The highest that the hard limit can be set to.
    pub(super) nr_open: Option<u64>,
    /// Files that all processes may have open.
    pub(super) file_max: Option<u64>,
    /// Connections that may wait to be accepted.
    pub(super) somaxconn: Option<u64>,
    /// Connections that may wait to be made.
    pub(super) syn_backlog: Option<u64>,
    /// The first and the last port that connections are made from.
    pub(super) ports: Option<(u64, u64)>,
    /// Entries that the table of tracked connections may have, if there is one.
    pub(super) conntrack_max: Option<u64>,
    /// Pages that the buffers of all connections may take.
    pub(super) tcp_pages_max: Option<u64>,
    /// Bytes of memory for this process.
    pub(super) memory: Option<u64>,
    /// Cores this process may run on.
    pub(super) cores: Option<u64>,
}

impl Seen {
    /// Looks at the machine whose files are below `root`.
    pub(super) fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let numbers = |path: &str| Some(numbers(&text(path)?));
        let number = |path: &str| numbers(path)?.first().copied();
        Self {
            descriptors: text("proc/self/limits").and_then(|text| descriptors(&text)),
            nr_open: number("proc/sys/fs/nr_open"),
            file_max: number("proc/sys/fs/file-max"),
            somaxconn: number("proc/sys/net/core/somaxconn"),
            syn_backlog: number("proc/sys/net/ipv4/tcp_max_syn_backlog"),
            ports: numbers("proc/sys/net/ipv4/ip_local_port_range")
                .and_then(|ports| Some((*ports.first()?, *ports.get(1)?))),
            conntrack_max: number("proc/sys/net/netfilter/nf_conntrack_max"),
            tcp_pages_max: numbers("proc/sys/net/ipv4/tcp_mem")
                .and_then(|pages| pages.get(2).copied()),
            memory: memory_bytes(root),
            cores: text("proc/self/status").and_then(|text| cores(&text)),
        }
    }
}

fn numbers<T: FromStr>(text: &str) -> Vec<T> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The limits of descriptors in the text of `/proc/self/limits`, see proc_pid_limits(5).
fn descriptors(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_whitespace();
    let mut limit = || match words.next()? {
        "unlimited" => Some(u64::MAX),
        word => word.parse().ok(),
    };
    Some((limit()?, limit()?))
}

/// How many cores are in the list in the text of `/proc/self/status`, see proc_pid_status(5).
fn cores(status: &str) -> Option<u64> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some((last + 1).saturating_sub(first))
    };
    list.trim().split(',').map(count).sum()
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn a_machine_is_read_from_its_files() {
        let root = env::temp_dir().join(format!("hubbub-doctor-{}", std::process::id()));
        for (path, text) in [
            ("proc/self/limits", "Limit  Soft\nMax open files   1024   unlimited   files\n"),
            ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0,2-4\n"),
            ("proc/self/cgroup", "0::/chat\n"),
            ("proc/meminfo", "MemTotal:  64 kB\n"),
            ("proc/sys/fs/nr_open", "9\n"),
            ("proc/sys/net/core/somaxconn", "128\n"),
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("proc/sys/net/ipv4/tcp_mem", "1\t2\t3\n"),
            ("sys/fs/cgroup/chat/memory.max", "4096\n"),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let seen = Seen::read(&root);
        fs::remove_dir_all(&root).expect("it was there");
        assert_eq!(seen.descriptors, Some((1024, u64::MAX)));
        assert_eq!((seen.cores, seen.memory), (Some(4), Some(4096)));
        assert_eq!((seen.nr_open, seen.file_max), (Some(9), None));
        assert_eq!((seen.somaxconn, seen.syn_backlog), (Some(128), None));
        assert_eq!((seen.ports, seen.tcp_pages_max), (Some((32_768, 60_999)), Some(3)));
        assert_eq!(seen.conntrack_max, None);
    }
}
