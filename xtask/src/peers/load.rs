//! One run: a server is started, loaded and ended.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Sitting;
use super::figures::Figures;
use super::server::{Peer, Server};
use super::workload::Workload;
use crate::reports::read;

/// The core the generator runs on.
const CORE: &str = "1";
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The generator, which never outlives its value here.
struct Generator(Child);

impl Drop for Generator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures one server under one workload.
pub(crate) fn load(sitting: &Sitting, peer: &Peer, workload: &Workload) -> Result<Figures, String> {
    let mut server = Server::start(peer, sitting)?;
    let report = sitting.scratch("report");
    let cannot = |error| format!("cannot start the load generator: {error}");
    if report.exists() {
        fs::remove_dir_all(&report).map_err(cannot)?;
    }
    let log = sitting.scratch("loadgen.log");
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", CORE])
        .arg(sitting.places.release.join("loadgen"))
        .args(arguments(sitting, peer, workload))
        .args(["--address", &server.address().to_string(), "--pid", &server.pid().to_string()])
        .arg("--out")
        .arg(&report)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).map_err(cannot)?)
        // Ctrl-C is for us, who end it then.
        .process_group(0);
    let mut generator = Generator(command.spawn().map_err(cannot)?);
    let deadline = Instant::now() + sitting.options.timing().limit();
    loop {
        if generator.0.try_wait().map_err(cannot)?.is_some() {
            break;
        }
        if sitting.is_interrupted() {
            return Err("interrupted".to_owned());
        }
        if Instant::now() > deadline {
            return Err("the run took too long and was ended".to_owned());
        }
        thread::sleep(LOOK_EVERY);
    }
    if server.has_ended() {
        return Err(format!("the server ended; it said:\n{}", server.last_words()));
    }
    let Ok(text) = read(&report.join("run.json")) else {
        let said = read(&log).unwrap_or_default();
        return Err(said.lines().last().unwrap_or("no report and no reason").to_owned());
    };
    let run: Value = serde_json::from_str(&text).map_err(|e| format!("run.json: {e}"))?;
    Figures::of(&run).ok_or_else(|| "run.json has not the figures it should have".to_owned())
}

/// What the generator is told, but for where the server is.
pub(crate) fn arguments(sitting: &Sitting, peer: &Peer, workload: &Workload) -> Vec<String> {
    let timing = sitting.options.timing();
    let mut words: Vec<String> =
        ["fanout", "--cpus", CORE, "--dialect", peer.dialect].map(str::to_owned).into();
    let rest = [
        format!("connects_per_second={}", peer.connects_per_second),
        format!("warm_up_seconds={}", timing.warm_up),
        format!("measure_seconds={}", timing.measure),
    ];
    for setting in workload.settings(sitting.options.quick).into_iter().chain(rest) {
        words.extend(["--set".to_owned(), setting]);
    }
    words
}
