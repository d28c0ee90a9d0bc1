//! All runs in one sitting: which server when, on which cores, and what becomes of the figures.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use loadgen::report::{Environment, must_be_new};
use loadgen::run::command_line;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cases::{self, Block, Case};
use crate::cli::{Cli, Subject};
use crate::measure::{Cores, measure};
use crate::summary::{Entry, Metric, Summary};
use crate::{json, picture, table};

/// What a run takes beside its load: starting a server, everyone coming and going, and what is on
/// its way.
const BESIDE: f64 = 0.9;

/// What has been measured up to now.
struct Sitting<'a> {
    cli: &'a Cli,
    blocks: Vec<Block>,
    cores: Cores,
    environment: Environment,
    entries: Vec<Entry>,
    /// The table as it is printed.
    text: String,
    started: Instant,
    interrupted: Arc<AtomicBool>,
}

/// Measures everything asked for. Fails if a run failed or the server under test lost or damaged a
/// message.
pub(crate) fn hold(cli: &Cli) -> Result<ExitCode, String> {
    let blocks = cases::plan(&cli.pace(), &cli.only, &cli.servers);
    if blocks.is_empty() {
        return Err(format!("no case of these servers has {:?} in its name", cli.only));
    }
    if let Some(folder) = &cli.out {
        must_be_new(folder).map_err(|e| e.to_string())?;
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    raise_descriptor_limit()?;
    let cores = settle()?;
    let mut sitting = Sitting {
        cli,
        blocks,
        cores,
        environment: Environment::gather(&command_line()),
        entries: vec![],
        text: String::new(),
        started: Instant::now(),
        interrupted: interrupted().map_err(|e| format!("cannot listen for signals: {e}"))?,
    };
    sitting.introduce();
    let mut heading = "";
    for index in 0..sitting.blocks.len() {
        let block = sitting.blocks[index].clone();
        if block.heading != std::mem::replace(&mut heading, block.heading) {
            sitting.say(&table::heading(&block));
        }
        sitting.measure_block(&block);
        sitting.tell(&block);
        sitting.write()?;
        if sitting.interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
    }
    Ok(if sitting.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Sitting<'_> {
    fn say(&mut self, line: &str) {
        println!("{line}");
        self.text += line;
        self.text.push('\n');
    }

    /// What will be done and for how long, and what the table will mean.
    fn introduce(&mut self) {
        let Cores { server, generator } = self.cores;
        let (rounds, minutes) = (self.cli.rounds(), self.seconds() / 60.0);
        let rounds = if rounds == 1 { "one round".to_owned() } else { format!("{rounds} rounds") };
        eprintln!("{} runs, about {:.0} min", self.runs(), minutes.round().max(1.0));
        let history = self.cli.history_messages;
        self.say(&format!(
            "server on core {server}, generator on core {generator}; {rounds}; hubbub keeps \
             {history} messages of a room"
        ));
        self.say(table::LEGEND);
        self.say("");
        self.say(&table::head());
    }

    fn runs(&self) -> usize {
        let each = self.blocks.iter().map(|block| block.cases.len() * block.subjects.len());
        each.sum::<usize>() * usize::from(self.cli.rounds())
    }

    /// How long all of it takes.
    fn seconds(&self) -> f64 {
        let one =
            |case: &Case| case.scenario.warm_up_seconds + case.scenario.measure_seconds + BESIDE;
        let block =
            |block: &Block| block.cases.iter().map(one).sum::<f64>() * block.subjects.len() as f64;
        self.blocks.iter().map(block).sum::<f64>() * f64::from(self.cli.rounds())
    }

    fn measure_block(&mut self, block: &Block) {
        for round in 1..=self.cli.rounds() {
            for case in &block.cases {
                for &subject in &block.subjects {
                    if self.interrupted.load(Ordering::Relaxed) {
                        return;
                    }
                    self.measure(case, subject, round);
                }
            }
        }
    }

    fn measure(&mut self, case: &Case, subject: Subject, round: u16) {
        let rate: Metric = |run| Some(run.per_second);
        let saturated = case
            .part_of
            .as_ref()
            .and_then(|(other, _)| Summary::of(&self.entries, other, subject)?.median(rate));
        let flag = &self.interrupted;
        let run = measure(self.cli, case, subject, &self.cores, saturated, flag);
        let words = match &run {
            Ok(run) => table::progress(case, run),
            Err(why) => format!("FAILED: {why}"),
        };
        self.entries.push(Entry { case: case.name.clone(), subject, round, run });
        let (done, all) = (self.entries.len(), self.runs());
        let left = self.started.elapsed().as_secs_f64() / done as f64 * (all - done) as f64;
        let (minutes, seconds) = (left as u64 / 60, left as u64 % 60);
        let name = subject.name();
        eprintln!("{done}/{all} {}, {name}: {words}; {minutes}:{seconds:02} left", case.name);
    }

    fn tell(&mut self, block: &Block) {
        for case in &block.cases {
            self.say(&table::row(case, &self.entries));
        }
        for line in table::conclusion(block, &self.entries) {
            self.say(&line);
        }
    }

    /// Writes what there is, so that an early end loses only the rest.
    fn write(&self) -> Result<(), String> {
        let Some(folder) = &self.cli.out else { return Ok(()) };
        let report = json::report(self.cli, &self.environment, &self.blocks, &self.entries)?;
        save(folder, "throughput.txt", &self.text)?;
        save(folder, "throughput.json", &report)?;
        match picture::draw(&self.blocks, &self.entries)? {
            Some(svg) => save(folder, "throughput.svg", &svg),
            None => Ok(()),
        }
    }

    /// Whether all runs came to something, and the server under test kept its promises.
    fn is_sound(&self) -> bool {
        let broken = |entry: &&Entry| match &entry.run {
            Ok(run) => entry.subject == Subject::Hubbub && !run.failures.is_empty(),
            Err(_) => true,
        };
        for entry in self.entries.iter().filter(broken) {
            let why = match &entry.run {
                Ok(run) => run.failures.join("; "),
                Err(why) => why.clone(),
            };
            eprintln!("{}, round {}, {}: {why}", entry.case, entry.round, entry.subject.name());
        }
        !self.entries.iter().any(|entry| broken(&entry))
    }
}

fn save(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let file = folder.join(name);
    fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))
}

/// A flag that SIGINT, SIGTERM and SIGHUP set: servers are in groups of their own and would stay.
fn interrupted() -> io::Result<Arc<AtomicBool>> {
    let interrupted: Arc<AtomicBool> = Arc::default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// Chooses a core for servers and one for us, and goes to ours: looking around must not take the
/// server's time.
fn settle() -> Result<Cores, String> {
    let allowed = sched_getaffinity(None).map_err(|e| format!("cannot tell our cores: {e}"))?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    let (Some(server), Some(generator)) = (cores.next(), cores.next()) else {
        return Err("a core for the server and one for the generator are needed".to_owned());
    };
    let mut own = CpuSet::new();
    own.set(generator);
    sched_setaffinity(None, &own).map_err(|e| format!("cannot go to core {generator}: {e}"))?;
    Ok(Cores { server, generator })
}

/// Raises the soft limit of open files to the hard one; servers inherit it.
fn raise_descriptor_limit() -> Result<(), String> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|e| format!("cannot raise the limit of descriptors (ulimit -n): {e}"))
}
