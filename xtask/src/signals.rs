//! Signals end the programs that a chore waits for, too: those have servers of their own to stop.

use std::io::{self, IsTerminal, stdin};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// How soon a signal is passed on, and the end of a program is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The number of the last signal that came; 0 for none.
fn last() -> &'static Arc<AtomicUsize> {
    static LAST: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
    LAST.get_or_init(|| {
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            // Without this the signal ends this program, as it does any.
            let _ = flag::register_usize(signal, Arc::clone(&last), number);
        }
        last
    })
}

/// Runs a program to its end, and passes signals on to it. After a signal no other is started.
pub(crate) fn attend(command: &mut Command) -> io::Result<ExitStatus> {
    let last = last();
    let interrupted = || io::Error::new(io::ErrorKind::Interrupted, "interrupted by a signal");
    if last.load(Ordering::Relaxed) > 0 {
        return Err(interrupted());
    }
    let status = attend_with(command, last, stdin().is_terminal())?;
    if last.load(Ordering::Relaxed) > 0 { Err(interrupted()) } else { Ok(status) }
}

/// At a terminal the program stays in our group, so that it can ask for a password, and has Ctrl-C
/// from there. Elsewhere it leads a group of its own, all of which gets the signal.
fn attend_with(
    command: &mut Command,
    last: &AtomicUsize,
    at_terminal: bool,
) -> io::Result<ExitStatus> {
    if !at_terminal {
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let mut passed_on = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let signal = match i32::try_from(last.load(Ordering::Relaxed)) {
            Ok(SIGTERM) => Some(Signal::TERM),
            Ok(SIGHUP) => Some(Signal::HUP),
            Ok(SIGINT) if !at_terminal => Some(Signal::INT),
            _ => None,
        };
        if let Some(signal) = signal.filter(|_| !passed_on) {
            let kill = if at_terminal { kill_process } else { kill_process_group };
            // It may have ended just now.
            let _ = kill(pid, signal);
            passed_on = true;
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_signal_is_passed_on_to_all_of_a_group() {
        let last = AtomicUsize::new(0);
        let (mut ready, writer) = io::pipe().expect("a pipe");
        let mut command = Command::new("sh");
        // The shell waits for its own child, which the signal has to reach.
        let script = "trap : TERM; sh -c 'echo; exec sleep 100' && exit 7; exit 8";
        command.args(["-c", script]).stdout(writer);
        let status = thread::scope(|scope| {
            scope.spawn(|| {
                ready.read_exact(&mut [0]).expect("the shell is ready");
                last.store(usize::try_from(SIGTERM).expect("a number"), Ordering::Relaxed);
            });
            attend_with(&mut command, &last, false).expect("it starts")
        });
        assert_eq!(status.code(), Some(8), "{status}");
    }
}
