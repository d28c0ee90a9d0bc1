//! Running other programs.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::signals::attend;

/// Runs a command on our own terminal and makes a failure a sentence.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    match attend(command) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error.to_string()),
        Err(error) => Err(format!("{} did not start: {error}", command.get_program().display())),
    }
}

/// Runs a command for what it says on its standard output. What it has to complain of becomes part
/// of the sentence if it fails.
pub(crate) fn answer(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().display().to_string();
    let done = command.output().map_err(|error| format!("{program} did not start: {error}"))?;
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{program}: {}\n{complaint}", done.status).trim_end().to_owned());
    }
    String::from_utf8(done.stdout).map_err(|_| format!("{program} did not answer in UTF-8"))
}

/// The cargo that runs this chore, so that the steps use the same toolchain, in the repository's
/// root whatever directory the chore was called from.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The repository's root; where we are if cargo does not say.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    manifest_dir.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
}

/// The folder for what is made: the parent of the folder `debug` that we run from.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let us = std::env::current_exe().map_err(|e| format!("where this program is: {e}"))?;
    let target = us.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| format!("{} is nowhere", us.display()))
}

/// The executable of this target among what cargo says it has built.
pub(crate) fn built(messages: &str, target: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_that_of_the_target() {
        let messages = concat!(
            "not JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"hubbub"},"executable":"/t/hubbub"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"icount"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"icount"},"executable":"/t/icount"}"#,
            "\n",
        );
        assert_eq!(built(messages, "icount"), Some(PathBuf::from("/t/icount")));
        assert_eq!(built("{}\n", "icount"), None);
    }

    #[test]
    fn a_failing_command_says_how() {
        assert_eq!(succeed(&mut Command::new("true")), Ok(()));
        assert_eq!(succeed(&mut Command::new("false")), Err("exit status: 1".to_owned()));
        let missing = succeed(&mut Command::new("no-such-program")).expect_err("it started");
        assert!(missing.starts_with("no-such-program did not start"), "{missing}");
    }

    #[test]
    fn an_answer_is_what_was_said_and_a_failure_what_was_wrong() {
        assert_eq!(answer(Command::new("echo").arg("yes")), Ok("yes\n".to_owned()));
        let shell = "echo no; echo because >&2; exit 3";
        let failed = answer(Command::new("sh").args(["-c", shell])).expect_err("it succeeded");
        assert_eq!(failed, "sh: exit status: 3\nbecause");
    }
}
