//! `hubbub-tui`: a terminal client. See `hubbub-tui --help` for how it is used.
//!
//! One loop waits for keys, the connection, signals and time, hands them to [`app`], and draws what
//! came of it. What lines mean is in [`lines`], what they make of us in [`session`].

mod app;
mod args;
mod complete;
mod dial;
mod hangup;
mod help;
mod input;
mod keys;
mod layout;
mod lines;
mod link;
mod lists;
mod retry;
mod screen;
mod scrollback;
mod session;
mod splitter;
mod text;
mod theme;
mod tls;
mod unconfirmed;
mod view;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser as _;
use crossterm::event::{Event as Input, EventStream, KeyCode, KeyModifiers};
use futures::StreamExt as _;
use ratatui::layout::Rect;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::sleep_until;

use crate::app::{App, Moment};
use crate::args::Args;
use crate::hangup::Hangup;
use crate::link::{Link, Target};
use crate::screen::Screen;
use crate::theme::Theme;
use crate::tls::Tls;

/// How many events of the connection are looked at before the screen is drawn again.
const EVENTS_PER_DRAW_MAX: usize = 1024;

/// How long to sleep when nothing is due.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = Builder::new_current_thread().enable_all().build();
    let done = runtime
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| runtime.block_on(chat(args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // Whether anybody reads it or not, there is no more to do.
            let _ = writeln!(io::stderr(), "hubbub-tui: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// What can end the program from outside.
struct Ends {
    hangup_of_terminal: Hangup,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup_of_terminal: Hangup::watch()?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            () = self.hangup_of_terminal.wait() => {}
        }
    }
}

/// Connects, and only then takes the terminal: what goes wrong at first is told on the terminal as
/// it is.
async fn chat(args: Args) -> Result<(), String> {
    let wants_tls = args.tls || args.tls_ca.is_some();
    let tls = wants_tls.then(|| Tls::new(&args.server.host, args.tls_ca.as_deref()));
    let target = Target { server: args.server, tls: tls.transpose()? };
    let address = target.server.to_string();
    let wire =
        target.connect().await.map_err(|why| format!("cannot connect to {address}: {why}"))?;
    let mut screen = Screen::take(args.mouse)?;
    let mut ends = Ends::listen().map_err(|error| format!("cannot watch for the end: {error}"))?;
    let mut link = Link::start(target, wire);
    let seed = RandomState::new().hash_one(address.as_str());
    let mut app = App::new(address, args.name, seed, Rect::default(), &now());
    talk(&mut app, &mut link, &mut ends, &mut screen).await
}

/// The loop, until there is an end.
async fn talk(
    app: &mut App,
    link: &mut Link,
    ends: &mut Ends,
    screen: &mut Screen,
) -> Result<(), String> {
    let theme = Theme::from_env();
    let mut keys = EventStream::new();
    loop {
        screen.draw(|frame| {
            app.area = frame.area();
            view::draw(frame, app, theme, Instant::now());
        })?;
        let deadline = app.deadline(&now()).unwrap_or_else(|| Instant::now() + FOREVER);
        tokio::select! {
            event = keys.next() => match event {
                Some(Ok(event)) => {
                    if is_redraw(&event) {
                        screen.forget()?;
                    }
                    on_input(app, event);
                }
                // The terminal is gone.
                Some(Err(_)) | None => app.quit(),
            },
            event = link.events.recv() => match event {
                Some(event) => app.on_link(event, &now()),
                None => return Err("the connection's task has failed: this is a bug".to_owned()),
            },
            () = ends.wait() => app.quit(),
            () = sleep_until(deadline.into()) => {}
        }
        for _ in 0..EVENTS_PER_DRAW_MAX {
            let Ok(event) = link.events.try_recv() else { break };
            app.on_link(event, &now());
        }
        app.on_tick(&now());
        follow(app, link);
        if let Some(end) = app.end() {
            return end;
        }
    }
}

/// Whether the screen is to be drawn anew, as Ctrl-L wants it everywhere.
fn is_redraw(event: &Input) -> bool {
    event.as_key_press_event().is_some_and(|key| {
        key.code == KeyCode::Char('l') && key.modifiers.contains(KeyModifiers::CONTROL)
    })
}

fn on_input(app: &mut App, event: Input) {
    match event {
        Input::Key(key) => app.on_key(key, &now()),
        Input::Mouse(mouse) => app.on_mouse(mouse, &now()),
        Input::Paste(text) => app.on_paste(&text, &now()),
        // Drawing finds out how large the terminal is.
        Input::Resize(..) | Input::FocusGained | Input::FocusLost => {}
    }
}

/// Hands on what the connection is to do.
fn follow(app: &mut App, link: &Link) {
    while let Some(order) = app.poll_order() {
        if let Err(TrySendError::Full(order)) = link.orders.try_send(order) {
            app.unsent(order);
        }
    }
}

fn now() -> Moment {
    let now = jiff::ZonedDateTime::now();
    let [clock, day] = ["%H:%M", "%A, %-d %B %Y"].map(|format| now.strftime(format).to_string());
    Moment { at: Instant::now(), clock, day }
}
