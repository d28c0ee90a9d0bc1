//! All that the program knows, and how it changes. Nothing here reads a clock, a key or a socket:
//! what happens is handed in, what is to be done is asked for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratatui::layout::Rect;

use crate::complete::Completion;
use crate::input::Input;
use crate::layout::Layout;
use crate::lines::Line;
use crate::link::{self, Order};
use crate::retry::Retry;
use crate::scrollback::{Kind, Message, Pane, Scrollback};
use crate::session::Session;
use crate::text::harmless;
use crate::unconfirmed::{ANSWER_WAIT, Unconfirmed};

/// How long the server may take to see us off.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Begins what this program says itself. Nothing that a server or somebody else says begins so:
/// names have no such character.
const OURS: &str = "—";

/// Lines that may be lost and are offered to be sent again; of more, the oldest are only shown.
const LOST_MAX: usize = 64;

/// How often the time that is left is shown anew.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Now, as a deadline and as people write it.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// For deadlines.
    pub(crate) at: Instant,
    /// Hours and minutes.
    pub(crate) clock: String,
    /// The day.
    pub(crate) day: String,
}

/// Whether we are connected, and what comes next if we are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// We are.
    Up,
    /// We are about to be.
    Connecting,
    /// We try again then.
    Waiting(Instant),
    /// We try again when the user wants it.
    Held,
}

/// All that the program knows.
#[derive(Debug)]
pub(crate) struct App {
    /// Where the server is, as the user calls it.
    pub(crate) address: String,
    /// What we are to it.
    pub(crate) session: Session,
    /// Whether we are connected to it.
    pub(crate) connection: Connection,
    /// What was said.
    pub(crate) scrollback: Scrollback,
    /// What is being typed.
    pub(crate) input: Input,
    /// What Tab has made of it.
    pub(crate) completion: Option<Completion>,
    /// A word to the user, until the next key.
    pub(crate) hint: Option<&'static str>,
    /// How far the help is scrolled, while it is shown.
    pub(crate) help: Option<usize>,
    /// Whether the lists are folded where there is room for them, and shown where there is not.
    pub(crate) flipped: bool,
    /// The terminal.
    pub(crate) area: Rect,
    retry: Retry,
    /// What the server has not shown to have taken.
    unconfirmed: Unconfirmed,
    /// What may be lost of that, oldest first: each is offered to the user, to be sent again.
    lost: VecDeque<String>,
    /// The day of the last message.
    day: String,
    /// What is told of a new connection, once the server has not rejected it.
    greeting: Option<String>,
    /// What the server has last said to reject us, while it lets us in no more.
    rejection: Option<String>,
    /// Why there is no connection, while there is none.
    failure: Option<String>,
    /// The server has sent us away for saying nothing.
    was_idle: bool,
    /// When we go, whether the server has seen us off or not.
    leave_at: Option<Instant>,
    end: Option<Result<(), String>>,
    orders: VecDeque<Order>,
}

impl App {
    /// For a terminal that large and a server there, of somebody who wants to be called so.
    pub(crate) fn new(
        address: String,
        name: Option<String>,
        seed: u64,
        area: Rect,
        now: &Moment,
    ) -> Self {
        Self {
            address,
            session: Session::new(name, now.at),
            connection: Connection::Connecting,
            scrollback: Scrollback::default(),
            input: Input::default(),
            completion: None,
            hint: None,
            help: None,
            flipped: false,
            area,
            retry: Retry::new(seed),
            unconfirmed: Unconfirmed::default(),
            lost: VecDeque::new(),
            day: now.day.clone(),
            greeting: None,
            rejection: None,
            failure: None,
            was_idle: false,
            leave_at: None,
            end: None,
            orders: VecDeque::new(),
        }
    }

    /// Something has happened to the connection.
    pub(crate) fn on_link(&mut self, event: link::Event, now: &Moment) {
        match event {
            link::Event::Up => {
                self.connection = Connection::Up;
                self.greeting = Some(match self.failure {
                    Some(_) => format!("Connected again to {}", self.address),
                    None => format!("Connected to {}: F1 shows help", self.address),
                });
            }
            link::Event::Line(line) => self.hear(&line, now),
            link::Event::Down(why) => self.lose(why, now),
        }
        self.collect();
    }

    /// Does what is due.
    pub(crate) fn on_tick(&mut self, now: &Moment) {
        if matches!(self.connection, Connection::Waiting(until) if until <= now.at) {
            self.connect();
        }
        if self.leave_at.is_some_and(|at| at <= now.at) {
            self.end = Some(Ok(()));
        }
        self.session.tick(now.at);
        self.collect();
    }

    /// When something is due next.
    pub(crate) fn deadline(&self, now: &Moment) -> Option<Instant> {
        let waiting = match self.connection {
            Connection::Waiting(until) => Some(until.min(now.at + COUNT_EVERY)),
            _ => None,
        };
        // It is drawn anew when an answer is overdue, which it then stays.
        let overdue = self.unconfirmed.since().map(|at| at + ANSWER_WAIT).filter(|&at| at > now.at);
        [waiting, self.leave_at, overdue, self.session.deadline()].into_iter().flatten().min()
    }

    /// Whether the server has not answered what the user has sent a while ago.
    pub(crate) fn waits_for_answer(&self, now: Instant) -> bool {
        self.unconfirmed.since().is_some_and(|at| at + ANSWER_WAIT <= now)
    }

    /// What the connection is to do.
    pub(crate) fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The connection could not take this order: the server does not read.
    pub(crate) fn unsent(&mut self, order: Order) {
        let Order::Send(line) = order else { return };
        self.session.unsent(&line);
        self.unconfirmed.unsent(&line);
        self.keep_lost(line);
        self.offer_lost();
        self.hint = Some("the server does not read what you send: try again later");
    }

    fn keep_lost(&mut self, line: String) {
        if self.lost.len() == LOST_MAX {
            self.lost.pop_front();
        }
        self.lost.push_back(line);
    }

    /// Puts the oldest line that may be lost into the input, unless the user is typing.
    pub(crate) fn offer_lost(&mut self) {
        if self.input.text().is_empty()
            && let Some(line) = self.lost.pop_front()
        {
            self.input.insert(&line);
        }
    }

    /// How the program is to end, once it is.
    pub(crate) fn end(&self) -> Option<Result<(), String>> {
        self.end.clone()
    }

    /// Ends the program at once.
    pub(crate) fn quit(&mut self) {
        self.end = Some(Ok(()));
    }

    /// Asks the server to see us off, or goes at once if that has been asked for already or there
    /// is no server.
    pub(crate) fn leave(&mut self, now: &Moment) {
        if self.connection != Connection::Up || self.leave_at.is_some() {
            return self.quit();
        }
        self.orders.push_back(Order::Send("/quit".to_owned()));
        self.leave_at = Some(now.at + LEAVE_WAIT_MAX);
    }

    /// Connects now.
    pub(crate) fn connect(&mut self) {
        self.connection = Connection::Connecting;
        self.orders.push_back(Order::Connect);
    }

    /// Sends a line of the user's.
    pub(crate) fn send(&mut self, line: String, now: &Moment) {
        self.session.sends(&line);
        self.unconfirmed.sends(&line, now.at);
        self.orders.push_back(Order::Send(line));
        self.scrollback.follow();
    }

    /// Where everything is.
    pub(crate) fn layout(&self) -> Layout {
        Layout::new(self.area, self.flipped, self.session.rooms.count())
    }

    /// The size of the message pane.
    pub(crate) fn pane(&self) -> Pane {
        let messages = self.layout().messages;
        Pane { columns: messages.width.into(), rows: messages.height.into() }
    }

    fn hear(&mut self, raw: &str, now: &Moment) {
        let line = Line::parse(raw);
        let kind = self.session.hear(raw, &line, now.at);
        if let Some(kind @ Kind::Old(_)) = kind {
            // Nobody knows when that was.
            let (time, text) = (String::new(), harmless(raw));
            return self.scrollback.push(Message { time, text, kind });
        }
        self.unconfirmed.hear(raw, &line, self.session.me.as_deref());
        if line == Line::Rejected {
            return self.reject(raw, now);
        }
        if let Some(greeting) = self.greeting.take() {
            self.failure = None;
            self.say(Kind::Notice, &greeting, now);
        }
        match line {
            Line::YouAre(_) => {
                self.retry.succeeded();
                self.rejection = None;
            }
            Line::StayAway(seconds) => self.retry.stay_away(seconds),
            Line::Idle => self.was_idle = true,
            Line::NeedsTls => {
                let sentence = format!("{} speaks TLS: please add --tls", self.address);
                self.end = Some(Err(sentence));
            }
            _ => {}
        }
        if let Some(kind) = kind {
            self.tell(kind, raw, now);
        }
    }

    /// The server rejects us, for a reason that is told once.
    fn reject(&mut self, raw: &str, now: &Moment) {
        self.retry.rejected();
        self.greeting = None;
        if self.rejection.as_deref() != Some(raw) {
            self.tell(Kind::Alarm, raw, now);
        }
        self.rejection = Some(raw.to_owned());
    }

    fn lose(&mut self, why: String, now: &Moment) {
        self.session.disconnected();
        self.greeting = None;
        if self.leave_at.is_some() {
            return self.quit();
        }
        if std::mem::take(&mut self.was_idle) {
            self.connection = Connection::Held;
            self.say(Kind::Alarm, "Disconnected: press Enter to connect again", now);
        } else {
            self.connection = Connection::Waiting(now.at + self.retry.next_wait());
            if self.failure.as_ref() != Some(&why) {
                self.say(Kind::Alarm, &format!("Disconnected: {why}; connecting again"), now);
            }
        }
        self.failure = Some(why);
        for line in self.unconfirmed.lose() {
            self.say(Kind::Alarm, &format!("Perhaps lost: {line}"), now);
            self.keep_lost(line);
        }
        if !self.lost.is_empty() {
            self.say(Kind::Alarm, "Enter sends it again, Ctrl-U drops it", now);
            self.offer_lost();
        }
    }

    /// Says something of our own.
    fn say(&mut self, kind: Kind, text: &str, now: &Moment) {
        self.tell(kind, &format!("{OURS} {text}"), now);
    }

    fn tell(&mut self, kind: Kind, text: &str, now: &Moment) {
        if self.day != now.day {
            self.day.clone_from(&now.day);
            let (time, text) = (String::new(), format!("{OURS} {} {OURS}", now.day));
            self.scrollback.push(Message { time, text, kind: Kind::Notice });
        }
        let (time, text) = (now.clock.clone(), harmless(text));
        self.scrollback.push(Message { time, text, kind });
    }

    fn collect(&mut self) {
        while let Some(line) = self.session.poll_line() {
            self.orders.push_back(Order::Send(line));
        }
    }
}
