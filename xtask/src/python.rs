//! A virtual environment under `target/` with the Python packages that the tests use.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::{succeed, target_folder};

/// The packages, each with its version, and what the tests import of it.
const PACKAGES: &[(&str, &str)] = &[("hdrhistogram==0.10.8", "hdrh.log")];

/// Makes the environment and fills it, unless everything is there.
pub(crate) fn install_missing() -> Result<(), String> {
    let folder = target_folder()?.join("python");
    let python = folder.join("bin/python");
    if PACKAGES.iter().all(|(_, import)| has(&python, import)) {
        println!("All there: {}", names());
        return Ok(());
    }
    // An environment of another Python, or a half made one, is made anew.
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|why| format!("python3 -m venv: {why}"))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    succeed(Command::new(&python).args(install).args(PACKAGES.iter().map(|it| it.0)))
        .map_err(|why| format!("pip install: {why}"))?;
    match PACKAGES.iter().find(|(_, import)| !has(&python, import)) {
        Some((package, import)) => {
            Err(format!("{package} is installed, yet {import} cannot be imported"))
        }
        None => Ok(()),
    }
}

/// The command lines behind it.
pub(crate) fn install_line() -> String {
    let packages = names();
    format!("python3 -m venv target/python && target/python/bin/pip install {packages}")
}

fn names() -> String {
    PACKAGES.iter().map(|it| it.0).collect::<Vec<_>>().join(" ")
}

/// Whether this Python is there and can import that.
fn has(python: &Path, import: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", &format!("import {import}")]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_needs_a_python_that_has_it() {
        assert!(has(Path::new("python3"), "json"));
        assert!(!has(Path::new("python3"), "no_such_module"));
        assert!(!has(Path::new("/no/such/python"), "json"));
    }

    #[test]
    fn the_install_line_names_every_package() {
        assert!(PACKAGES.iter().all(|(package, _)| install_line().contains(package)));
    }
}
