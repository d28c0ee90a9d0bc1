//! The configuration file: flags by their long names, as TOML. What a flag may be is written down
//! once, with the flag: every entry of a file is checked as if it had been given as one.

use std::fmt;
use std::fmt::Write as _;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::de::{DeTable, DeValue};

/// Flags that are of no use in a file.
const NOT_IN_FILES: &[&str] = &["config", "print-config", "check-config", "help", "version"];
/// Values of settings that nothing sets by itself, to be tried by taking the `#` away.
const EXAMPLES: &[(&str, &str)] = &[
    ("connections-max", "10000"),
    ("proxies", "[\"10.0.0.0/8\"]"),
    ("idle-seconds", "3600"),
    ("shards", "1"),
    ("tls-listen", "\"127.0.0.1:42070\""),
    ("tls-cert", "\"cert.pem\""),
    ("tls-key", "\"key.pem\""),
    ("http", "\"127.0.0.1:8080\""),
    ("https", "\"127.0.0.1:8443\""),
    ("allow-host", "[\"chat.example\"]"),
    ("allow-origin", "[\"https://chat.example\"]"),
    ("memory-max", "\"512M\""),
    ("admin", "\"127.0.0.1:9469\""),
];
/// Characters of a comment in a line.
const COMMENT_CHARS_MAX: usize = 90;

/// What is wrong with a file, and on which of its lines, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    line: usize,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The settings in a file, by the long names of flags of `command`, as they would be given there.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn read(text: &str, command: &Command) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = vec![];
    for error in errors {
        let line = error.span().map_or(1, |span| line_of(span.start));
        problems.push(Problem { line, what: error.message().to_owned() });
    }
    let mut settings = vec![];
    for (key, value) in table.get_ref() {
        match setting(command, key.get_ref(), value.get_ref()) {
            Ok(setting) => settings.push((key.get_ref().to_string(), setting)),
            Err(what) => problems.push(Problem { line: line_of(key.span().start), what }),
        }
    }
    problems.sort_by_key(|problem| problem.line);
    // Of a line that cannot be read, what was made of it says nothing more.
    problems.dedup_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn setting(command: &Command, key: &str, value: &DeValue<'_>) -> Result<String, String> {
    if NOT_IN_FILES.contains(&key) {
        return Err(format!("`{key}` is a flag only, and cannot be set in a file"));
    }
    let Some(arg) = in_files(command).find(|arg| arg.get_long() == Some(key)) else {
        return Err(unknown(command, key));
    };
    if !arg.get_action().takes_values() {
        return match value {
            DeValue::Boolean(is_set) => Ok(is_set.to_string()),
            _ => Err(format!("`{key}` is either true or false")),
        };
    }
    let value = match value {
        DeValue::Array(parts) if arg.get_value_delimiter().is_some() => {
            let parts: Option<Vec<_>> = parts.iter().map(|part| scalar(part.get_ref())).collect();
            // No network at all is written as a word where flags are.
            parts.map(|parts| if parts.is_empty() { "none".to_owned() } else { parts.join(",") })
        }
        value => scalar(value),
    };
    let value = value.ok_or_else(|| format!("`{key}` has a value of another kind"))?;
    let flag = format!("--{key}={value}");
    match command.clone().try_get_matches_from([command.get_name(), &flag]) {
        Ok(_) => Ok(value),
        Err(error) => Err(in_a_line(&error)),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The key that was probably meant by one that is none.
pub(super) fn nearest(command: &Command, key: &str) -> Option<String> {
    let error = command.clone().try_get_matches_from([command.get_name(), &format!("--{key}")]);
    match error.err()?.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => Some(flag.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

/// What to say of a key that is none, with that which was probably meant.
fn unknown(command: &Command, key: &str) -> String {
    match nearest(command, key).filter(|meant| !NOT_IN_FILES.contains(&meant.as_str())) {
        Some(meant) => format!("there is no setting `{key}`; is `{meant}` meant?"),
        None => format!("there is no setting `{key}`; `hubbub --print-config` lists all there are"),
    }
}

/// What clap says of a value, without what is about its own use.
pub(super) fn in_a_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = what.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

fn in_files(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_setting = |arg: &&Arg| arg.get_long().is_some_and(|it| !NOT_IN_FILES.contains(&it));
    command.get_arguments().filter(is_setting)
}

/// What was set by each flag that can be in a file, in the words in which it was: by long name.
pub(super) fn values(command: &Command, matches: &ArgMatches) -> Vec<(String, Vec<String>)> {
    let value = |arg: &Arg| {
        let raw = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        let words: Vec<String> = raw.map(|it| it.to_string_lossy().into_owned()).collect();
        (arg.get_long().unwrap_or_default().to_owned(), words)
    };
    in_files(command).map(value).collect()
}

/// A file that sets all that `values` says, with what it is for beside each.
pub(super) fn write(command: &Command, values: &[(String, Vec<String>)]) -> String {
    let mut text = "# Settings of hubbub. Flags and environment variables win over this file.\n\
                    # SIGHUP has the server read it again.\n"
        .to_owned();
    let mut heading = None;
    for (arg, (key, value)) in in_files(command).zip(values) {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            let _ = writeln!(text, "\n## {}", heading.unwrap_or_default());
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "\n{}", comment(&format!("{help}{}", range(arg))));
        let _ = match value.as_slice() {
            [] => writeln!(text, "# {key} = {}", example(key)),
            value => writeln!(text, "{key} = {}", literal(arg, value)),
        };
    }
    text
}

/// What may be set, as its flag shows it, where that is a range.
fn range(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let range = names.iter().find(|name| name.contains(".."));
    range.map(|range| format!(" ({range})")).unwrap_or_default()
}

/// A value of a setting that has none.
fn example(key: &str) -> &'static str {
    EXAMPLES.iter().find(|(it, _)| *it == key).map_or("\"\"", |(_, value)| value)
}

fn literal(arg: &Arg, words: &[String]) -> String {
    let quoted = |word: &String| toml::Value::String(word.clone()).to_string();
    if arg.get_value_delimiter().is_some() {
        let words: Vec<String> = words.iter().map(quoted).collect();
        return format!("[{}]", words.join(", "));
    }
    let word = &words[0];
    let is_bare = matches!(arg.get_action(), ArgAction::SetTrue) || word.parse::<u64>().is_ok();
    if is_bare { word.clone() } else { quoted(word) }
}

/// `text` as lines that are comments.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = "#".to_owned();
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COMMENT_CHARS_MAX {
            lines.push_str(&std::mem::replace(&mut line, "#".to_owned()));
            lines.push('\n');
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::Args;

    fn told(text: &str) -> Vec<String> {
        let problems = read(text, &Args::command()).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_are_those_of_flags() {
        let text = "port = 7\nmemory-max = \"64M\"\nno-pin = true\nip = \"::1\"\n\
                    exempt = [\"10.0.0.0/8\", \"::1/128\"]\nproxies = []\nlog-format = 'json'\n";
        let mut settings = read(text, &Args::command()).expect("nothing wrong");
        settings.sort();
        let pairs: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(
            pairs,
            [
                ("exempt", "10.0.0.0/8,::1/128"),
                ("ip", "::1"),
                ("log-format", "json"),
                ("memory-max", "64M"),
                ("no-pin", "true"),
                ("port", "7"),
                ("proxies", "none"),
            ]
        );
    }

    #[test]
    fn whatever_is_shown_as_an_example_can_be_set() {
        let command = Args::command();
        let matches = command.clone().try_get_matches_from(["hubbub"]).expect("no flags");
        let text = write(&command, &values(&command, &matches));
        let is_example = |line: &&str| {
            let key = line.strip_prefix("# ").and_then(|it| it.split_once(" = "));
            key.is_some_and(|(key, _)| in_files(&command).any(|it| it.get_long() == Some(key)))
        };
        let examples: Vec<&str> = text.lines().filter(is_example).collect();
        for example in &examples {
            assert_eq!(told(example.trim_start_matches("# ")), [""; 0], "{example}");
        }
        let all: Vec<&str> = examples.iter().map(|it| it.trim_start_matches("# ")).collect();
        assert_eq!(told(&all.join("\n")), [""; 0]);
        assert!(examples.len() >= EXAMPLES.len(), "{examples:#?}");
    }

    #[test]
    fn f41_whatever_is_wrong_is_told_with_its_line() {
        for (text, parts) in [
            ("shards = 0", &["line 1", "'0'", "1..=256"][..]),
            ("shards = 257", &["257", "1..=256"]),
            ("shards = -1", &["-1"]),
            ("shards = 1.5", &["`shards`", "kind"]),
            ("shards = true", &["`shards`", "kind"]),
            ("shards = \"many\"", &["many"]),
            ("shards = [1]", &["`shards`", "kind"]),
            ("shards = 99999999999999999999", &["line 1"]),
            ("port = 65536", &["65536", "0..=65535"]),
            ("ip = \"localhorst\"", &["localhorst", "127.0.0.1"]),
            ("ip = 127.0.0.1", &["line 1"]),
            ("memory-max = \"12M\"", &["less than 16M"]),
            ("memory-max = 12", &["less than 16M"]),
            ("exempt = [\"home\"]", &["home", "10.0.0.0/8"]),
            ("exempt = [[]]", &["`exempt`", "kind"]),
            ("no-pin = 1", &["`no-pin`", "true or false"]),
            ("log-format = \"xml\"", &["xml", "text, json"]),
            ("log-level = \"loud\"", &["loud", "debug"]),
            ("log-level = \"hubbub=loud\"", &["loud", "debug"]),
            ("prot = 1", &["`prot`", "is `port` meant?"]),
            ("no_pin = true", &["`no_pin`", "is `no-pin` meant?"]),
            ("colour = \"red\"", &["`colour`", "--print-config"]),
            ("config = \"other\"", &["`config`", "a flag only"]),
            ("help = true", &["`help`", "a flag only"]),
            ("[limits]\nport = 1", &["line 1", "`limits`"]),
            ("port = 1\nport = 2", &["line 2", "duplicate key"]),
            ("port", &["line 1"]),
            ("port =", &["line 1"]),
            ("= 1", &["line 1"]),
            ("port = \"1", &["line 1"]),
            ("\u{0}", &["line 1"]),
        ] {
            let told = told(text);
            let [told] = &told[..] else { panic!("{text:?}: {told:?}") };
            for part in parts {
                assert!(told.contains(part), "{text:?}: {part:?} is not in {told:?}");
            }
        }
    }

    #[test]
    fn f41_all_that_is_wrong_is_told_at_once_in_the_order_of_lines() {
        let told = told("# mine\nport = 70000\nshards = 1\nidel-seconds = 3\nip = 9\nnonsense\n");
        let lines: Vec<&str> = told.iter().filter_map(|it| it.split(':').next()).collect();
        assert_eq!(lines, ["line 2", "line 4", "line 5", "line 6"], "{told:#?}");
    }
}
