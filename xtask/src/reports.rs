//! Where reports of what was measured go.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::{answer, root};

/// The commit that is checked out, in short.
pub(crate) fn commit() -> Result<String, String> {
    said("git", &["rev-parse", "--short=7", "HEAD"])
}

/// Where results of today and of this commit go, from the repository's root.
pub(crate) fn dated_folder() -> Result<String, String> {
    Ok(format!("results/{}-{}", said("date", &["-u", "+%F"])?, commit()?))
}

/// Fails if the folder is there: nobody's results are written over.
pub(crate) fn must_be_new(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        return Err(format!("{} is there already: say where else with --out", folder.display()));
    }
    Ok(())
}

/// Writes files, by their names, into a folder that is made if there is none.
pub(crate) fn write(folder: &Path, files: &[(&str, String)]) -> Result<(), String> {
    let cannot = |error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(cannot)?;
    files.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text).map_err(cannot))
}

/// Reads a text file, or says which one cannot be read.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What a program in the repository's root answers.
fn said(program: &str, words: &[&str]) -> Result<String, String> {
    Ok(answer(Command::new(program).args(words).current_dir(root()))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_not_written_over() {
        let folder = std::env::temp_dir().join(format!("xtask-reports-{}", std::process::id()));
        assert_eq!(must_be_new(&folder), Ok(()));
        write(&folder, &[("page", "text".to_owned())]).expect("a folder in the temporary one");
        assert_eq!(read(&folder.join("page")), Ok("text".to_owned()));
        let refused = must_be_new(&folder).expect_err("it was written over");
        assert!(refused.contains("--out"), "{refused}");
        fs::remove_dir_all(&folder).expect("it is ours");
        let missing = read(&folder.join("page")).expect_err("it was read");
        assert!(missing.contains("page"), "{missing}");
    }
}
