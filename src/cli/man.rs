//! `hubbub man`: the manual, made of what `--help` says.

use clap::{Args, Command};
use clap_mangen::Man as Page;

/// Which page `hubbub man` is to write.
#[derive(Args, Clone, Debug)]
pub struct Man {
    /// Subcommand whose page it is, such as gen-cert [default: the program's own].
    #[arg(value_name = "SUBCOMMAND")]
    page: Option<String>,
}

impl Man {
    pub(super) fn run(&self, mut program: Command) -> Result<String, String> {
        // Subcommands learn their full names by it.
        program.build();
        let described = match &self.page {
            None => program,
            Some(page) => program.find_subcommand(page).cloned().ok_or_else(|| {
                let all: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
                format!("there is no subcommand {page}, only {}", all.join(", "))
            })?,
        };
        let mut text = vec![];
        Page::new(described)
            .render(&mut text)
            .map_err(|error| error.to_string())
            .and_then(|()| String::from_utf8(text).map_err(|error| error.to_string()))
            .map_err(|error| format!("no manual: {error}"))
    }
}
