//! All that was asked for: flags over environment over file.

use std::ffi::OsString;
use std::path::Path;
use std::{env, fmt, fs};

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, FromArgMatches};

use super::{Args, FIXED, environment, file};

/// What was asked for, by whichever way.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All of it, as if it had been asked for by flags.
    pub args: Args,
    /// What the operator should hear about the environment, a sentence each.
    pub warnings: Vec<String>,
    /// The words it was asked for in, by the long names of flags.
    values: Vec<(String, Vec<String>)>,
}

/// Why settings are of no use.
#[derive(Debug)]
pub enum Unusable {
    /// Something about flags or environment; or what was asked for is only help.
    Flags(clap::Error),
    /// Lines about all that is wrong with the file.
    File(Vec<String>),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(error) => write!(f, "{error}"),
            Self::File(lines) => f.write_str(&lines.join("\n")),
        }
    }
}

impl Settings {
    /// Reads the command line `words`, of which the first is the program, the environment, and the
    /// file that these may name.
    ///
    /// # Errors
    /// When any of it is wrong.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, Unusable> {
        let words: Vec<OsString> = words.into_iter().collect();
        let (command, warnings) = environment::clean(Args::command(), env::vars_os());
        let parse = |command: Command| {
            let matches = command.clone().try_get_matches_from(&words);
            let matches =
                matches.map_err(|error| Unusable::Flags(with_variable(error, command, &words)))?;
            let args = Args::from_arg_matches(&matches).map_err(Unusable::Flags)?;
            let values = file::values(&Args::command(), &matches);
            Ok(Self { args, warnings: warnings.clone(), values })
        };
        let settings = parse(command.clone())?;
        match settings.args.file() {
            Some(path) => parse(with_defaults(command, path)?),
            None => Ok(settings),
        }
    }

    /// A file that sets all of it.
    #[must_use]
    pub fn to_file(&self) -> String {
        file::write(&Args::command(), &self.values)
    }

    /// Makes these what `asked` has, but for what is looked at only when the server starts.
    pub fn take_live(&mut self, asked: Self) {
        let since_start = std::mem::replace(&mut self.args, asked.args);
        self.args.hold_fixed(&since_start);
        for (mine, asked) in self.values.iter_mut().zip(asked.values) {
            if !FIXED.contains(&asked.0.as_str()) {
                *mine = asked;
            }
        }
    }

    /// The settings that are not the same in `other`, by the long names of their flags.
    pub fn differing_from<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let both = self.values.iter().zip(&other.values);
        both.filter(|(one, another)| one != another).map(|((key, _), _)| key.as_str())
    }
}

/// `error`, which names the variable that the value came from, if it came from one: clap names only
/// the flag, which nobody may have given.
fn with_variable(error: clap::Error, mut command: Command, words: &[OsString]) -> clap::Error {
    let flag = |error: &clap::Error| match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(usage)) => usage.split([' ', '=', '[']).next().map(str::to_owned),
        _ => None,
    };
    let Some(culprit) = flag(&error) else { return error };
    let long = culprit.trim_start_matches('-');
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(long)) else {
        return error;
    };
    let Some(name) = environment::variable(arg).map(str::to_owned) else { return error };
    let id = arg.get_id().clone();
    let without = environment::without_variable(command.clone(), id);
    let again = without.try_get_matches_from(words).err();
    if again.is_some_and(|again| flag(&again).as_ref() == Some(&culprit)) {
        return error;
    }
    let sentence = format!("{}; the variable {name} says so", file::in_a_line(&error));
    command.error(error.kind(), sentence)
}

/// `command`, in which what the file at `path` says holds where nothing else is said.
fn with_defaults(command: Command, path: &Path) -> Result<Command, Unusable> {
    let place = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Unusable::File(vec![format!("{place}: cannot be read: {error}")]))?;
    let settings = file::read(&text, &command).map_err(|problems| {
        Unusable::File(problems.iter().map(|problem| format!("{place}: {problem}")).collect())
    })?;
    let by_default = |command: Command, (key, value): (String, String)| {
        // Ids are long names with other dashes.
        command.mut_arg(key.replace('-', "_"), |arg| arg.default_value(value))
    };
    Ok(settings.into_iter().fold(command, by_default))
}
