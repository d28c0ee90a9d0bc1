//! Layer 5: the log, on standard error. Nobody who logs ever waits for whoever reads it: lines go
//! through a bounded queue to a thread that does nothing but write, and those that find no room, or
//! that a full disk or a closed pipe does not take, are lost and counted.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::{env, mem, thread};

use tracing::error;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::LogFormat;

/// Lines that may wait to be written before others are lost: some megabytes at most, and more than
/// a busy second's.
const QUEUED_LINES_MAX: usize = 8192;
/// How often it is told that lines are being lost, at most, while more are waiting to be written.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long the end waits for room in the queue for its last line. Writing what is queued then gets
/// about as long again.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(1);
const FINISH_LOOK_EVERY: Duration = Duration::from_millis(10);

/// The log of this process. Dropping it waits until all lines are written, for a second or two at
/// most: whoever should read them may never do so.
#[derive(Debug)]
pub struct Log {
    queue: NonBlocking,
    /// Writes what is queued when it is dropped.
    guard: Option<WorkerGuard>,
    lost: Arc<LostLines>,
    level: Arc<Level>,
}

/// How many log lines were lost since the start.
#[derive(Debug, Default)]
pub struct LostLines {
    /// Those that found no room in the queue.
    overflowed: OnceLock<ErrorCounter>,
    /// Those that standard error did not take.
    refused: AtomicU64,
    /// How many the log has told of.
    told: AtomicU64,
}

/// What the log's own thread writes to.
#[derive(Debug)]
struct Writer<W> {
    out: W,
    lost: Arc<LostLines>,
    /// The last line was written.
    works: bool,
    /// Something that was begun is not written to its end.
    torn: bool,
    /// When it was last told that lines were lost.
    told: Option<Instant>,
}

/// Which lines there are, which can be changed at any time.
#[derive(Debug)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Changes it to `level`, one that `--log-level` takes.
    pub fn set(&self, level: &str) {
        // Only fails when there is no log any more.
        let _ = self.0.reload(filter(level));
    }
}

/// Whether lines are for a terminal, and its user has not asked for none (<https://no-color.org>).
fn has_colours() -> bool {
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    io::stderr().is_terminal() && !is_unwanted
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(level)
}

/// Starts the log of this process, with lines of `level` that look like `format`.
#[must_use]
pub fn start(format: LogFormat, level: &str) -> Log {
    let lost = Arc::new(LostLines::default());
    let (queue, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUED_LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(Writer::new(io::stderr(), Arc::clone(&lost)));
    lost.overflowed.get_or_init(|| queue.error_counter());
    let (filter, level) = reload::Layer::new(filter(level));
    let lines = fmt::layer()
        .with_writer(queue.clone())
        .with_ansi(has_colours())
        .with_target(false)
        .log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    panic::set_hook(Box::new(report_panic));
    Log { queue, guard: Some(guard), lost, level: Arc::new(Level(level)) }
}

/// A panic becomes a log line like any other: writing it to standard error could wait for ever.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // Quoted, because it may have line ends in it.
    let what = panic.payload_as_str().unwrap_or("no text");
    error!(thread, place, what, "panicked");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        error!("{backtrace}");
    }
}

impl Log {
    /// Adds `text`, which is whole lines, as it is.
    pub fn print(&self, text: &str) {
        // Never fails: what finds no room is lost and counted.
        let _ = self.queue.clone().write_all(text.as_bytes());
    }

    /// Which lines there are.
    #[must_use]
    pub fn level(&self) -> &Arc<Level> {
        &self.level
    }

    /// The lines that were lost.
    #[must_use]
    pub fn lost(&self) -> &Arc<LostLines> {
        &self.lost
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let guard = self.guard.take();
        let deadline = Instant::now() + FINISH_WAIT_MAX;
        while !self.lost.tell() {
            if Instant::now() > deadline {
                // Nobody reads. To be dropped, the guard would need room in the queue, and complain
                // on standard output that there is none.
                mem::forget(guard);
                return;
            }
            thread::sleep(FINISH_LOOK_EVERY);
        }
    }
}

impl LostLines {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let overflowed = self.overflowed.get().map_or(0, ErrorCounter::dropped_lines);
        overflowed as u64 + self.refused.load(Ordering::Relaxed)
    }

    /// Tells of those that have not been told of. Whether all have been now: not if this line was
    /// lost, too.
    fn tell(&self) -> bool {
        let lost = self.count();
        if lost == self.told.load(Ordering::Relaxed) {
            return true;
        }
        // An error, so that it is not left out where everything lesser is.
        error!(lost, "log lines were lost, because standard error did not take them in time");
        let told = self.count() == lost;
        if told {
            self.told.store(lost, Ordering::Relaxed);
        }
        told
    }
}

impl<W: Write> Writer<W> {
    fn new(out: W, lost: Arc<LostLines>) -> Self {
        Self { out, lost, works: true, torn: false, told: None }
    }

    fn try_write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.out.write_all(b"\n")?;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn = rest.len() < line.len();
                    return Err(error);
                }
            }
        }
        self.torn = false;
        Ok(())
    }
}

/// Nothing here ever fails: a line that cannot be written is lost, and the next is tried.
impl<W: Write> Write for Writer<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line)?;
        Ok(line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.works = self.try_write(line).is_ok();
        if !self.works {
            self.lost.refused.fetch_add(1, Ordering::Relaxed);
        } else if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            self.lost.tell();
        }
        Ok(())
    }

    /// Called when nothing is queued any more.
    fn flush(&mut self) -> io::Result<()> {
        if self.works {
            self.lost.tell();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Debug, Default)]
    struct Disk {
        free: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.free);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.free -= count;
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer(free: usize) -> Writer<Disk> {
        Writer::new(Disk { free, ..Disk::default() }, Arc::default())
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_nobody_is_troubled() {
        let mut writer = writer(4);
        for line in ["one\n", "two\n", "three\n"] {
            writer.write_all(line.as_bytes()).expect("never fails");
        }
        assert_eq!((writer.lost.count(), &writer.out.written[..]), (2, &b"one\n"[..]));
    }

    #[test]
    fn a_line_that_was_cut_short_is_ended_before_the_next() {
        let mut writer = writer(6);
        writer.write_all(b"one\n").expect("never fails");
        writer.write_all(b"two\n").expect("never fails");
        writer.out.free = 100;
        writer.write_all(b"three\n").expect("never fails");
        assert_eq!(String::from_utf8_lossy(&writer.out.written), "one\ntw\nthree\n");
        assert_eq!(writer.lost.count(), 1);
    }

    #[test]
    fn losses_are_told_once_writing_works_again_and_only_once() {
        let mut writer = writer(0);
        let told = |writer: &Writer<Disk>| writer.lost.told.load(Ordering::Relaxed);
        writer.write_all(b"one\n").expect("never fails");
        writer.flush().expect("never fails");
        assert_eq!(told(&writer), 0, "who should read of it?");
        writer.out.free = 100;
        writer.write_all(b"two\n").expect("never fails");
        assert_eq!(told(&writer), 1);
        writer.out.free = 0;
        writer.write_all(b"three\n").expect("never fails");
        writer.out.free = 100;
        writer.write_all(b"four\n").expect("never fails");
        assert_eq!(told(&writer), 1, "a second has not passed");
        writer.flush().expect("never fails");
        assert_eq!(told(&writer), 2, "nothing is queued any more");
    }
}
