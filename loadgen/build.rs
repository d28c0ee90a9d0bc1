//! Notes which compiler builds the generator, for the environment in its reports.
#![allow(clippy::print_stdout, reason = "this is how build scripts talk to cargo")]

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    if let Some(version) = version.ok().and_then(|it| String::from_utf8(it.stdout).ok()) {
        println!("cargo::rustc-env=LOADGEN_RUSTC={}", version.trim());
    }
    println!("cargo::rerun-if-changed=build.rs");
}
