//! Environment variables, before clap reads those that name settings: what counts as unset, and
//! what the operator should hear about.
//!
//! Kubernetes sets variables in every container for each Service of the namespace ("service
//! links"): for one that is called `hubbub` they are `HUBBUB_PORT=tcp://10.0.0.1:42069`,
//! `HUBBUB_SERVICE_HOST`, `HUBBUB_PORT_42069_TCP_ADDR` and so on.

use std::ffi::OsString;

use clap::{Arg, Command, Id};

use super::file::nearest;

/// What names of our variables begin with.
const PREFIX: &str = "HUBBUB_";
/// What the values of service links begin with.
const LINKS: [&str; 3] = ["tcp://", "udp://", "sctp://"];

/// `command` without those `variables` of the environment that set nothing: empty ones, and service
/// links. Warnings about links in the place of settings, and about names that are none.
pub(super) fn clean(
    command: Command,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Command, Vec<String>) {
    let mut variables: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    let (mut warnings, mut unset) = (vec![], vec![]);
    for (name, value) in variables {
        let arg = command.get_arguments().find(|arg| variable(arg) == Some(&*name));
        match arg {
            Some(arg) if value.is_empty() => unset.push(arg.get_id().clone()),
            Some(arg) if is_link(&value) => {
                warnings.push(format!(
                    "the variable {name}={value} is ignored, as it is a service link of \
                     Kubernetes: set enableServiceLinks: false in the pod, or call the service \
                     otherwise"
                ));
                unset.push(arg.get_id().clone());
            }
            Some(_) => {}
            None if value.is_empty() || is_link(&value) || is_about_a_link(&name) => {}
            None => warnings.push(unknown(&command, &name)),
        }
    }
    (unset.into_iter().fold(command, without_variable), warnings)
}

/// The command, for which the variable of this argument is not there.
pub(super) fn without_variable(command: Command, id: Id) -> Command {
    command.mut_arg(id, |arg| arg.env(None::<&str>))
}

/// The variable that sets what `arg` does.
pub(super) fn variable(arg: &Arg) -> Option<&str> {
    arg.get_env()?.to_str()
}

fn is_link(value: &str) -> bool {
    LINKS.iter().any(|scheme| value.starts_with(scheme))
}

/// Whether such a variable accompanies a service link: `…_SERVICE_HOST`, `…_SERVICE_PORT`,
/// `…_SERVICE_PORT_NAME`, `…_PORT_42069_TCP_ADDR`.
fn is_about_a_link(name: &str) -> bool {
    let is_of_port = |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.split_once("_PORT_").is_some_and(is_of_port)
}

/// What to say of a variable that sets nothing.
fn unknown(command: &Command, name: &str) -> String {
    let key = name[PREFIX.len()..].to_lowercase().replace('_', "-");
    let meant = nearest(command, &key).and_then(|key| {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(&key))?;
        variable(arg).map(ToOwned::to_owned)
    });
    match meant {
        Some(meant) => format!("the variable {name} sets nothing; is {meant} meant?"),
        None => format!("the variable {name} sets nothing; `hubbub --help` lists those that do"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::Args;

    fn cleaned(variables: &[(&str, &str)]) -> (Command, Vec<String>) {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        clean(Args::command(), variables)
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_ignored_with_one_warning() {
        let (command, warnings) = cleaned(&[
            ("HUBBUB_PORT", "tcp://10.0.0.1:42069"),
            ("HUBBUB_SERVICE_HOST", "10.0.0.1"),
            ("HUBBUB_SERVICE_PORT", "42069"),
            ("HUBBUB_SERVICE_PORT_CHAT", "42069"),
            ("HUBBUB_PORT_42069_TCP", "tcp://10.0.0.1:42069"),
            ("HUBBUB_PORT_42069_TCP_ADDR", "10.0.0.1"),
            ("HUBBUB_PORT_42069_TCP_PORT", "42069"),
            ("HUBBUB_PORT_42069_TCP_PROTO", "tcp"),
            ("HUBBUB_ADMIN_PORT", "tcp://10.0.0.1:9469"),
            ("HUBBUB_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ]);
        let [warning] = &warnings[..] else { panic!("{warnings:#?}") };
        for word in ["HUBBUB_PORT=tcp://10.0.0.1:42069", "enableServiceLinks: false"] {
            assert!(warning.contains(word), "{warning}");
        }
        let env = |id| command.get_arguments().find(|arg| arg.get_id() == id).map(Arg::get_env);
        assert_eq!((env("port"), env("admin").flatten().is_some()), (Some(None), true));
    }

    #[test]
    fn names_that_set_nothing_are_told_with_the_one_that_is_meant() {
        let (_, warnings) = cleaned(&[
            ("HUBBUB_CONECTIONS_MAX", "5"),
            ("HUBBUB_COLOUR", "red"),
            ("HUBBUB_NOTHING", ""),
            ("OTHER_PORT", "5"),
            ("HUBBUB_TLS_CERT", ""),
        ]);
        let [colour, connections] = &warnings[..] else { panic!("{warnings:#?}") };
        assert!(connections.contains("is HUBBUB_CONNECTIONS_MAX meant?"), "{connections}");
        assert!(colour.contains("HUBBUB_COLOUR") && colour.contains("--help"), "{colour}");
    }
}
