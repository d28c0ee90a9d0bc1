//! What the program does besides serving: its subcommands. Each is its arguments, and a `run` that
//! returns what to print.

mod completions;
mod doctor;
mod gen_cert;
mod man;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
pub use doctor::Demands;

/// A subcommand.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Tells whether this machine allows what the settings ask for, and what to change; exit code 1
    /// if there is anything to change.
    Doctor(doctor::Doctor),
    /// Makes a certificate and its key to try TLS with.
    GenCert(gen_cert::GenCert),
    /// Prints what has a shell complete this program's command line.
    Completions(completions::Completions),
    /// Prints the manual, for man(1).
    Man(man::Man),
}

impl Command {
    /// The file with the settings that it is about.
    #[must_use]
    pub fn config(&self) -> Option<&PathBuf> {
        match self {
            Self::Doctor(doctor) => doctor.config.as_ref(),
            Self::GenCert(_) | Self::Completions(_) | Self::Man(_) => None,
        }
    }

    /// Does it, where settings have these `demands` and `program` is the command line as a whole,
    /// and returns what to say about it and what to exit with.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn run(
        &self,
        demands: &Demands,
        program: clap::Command,
    ) -> Result<(String, ExitCode), String> {
        let text = match self {
            Self::Doctor(doctor) => {
                let (text, is_well) = doctor.run(demands);
                return Ok((text, if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }));
            }
            Self::GenCert(gen_cert) => gen_cert.run()?,
            Self::Completions(completions) => completions.run(program)?,
            Self::Man(man) => man.run(program)?,
        };
        Ok((text, ExitCode::SUCCESS))
    }
}
