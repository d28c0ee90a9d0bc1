//! The signals that end a run.

use std::fs;
use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use loadgen::spawn;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a shell adds to the number of a signal that ended a program, for its exit code.
const EXIT_SIGNALLED: i32 = 128;

/// A flag that the first signal sets. The second one ends this program and the server that it has
/// started at once. Signals that are ignored stay so: under `nohup`, or in the background.
pub(crate) fn listen() -> Result<Arc<AtomicBool>, String> {
    let ignored = ignored();
    let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|it| ignored & (1 << (it - 1)) == 0);
    let cannot = |e: io::Error| format!("cannot listen for signals: {e}");
    let mut signals = Signals::new(heeded).map_err(cannot)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&interrupted);
    let listen = move || {
        for signal in signals.forever() {
            if set.swap(true, Ordering::Relaxed) {
                spawn::kill_all();
                process::exit(EXIT_SIGNALLED + signal);
            }
            let _ = writeln!(
                io::stderr(),
                "interrupted: the run ends with what was sent; another signal ends it at once"
            );
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(cannot)?;
    Ok(interrupted)
}

/// Signals that this process was started with orders to ignore, as bits: signal 1 is the lowest.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
