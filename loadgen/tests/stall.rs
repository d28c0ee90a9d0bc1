//! A server that stands still for a moment: what was due in that time must be seen to wait for it,
//! as long as arithmetic says, although nothing could be sent back and forth.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use loadgen::result::RunResult;
use loadgen::run::{Options, Progress, run};
use loadgen::scenario::{Arrivals, Scenario};
use loadgen::spawn::{self, Server};
use rustix::process::{Pid, Signal, kill_process};

const STALL: Duration = Duration::from_millis(200);
const MEASURED_SECONDS: f64 = 4.0;
/// How far percentiles may be from what arithmetic says.
const TOLERANCE_MS: f64 = 10.0;
/// Another process may take the cores for as long as the stall lasts.
const TRIES: usize = 5;

/// Stops the process for a while; how long that was.
fn stall(pid: u32) -> Duration {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
    let started = Instant::now();
    kill_process(pid, Signal::STOP).expect("it is ours to stop");
    thread::sleep(STALL);
    kill_process(pid, Signal::CONT).expect("it is ours to go on");
    started.elapsed()
}

/// A run in whose middle the server stalls; its result, and how long the stall was.
fn measure() -> (RunResult, Duration) {
    // Beside the folder of the tests.
    let mut program: PathBuf = std::env::current_exe().expect("our own path");
    program.pop();
    program.set_file_name("hubbub");
    let options = spawn::Options { program: Some(program), shards: 1, ..Default::default() };
    let server = Server::start(&options).expect("the server was built with the tests");
    let scenario = Scenario {
        connections: 4,
        arrivals: Arrivals::Constant,
        rate: 500.0,
        warm_up_seconds: 0.5,
        measure_seconds: MEASURED_SECONDS,
        ..Scenario::default()
    };
    let (address, pid) = (server.address(), server.pid());
    let options = Options { pid: Some(pid), ..Options::to(address) };
    let stalled: Mutex<Option<JoinHandle<Duration>>> = Mutex::new(None);
    let mut watch = |progress: &Progress<'_>| {
        let mut stalled = stalled.lock().expect("one thread");
        if progress.phase == "measure" && progress.done > 0.4 && stalled.is_none() {
            *stalled = Some(thread::spawn(move || stall(pid)));
        }
    };
    let result = run(&scenario, &options, &AtomicBool::new(false), &mut watch).expect("a run");
    let stalled = stalled.into_inner().expect("one thread").expect("it was stalled");
    (result, stalled.join().expect("the stall ended"))
}

#[test]
fn a_stall_is_seen_by_everything_that_was_due_in_it() {
    let mut seen = vec![];
    for _ in 0..TRIES {
        let (result, stall) = measure();
        assert_eq!(result.failures, Vec::<String>::new());
        let percentile =
            |quantile: f64| result.times.delivery.value_at_quantile(quantile) as f64 / 1e6;
        // What was due `d` before the stall's end waited for `d`: all that waited for longer than
        // `d` was due in a stretch of `stall - d`.
        let predicted =
            |quantile: f64| stall.as_secs_f64() * 1e3 - (1.0 - quantile) * MEASURED_SECONDS * 1e3;
        let rows = [0.97, 0.98, 0.99, 0.995].map(|q| (q, percentile(q), predicted(q)));
        if rows.iter().all(|(_, is, should)| (is - should).abs() <= TOLERANCE_MS) {
            return;
        }
        seen.push(rows);
    }
    panic!("quantile, seen, predicted, in milliseconds: {seen:#?}");
}
