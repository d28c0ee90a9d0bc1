//! What is seen.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};

use crate::app::{App, Connection};
use crate::help;
use crate::layout::{Layout, Lists, entries_seen};
use crate::scrollback::{Kind, Row, TIME_COLUMNS};
use crate::text::{columns, fitting, harmless};
use crate::theme::Theme;

const PROMPT: &str = "> ";

/// Draws all of it.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, now: Instant) {
    let layout = app.layout();
    if layout.lists.is_none_or(|lists| lists.beside) {
        messages(frame, app, theme, layout.messages);
    }
    if let Some(lists) = layout.lists {
        rooms_and_users(frame, app, theme, lists);
    }
    status(frame, app, theme, layout.status, now);
    input(frame, app, theme, layout.input);
    if let Some(scrolled) = app.help {
        overlay(frame, app, theme, scrolled);
    }
}

fn messages(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let rows = app.scrollback.rows(app.pane());
    let lines: Vec<Line<'_>> = rows.iter().map(|row| message_row(row, theme)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The time, in the first row of a message, and a part of it, in which the name has its colour.
fn message_row<'a>(row: &Row<'a>, theme: Theme) -> Line<'a> {
    let message = row.message;
    let time = if row.part.start == 0 { message.time.as_str() } else { "" };
    let time = Span::styled(format!("{time:TIME_COLUMNS$}"), theme.quiet());
    let (name_bytes, name_style, style) = match message.kind {
        Kind::Said(bytes) => (bytes, theme.name(&message.text[..bytes]), Style::new()),
        Kind::Old(bytes) => {
            (bytes, theme.name(&message.text[..bytes]).patch(theme.quiet()), theme.quiet())
        }
        Kind::Notice => (0, Style::new(), theme.quiet()),
        Kind::Alarm => (0, Style::new(), theme.alarm()),
    };
    let border = name_bytes.clamp(row.part.start, row.part.end);
    let name = Span::styled(&message.text[row.part.start..border], name_style);
    let rest = Span::styled(&message.text[border..row.part.end], style);
    Line::from(vec![time, name, rest])
}

fn rooms_and_users(frame: &mut Frame<'_>, app: &App, theme: Theme, lists: Lists) {
    let session = &app.session;
    let here = session.room.as_deref();
    let rooms = session.rooms.iter().map(|(room, members)| {
        let is_here = Some(room) == here;
        let members = if is_here { session.users.count() } else { members as usize };
        let style = if is_here { theme.strong() } else { Style::new() };
        (room, style, members.to_string())
    });
    list(frame, theme, lists, lists.rooms, ("Rooms", session.rooms.count()), rooms);
    let users = session.users.names().map(|name| {
        let mark = if Some(name) == session.me.as_deref() { "you" } else { "" };
        (name, theme.name(name), mark.to_owned())
    });
    list(frame, theme, lists, lists.users, ("Users", session.users.count()), users);
}

/// A title, and entries with something to their right.
fn list<'a>(
    frame: &mut Frame<'_>,
    theme: Theme,
    lists: Lists,
    area: Rect,
    (title, count): (&str, usize),
    entries: impl Iterator<Item = (&'a str, Style, String)>,
) {
    let borders = if lists.beside { Borders::LEFT } else { Borders::NONE };
    let block = Block::new().borders(borders).border_style(theme.quiet());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width).saturating_sub(2);
    let mut lines = vec![Line::styled(format!(" {title} {count}"), theme.strong())];
    for (entry, style, right) in entries.take(entries_seen(area, count)) {
        let entry = harmless(entry);
        let entry = fitting(&entry, width).to_owned();
        let gap = width.saturating_sub(columns(&entry) + columns(&right));
        let right = if gap == 0 { String::new() } else { format!("{:gap$}{right}", "") };
        let spans =
            vec![Span::raw(" "), Span::styled(entry, style), Span::styled(right, theme.quiet())];
        lines.push(Line::from(spans));
    }
    let left_out = count.saturating_sub(lines.len() - 1);
    if left_out > 0 {
        lines.push(Line::styled(format!(" … and {left_out} more"), theme.quiet()));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// Who we are and where; or a word to the user.
fn status(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect, now: Instant) {
    let choices = app.completion.as_ref().map_or(&[][..], |completion| completion.choices());
    let left = match app.hint {
        Some(hint) => format!(" {hint}"),
        None if !choices.is_empty() => {
            let choices: Vec<&str> =
                choices.iter().map(|it| it.trim_end_matches([':', ' '])).collect();
            format!(" {}", choices.join("  "))
        }
        None if app.waits_for_answer(now) => {
            format!(" {} · no answer to what you sent", place(app, now))
        }
        None => format!(" {}", place(app, now)),
    };
    let right = match app.scrollback.unseen() {
        Some(0) => "Esc: newest ".to_owned(),
        Some(unseen) => format!("{unseen} new below, Esc: newest "),
        None => format!("{} ", app.address),
    };
    let width = usize::from(area.width);
    let left = fitting(&left, width);
    let gap = width.saturating_sub(columns(left) + columns(&right));
    let right = if gap == 0 { String::new() } else { format!("{:gap$}{right}", "") };
    let line = Line::from(vec![Span::styled(left, theme.strong()), Span::raw(right)]);
    frame.render_widget(Paragraph::new(line).style(theme.bar()), area);
}

fn place(app: &App, now: Instant) -> String {
    match (app.connection, &app.session.me, &app.session.room) {
        (Connection::Up, Some(me), Some(room)) => {
            format!("{} in {} · {} here", harmless(me), harmless(room), app.session.users.count())
        }
        // The server takes us to a room when it wants to; we can speak before.
        (Connection::Up, Some(me), None) => harmless(me),
        (Connection::Up | Connection::Connecting, ..) => "connecting".to_owned(),
        (Connection::Waiting(until), ..) => {
            // Rounded up: nothing happens in the last second's absence.
            let left = until.saturating_duration_since(now) + Duration::from_millis(999);
            format!("not connected · again in {} s, Enter: now", left.as_secs())
        }
        (Connection::Held, ..) => "not connected · Enter: connect".to_owned(),
    }
}

fn input(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let width = usize::from(area.width).saturating_sub(columns(PROMPT));
    let (seen, cursor) = app.input.window(width);
    let line = Line::from(vec![Span::styled(PROMPT, theme.strong()), Span::raw(seen)]);
    frame.render_widget(Paragraph::new(line), area);
    let column = u16::try_from(columns(PROMPT) + cursor).unwrap_or(u16::MAX);
    if app.help.is_none() && area.height > 0 {
        frame.set_cursor_position(Position { x: area.x.saturating_add(column), y: area.y });
    }
}

fn overlay(frame: &mut Frame<'_>, app: &App, theme: Theme, scrolled: usize) {
    let (area, lines) = help_box(app, theme);
    let below = help_scroll_max(app) > scrolled;
    let foot = if below { " ↓ more · Esc closes " } else { " Esc closes " };
    let block = Block::bordered().title(" Help ").title_bottom(foot).border_style(theme.quiet());
    let scroll = (u16::try_from(scrolled).unwrap_or(u16::MAX), 0);
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block).scroll(scroll), area);
}

/// How far the help can be scrolled until its end is seen.
pub(crate) fn help_scroll_max(app: &App) -> usize {
    let (area, lines) = help_box(app, Theme { coloured: false });
    lines.len().saturating_sub(usize::from(area.height.saturating_sub(2)))
}

/// Where the help is, in the middle of all but status and input; and its lines.
fn help_box(app: &App, theme: Theme) -> (Rect, Vec<Line<'static>>) {
    const COLUMNS_MAX: u16 = 66;
    let Layout { status, .. } = app.layout();
    let room = Rect { height: status.y.saturating_sub(app.area.y), ..app.area };
    let width = room.width.min(COLUMNS_MAX);
    let lines = help::lines(&app.session.help, usize::from(width.saturating_sub(2)), theme);
    let height = room.height.min(u16::try_from(lines.len() + 2).unwrap_or(u16::MAX));
    let (x, y) = (room.x + (room.width - width) / 2, room.y + (room.height - height) / 2);
    (Rect { x, y, width, height }, lines)
}
