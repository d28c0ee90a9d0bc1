//! What the program does besides serving: its subcommands. Each is its arguments, and a `run` that
//! returns what to print.

mod gen_cert;

use clap::Subcommand;

/// A subcommand.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Makes a certificate and its key to try TLS with.
    GenCert(gen_cert::GenCert),
}

impl Command {
    /// Does it, and returns what to say about it.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn run(&self) -> Result<String, String> {
        match self {
            Self::GenCert(gen_cert) => gen_cert.run(),
        }
    }
}
