//! `hubbub completions`: what has a shell complete the command line.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// For which shell `hubbub completions` is to write.
#[derive(Args, Clone, Debug)]
pub struct Completions {
    /// Shell that will read them.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut program: Command) -> Result<String, String> {
        let name = program.get_name().to_owned();
        let mut script = vec![];
        generate(self.shell, &mut program, name, &mut script);
        String::from_utf8(script).map_err(|error| format!("no completions: {error}"))
    }
}
