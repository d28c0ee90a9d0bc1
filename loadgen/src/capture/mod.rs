//! Watching a process through `/proc`: what its threads ran and waited, what it keeps in memory.
//!
//! A [`Snapshot`] has everything and costs a few dozen reads; a [`Probe`] is for every second.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Instant;

use rustix::io::Errno;
use rustix::param::{clock_ticks_per_second, page_size};

use crate::result::{GeneratorUse, ServerUse, ThreadUse};

/// Everything about a process at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    at: Instant,
    pid: u32,
    threads: Threads,
    times: ProcessTimes,
    rss: u64,
    pss: u64,
    descriptors: u64,
    socket_bytes: u64,
    machine: MachineTimes,
}

impl Snapshot {
    /// What process `pid` has done so far.
    ///
    /// # Errors
    /// A sentence when there is no such process any more, or it is not ours to watch.
    pub fn of(pid: u32) -> io::Result<Self> {
        let times = ProcessTimes::of(pid)?;
        let unseen = |e| explain(pid, &e);
        Ok(Self {
            at: Instant::now(),
            pid,
            threads: Threads::of(pid)?,
            times,
            rss: resident_bytes(pid)?,
            pss: pss_bytes(&read(pid, "smaps_rollup")?),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_err(unseen)?.count() as u64,
            socket_bytes: tcp_pages(&fs::read_to_string("/proc/net/sockstat")?)
                * page_size() as u64,
            machine: MachineTimes::parse(&fs::read_to_string("/proc/stat")?),
        })
    }

    /// Resident memory, in bytes.
    #[must_use]
    pub fn rss(&self) -> u64 {
        self.rss
    }

    /// Memory of the kernel's TCP sockets, of the whole machine, in bytes.
    #[must_use]
    pub fn socket_bytes(&self) -> u64 {
        self.socket_bytes
    }

    fn seconds_since(&self, before: &Self) -> f64 {
        self.at.saturating_duration_since(before.at).as_secs_f64()
    }
}

impl ServerUse {
    /// What a server used from `before` to `after`. Memory "before" is that of `before` too, until
    /// [`ServerUse::counted_from`] says otherwise.
    #[must_use]
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let switches = after.threads.switches_since(&before.threads);
        Self {
            pid: after.pid,
            seconds: after.seconds_since(before),
            threads: after.threads.since(&before.threads),
            user_ns: after.times.user_ns.saturating_sub(before.times.user_ns),
            system_ns: after.times.system_ns.saturating_sub(before.times.system_ns),
            gather_ns: 0,
            rss_before: before.rss,
            rss_after: after.rss,
            pss_after: after.pss,
            descriptors: after.descriptors,
            voluntary_switches: switches.0,
            involuntary_switches: switches.1,
            socket_bytes_before: before.socket_bytes,
            socket_bytes_after: after.socket_bytes,
            counted: None,
        }
    }

    /// The same, with memory compared to that at `unloaded`, before the first connection, and what
    /// it cost until everyone was where they should be, at `gathered`.
    #[must_use]
    pub fn counted_from(self, unloaded: &Snapshot, gathered: &Snapshot) -> Self {
        let gathering = gathered.threads.since(&unloaded.threads);
        Self {
            gather_ns: gathering.iter().map(|thread| thread.cpu_ns).sum(),
            rss_before: unloaded.rss,
            socket_bytes_before: unloaded.socket_bytes,
            ..self
        }
    }
}

impl GeneratorUse {
    /// What the generator's processes used from `before` to `after`; its reads are its own to
    /// count.
    #[must_use]
    pub fn between(before: &[Snapshot], after: &[Snapshot]) -> Self {
        let pairs = || before.iter().zip(after);
        Self {
            seconds: pairs().map(|(from, to)| to.seconds_since(from)).fold(0.0, f64::max),
            threads: pairs().flat_map(|(from, to)| to.threads.since(&from.threads)).collect(),
            steal_share: pairs()
                .map(|(from, to)| to.machine.steal_share_since(from.machine))
                .fold(0.0, f64::max),
            ..Self::default()
        }
    }
}

/// What a process used at one moment, as cheaply as it can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// CPU time since the process began, in nanoseconds, to within a clock tick (10 ms).
    pub cpu_ns: u64,
    /// Resident memory, in bytes.
    pub rss: u64,
}

/// Looks at a process every now and then, and notices when it is another one of the same number.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pid: u32,
    began: u64,
}

impl Probe {
    /// Of process `pid`.
    ///
    /// # Errors
    /// A sentence when there is no such process.
    pub fn new(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, began: ProcessTimes::of(pid)?.began })
    }

    /// What it used until now.
    ///
    /// # Errors
    /// A sentence when it is gone.
    pub fn read(&self) -> io::Result<Reading> {
        let times = ProcessTimes::of(self.pid)?;
        if times.began != self.began {
            return Err(gone(self.pid));
        }
        Ok(Reading { cpu_ns: times.user_ns + times.system_ns, rss: resident_bytes(self.pid)? })
    }
}

/// The threads of a process at one moment, by number.
#[derive(Clone, Debug, Default)]
pub struct Threads(BTreeMap<u32, Thread>);

#[derive(Clone, Debug, Default)]
struct Thread {
    name: String,
    cpu_ns: u64,
    waited_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

impl Threads {
    /// Those of process `pid`. A thread that runs right now is behind by up to a clock tick.
    ///
    /// # Errors
    /// A sentence when there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(|e| explain(pid, &e))?;
        for task in tasks {
            let task = task.map_err(|e| explain(pid, &e))?.file_name();
            let Some(id) = task.to_str().and_then(|id| id.parse().ok()) else { continue };
            // It may have ended since it was listed.
            if let Ok(thread) = Thread::of(pid, id) {
                threads.insert(id, thread);
            }
        }
        if threads.is_empty() {
            return Err(io::Error::other(format!(
                "no thread of process {pid} can be read: it is ending, or this kernel has no \
                 schedstat"
            )));
        }
        Ok(Self(threads))
    }

    /// What each did since `before`. Threads that ended since are not among them: what they did
    /// is only in the times of their process.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<ThreadUse> {
        self.pairs(before)
            .map(|(now, then)| ThreadUse {
                name: now.name.clone(),
                cpu_ns: now.cpu_ns - then.cpu_ns,
                waited_ns: now.waited_ns.saturating_sub(then.waited_ns),
            })
            .collect()
    }

    /// How often they gave up their cores since `before`, and how often they lost them.
    fn switches_since(&self, before: &Self) -> (u64, u64) {
        self.pairs(before).fold((0, 0), |(voluntary, involuntary), (now, then)| {
            (
                voluntary + now.voluntary.saturating_sub(then.voluntary),
                involuntary + now.involuntary.saturating_sub(then.involuntary),
            )
        })
    }

    /// Every thread now, with itself before: all zeros for a new one. Less CPU time than before
    /// means that the number has gone to another thread.
    fn pairs<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a Thread, Thread)> {
        self.0.iter().map(|(id, now)| {
            let then = before.0.get(id).filter(|then| then.cpu_ns <= now.cpu_ns);
            (now, then.cloned().unwrap_or_default())
        })
    }
}

impl Thread {
    fn of(pid: u32, id: u32) -> io::Result<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/task/{id}/{file}"));
        let schedstat = read("schedstat")?;
        let mut times = schedstat.split_whitespace().map_while(|word| word.parse().ok());
        let status = read("status")?;
        Ok(Self {
            name: read("comm")?.trim_end().to_owned(),
            cpu_ns: times.next().unwrap_or(0),
            waited_ns: times.next().unwrap_or(0),
            voluntary: labelled(&status, "voluntary_ctxt_switches:"),
            involuntary: labelled(&status, "nonvoluntary_ctxt_switches:"),
        })
    }
}

/// What a process has run, threads that ended too, and when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ProcessTimes {
    user_ns: u64,
    system_ns: u64,
    /// In clock ticks since the machine started: tells processes of the same number apart.
    began: u64,
}

impl ProcessTimes {
    fn of(pid: u32) -> io::Result<Self> {
        Self::parse(&read(pid, "stat")?, 1_000_000_000 / clock_ticks_per_second())
            .ok_or_else(|| gone(pid))
    }

    /// From the text of `/proc/PID/stat`; none for a process that has ended and waits to be
    /// reaped. The name comes second and may hold anything, so fields count from its last bracket.
    fn parse(stat: &str, tick_ns: u64) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            user_ns: number(11)? * tick_ns,
            system_ns: number(12)? * tick_ns,
            began: number(19)?,
        })
    }
}

/// What the machine's cores did since it started, in clock ticks.
#[derive(Clone, Copy, Debug, Default)]
struct MachineTimes {
    all: u64,
    stolen: u64,
}

impl MachineTimes {
    /// From the text of `/proc/stat`. Time of guests, from the ninth number on, is in that of
    /// users already.
    fn parse(stat: &str) -> Self {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }

    fn steal_share_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let stolen = self.stolen.saturating_sub(before.stolen);
        if all == 0 { 0.0 } else { stolen as f64 / all as f64 }
    }
}

fn resident_bytes(pid: u32) -> io::Result<u64> {
    let statm = read(pid, "statm")?;
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|w| w.parse().ok()).unwrap_or(0);
    Ok(pages * page_size() as u64)
}

fn pss_bytes(rollup: &str) -> u64 {
    labelled(rollup, "Pss:") * 1024
}

/// The pages in TCP sockets, from the text of `/proc/net/sockstat`.
fn tcp_pages(sockstat: &str) -> u64 {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The number after `label`, which begins a line.
fn labelled(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn read(pid: u32, file: &str) -> io::Result<String> {
    // Names of processes need not be UTF-8.
    match fs::read(format!("/proc/{pid}/{file}")) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) => Err(explain(pid, &e)),
    }
}

fn gone(pid: u32) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("process {pid} is gone"))
}

fn explain(pid: u32, e: &io::Error) -> io::Error {
    match e.kind() {
        io::ErrorKind::NotFound => gone(pid),
        _ if e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => gone(pid),
        io::ErrorKind::PermissionDenied => io::Error::new(
            e.kind(),
            format!("process {pid} is not ours to watch: run as the user that it runs as"),
        ),
        kind => io::Error::new(kind, format!("cannot watch process {pid}: {e}")),
    }
}

#[cfg(test)]
mod tests;
