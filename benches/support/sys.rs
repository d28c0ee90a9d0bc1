//! The few things that only the C library can do.
#![allow(unsafe_code, reason = "affinity, limits and signals have no safe interface in std")]

use std::io;
use std::mem;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The CPUs this thread may run on.
pub(crate) fn allowed_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: a cpu_set_t is a plain array of bits, for which all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is ours, writable and of the size given; 0 is the calling thread.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
    check(result)?;
    // SAFETY: every number is below CPU_SETSIZE, the number of bits in the set.
    let allowed = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(allowed).collect())
}

/// Keeps this thread on one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    set_affinity(&cpu_set(&[cpu]))
}

/// Keeps the process this command starts on these CPUs, all its threads included, and lets it die
/// with the thread that starts it: a bench that is killed leaves no server behind.
pub(crate) fn confine(command: &mut Command, cpus: &[usize]) {
    let set = cpu_set(cpus);
    let prepare = move || {
        set_affinity(&set)?;
        // SAFETY: this option takes one integer and touches no memory.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
    };
    // SAFETY: between fork and exec the closure makes two system calls, nothing that could allocate
    // or wait for a lock another thread held at the time of the fork.
    unsafe { command.pre_exec(prepare) };
}

/// Raises the soft limit of open files to the hard one; processes started later inherit it.
pub(crate) fn raise_file_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and writable.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the structure is ours and only read.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })
}

/// Asks a process to end. The caller must not have waited for it yet, so that the number is its.
pub(crate) fn terminate(pid: u32) -> io::Result<()> {
    // SAFETY: sending a signal touches no memory of ours.
    check(unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) })
}

fn set_affinity(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: the set is only read and of the size given; 0 is the calling thread.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(set), set) })
}

fn cpu_set(cpus: &[usize]) -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is a plain array of bits, for which all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for &cpu in cpus {
        // SAFETY: the numbers come from `allowed_cpus` and are below CPU_SETSIZE.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    set
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
