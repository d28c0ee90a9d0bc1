//! Which cores there are for the generator and for a server that it starts.

use rustix::thread::{CpuSet, sched_getaffinity};

/// The cores this process may use, in order; none if the operating system does not tell.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return vec![] };
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
}

/// Checks that this process may use all of `cpus`.
///
/// # Errors
/// A sentence with those that it may use.
pub fn check(cpus: &[usize]) -> Result<(), String> {
    let allowed = allowed();
    let Some(missing) = cpus.iter().find(|cpu| !allowed.contains(cpu)) else { return Ok(()) };
    let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    Err(format!("there is no core {missing} here: this process may use {}", list.join(", ")))
}
