//! The rules of the house, checked: who may know whom, and how long things may be.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 60;
const LINE_CHARS_MAX: usize = 100;

/// The layers from the bottom up; a module may use those in rows above its own, and itself.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["metrics"],
    &["proto"],
    &["socket"],
    &["core", "mesh"],
    &["board", "net", "watchdog"],
    &["http", "shard"],
    &["machine"],
    &["cli"],
    &["config"],
    &["logging"],
    &["admin"],
    &["server"],
    &["main"],
];

/// What must not occur in a module, with the reason.
const BANNED: &[(&str, &str, &str)] = &[
    ("model", "std::time::Instant", "the vocabulary has no clock"),
    ("model", "tokio", "the vocabulary is data only"),
    ("proto", "tokio", "protocols are pure functions"),
    ("core", "tokio", "the core is synchronous"),
    ("core", "Instant", "time is handed to the core"),
    ("core", "std::thread", "the core is one thread's"),
    ("core", "Wire::Line", "the core does not know protocols"),
    ("core", "std::net", "the core does no IO"),
    ("mesh", "ShardMsg::", "the mesh does not know what messages mean"),
    ("socket", "model", "bytes have no meaning"),
    ("socket", "tokio", "sockets never wait"),
    ("net", "Name", "sockets know nothing of names"),
];

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                files_below(&path, into);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// All Rust files of the project, from its root, with their texts.
pub(super) fn files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![];
    for folder in ["src", "tests", "benches", "fuzz", "loadgen", "tui", "xtask"] {
        files_below(&root.join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a text");
        (path.strip_prefix(root).expect("below the root").to_owned(), text)
    };
    paths.into_iter().map(read).collect()
}

/// The first part of a path below `src`, without an ending.
fn module(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src").ok()?;
    let first = below.iter().next()?.to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The part of a source that is not its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().expect("a first part")
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

#[test]
fn imports_point_downwards() {
    let mut wrong = vec![];
    for (path, text) in files() {
        let Some((module, own)) = module(&path).and_then(|m| Some((m.clone(), layer(&m)?))) else {
            continue;
        };
        for line in without_tests(&text).lines().filter(|line| !line.trim().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric()).collect();
                let allowed = used == module || layer(&used).is_none_or(|layer| layer < own);
                if !allowed {
                    wrong.push(format!("{}: {module} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether `line` has `word`, and not as the end of another.
fn has_word(line: &str, word: &str) -> bool {
    let begins = |(at, _): (usize, &str)| !line[..at].ends_with(char::is_alphanumeric);
    line.match_indices(word).any(begins)
}

#[test]
fn layers_do_without_what_is_not_theirs() {
    let mut wrong = vec![];
    for (path, text) in files() {
        let Some(module) = module(&path) else { continue };
        if path.ends_with("journal.rs") {
            continue;
        }
        for (banned_in, word, reason) in BANNED.iter().filter(|(m, ..)| *m == module) {
            let code = without_tests(&text).lines().filter(|line| !line.trim().starts_with("//"));
            if code.into_iter().any(|line| has_word(line, word)) {
                wrong.push(format!("{}: {word} in {banned_in}: {reason}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_functions_and_lines_are_short() {
    let mut wrong = vec![];
    for (path, text) in files() {
        let shown = path.display();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{shown}: {lines} lines"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > LINE_CHARS_MAX {
                wrong.push(format!("{shown}:{}: a line of over {LINE_CHARS_MAX}", number + 1));
            }
        }
        for (name, lines) in functions(&text) {
            if lines > FUNCTION_LINES_MAX {
                wrong.push(format!("{shown}: fn {name} has {lines} lines"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Functions and how many lines they have. Formatted sources end a function with a brace where its
/// line began.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut functions = vec![];
    let mut open: Vec<(String, usize, String)> = vec![];
    for (number, line) in text.lines().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|&word| word == "fn")
            && at < 4
            && let Some(name) = words.get(at + 1)
        {
            open.push(((*name).to_owned(), number, format!("{indent}}}")));
        }
        if let Some((_, _, end)) = open.last()
            && line == end
        {
            let (name, start, _) = open.pop().expect("there is one");
            functions.push((name, number + 1 - start));
        }
    }
    functions
}
