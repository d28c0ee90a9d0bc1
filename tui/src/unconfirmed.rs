//! Lines that the user has sent and the server has not shown to have taken. A connection may be
//! dead for long before that is noticed, and what was sent into it must not vanish in silence.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::lines::Line;
use crate::session::command;

/// Lines that are kept; of more, the oldest are forgotten.
const LINES_MAX: usize = 64;

/// After this long without an answer, the user is told that there is none.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// What is waited for, oldest first, each with when it was sent.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed(VecDeque<(Instant, String)>);

impl Unconfirmed {
    /// The user has sent this line. Lists and the like are no matter if they are lost.
    pub(crate) fn sends(&mut self, line: &str, now: Instant) {
        if said(line).is_none() && !is_command(line, "/join") && !is_command(line, "/name") {
            return;
        }
        if self.0.len() == LINES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, line.to_owned()));
    }

    /// The server has sent this line, to us who are called `me`: what it answers is confirmed, and
    /// so is whatever was said before, as all is said in order.
    pub(crate) fn hear(&mut self, raw: &str, line: &Line<'_>, me: Option<&str>) {
        match *line {
            Line::Said { author } if me == Some(author) => {
                let text = raw.get(author.len() + 2..).unwrap_or_default();
                let same = |line: &str| said(line).is_some_and(|said| is_alike(said, text));
                // Who says something in other words than we do has still heard us.
                if !self.confirm(same) {
                    self.confirm(|line| said(line).is_some());
                }
            }
            Line::TooLong(chars_max) => {
                let too_long =
                    |line: &str| said(line).is_some_and(|text| text.chars().count() > chars_max);
                if let Some(at) = self.0.iter().position(|(_, line)| too_long(line)) {
                    self.0.remove(at);
                }
            }
            Line::YouJoined(_) | Line::RoomRefused | Line::RoomInvalid => {
                self.confirm(|line| is_command(line, "/join"));
            }
            Line::Renamed { new, .. } | Line::YouAre(new) if me == Some(new) => {
                self.confirm(|line| is_command(line, "/name"));
            }
            Line::NameTaken(_) | Line::NameInvalid => {
                self.confirm(|line| is_command(line, "/name"));
            }
            _ => {}
        }
    }

    /// The line that was sent last was not: takes it back.
    pub(crate) fn unsent(&mut self, line: &str) {
        self.0.pop_back_if(|(_, last)| last == line);
    }

    /// The connection is lost: what may be, too.
    pub(crate) fn lose(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|(_, line)| line)
    }

    /// When the oldest was sent.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    /// The first line of which this is true is confirmed, with those before it; whether there is
    /// one.
    fn confirm(&mut self, is_it: impl Fn(&str) -> bool) -> bool {
        let at = self.0.iter().position(|(_, line)| is_it(line));
        self.0.drain(..at.map_or(0, |at| at + 1));
        at.is_some()
    }
}

/// What the room hears of a line, if it is no command.
fn said(line: &str) -> Option<&str> {
    match line.strip_prefix('/') {
        None => Some(line),
        Some(text) => text.starts_with('/').then_some(text),
    }
}

fn is_command(line: &str, word: &str) -> bool {
    command(line).is_some_and(|it| it == word)
}

/// Whether it is the same text but for what servers take out.
fn is_alike(a: &str, b: &str) -> bool {
    let seen = |c: &char| !(c.is_control() || c.is_whitespace());
    a.chars().filter(seen).eq(b.chars().filter(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not confirmed of lines that amy has sent, once the server has answered.
    fn left(sent: &[&str], answers: &[&str]) -> Vec<String> {
        let mut unconfirmed = Unconfirmed::default();
        let now = Instant::now();
        sent.iter().for_each(|line| unconfirmed.sends(line, now));
        for answer in answers {
            unconfirmed.hear(answer, &Line::parse(answer), Some("amy"));
        }
        unconfirmed.lose().collect()
    }

    #[test]
    fn an_echo_confirms_its_line_and_those_before() {
        assert_eq!(left(&["one", "two", "three"], &["amy: two"]), ["three"]);
        assert_eq!(left(&["one"], &["bob: one", "amy joined"]), ["one"], "another's");
        assert_eq!(left(&["one", "one"], &["amy: one"]), ["one"]);
        assert_eq!(left(&["a\tb"], &["amy: a\tb"]), [""; 0]);
        assert_eq!(left(&["//etc", "one"], &["amy: /etc"]), ["one"]);
        assert_eq!(left(&["one", "two"], &["amy: ONE!"]), ["two"], "in other words");
    }

    #[test]
    fn what_is_refused_is_confirmed_too() {
        let long = "x".repeat(401);
        let answer = "Messages can only be 400 chars long";
        assert_eq!(left(&["one", &long, "two"], &[answer]), ["one", "two"]);
        assert_eq!(left(&["/join den"], &["You joined den"]), [""; 0]);
        assert_eq!(left(&["/JOIN !"], &["Room must be 2 - 20 alphanumeric chars"]), [""; 0]);
        assert_eq!(left(&["/name amy"], &["bob is now amy"]), [""; 0]);
        assert_eq!(left(&["/name zoe"], &["zoe is already taken"]), [""; 0]);
        assert_eq!(left(&["/join den", "hi"], &["bob is now eve"]), ["/join den", "hi"]);
    }

    #[test]
    fn lists_are_not_missed_and_no_more_is_kept_than_fits() {
        assert_eq!(left(&["/users", "/rooms", "/quit", "/dance"], &[]), [""; 0]);
        let lines: Vec<String> = (0..=LINES_MAX).map(|number| number.to_string()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(left(&lines, &[]), lines[1..]);
    }
}
