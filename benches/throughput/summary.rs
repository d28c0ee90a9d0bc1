//! What several runs of a server have in common, and how servers compare.

use loadgen::statistics::median;

use crate::cli::Subject;
use crate::figures::Run;

/// One run, or why there is none: which case, whose, and in which round.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name of the case.
    pub(crate) case: String,
    /// The server.
    pub(crate) subject: Subject,
    /// The round, from 1.
    pub(crate) round: u16,
    /// What came of it.
    pub(crate) run: Result<Run, String>,
}

/// Takes a figure out of a run, if it has it.
pub(crate) type Metric = fn(&Run) -> Option<f64>;

/// The figures that are reported, by their names in the JSON.
pub(crate) const METRICS: [(&str, Metric); 13] = [
    ("per_second", |run| Some(run.per_second)),
    ("cpu_ns", |run| Some(run.cpu_ns)),
    ("told_cpu_ns", |run| run.told_cpu_ns),
    ("lines_per_write", |run| run.lines_per_write),
    ("rings_per_line", |run| run.rings),
    ("p50_ns", |run| run.p50_ns),
    ("p99_ns", |run| run.p99_ns),
    ("p99_9_ns", |run| run.p999_ns),
    ("lost", |run| Some(run.lost as f64)),
    ("damaged", |run| Some(run.damaged as f64)),
    ("rss_bytes", |run| Some(run.rss as f64)),
    ("generator_busy", |run| Some(run.generator_busy)),
    ("steal_share", |run| Some(run.steal_share)),
];

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one; of an even number the mean of the middle two.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of some values; none of none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let extreme = |better: fn(f64, f64) -> f64| values.iter().copied().reduce(better);
        Some(Self { median: median(values)?, min: extreme(f64::min)?, max: extreme(f64::max)? })
    }

    /// How far apart the extremes are, as a part of the median.
    pub(crate) fn relative(&self) -> f64 {
        (self.max - self.min) / self.median
    }
}

/// All runs of one server in one case, of which there is at least one.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// Those that say something about the server; all of them if none does.
    runs: Vec<&'a Run>,
    /// Those that say nothing.
    pub(crate) invalid: usize,
    /// Those of which nothing came.
    pub(crate) failed: usize,
    /// Of how many.
    pub(crate) of: usize,
    /// Deliveries that were lost, in all runs.
    pub(crate) lost: u64,
    /// Deliveries that were damaged, in all runs.
    pub(crate) damaged: u64,
}

impl<'a> Summary<'a> {
    /// The runs of `subject` in `case`; none if it was not to do that.
    pub(crate) fn of(entries: &'a [Entry], case: &str, subject: Subject) -> Option<Self> {
        let mine = |entry: &&Entry| entry.case == case && entry.subject == subject;
        let mine: Vec<&Entry> = entries.iter().filter(mine).collect();
        let all: Vec<&Run> = mine.iter().filter_map(|entry| entry.run.as_ref().ok()).collect();
        let valid: Vec<&Run> = all.iter().filter(|run| run.invalid.is_empty()).copied().collect();
        (!mine.is_empty()).then(|| Self {
            invalid: all.len() - valid.len(),
            failed: mine.len() - all.len(),
            of: mine.len(),
            lost: all.iter().map(|run| run.lost).sum(),
            damaged: all.iter().map(|run| run.damaged).sum(),
            runs: if valid.is_empty() { all } else { valid },
        })
    }

    /// A figure over the rounds; none if no run has it.
    pub(crate) fn spread(&self, metric: Metric) -> Option<Spread> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| metric(run)).collect();
        Spread::of(&values)
    }

    /// The median of a figure.
    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        Some(self.spread(metric)?.median)
    }

    /// CPU nanoseconds each outside and inside the kernel: the median, in the proportion that was
    /// sampled in all runs together.
    pub(crate) fn user_and_system_ns(&self) -> Option<(f64, f64)> {
        let sum = |part: fn(&Run) -> u64| self.runs.iter().map(|run| part(run)).sum::<u64>() as f64;
        let (user, system) = (sum(|run| run.sampled_user_ns), sum(|run| run.sampled_system_ns));
        let each = self.median(|run| Some(run.cpu_ns))?;
        let share = user / (user + system);
        share.is_finite().then_some((each * share, each * (1.0 - share)))
    }

    /// The median of a figure in multiples of another server's.
    pub(crate) fn ratio(&self, other: &Self, metric: Metric) -> Option<f64> {
        Some(self.median(metric)? / other.median(metric)?).filter(|ratio| ratio.is_finite())
    }
}

/// What small and large crowds cost a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    /// The power of the crowd that the CPU time of all grows with: 1 if twice the crowd costs twice
    /// as much.
    pub(crate) exponent: f64,
    /// Bytes of resident memory for each client more.
    pub(crate) bytes_each: f64,
}

/// A crowd: how many, CPU nanoseconds each, and bytes of resident memory with all of them.
pub(crate) type Crowd = (f64, f64, f64);

impl Growth {
    /// From one crowd to a larger one.
    pub(crate) fn between(small: Crowd, large: Crowd) -> Self {
        let cost = |crowd: Crowd| crowd.0 * crowd.1;
        Self {
            exponent: (cost(large) / cost(small)).ln() / (large.0 / small.0).ln(),
            bytes_each: (large.2 - small.2) / (large.0 - small.0),
        }
    }
}
