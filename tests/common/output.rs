//! The output of a process, read to the end in the background and kept for waiting and for blame.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use super::PATIENCE;

/// Lines that a process has written so far. Clones share them.
#[derive(Clone, Default)]
pub struct Output {
    shared: Arc<(Mutex<Kept>, Condvar)>,
}

/// What has been read.
#[derive(Default)]
struct Kept {
    /// The lines, without their ends.
    lines: Vec<String>,
    /// How many of them somebody has waited for.
    seen: usize,
    /// Whether there will be no more.
    ended: bool,
}

impl Output {
    /// Reads `source` to its end in a thread of its own, so that the process never blocks on us.
    pub fn collect(source: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let collected = output.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                collected.lock().lines.push(text);
                collected.shared.1.notify_all();
                line.clear();
            }
            collected.lock().ended = true;
            collected.shared.1.notify_all();
        });
        output
    }

    /// The next line that `wanted` finds something in, and what it found; the lines before it are
    /// passed over. Nothing when the output ends or patience does.
    pub fn wait_for<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut kept = self.lock();
        loop {
            while let Some(line) = kept.lines.get(kept.seen) {
                let found = wanted(line);
                kept.seen += 1;
                if found.is_some() {
                    return found;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if kept.ended || left.is_zero() {
                return None;
            }
            kept = self.shared.1.wait_timeout(kept, left).expect("no reader panics").0;
        }
    }

    /// All lines, once the process has closed its output.
    pub fn all(&self) -> Vec<String> {
        let kept = self.wait_for_end();
        assert!(kept.ended, "the output did not end: {:#?}", kept.lines);
        kept.lines.clone()
    }

    /// Everything that a process that has just ended wrote, for a failure's message.
    pub fn last_words(&self) -> String {
        self.wait_for_end().lines.join("\n")
    }

    /// Everything up to now, for a failure's message.
    pub fn so_far(&self) -> String {
        self.lock().lines.join("\n")
    }

    fn wait_for_end(&self) -> MutexGuard<'_, Kept> {
        let (lines, changed) = &*self.shared;
        let kept = lines.lock().expect("no reader panics");
        changed.wait_timeout_while(kept, PATIENCE, |kept| !kept.ended).expect("no reader panics").0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.0.lock().expect("no reader panics")
    }
}
