//! What we are to the server: our name, our room, who else is there, and what we have asked for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::lines::Line;
use crate::lists::{Rooms, Users};
use crate::scrollback::Kind;
use crate::text::harmless;

/// How often lists are asked for while somebody is at the keyboard. Servers take a list for ten
/// messages.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// For so long after a key we take it that somebody is there. Whoever is not asks for nothing, so
/// that a server that sends idle clients away can tell.
const ATTENDED_FOR: Duration = Duration::from_secs(120);

/// How many answers to the same question are waited for.
const ASKED_MAX: usize = 64;

/// How many lines of the server's help are kept.
const HELP_LINES_MAX: usize = 40;

/// How often the name that we had is asked for, with pauses that double: the server may not know
/// yet that we had lost our connection, and takes us for somebody else.
const NAME_TRIES_MAX: u32 = 9;
const NAME_WAIT_MIN: Duration = Duration::from_secs(2);
const NAME_WAIT_MAX: Duration = Duration::from_secs(30);

/// What we are to the server, which changes with what it tells and what we send.
#[derive(Debug)]
pub(crate) struct Session {
    /// Our name, when we are connected.
    pub(crate) me: Option<String>,
    /// The room we are in, when we are connected.
    pub(crate) room: Option<String>,
    /// Who is in it.
    pub(crate) users: Users,
    /// All rooms.
    pub(crate) rooms: Rooms,
    /// The server's help.
    pub(crate) help: Vec<String>,
    wish: Wish,
    users_asked: Asked,
    rooms_asked: Asked,
    /// So many more lines were said before we came.
    old_lines: u32,
    /// When lists are to be asked for again; never while nobody is there.
    ask_at: Option<Instant>,
    attended_at: Instant,
    out: VecDeque<String>,
}

/// What we want to be, and are not yet.
#[derive(Debug, Default)]
struct Wish {
    name: Option<String>,
    /// How often we have asked for it in vain.
    name_tries: u32,
    /// When we ask again.
    name_at: Option<Instant>,
    /// Whether we had that name before.
    is_ours: bool,
    room: Option<String>,
    room_asked: bool,
}

/// Questions that have not been answered, the oldest first: for each whether the user asked it.
/// Answers come in the order of questions.
#[derive(Debug, Default)]
struct Asked(VecDeque<bool>);

impl Asked {
    fn ask(&mut self, by_user: bool) {
        // Those beyond are taken for the user's, as is everything that nobody waits for.
        if self.0.len() < ASKED_MAX {
            self.0.push_back(by_user);
        }
    }

    /// How the answer is to be shown: not at all if the user did not ask.
    fn answered(&mut self) -> Option<Kind> {
        self.0.pop_front().unwrap_or(true).then_some(Kind::Notice)
    }
}

impl Session {
    /// Of somebody who wants to be called so.
    pub(crate) fn new(name: Option<String>, now: Instant) -> Self {
        Self {
            me: None,
            room: None,
            users: Users::default(),
            rooms: Rooms::default(),
            help: vec![],
            wish: Wish { name, ..Wish::default() },
            users_asked: Asked::default(),
            rooms_asked: Asked::default(),
            old_lines: 0,
            ask_at: None,
            attended_at: now,
            out: VecDeque::new(),
        }
    }

    /// The connection is lost: what we were is what we want to be again.
    pub(crate) fn disconnected(&mut self) {
        let (me, room) = (self.me.take(), self.room.take());
        let had_wish = self.wish.name.is_some();
        self.wish = Wish {
            is_ours: self.wish.is_ours || (me.is_some() && !had_wish),
            name: self.wish.name.take().or(me),
            room: self.wish.room.take().or(room),
            ..Wish::default()
        };
        self.users = Users::default();
        self.rooms = Rooms::default();
        (self.users_asked, self.rooms_asked) = (Asked::default(), Asked::default());
        (self.old_lines, self.ask_at) = (0, None);
        self.out.clear();
    }

    /// The server has sent this line: how it is to be shown, if at all.
    pub(crate) fn hear(&mut self, raw: &str, line: &Line<'_>, now: Instant) -> Option<Kind> {
        if self.old_lines > 0 {
            self.old_lines -= 1;
            return Some(Kind::Old(name_bytes(line)));
        }
        match *line {
            Line::Said { .. } => return Some(Kind::Said(name_bytes(line))),
            Line::Joined(name) => self.users.join(name),
            Line::Left(name) => self.users.leave(name),
            Line::Renamed { old, new } => self.renamed(old, new),
            Line::YouAre(name) => self.named(name),
            Line::YouJoined(room) => self.entered(room, now),
            Line::NameTaken(name) => return self.name_taken(name, now),
            Line::NameInvalid => self.wish.name = None,
            Line::RoomRefused => self.wish.room = None,
            Line::Rooms(ref list) => {
                self.rooms = Rooms::told(list);
                return self.rooms_asked.answered();
            }
            Line::Users(ref list) => {
                self.users = Users::told(list);
                return self.users_asked.answered();
            }
            Line::Help => {
                self.helped(raw);
                return None;
            }
            Line::History(lines) => self.old_lines = lines,
            Line::StayAway(_) | Line::Idle | Line::NeedsTls | Line::Rejected | Line::TooLong(_) => {
                return Some(Kind::Alarm);
            }
            Line::YouLeft | Line::Tally | Line::RoomInvalid | Line::Other => {}
        }
        Some(Kind::Notice)
    }

    /// The user sends this line.
    pub(crate) fn sends(&mut self, line: &str) {
        match command(line).as_deref() {
            Some("/users") => self.users_asked.ask(true),
            Some("/rooms") => self.rooms_asked.ask(true),
            Some("/name") => self.wish.name = None,
            Some("/join") => self.wish.room = None,
            _ => {}
        }
    }

    /// The last line could not be sent: there will be no answer.
    pub(crate) fn unsent(&mut self, line: &str) {
        match command(line).as_deref() {
            Some("/users") => self.users_asked.0.pop_back(),
            Some("/rooms") => self.rooms_asked.0.pop_back(),
            _ => None,
        };
    }

    /// Somebody is at the keyboard.
    pub(crate) fn attended(&mut self, now: Instant) {
        self.attended_at = now;
        if self.ask_at.is_none() && self.room.is_some() {
            self.ask_at = Some(now);
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.wish.name_at.is_some_and(|at| at <= now) {
            self.wish.name_at = None;
            self.ask_for_name();
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask_at = None;
            if now.duration_since(self.attended_at) < ATTENDED_FOR {
                self.ask(now);
            }
        }
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.ask_at, self.wish.name_at].into_iter().flatten().min()
    }

    /// A line that is to be sent without the user's having asked for it.
    pub(crate) fn poll_line(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    fn named(&mut self, name: &str) {
        self.me = Some(name.to_owned());
        if self.wish.name.as_deref() == Some(name) {
            self.wish.name = None;
        }
        self.ask_for_name();
    }

    fn ask_for_name(&mut self) {
        if let Some(name) = &self.wish.name {
            self.out.push_back(format!("/name {name}"));
        }
    }

    fn renamed(&mut self, old: &str, new: &str) {
        self.users.rename(old, new);
        if self.me.as_deref() == Some(old) {
            self.me = Some(new.to_owned());
            self.wish.name = None;
        }
    }

    fn name_taken(&mut self, name: &str, now: Instant) -> Option<Kind> {
        if self.wish.name.as_deref() != Some(name) {
            return Some(Kind::Notice);
        }
        self.wish.name_tries += 1;
        let is_first = self.wish.name_tries == 1;
        if self.wish.is_ours && self.wish.name_tries < NAME_TRIES_MAX {
            let wait = NAME_WAIT_MIN * (1 << (self.wish.name_tries - 1));
            self.wish.name_at = Some(now + wait.min(NAME_WAIT_MAX));
            return is_first.then_some(Kind::Notice);
        }
        self.wish.name = None;
        Some(Kind::Alarm)
    }

    fn entered(&mut self, room: &str, now: Instant) {
        self.room = Some(room.to_owned());
        self.users = Users::only(self.me.as_deref());
        self.rooms.enter(room);
        if self.wish.room.as_deref().is_some_and(|wish| wish.eq_ignore_ascii_case(room)) {
            self.wish.room = None;
        }
        match &self.wish.room {
            Some(wish) if !self.wish.room_asked => {
                self.out.push_back(format!("/join {wish}"));
                self.wish.room_asked = true;
            }
            _ => self.ask(now),
        }
    }

    fn ask(&mut self, now: Instant) {
        let lists = [(&mut self.users_asked, "/users"), (&mut self.rooms_asked, "/rooms")];
        for (asked, line) in lists {
            if asked.0.is_empty() {
                asked.ask(false);
                self.out.push_back(line.to_owned());
            }
        }
        self.ask_at = Some(now + REFRESH_EVERY);
    }

    fn helped(&mut self, raw: &str) {
        if !raw.starts_with(' ') {
            self.help.clear();
        }
        if self.help.len() < HELP_LINES_MAX {
            self.help.push(harmless(raw));
        }
    }
}

/// The word that a line begins with, in lower case: the server knows commands in any case.
pub(crate) fn command(line: &str) -> Option<String> {
    line.split_whitespace().next().map(str::to_ascii_lowercase)
}

/// How many bytes at the beginning of the line, as it is shown, are the name of who said it.
fn name_bytes(line: &Line<'_>) -> usize {
    if let Line::Said { author } = line { harmless(author).len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session with a server that says what it is told to.
    struct Play {
        session: Session,
        now: Instant,
    }

    impl Play {
        fn new(name: Option<&str>) -> Self {
            let now = Instant::now();
            Self { session: Session::new(name.map(str::to_owned), now), now }
        }

        /// What becomes of a line: how it is shown, and what is sent because of it.
        fn hear(&mut self, line: &str) -> (Option<Kind>, Vec<String>) {
            let kind = self.session.hear(line, &Line::parse(line), self.now);
            (kind, self.sent())
        }

        fn sent(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.session.poll_line()).collect()
        }

        /// Lets the next thing that is due happen: how long that took, and what was sent.
        fn wait(&mut self) -> (Duration, Vec<String>) {
            let at = self.session.deadline().expect("something is due");
            let waited = at.duration_since(self.now);
            self.now = at;
            self.session.tick(at);
            (waited, self.sent())
        }

        fn greet(&mut self, name: &str) {
            for line in ["Server commands", "  /help - print this message"] {
                assert_eq!(self.hear(line), (None, vec![]));
            }
            self.hear(&format!("You are {name}"));
            self.hear("You joined main");
        }

        /// A greeted session whose first questions are answered.
        fn settled(name: &str) -> Self {
            let mut play = Self::new(None);
            play.greet(name);
            assert_eq!(play.hear(&format!("Users - {name}")), (None, vec![]));
            assert_eq!(play.hear("Rooms - main (1)"), (None, vec![]));
            play
        }

        fn users(&self) -> Vec<&str> {
            self.session.users.names().collect()
        }
    }

    #[test]
    fn only_answers_to_the_users_own_questions_are_shown() {
        let mut play = Play::new(None);
        play.hear("You are amy");
        let shown = Some(Kind::Notice);
        assert_eq!(play.hear("You joined main"), (shown, vec!["/users".into(), "/rooms".into()]));
        play.session.sends("/users");
        assert_eq!(play.hear("Rooms - main (2)").0, None);
        assert_eq!(play.hear("Users - amy, bob").0, None, "the first answer is to our question");
        assert_eq!(play.hear("Users - amy, bob").0, shown, "the second to the user's");
        assert_eq!(play.hear("Users - amy, bob").0, shown, "and nobody asked for a third");
        assert_eq!(play.users(), ["amy", "bob"]);
    }

    #[test]
    fn lists_are_asked_for_only_while_somebody_is_there() {
        let mut play = Play::settled("amy");
        let times = ATTENDED_FOR.as_secs() / REFRESH_EVERY.as_secs() - 1;
        for _ in 0..times {
            assert_eq!(play.wait(), (REFRESH_EVERY, vec!["/users".into(), "/rooms".into()]));
            play.hear("Users - amy");
            play.hear("Rooms - main (1)");
        }
        assert_eq!(play.wait(), (REFRESH_EVERY, vec![]));
        assert_eq!(play.session.deadline(), None);
        play.session.attended(play.now);
        assert_eq!(play.wait(), (Duration::ZERO, vec!["/users".into(), "/rooms".into()]));
    }

    #[test]
    fn a_question_that_is_not_answered_is_not_asked_again() {
        let mut play = Play::settled("amy");
        play.wait();
        play.hear("Users - amy");
        assert_eq!(play.wait().1, ["/users"]);
    }

    #[test]
    fn who_is_there_follows_from_what_is_told() {
        let mut play = Play::settled("amy");
        play.hear("bob joined");
        play.hear("bob is now eve");
        play.hear("kim joined");
        play.hear("kim left");
        assert_eq!(play.users(), ["amy", "eve"]);
        play.hear("amy is now zoe");
        assert_eq!((play.users(), play.session.me.as_deref()), (vec!["eve", "zoe"], Some("zoe")));
        play.hear("You joined den");
        assert_eq!((play.users(), play.session.room.as_deref()), (vec!["zoe"], Some("den")));
    }

    #[test]
    fn what_was_said_before_changes_nothing() {
        let mut play = Play::settled("amy");
        play.hear("Last 3 messages:");
        assert_eq!(play.hear("bob: hi").0, Some(Kind::Old(3)));
        assert_eq!(play.hear("bob joined").0, Some(Kind::Old(0)));
        assert_eq!(play.hear("Last 9 messages:").0, Some(Kind::Old(0)));
        assert_eq!(play.hear("bob: hi").0, Some(Kind::Said(3)));
        assert_eq!(play.users(), ["amy"]);
    }

    #[test]
    fn a_name_that_is_wished_for_is_asked_for_once() {
        let mut play = Play::new(Some("bear"));
        assert_eq!(play.hear("You are guest").1, ["/name bear"]);
        assert_eq!(play.hear("bear is already taken").0, Some(Kind::Alarm));
        assert_eq!(play.hear("You joined main").1, ["/users", "/rooms"]);
        play.session.disconnected();
        assert_eq!(play.hear("You are other").1, ["/name guest"], "that is who we were");
    }

    #[test]
    fn name_and_room_are_taken_again_after_a_lost_connection() {
        let mut play = Play::settled("amy");
        play.hear("You joined den");
        // Even if it is lost again before all is as it was.
        for _ in 0..2 {
            play.session.disconnected();
            assert_eq!(play.session.me, None);
            assert_eq!(play.hear("You are guest").1, ["/name amy"]);
            assert_eq!(play.hear("You joined main").1, ["/join den"]);
        }
        play.hear("guest is now amy");
        assert_eq!(play.hear("You joined den").1, ["/users", "/rooms"]);
        assert_eq!(play.session.me.as_deref(), Some("amy"));
    }

    #[test]
    fn a_name_that_our_lost_self_still_has_is_waited_for() {
        let mut play = Play::settled("amy");
        play.session.disconnected();
        play.hear("You are guest");
        assert_eq!(play.hear("amy is already taken").0, Some(Kind::Notice));
        for seconds in [2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(play.wait(), (Duration::from_secs(seconds), vec!["/name amy".into()]));
            assert_eq!(play.hear("amy is already taken").0, None);
        }
        play.wait();
        assert_eq!(play.hear("amy is already taken").0, Some(Kind::Alarm), "it is given up");
        assert_eq!(play.session.deadline(), None);
    }

    #[test]
    fn what_the_user_wants_instead_counts() {
        let mut play = Play::settled("amy");
        play.hear("You joined den");
        play.session.disconnected();
        play.hear("You are guest");
        play.session.sends("/name zoe");
        play.session.sends("/join docks");
        assert_eq!(play.hear("amy is already taken").0, Some(Kind::Notice));
        assert_eq!(play.hear("You joined main").1, ["/users", "/rooms"]);
        assert_eq!(play.session.deadline(), Some(play.now + REFRESH_EVERY));
    }

    #[test]
    fn a_room_that_is_refused_is_not_asked_for_again() {
        let mut play = Play::settled("amy");
        play.hear("You joined den");
        play.session.disconnected();
        play.hear("You are amy");
        play.hear("You joined main");
        play.hear("Room den is not there to join: you make rooms too quickly, wait a little");
        play.session.disconnected();
        play.hear("You are amy");
        assert_eq!(play.hear("You joined main").1, ["/users", "/rooms"]);
    }

    #[test]
    fn an_unsent_question_is_not_waited_for() {
        let mut play = Play::settled("amy");
        play.session.attended(play.now + REFRESH_EVERY);
        play.wait();
        play.session.unsent("/rooms");
        play.session.unsent("/users");
        assert_eq!(play.wait().1, ["/users", "/rooms"]);
    }
}
