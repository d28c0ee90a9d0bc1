//! Running other programs.

use std::process::Command;

/// Runs a command on our own terminal and makes a failure a sentence.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!("{} did not start: {error}", command.get_program().display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_says_how() {
        assert_eq!(succeed(&mut Command::new("true")), Ok(()));
        assert_eq!(succeed(&mut Command::new("false")), Err("exit status: 1".to_owned()));
        let missing = succeed(&mut Command::new("no-such-program")).expect_err("it started");
        assert!(missing.starts_with("no-such-program did not start"), "{missing}");
    }
}
