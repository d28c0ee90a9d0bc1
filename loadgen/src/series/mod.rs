//! Several runs one after the other: the same again, at a row of rates, or in search of the highest
//! rate that is good enough.

mod search;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{self, Environment, Overview, Row, Verdict};
use crate::result::RunResult;
use crate::scenario::{Arrivals, Scenario, Setting};

/// Which runs to make.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The scenario so many times.
    Repeat(u32),
    /// The scenario at each of these rates.
    Sweep(Vec<f64>),
    /// The scenario at rates that close in on the highest one at which nothing is lost and the
    /// 99th percentile of delivery times is this one at most, in microseconds.
    Search {
        /// That percentile.
        p99_us: f64,
    },
}

/// Something that runs a scenario.
pub type Once<'a> = &'a mut dyn FnMut(&Scenario) -> Result<RunResult, String>;

/// Runs one after the other.
pub struct Series<'a> {
    scenario: &'a Scenario,
    once: Once<'a>,
    enough: &'a AtomicBool,
    folder: Option<&'a Path>,
    environment: &'a Environment,
    out: &'a mut dyn Write,
    rows: Vec<Row>,
}

/// What a series comes to: a sentence, and the exit code that goes with it.
struct Conclusion {
    sentence: String,
    verdict: Verdict,
}

impl<'a> Series<'a> {
    /// Runs of `scenario` that `once` makes in `environment`, none yet. There will be no further
    /// one when `enough` is set. Reports go to folders below `folder`, and a line for each run to
    /// `out`.
    pub fn new(
        scenario: &'a Scenario,
        once: Once<'a>,
        enough: &'a AtomicBool,
        folder: Option<&'a Path>,
        environment: &'a Environment,
        out: &'a mut dyn Write,
    ) -> Self {
        Self { scenario, once, enough, folder, environment, out, rows: vec![] }
    }

    /// Makes the runs and says what they come to, which is as bad as the worst of them.
    ///
    /// # Errors
    /// What keeps a run from being made or a report from being written. Those that were made have
    /// their reports all the same.
    pub fn make(mut self, kind: &Kind) -> Result<Verdict, String> {
        report::print_head(self.out).map_err(|e| cannot_print(&e))?;
        let concluded = match kind {
            Kind::Repeat(times) => self.repeat(*times),
            Kind::Sweep(rates) => self.sweep(rates),
            Kind::Search { p99_us } => self.search(*p99_us),
        };
        let conclusion = concluded.as_ref().map_or_else(
            |error| Conclusion { sentence: format!("ended early: {error}"), verdict: self.worst() },
            |it| Conclusion { sentence: it.sentence.clone(), verdict: it.verdict },
        );
        self.write_overview(kind, &conclusion)?;
        let Conclusion { sentence, verdict } = concluded?;
        writeln!(self.out, "\n{sentence}").map_err(|e| cannot_print(&e))?;
        Ok(verdict)
    }

    fn repeat(&mut self, times: u32) -> Result<Conclusion, String> {
        for number in 1..=times {
            if self.is_enough() {
                break;
            }
            self.run(self.scenario.clone(), number.to_string())?;
        }
        Ok(self.sum(times as usize))
    }

    fn sweep(&mut self, rates: &[f64]) -> Result<Conclusion, String> {
        for &rate in rates {
            if self.is_enough() {
                break;
            }
            self.run_at(rate)?;
        }
        Ok(self.sum(rates.len()))
    }

    /// How many of the runs there should have been there are, and what they came to.
    fn sum(&self, wanted: usize) -> Conclusion {
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let (made, passed) = (self.rows.len(), count(Verdict::Passed));
        let mut sentence = match made {
            made if made < wanted => format!("interrupted after {made} of {wanted} runs: "),
            1 => "1 run: ".to_owned(),
            made => format!("{made} runs: "),
        };
        sentence += &format!("{passed} valid and passed");
        for (verdict, what) in [(Verdict::Failed, "failed"), (Verdict::Invalid, "invalid")] {
            match count(verdict) {
                0 => {}
                count => sentence += &format!(", {count} {what}"),
            }
        }
        Conclusion { sentence, verdict: self.worst() }
    }

    fn worst(&self) -> Verdict {
        self.rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Passed)
    }

    fn is_enough(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    /// Runs the scenario at `rate`. A window would make its own rate: it sends at random instead.
    fn run_at(&mut self, rate: f64) -> Result<RunResult, String> {
        let arrivals = match self.scenario.arrivals {
            Arrivals::Window => Arrivals::Poisson,
            open => open,
        };
        let before = self.rows.iter().filter(|row| row.rate == rate).count();
        let again = if before > 0 { format!("-{}", before + 1) } else { String::new() };
        let mut scenario = Scenario { arrivals, ..self.scenario.clone() };
        scenario.set("rate", &Setting::Float(rate))?;
        self.run(scenario, format!("rate-{rate}{again}"))
    }

    /// Makes a run, tells of it and writes its report.
    fn run(&mut self, scenario: Scenario, name: String) -> Result<RunResult, String> {
        let result = (self.once)(&scenario)?;
        let row = Row::of(name, &result);
        report::print_row(&row, self.out).map_err(|e| cannot_print(&e))?;
        if let Some(folder) = self.folder
            && let Err(e) = report::write(&result, self.environment, &folder.join(&row.run))
        {
            report::print(&result, &mut self.out).map_err(|e| cannot_print(&e))?;
            return Err(report::unwritten(&e));
        }
        self.rows.push(row);
        Ok(result)
    }

    /// Repeats need no overview: they are there to be compared with others.
    fn write_overview(&self, kind: &Kind, conclusion: &Conclusion) -> Result<(), String> {
        let (kind, target_p99_ns) = match kind {
            Kind::Repeat(_) => return Ok(()),
            Kind::Sweep(_) => ("sweep", None),
            Kind::Search { p99_us } => ("search", Some(p99_us * 1e3)),
        };
        let Some(folder) = self.folder.filter(|_| !self.rows.is_empty()) else { return Ok(()) };
        let overview = Overview {
            kind,
            environment: self.environment,
            scenario: self.scenario,
            rows: &self.rows,
            target_p99_ns,
            conclusion: &conclusion.sentence,
            verdict: conclusion.verdict,
        };
        report::write_overview(&overview, folder).map_err(|e| report::unwritten(&e))
    }
}

fn cannot_print(error: &std::io::Error) -> String {
    format!("cannot print: {error}")
}
