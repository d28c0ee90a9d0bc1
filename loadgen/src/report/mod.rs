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
/// Written, and removed, to find out whether a folder can be written to.
const PROBE_FILE: &str = "probe";

/// A folder for reports that has been made, and tried, before there is anything to write. While
/// nothing has been written it goes away with this value.
#[derive(Debug)]
pub struct Folder<'a>(&'a Path);

impl<'a> Folder<'a> {
    /// Makes the folder, which must be new, and writes a file there that is removed again.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn prepare(path: &'a Path) -> io::Result<Self> {
        must_be_new(path)?;
        fs::create_dir_all(path).map_err(|e| about(path, &e))?;
        let folder = Self(path);
        let probe = path.join(PROBE_FILE);
        fs::write(&probe, PROBE_FILE).map_err(|e| about(&probe, &e))?;
        fs::remove_file(&probe).map_err(|e| about(&probe, &e))?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        // A folder with reports in it stays.
        let _ = fs::remove_dir(self.0);
    }
}

/// Refuses a folder or file that exists, because a report never replaces another one.
///
/// # Errors
/// A sentence for the user.
pub fn must_be_new(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let why = format!(
        "{} exists already, and reports are never overwritten: name another folder, or remove it",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
}

/// Writes every file of a report into `folder`, which is made if it is not there.
///
/// # Errors
/// A sentence that names the file or folder and says what is wrong with it.
pub fn write(result: &RunResult, environment: &Environment, folder: &Path) -> io::Result<()> {
    must_be_new(&folder.join(RUN_FILE))?;
    fs::create_dir_all(folder).map_err(|e| about(folder, &e))?;
    let times = &result.times;
    let plots = [
        ("percentiles.svg", plots::percentiles(&figures::of_messages(times))),
        ("arrivals.svg", plots::percentiles(&figures::of_clients(times))),
        ("timeline.svg", plots_timeline::timeline(result)),
    ];
    let mut files: Vec<(String, String)> = vec![
        (RUN_FILE.to_owned(), json::run(result)?),
        (ENVIRONMENT_FILE.to_owned(), json::pretty(environment)?),
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
    let parts = html::Parts { result, environment, plots: svgs, names };
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

/// What to say of a report that could not be written, when there is one on standard output.
#[must_use]
pub fn unwritten(error: &io::Error) -> String {
    format!("the report on standard output is all there is: cannot write {error}")
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
    fn a_folder_without_a_report_goes_away_and_one_with_a_report_stays() {
        let path = std::env::temp_dir().join(format!("loadgen-folder-{}", std::process::id()));
        drop(Folder::prepare(&path).expect("it is new"));
        assert!(!path.exists(), "it is in the way");
        let folder = Folder::prepare(&path).expect("it is new again");
        fs::write(folder.path().join("report"), "").expect("written");
        drop(folder);
        let refused = Folder::prepare(&path).expect_err("it is there");
        assert!(refused.to_string().contains("exists already"), "{refused}");
        fs::remove_dir_all(&path).expect("removed");
    }

    #[test]
    fn a_report_has_the_scenario_to_run_it_again() {
        let folder = std::env::temp_dir().join(format!("loadgen-again-{}", std::process::id()));
        let mut result = fixture::named("mixed");
        result.scenario.rate = 12.5;
        let environment = Environment::gather(&result.command);
        write(&result, &environment, &folder).expect("a report");
        let text = fs::read_to_string(folder.join("scenario.toml")).expect("a scenario");
        let page = fs::read_to_string(folder.join("report.html")).expect("a page");
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(Scenario::parse(&text), Ok(result.scenario));
        assert!(page.contains(&html::escape(&text)), "the page shows another one");
        assert!(page.contains("href=\"scenario.toml\""), "the page has no link to it");
    }
}
