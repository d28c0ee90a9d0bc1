//! The program without a server and a terminal: lines and keys go in, a screen comes out.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::app::{App, Connection, Moment};
use crate::link::{Event, Order};
use crate::theme::Theme;
use crate::view;

mod connection;

struct Play {
    app: App,
    now: Moment,
    coloured: bool,
}

impl Play {
    fn new(columns: u16, rows: u16) -> Self {
        let now =
            Moment { at: Instant::now(), clock: "12:34".to_owned(), day: "Monday".to_owned() };
        let area = Rect::new(0, 0, columns, rows);
        let app = App::new("127.0.0.1:42069".to_owned(), None, 7, area, &now);
        Self { app, now, coloured: true }
    }

    /// Connected, as amy, with bob in den.
    fn settled(columns: u16, rows: u16) -> Self {
        let mut play = Self::new(columns, rows);
        play.app.on_link(Event::Up, &play.now);
        play.hear(&["Server commands", "  /dance - dance", "You are amy", "You joined den"]);
        play.hear(&["Users - amy, bob", "Rooms - main (5), den (2)"]);
        play.orders();
        play
    }

    fn hear(&mut self, lines: &[&str]) {
        for line in lines {
            self.app.on_link(Event::Line((*line).to_owned()), &self.now);
        }
    }

    fn down(&mut self, why: &str) {
        self.app.on_link(Event::Down(why.to_owned()), &self.now);
    }

    fn press(&mut self, code: KeyCode) {
        self.app.on_key(KeyEvent::new(code, KeyModifiers::NONE), &self.now);
    }

    fn ctrl(&mut self, letter: char) {
        self.app.on_key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL), &self.now);
    }

    fn types(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    fn enter(&mut self, line: &str) {
        self.types(line);
        self.press(KeyCode::Enter);
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        self.app.on_mouse(mouse, &self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now.at += time;
        self.app.on_tick(&self.now);
    }

    fn orders(&mut self) -> Vec<Order> {
        std::iter::from_fn(|| self.app.poll_order()).collect()
    }

    fn drawn(&self) -> Buffer {
        let Rect { width, height, .. } = self.app.area;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        let theme = Theme { coloured: self.coloured };
        let drawn = terminal.draw(|frame| view::draw(frame, &self.app, theme, self.now.at));
        drawn.expect("it draws").buffer.clone()
    }

    fn screen(&self) -> Vec<String> {
        let buffer = self.drawn();
        let rows = buffer.content().chunks(usize::from(buffer.area.width));
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>())
            .map(|row| row.trim_end().to_owned())
            .collect()
    }

    /// Asserts that this is somewhere on the screen.
    #[track_caller]
    fn shows(&self, text: &str) {
        let screen = self.screen();
        assert!(screen.iter().any(|row| row.contains(text)), "no {text:?} in {screen:#?}");
    }

    /// Asserts that this is nowhere on it.
    #[track_caller]
    fn hides(&self, text: &str) {
        let screen = self.screen();
        assert!(!screen.iter().any(|row| row.contains(text)), "{text:?} in {screen:#?}");
    }
}

fn sent(line: &str) -> Order {
    Order::Send(line.to_owned())
}

#[test]
fn a_wide_screen_has_messages_lists_status_and_input() {
    let mut play = Play::settled(80, 8);
    play.hear(&["bob: hello there"]);
    play.types("hi b");
    assert_eq!(
        play.screen(),
        [
            "12:34 — Connected to 127.0.0.1:42069: F1 shows help    │ Rooms 2",
            "12:34 You are amy                                      │ main                 5",
            "12:34 You joined den                                   │ den                  2",
            "12:34 bob: hello there                                 │ Users 2",
            "                                                       │ amy                you",
            "                                                       │ bob",
            " amy in den · 2 here                                            127.0.0.1:42069",
            "> hi b",
        ]
    );
}

#[test]
fn a_narrow_screen_folds_the_lists() {
    let mut play = Play::settled(40, 8);
    play.hear(&["bob: hello there, this is a longer line"]);
    assert_eq!(
        play.screen(),
        [
            "12:34 — Connected to 127.0.0.1:42069: F1",
            "      shows help",
            "12:34 You are amy",
            "12:34 You joined den",
            "12:34 bob: hello there, this is a longer",
            "      line",
            " amy in den · 2 here    127.0.0.1:42069",
            ">",
        ]
    );
    play.press(KeyCode::F(2));
    play.shows(" Rooms 2");
    play.hides("You joined");
    play.press(KeyCode::F(2));
    play.shows("You joined");
}

#[test]
fn no_screen_is_too_small() {
    for (columns, rows) in (1..30).flat_map(|columns| (1..7).map(move |rows| (columns, rows))) {
        let mut play = Play::settled(columns, rows);
        play.hear(&["bob: 日本語 hello"]);
        play.press(KeyCode::PageUp);
        play.screen();
        play.press(KeyCode::F(2));
        play.press(KeyCode::F(1));
        play.screen();
    }
}

#[test]
fn colours_tell_apart_unless_there_are_to_be_none() {
    let mut play = Play::settled(80, 8);
    play.hear(&["bob: hello", "Last 1 messages:", "bob: before"]);
    let (lines, buffer) = (play.screen(), play.drawn());
    let row = |text| lines.iter().position(|line| line.contains(text)).expect("it is shown");
    let cell = |column: u16, row: usize| buffer[(column, row as u16)].style();
    let (now, before) = (row("bob: hello"), row("bob: before"));
    assert!(matches!(cell(6, now).fg, Some(Color::Indexed(_))));
    assert_eq!(cell(11, now).fg, Some(Color::Reset), "the text is in the terminal's colour");
    assert!(cell(11, before).add_modifier.contains(Modifier::DIM), "what is old is dim");
    assert!(!cell(11, now).add_modifier.contains(Modifier::DIM));
    assert!(lines[before].starts_with("      bob"), "and has no time");
    let told = cell(6, row("You joined den"));
    assert!(told.add_modifier.contains(Modifier::DIM) && told.fg == Some(Color::Reset));
    play.down("gone");
    let row = play.screen().iter().position(|line| line.contains("Disconnected: gone"));
    let alarm = play.drawn()[(6, row.expect("it is shown") as u16)].style();
    assert_eq!(alarm.fg, Some(Color::Red), "what is not good stands out");
    play.coloured = false;
    let plain = |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
    assert!(play.drawn().content().iter().all(plain));
}

#[test]
fn controls_of_others_are_shown() {
    let mut play = Play::settled(80, 12);
    play.hear(&["bob: \u{1b}[31mred\u{7}\u{9b}2J", "\u{1b}c: x", "Users - amy, b\u{1b}b"]);
    play.shows("bob: ␛[31mred␇\\u{9b}2J");
    play.shows("␛c: x");
    play.shows("│ b␛b");
}

#[test]
fn scrolling_says_how_much_is_new() {
    let mut play = Play::settled(80, 8);
    for number in 0..20 {
        play.hear(&[&format!("bob: line {number}")]);
    }
    play.press(KeyCode::PageUp);
    play.shows("bob: line 9");
    play.hides("bob: line 15");
    play.shows("Esc: newest");
    play.hear(&["bob: more", "bob: and more"]);
    play.shows("2 new below");
    play.press(KeyCode::PageDown);
    play.press(KeyCode::PageDown);
    play.shows("bob: and more");
    play.hides("new below");
    play.mouse(MouseEventKind::ScrollUp, 3, 3);
    play.hides("bob: and more");
    play.press(KeyCode::Esc);
    play.shows("bob: and more");
}

#[test]
fn lines_are_sent_and_come_back_with_the_arrow() {
    let mut play = Play::settled(80, 8);
    play.enter("hello");
    play.enter("/join main");
    assert_eq!(play.orders(), [sent("hello"), sent("/join main")]);
    play.enter("   ");
    assert_eq!(play.orders(), []);
    play.press(KeyCode::Up);
    play.press(KeyCode::Up);
    play.shows("> hello");
}

#[test]
fn tab_completes_and_shows_the_choices() {
    let mut play = Play::settled(80, 8);
    play.hear(&["bill joined"]);
    play.press(KeyCode::Char('b'));
    play.press(KeyCode::Tab);
    play.shows("> bill:");
    play.shows(" bill  bob");
    play.press(KeyCode::Tab);
    play.shows("> bob:");
    play.press(KeyCode::Char('x'));
    play.shows("> bob: x");
    play.shows("amy in den");
    play.ctrl('u');
    play.types("/join m");
    play.press(KeyCode::Tab);
    play.shows("> /join main");
}

#[test]
fn the_help_is_over_everything_and_has_the_servers_own_commands() {
    let mut play = Play::settled(80, 30);
    play.enter("/help");
    assert_eq!(play.orders(), [], "the server is not asked");
    play.shows("Help");
    play.shows("/dance");
    play.shows("complete a command, room or name");
    play.press(KeyCode::Esc);
    play.hides("/dance");
    let mut small = Play::settled(40, 12);
    small.press(KeyCode::F(1));
    small.shows("↓ more · Esc closes");
    small.hides("Ctrl-C");
    for _ in 0..9 {
        small.press(KeyCode::PageDown);
    }
    small.shows("Ctrl-C");
    small.press(KeyCode::Up);
    small.shows("↓ more");
}

#[test]
fn days_are_told_apart() {
    let mut play = Play::settled(80, 12);
    play.hear(&["bob: late"]);
    play.now.day = "Tuesday, 1 December 2026".to_owned();
    play.pass(Duration::from_secs(60));
    play.hides("Tuesday");
    play.hear(&["bob: early", "bob: still early"]);
    let screen = play.screen();
    let row = |text| screen.iter().position(|row| row.contains(text)).expect("it is shown");
    assert_eq!(row("— Tuesday, 1 December 2026 —"), row("bob: late") + 1);
    assert_eq!(row("bob: early"), row("bob: late") + 2);
    assert_eq!(row("bob: still early"), row("bob: late") + 3);
}

#[test]
fn commands_are_known_in_any_case() {
    let mut play = Play::settled(80, 30);
    play.enter("/HELP");
    play.shows("complete a command, room or name");
    play.press(KeyCode::Esc);
    play.enter("//Quit");
    play.enter("/Users");
    assert_eq!(play.orders(), [sent("//Quit"), sent("/Users")]);
    play.hear(&["Users - amy, bob"]);
    play.shows("Users - amy, bob");
    play.enter("/QUIT");
    play.down("the server has ended the connection");
    assert_eq!(play.app.end(), Some(Ok(())));
}

#[test]
fn what_we_say_ourselves_is_told_from_what_others_say() {
    let mut play = Play::settled(80, 16);
    play.hear(&["Disconnected: gone", "You: joined den", "bob: x\u{2028}eve: y\u{85}z"]);
    play.shows("12:34 Disconnected: gone");
    play.shows("bob: x\\u{2028}eve: y\\u{85}z");
    play.down("gone");
    play.shows("12:34 — Disconnected: gone");
}

#[test]
fn clicks_go_to_rooms_and_write_names() {
    let mut play = Play::settled(80, 12);
    let click = MouseEventKind::Down(MouseButton::Left);
    play.mouse(click, 60, 1);
    assert_eq!(play.orders(), [sent("/join main")]);
    play.mouse(click, 60, 6);
    play.shows("> bob:");
    play.mouse(click, 60, 11);
    play.mouse(click, 3, 1);
    assert_eq!(play.orders(), []);
}

#[test]
fn long_lists_say_how_much_is_left_out() {
    let mut play = Play::settled(80, 12);
    let names: Vec<String> = (10..40).map(|number| format!("guest{number}")).collect();
    play.hear(&[&format!("Users - {}, … and 7 more", names.join(", "))]);
    play.shows("Users 37");
    play.shows("│ guest13");
    play.hides("│ guest14");
    play.shows("… and 33 more");
    assert_eq!(play.app.pane().rows, 10);
}
