//! A server that may have so much memory and no more.

use std::fs;
use std::path::PathBuf;
use std::process;

/// Where version 1 of the control groups has those of memory, if the system has that version.
const GROUPS: &str = "/sys/fs/cgroup/memory";

/// What ends a process that takes more memory than it is given.
///
/// A control group is the honest way: the kernel counts all that the process makes it hold, and
/// kills it. Where none can be made (without root, or in a container that has none to give), the
/// process's own data is limited instead, and an allocation fails, which is as deadly.
pub struct MemoryLimit {
    /// The group, if one could be made.
    group: Option<PathBuf>,
    wrapper: [String; 4],
}

impl MemoryLimit {
    /// Prepares a limit for one process.
    pub fn of_bytes(bytes: u64) -> Self {
        let group = PathBuf::from(format!("{GROUPS}/hubbub-{}", process::id()));
        let limited = fs::create_dir(&group)
            .and_then(|()| fs::write(group.join("memory.limit_in_bytes"), bytes.to_string()));
        let group = limited.is_ok().then_some(group);
        let first = match &group {
            Some(group) => format!("echo $$ > {}/cgroup.procs", group.display()),
            None => format!("ulimit -d {}", bytes >> 10),
        };
        let script = format!(r#"{first} && exec "$@""#);
        Self { group, wrapper: ["sh".into(), "-c".into(), script, "sh".into()] }
    }

    /// What to put before the program; it becomes that program.
    pub fn wrapper(&self) -> [&str; 4] {
        self.wrapper.each_ref().map(String::as_str)
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Fails while the process is still there, which its owner has ended by now.
        let _ = self.group.as_ref().map(fs::remove_dir);
    }
}
