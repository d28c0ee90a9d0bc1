//! Where a run took place: machine, system and build. Figures mean little without it.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// The machine, the system and the build.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Environment {
    /// What the processor calls itself.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// How the first core's frequency is governed, where that can be seen.
    pub governor: Option<String>,
    /// Whether the machine is a virtual one.
    pub hypervisor: bool,
    /// The machine's memory, in bytes.
    pub memory_bytes: u64,
    /// The system's name and version.
    pub kernel: String,
    /// How many descriptors a process may have open; none if there is no limit.
    pub descriptor_limit: Option<u64>,
    /// The generator's version.
    pub loadgen: &'static str,
    /// The compiler that built it.
    pub rustc: &'static str,
    /// `release` or `debug`.
    pub profile: &'static str,
    /// The words of the command line.
    pub command: Vec<String>,
    /// The commit that is checked out, if the generator was started in its repository.
    pub commit: Option<String>,
    /// Whether files there differ from that commit.
    pub dirty: Option<bool>,
}

impl Environment {
    /// Looks around.
    #[must_use]
    pub fn gather(command: &[String]) -> Self {
        let cpu = read("/proc/cpuinfo");
        let flags = field(&cpu, "flags").unwrap_or_default();
        let kernel = ["ostype", "osrelease"].map(|it| read(&format!("/proc/sys/kernel/{it}")));
        let commit = commit();
        Self {
            cpu: field(&cpu, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            governor: fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
                .ok()
                .map(|it| it.trim().to_owned()),
            hypervisor: flags.split(' ').any(|flag| flag == "hypervisor"),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            kernel: kernel.map(|it| it.trim().to_owned()).join(" "),
            descriptor_limit: getrlimit(Resource::Nofile).current,
            loadgen: env!("CARGO_PKG_VERSION"),
            rustc: option_env!("LOADGEN_RUSTC").unwrap_or("unknown"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            command: command.to_vec(),
            dirty: commit.as_ref().and_then(|_| git(&["status", "--porcelain"])).map(is_some_text),
            commit,
        }
    }
}

/// The text of a file, or nothing where there is none.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first value called `name` among lines like `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn memory_bytes(meminfo: &str) -> u64 {
    let total = field(meminfo, "MemTotal").unwrap_or_default();
    total.trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib * 1024)
}

/// The commit of the repository we are in, if it is the one that this generator is from: that of
/// somebody's notes would say nothing.
fn commit() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let schema = Path::new(&root).join("loadgen/schema/run.schema.json");
    schema.is_file().then(|| git(&["rev-parse", "HEAD"]))?
}

/// What `git` answers; none if it is missing or fails.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn is_some_text(text: String) -> bool {
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: A: B\nMemTotal:   2048 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(field(text, "flags"), None);
        assert_eq!(memory_bytes(text), 2048 * 1024);
    }

    #[test]
    fn this_machine_has_all_of_it() {
        let environment = Environment::gather(&["loadgen".to_owned(), "fanout".to_owned()]);
        assert!(environment.cores > 0 && environment.memory_bytes > 0);
        assert!(environment.kernel.starts_with("Linux "), "{}", environment.kernel);
        assert!(environment.rustc.starts_with("rustc "), "{}", environment.rustc);
    }
}
