//! `cargo xtask results`: everything that `results/` shows of the server's speed, measured anew and
//! put into one dated folder.
//!
//! Each part has a folder of its own below that; a part that is there already is kept, so that a
//! sitting that was interrupted can go on.

mod marks;
mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::programs::{cargo, root, succeed};
use crate::reports;
use marks::Measured;

/// A part of the results: the folder it goes to, and the command that is given that folder last.
struct Part {
    folder: &'static str,
    command: &'static str,
    minutes: u32,
}

/// All of them.
const PARTS: [Part; 3] = [
    Part {
        folder: "throughput",
        command: "bench --locked --bench throughput -- --out",
        minutes: 13,
    },
    Part { folder: "peers", command: "xtask bench-peers --out", minutes: 16 },
    Part { folder: "scaling", command: "xtask scaling --out", minutes: 1 },
];

/// Where reports of parts say which commit they are of.
const COMMITS: [(&str, &str); 2] =
    [("throughput/throughput.json", "/environment/commit"), ("peers/peers.json", "/about/commit")];

/// Measures what is not in `out` yet, and writes what all of it comes to.
pub(crate) fn run(out: Option<&str>) -> Result<(), String> {
    let out = PathBuf::from(out.map_or_else(reports::dated_folder, |out| Ok(out.to_owned()))?);
    let folder = root().join(&out);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    kept_are_of(&folder, &reports::commit()?)?;
    let missing = PARTS.iter().filter(|part| !reports::has_files(&folder.join(part.folder)));
    let minutes: u32 = missing.clone().map(|part| part.minutes).sum();
    println!("about {minutes} minutes; leave the machine alone while it measures\n");
    let began = Instant::now();
    for part in missing {
        println!("=== {} ===\n", part.folder);
        // By a relative path, so that none of this machine gets into a report.
        let mut command = cargo();
        command.args(part.command.split(' ')).arg(out.join(part.folder));
        succeed(&mut command).map_err(|why| format!("{}: {why}", part.folder))?;
    }
    let measured = Measured {
        throughput: json(&folder.join("throughput/throughput.json"))?,
        peers: json(&folder.join("peers/peers.json"))?,
    };
    let text = page::write(&measured);
    println!("{text}");
    let readme = folder.join("README.md");
    if readme.exists() {
        println!("{} stays as it is: it may have words of yours", readme.display());
    } else {
        fs::write(&readme, &text).map_err(|error| format!("{}: {error}", readme.display()))?;
    }
    println!("{} minutes; all of it is in {}", began.elapsed().as_secs() / 60, out.display());
    println!("If it is to be kept: say what is new in its README.md, and add it to the index.");
    Ok(())
}

/// Fails if a part that is there is of another commit than the one that is measured now: the page
/// would tell of both as of one.
fn kept_are_of(folder: &Path, commit: &str) -> Result<(), String> {
    for (file, at) in COMMITS {
        let path = folder.join(file);
        if !path.exists() {
            continue;
        }
        let report = json(&path)?;
        let kept = report.pointer(at).and_then(Value::as_str).unwrap_or("an unknown commit");
        if !kept.starts_with(commit) {
            return Err(format!(
                "{} is of {kept}, and {commit} is checked out: say where else with --out",
                path.display()
            ));
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<Value, String> {
    serde_json::from_str(&reports::read(path)?)
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_another_commit_are_not_told_of_as_of_this_one() {
        let folder = std::env::temp_dir().join(format!("xtask-results-{}", std::process::id()));
        assert_eq!(kept_are_of(&folder, "abc1234"), Ok(()), "nothing is there");
        let peers =
            |text: &str| reports::write(&folder.join("peers"), &[("peers.json", text.to_owned())]);
        peers(r#"{"about": {"commit": "abc1234567"}}"#).expect("written");
        assert_eq!(kept_are_of(&folder, "abc1234"), Ok(()));
        for other in [r#"{"about": {"commit": "def5678"}}"#, "{}"] {
            peers(other).expect("written");
            let refused = kept_are_of(&folder, "abc1234").expect_err("another one");
            assert!(refused.contains("peers.json") && refused.contains("--out"), "{refused}");
        }
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
