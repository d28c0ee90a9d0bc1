//! What keys and the mouse do.

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

use crate::app::{App, Connection, Moment};
use crate::complete::Completion;
use crate::layout::entry_at;
use crate::session::command;

/// How many rows a turn of the wheel is.
const WHEEL_ROWS: usize = 3;

/// How many rows of a page are still seen on the next.
const PAGE_ROWS_KEPT: usize = 1;

impl App {
    /// A key is pressed.
    pub(crate) fn on_key(&mut self, key: KeyEvent, now: &Moment) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.session.attended(now.at);
        self.hint = None;
        let (ctrl, alt) = (
            key.modifiers.contains(KeyModifiers::CONTROL),
            key.modifiers.contains(KeyModifiers::ALT),
        );
        if ctrl && key.code == KeyCode::Char('c') {
            return self.leave(now);
        }
        if self.help.is_some() {
            return self.on_help_key(key.code);
        }
        if key.code == KeyCode::Tab {
            return self.complete();
        }
        self.completion = None;
        match key.code {
            KeyCode::Enter => self.enter(now),
            KeyCode::F(1) => self.help = Some(0),
            KeyCode::F(2) => self.flipped = !self.flipped,
            KeyCode::Esc => self.scrollback.follow(),
            KeyCode::PageUp => self.scrollback.up(self.page(), self.pane()),
            KeyCode::PageDown => self.scrollback.down(self.page(), self.pane()),
            KeyCode::Char('d') if ctrl && self.input.text().is_empty() => self.leave(now),
            code => self.edit(code, ctrl, alt),
        }
    }

    /// Text is pasted.
    pub(crate) fn on_paste(&mut self, text: &str, now: &Moment) {
        self.session.attended(now.at);
        self.completion = None;
        self.input.insert(text);
    }

    /// The mouse does something.
    pub(crate) fn on_mouse(&mut self, mouse: MouseEvent, now: &Moment) {
        self.session.attended(now.at);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scrollback.up(WHEEL_ROWS, self.pane()),
            MouseEventKind::ScrollDown => self.scrollback.down(WHEEL_ROWS, self.pane()),
            MouseEventKind::Down(MouseButton::Left) => {
                self.click(Position { x: mouse.column, y: mouse.row }, now);
            }
            _ => {}
        }
    }

    /// Goes to a room that is clicked, and writes a name that is.
    fn click(&mut self, at: Position, now: &Moment) {
        let Some(lists) = self.layout().lists else { return };
        let session = &self.session;
        if let Some(index) = entry_at(lists.rooms, at, session.rooms.count()) {
            let room = session.rooms.iter().nth(index).map(|(room, _)| format!("/join {room}"));
            if let Some(line) = room.filter(|_| self.connection == Connection::Up) {
                self.send(line, now);
            }
        } else if let Some(index) = entry_at(lists.users, at, session.users.count()) {
            let after = if self.input.before().is_empty() { ": " } else { " " };
            let name = session.users.names().nth(index).map(|name| format!("{name}{after}"));
            self.input.insert(&name.unwrap_or_default());
        }
    }

    fn on_help_key(&mut self, code: KeyCode) {
        let page = self.page();
        self.help = match (code, self.help) {
            (KeyCode::Up, Some(at)) => Some(at.saturating_sub(1)),
            (KeyCode::Down, Some(at)) => Some(at + 1),
            (KeyCode::PageUp, Some(at)) => Some(at.saturating_sub(page)),
            (KeyCode::PageDown, Some(at)) => Some(at + page),
            _ => None,
        };
        let last = crate::view::help_scroll_max(self);
        self.help = self.help.map(|at| at.min(last));
    }

    fn edit(&mut self, code: KeyCode, ctrl: bool, alt: bool) {
        let input = &mut self.input;
        match code {
            KeyCode::Left if ctrl || alt => input.word_left(),
            KeyCode::Right if ctrl || alt => input.word_right(),
            KeyCode::Char('b') if alt => input.word_left(),
            KeyCode::Char('f') if alt => input.word_right(),
            KeyCode::Left => input.left(),
            KeyCode::Right => input.right(),
            KeyCode::Char('b') if ctrl => input.left(),
            KeyCode::Char('f') if ctrl => input.right(),
            KeyCode::Home => input.home(),
            KeyCode::End => input.end(),
            KeyCode::Char('a') if ctrl => input.home(),
            KeyCode::Char('e') if ctrl => input.end(),
            KeyCode::Backspace if ctrl || alt => input.cut_word(),
            KeyCode::Backspace => input.backspace(),
            KeyCode::Char('h') if ctrl => input.backspace(),
            KeyCode::Delete => input.delete(),
            KeyCode::Char('d') if ctrl => input.delete(),
            KeyCode::Char('w') if ctrl => input.cut_word(),
            KeyCode::Char('u') if ctrl => input.cut_to_start(),
            KeyCode::Char('k') if ctrl => input.cut_to_end(),
            KeyCode::Up => input.older(),
            KeyCode::Down => input.newer(),
            KeyCode::Char('p') if ctrl => input.older(),
            KeyCode::Char('n') if ctrl => input.newer(),
            KeyCode::Char(c) if !ctrl && !alt => input.insert(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
    }

    fn complete(&mut self) {
        match &mut self.completion {
            Some(completion) => completion.next(&mut self.input),
            None => {
                let rooms = self.session.rooms.iter().map(|(room, _)| room);
                let me = self.session.me.as_deref();
                let others = self.session.users.names().filter(|&name| Some(name) != me);
                self.completion = Completion::start(&mut self.input, rooms, others);
            }
        }
    }

    /// Does what the line says, and keeps it if that cannot be done now.
    fn enter(&mut self, now: &Moment) {
        let connects = matches!(self.connection, Connection::Waiting(_) | Connection::Held);
        match command(self.input.text()).as_deref() {
            None if connects => self.connect(),
            None => self.scrollback.follow(),
            Some("/reconnect") if connects => {
                self.input.take();
                self.connect();
            }
            Some("/reconnect") => self.hint = Some("this is for when there is no connection"),
            Some("/help") => {
                self.input.take();
                self.help = Some(0);
            }
            Some("/quit") => {
                self.input.take();
                self.leave(now);
            }
            Some(_) if self.connection == Connection::Up => {
                let line = self.input.take();
                self.send(line, now);
                self.offer_lost();
            }
            Some(_) => self.hint = Some("not connected: your line is kept"),
        }
    }

    fn page(&self) -> usize {
        self.pane().rows.saturating_sub(PAGE_ROWS_KEPT).max(1)
    }
}
