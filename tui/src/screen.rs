//! The terminal, which is given back as it was however the program ends.

use std::io::{self, IsTerminal as _, Stdout, stdin, stdout};
use std::panic;

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

/// The terminal while it is ours.
#[derive(Debug)]
pub(crate) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal. A panic gives it back before it says why.
    pub(crate) fn take(mouse: bool) -> Result<Self, String> {
        if !(stdin().is_terminal() && stdout().is_terminal()) {
            return Err(
                "this needs a terminal for input and output; without one, use nc".to_owned()
            );
        }
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            tell(panic);
        }));
        Self::enter(mouse).map_err(|error| {
            give_back();
            unusable(&error)
        })
    }

    fn enter(mouse: bool) -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(Self(Terminal::new(CrosstermBackend::new(stdout()))?))
    }

    /// Draws what has changed.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), String> {
        self.0.draw(draw).map(drop).map_err(|error| unusable(&error))
    }

    /// Draws all of it next time, whatever else may have written there.
    pub(crate) fn forget(&mut self) -> Result<(), String> {
        self.0.clear().map_err(|error| unusable(&error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whatever fails here fails because the terminal is gone, and then there is nothing to restore.
fn give_back() {
    let _ =
        execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

fn unusable(error: &io::Error) -> String {
    format!("cannot use the terminal: {error}")
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const LOOK_EVERY: Duration = Duration::from_millis(20);

    /// No test by itself: the one below runs it in a terminal.
    #[test]
    #[ignore = "needs a terminal, and spoils it"]
    fn panics_in_a_terminal() {
        let mut screen = Screen::take(true).expect("a terminal");
        screen.draw(|_| panic!("drawing fails")).expect("it does not come to this");
    }

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was_and_is_read() {
        let socket = format!("hubbub-tui-panic-{}", std::process::id());
        let tmux = |args: &[&str]| {
            let mut command = Command::new("tmux");
            command.args(["-L", &socket]).args(args).env_remove("TMUX").env("TERM", "xterm");
            let output = command.output().expect("tmux is there: cargo xtask test packages");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let program = env::current_exe().expect("our own path");
        let line = format!(
            "echo before; {} --ignored --nocapture --exact screen::tests::panics_in_a_terminal; \
             stty -a | grep -o ' -*icanon '; exec cat",
            program.display()
        );
        tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "40", "sh", "-c", &line]);
        let until = Instant::now() + PATIENCE;
        let mut seen = String::new();
        while !seen.contains("icanon") && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
            // All of it: where backtraces are asked for, one does not fit on the screen.
            seen = tmux(&["capture-pane", "-p", "-S", "-"]);
        }
        let mouse = tmux(&["display-message", "-p", "#{mouse_any_flag}#{alternate_on}"]);
        tmux(&["kill-server"]);
        assert!(seen.starts_with("before") && seen.contains("drawing fails"), "{seen}");
        assert!(seen.contains("icanon") && !seen.contains("-icanon"), "{seen}");
        assert_eq!(mouse.trim(), "00", "neither mouse nor another screen");
    }
}
