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

/// Whether there is anything in the folder.
pub(crate) fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
}

/// Makes a folder for results and tries whether it can be written to, before hours are spent on
/// them. Fails if there is anything in it: results are never written over.
pub(crate) fn prepare(folder: &Path) -> Result<(), String> {
    if has_files(folder) || folder.is_file() {
        return Err(format!("{} is there already: say where else with --out", folder.display()));
    }
    let cannot = |error| format!("--out {}: {error}", folder.display());
    let probe = folder.join("probe");
    fs::create_dir_all(folder).map_err(cannot)?;
    fs::write(&probe, "probe").map_err(cannot)?;
    fs::remove_file(&probe).map_err(cannot)
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
        assert_eq!(prepare(&folder), Ok(()));
        assert_eq!(prepare(&folder), Ok(()), "an empty one is as good as none");
        write(&folder, &[("page", "text".to_owned())]).expect("a folder in the temporary one");
        assert_eq!(read(&folder.join("page")), Ok("text".to_owned()));
        for taken in [folder.clone(), folder.join("page"), folder.join("page/below")] {
            let refused = prepare(&taken).expect_err("it was written over");
            assert!(refused.contains("--out"), "{refused}");
        }
        fs::remove_dir_all(&folder).expect("it is ours");
        let missing = read(&folder.join("page")).expect_err("it was read");
        assert!(missing.contains("page"), "{missing}");
    }
}
