//! Subcommands of cargo that are no part of the toolchain, installed under `target/` where they are
//! missing.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::packages::is_installed;
use crate::programs::{cargo, root, succeed, target_folder};

/// A package of such a program, of the same name.
#[derive(Debug, PartialEq)]
pub(crate) struct Tool {
    /// Of the package and the program.
    name: &'static str,
    /// The one that is installed; one that is there already may be another.
    version: &'static str,
}

/// Licences, duplicates and origins of the dependencies.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Builds fuzz targets and runs them.
pub(crate) const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };
/// Tells which lines the tests run.
pub(crate) const LLVM_COV: Tool = Tool { name: "cargo-llvm-cov", version: "0.9.1" };

impl Tool {
    /// A cargo that has the tool, which is installed first if it is nowhere.
    pub(crate) fn cargo(&self) -> Result<Command, String> {
        let mut cargo = cargo();
        if is_installed(self.name) {
            return Ok(cargo);
        }
        let folder = self.folder()?;
        let programs = folder.join("bin");
        if !programs.join(self.name).exists() {
            println!("Missing: {}; once, it is built and put under target/", self.name);
            let mut install = Command::new(cargo.get_program());
            // Unoptimised: they spend their time waiting for others, and build in a quarter of it.
            install.args(["install", "--debug", "--locked", "--quiet", "--root"]).arg(&folder);
            // Not from among the workspace's own packages, and not for its lock file to decide.
            install.arg(self.package()).current_dir(root());
            succeed(&mut install).map_err(|why| format!("{}: {why}", self.install_line()))?;
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([programs].into_iter().chain(env::split_paths(&path)))
            .map_err(|error| format!("the search path: {error}"))?;
        cargo.env("PATH", path);
        Ok(cargo)
    }

    /// How to have it on one's own search path.
    pub(crate) fn install_line(&self) -> String {
        format!("cargo install --locked {}", self.package())
    }

    fn package(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// One for each version, so that a new one is noticed.
    fn folder(&self) -> Result<PathBuf, String> {
        Ok(target_folder()?.join("tools").join(self.package()))
    }
}
