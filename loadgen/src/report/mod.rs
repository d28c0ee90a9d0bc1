//! Reports: what a run found out, for people on a terminal and in a browser, and for programs.

mod axis;
mod environment;
pub(crate) mod figures;
mod format;
mod hdr;
mod html;
mod json;
mod overview;
mod overview_page;
mod plots;
mod plots_bars;
mod plots_rates;
mod plots_timeline;
pub(crate) mod recorded;
mod settings;
mod tables;
mod terminal;
mod timeline;

#[cfg(test)]
#[path = "../../tests/fixture/mod.rs"]
pub(crate) mod fixture;

use std::path::Path;
use std::{fs, io};

pub use environment::Environment;
pub use figures::{Figures, ServerFigures};
pub use format::{count, number, time};
pub use overview::{Overview, Row, Verdict, write_overview};
pub use plots_bars::{Bar, Group, bars};
pub use terminal::{print, print_head, print_row};

use crate::result::RunResult;

/// Everything known of a run.
pub(crate) const RUN_FILE: &str = "run.json";
/// Where it took place.
const ENVIRONMENT_FILE: &str = "env.json";

/// Refuses a folder that exists, because a report never replaces another one. Worth asking before
/// a long run too.
///
/// # Errors
/// A sentence for the user.
pub fn must_be_new(folder: &Path) -> io::Result<()> {
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    let why = format!(
        "{} exists already, and reports are never overwritten: name another folder, or remove it",
        folder.display()
    );
    Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
}

/// Writes every file of a report into `folder`, which is created.
///
/// # Errors
/// A sentence that names the file or folder and says what is wrong with it.
pub fn write(result: &RunResult, folder: &Path) -> io::Result<()> {
    must_be_new(folder)?;
    fs::create_dir_all(folder).map_err(|e| about(folder, &e))?;
    let environment = Environment::gather(&result.command);
    let times = &result.times;
    let plots = [
        ("percentiles.svg", plots::percentiles(&figures::of_messages(times))),
        ("arrivals.svg", plots::percentiles(&figures::of_clients(times))),
        ("timeline.svg", plots_timeline::timeline(result)),
    ];
    let mut files: Vec<(String, String)> = vec![
        (RUN_FILE.to_owned(), json::run(result)?),
        (ENVIRONMENT_FILE.to_owned(), json::pretty(&environment)?),
        ("scenario.toml".to_owned(), settings::file(&result.scenario)),
        ("run.hlog".to_owned(), hdr::interval_log(result)?),
        ("timeline.csv".to_owned(), timeline::csv(&result.timeline)),
    ];
    for (name, times) in times.each().filter(|(_, times)| !times.is_empty()) {
        files.push((format!("{name}.hgrm"), hdr::percentile_text(times)));
    }
    let mut svgs = vec![];
    for (name, svg) in plots {
        if let Some(svg) = svg.map_err(|why| io::Error::other(format!("{name}: {why}")))? {
            files.push((name.to_owned(), svg.clone()));
            svgs.push((name, svg));
        }
    }
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let parts = html::Parts { result, environment: &environment, plots: svgs, names };
    files.push(("report.html".to_owned(), html::page(&parts)));
    write_files(folder, files)
}

/// Writes files, given by name and text.
fn write_files(folder: &Path, files: Vec<(String, String)>) -> io::Result<()> {
    for (name, text) in files {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|e| about(&file, &e))?;
    }
    Ok(())
}

/// What went wrong, and with what.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn a_report_has_the_scenario_to_run_it_again() {
        let folder = std::env::temp_dir().join(format!("loadgen-again-{}", std::process::id()));
        let mut result = fixture::named("mixed");
        result.scenario.rate = 12.5;
        write(&result, &folder).expect("a report");
        let text = fs::read_to_string(folder.join("scenario.toml")).expect("a scenario");
        let page = fs::read_to_string(folder.join("report.html")).expect("a page");
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(Scenario::parse(&text), Ok(result.scenario));
        assert!(page.contains(&html::escape(&text)), "the page shows another one");
        assert!(page.contains("href=\"scenario.toml\""), "the page has no link to it");
    }
}
