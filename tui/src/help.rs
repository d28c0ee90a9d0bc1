//! What the help says.

use ratatui::text::{Line, Span};

use crate::complete::COMMANDS;
use crate::text::{columns, wrap};
use crate::theme::Theme;

const COMMANDS_HELP: &[(&str, &str)] = &[
    ("/name NAME", "take another name"),
    ("/join ROOM", "go to another room"),
    ("/rooms", "list all rooms"),
    ("/users", "list who is in your room"),
    ("//TEXT", "say /TEXT"),
    ("/reconnect", "connect again now, without waiting"),
    ("/help", "show this"),
    ("/quit", "leave, after all that you sent is said"),
];

const KEYS_HELP: &[(&str, &str)] = &[
    ("Tab", "complete a command, room or name"),
    ("Up Down", "lines that you sent before"),
    ("PgUp PgDn", "scroll; Esc for the newest"),
    ("F1", "show this"),
    ("F2", "show or fold rooms and users"),
    ("Ctrl-A Ctrl-E", "to the start or end of the line"),
    ("Ctrl-Left -Right", "a word to the left or right"),
    ("Ctrl-W -U -K", "remove a word, all before, all after"),
    ("Ctrl-C", "leave; Ctrl-D in an empty line, too"),
];

/// The longest of the words on the left, and some room around.
const LEFT_COLUMNS: usize = 19;

/// The lines of the help in so many columns. The server may have commands that we do not know.
pub(crate) fn lines(server: &[String], columns_max: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = vec![];
    section(&mut lines, "Commands", COMMANDS_HELP, columns_max, theme);
    let others: Vec<(&str, &str)> = server
        .iter()
        .filter_map(|line| line.trim_start().split_once(" - "))
        .filter(|(command, _)| !is_ours(command))
        .collect();
    section(&mut lines, "", &others, columns_max, theme);
    lines.push(Line::default());
    section(&mut lines, "Keys", KEYS_HELP, columns_max, theme);
    lines
}

fn is_ours(command: &str) -> bool {
    let word = command.split(' ').next();
    COMMANDS.iter().any(|ours| Some(ours.trim_end()) == word)
}

fn section(
    lines: &mut Vec<Line<'static>>,
    title: &'static str,
    entries: &[(&str, &str)],
    columns_max: usize,
    theme: Theme,
) {
    if !title.is_empty() {
        lines.push(Line::styled(format!(" {title}"), theme.strong()));
    }
    for (left, right) in entries {
        let room = columns_max.saturating_sub(LEFT_COLUMNS + 1);
        for (index, part) in wrap(right, room).into_iter().enumerate() {
            let left = if index == 0 { *left } else { "" };
            let gap = LEFT_COLUMNS.saturating_sub(columns(left) + 2).max(1);
            let text = format!("{:gap$}{}", "", &right[part]);
            lines.push(Line::from(vec![
                Span::raw(format!("  {left}")),
                Span::styled(text, theme.quiet()),
            ]));
        }
    }
}
