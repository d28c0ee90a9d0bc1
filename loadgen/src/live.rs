//! What a run shows while it lasts: a bar on a terminal, a line a second elsewhere.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use loadgen::run::Progress;

/// Steps of a bar.
const STEPS: u64 = 1_000;

/// A display for one run.
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    name: String,
    /// What the last line was about.
    shown: (&'static str, Option<u32>),
}

impl Live {
    pub(crate) fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template("{prefix:8} [{bar:30}] {msg}");
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(STEPS);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, name: name.to_owned(), shown: ("", None) }
    }

    /// Shows where the run is.
    pub(crate) fn show(&mut self, progress: &Progress<'_>) {
        let figures = progress.second.map_or_else(String::new, |second| {
            format!(
                "{} connections, {} sent/s, {} delivered/s, p50 {:.0} µs, p99 {:.0} µs",
                second.connections, second.sent, second.delivered, second.p50_us, second.p99_us
            )
        });
        if let Some(bar) = &self.bar {
            bar.set_prefix(progress.phase);
            bar.set_position((progress.done * STEPS as f64) as u64);
            bar.set_message(figures);
            return;
        }
        let now = (progress.phase, progress.second.map(|second| second.second));
        if now != self.shown {
            self.shown = now;
            // Nobody has to read this.
            let _ = writeln!(io::stderr(), "{} {}: {figures}", self.name, progress.phase);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
