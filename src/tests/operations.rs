//! The page for operators, checked: it has every close reason, and what to do about it.

use std::fs;
use std::path::Path;

use crate::model::CloseReason;

#[test]
fn every_close_reason_is_explained_to_operators() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(page).expect("the page");
    let (_, section) = page.split_once("\n## Close reasons\n").expect("the section");
    let section = section.split("\n## ").next().expect("a first part");
    let mut explained = vec![];
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (label, rest) = row.split_once("` |").expect("a reason");
        let columns: Vec<&str> = rest.split('|').map(str::trim).collect();
        let is_whole =
            matches!(columns[..], [meaning, todo, ""] if !meaning.is_empty() && !todo.is_empty());
        assert!(is_whole, "{label}: {columns:?}");
        explained.push(label);
    }
    assert_eq!(explained, CloseReason::ALL.map(CloseReason::label));
}
