//! Simulated clients: what they ask, how fast they read, what they have seen.

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;

use super::Rng;
use super::reader::Reader;
use crate::core::sink::Sink;
use crate::model::{CloseReason, Command, ResumeRequest, SessionId, Since, Slot};
use crate::proto::Wire;

/// A command with its texts.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Help,
    Rename(String),
    Rooms,
    Users,
    Switch(String),
    Enter(String),
    Leave(String),
    Resume(String),
    Say(String),
    SayIn(String, String),
    Quit,
    EndOfInput,
    Unknown,
    TooLong,
    NotUtf8(bool),
    Malformed,
    Ping,
    Pong,
    Close,
    BadFrame,
}

impl Ask {
    /// The command; nothing for the end of input.
    pub(super) fn command(&self) -> Option<Command<'_>> {
        Some(match self {
            Self::Help => Command::Help,
            Self::Rename(name) => Command::Rename(name),
            Self::Rooms => Command::Rooms,
            Self::Users => Command::Users,
            Self::Switch(room) => Command::Switch(room),
            Self::Enter(room) => Command::Enter { room, since: Since::ALL },
            Self::Leave(room) => Command::Leave(room),
            Self::Resume(request) => Command::Resume(ResumeRequest::of(request)),
            Self::Say(text) => Command::Say(text),
            Self::SayIn(room, text) => Command::SayIn { room, text },
            Self::Quit => Command::Quit,
            Self::EndOfInput => return None,
            Self::Unknown => Command::Unknown("/what"),
            Self::TooLong => Command::TooLong,
            Self::NotUtf8(last_strike) => Command::NotUtf8 { last_strike: *last_strike },
            Self::Malformed => Command::Malformed,
            Self::Ping => Command::Ping(b"there?"),
            Self::Pong => Command::Pong,
            Self::Close => Command::Close(1000),
            Self::BadFrame => Command::BadFrame(1002),
        })
    }
}

/// One connection and who is behind it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) session: SessionId,
    pub(super) wire: Wire,
    /// In several rooms at once.
    pub(super) many_rooms: bool,
    /// Bytes the connection holds between server and client.
    pub(super) window: usize,
    /// Does not read for now.
    pub(super) stalled: bool,
    /// What it wants, not yet handled.
    pub(super) asks: VecDeque<Ask>,
    /// Written by the server, not yet read.
    unread: VecDeque<u8>,
    /// The server was told that the window is full.
    pub(super) refused: bool,
    /// What it has read.
    pub(super) reader: Reader,
    /// It does not say that it is there when it is asked.
    is_mute: bool,
    /// Why the server ended the session, if it did.
    pub(super) closed: Option<CloseReason>,
    /// Its time was up before it had read what it was owed.
    pub(super) cut: bool,
    /// The kernel has yet to tell its shard that there is something to read from it.
    pub(super) readable: bool,
    /// The same of its window, which was full.
    pub(super) writable: bool,
    /// Its shard knows that there is something to read.
    pub(super) ready: bool,
    /// What it has asked for will fail midway.
    pub(super) fails: bool,
    /// It has vanished without a word.
    pub(super) vanished: bool,
    /// The kernel knows that.
    pub(super) is_known_gone: bool,
}

impl Client {
    pub(super) fn new(session: SessionId, wire: Wire, rng: &mut Rng) -> Self {
        Self {
            session,
            wire,
            many_rooms: wire == Wire::WebJson || rng.one_in(5),
            window: *rng.pick(&[40, 200, 1_000, 100_000]),
            stalled: false,
            asks: VecDeque::new(),
            unread: VecDeque::new(),
            refused: false,
            reader: Reader::new(wire),
            is_mute: rng.one_in(8),
            closed: None,
            cut: false,
            readable: false,
            writable: false,
            ready: false,
            fails: false,
            vanished: false,
            is_known_gone: false,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.closed.is_none() && !self.vanished
    }

    /// Whether it is to have seen everything that was meant for it.
    pub(super) fn is_complete(&self) -> bool {
        !self.vanished && !self.cut
    }

    /// Reads up to `max` bytes; whether the server may write again after it was refused.
    pub(super) fn read(&mut self, max: usize) -> bool {
        let count = max.min(self.unread.len());
        self.reader.read(self.unread.drain(..count));
        count > 0 && std::mem::take(&mut self.refused)
    }

    /// The answers it owes to the server's questions.
    pub(super) fn pongs(&mut self) -> usize {
        let pings = std::mem::take(&mut self.reader.pings);
        if self.is_mute { 0 } else { pings }
    }

    pub(super) fn has_read_all(&self) -> bool {
        self.vanished || self.unread.is_empty()
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.vanished {
            return bytes.len();
        }
        let count = bytes.len().min(self.window - self.unread.len());
        self.unread.extend(&bytes[..count]);
        self.refused |= count < bytes.len();
        count
    }

    /// A random wish; `n` makes messages unlike each other.
    pub(super) fn wish(&self, rng: &mut Rng, n: u64) -> Ask {
        let room = (*rng.pick(&["main", "den", "Den", "attic", "zoo"])).to_owned();
        let name = (*rng.pick(&["bob", "BOB", "amy", "kim", "x", "Kim"])).to_owned();
        if self.many_rooms && rng.one_in(2) {
            let text = format!("m{n}@{}", room.to_ascii_lowercase());
            return match rng.below(4) {
                0 => Ask::Enter(room),
                1 => Ask::Leave(room),
                _ => Ask::SayIn(room, text),
            };
        }
        if self.wire.is_framed() && rng.one_in(16) {
            let asks = [Ask::Ping, Ask::Ping, Ask::Pong, Ask::Malformed, Ask::Close, Ask::BadFrame];
            return rng.pick(&asks).clone();
        }
        match rng.below(32) {
            0 => Ask::Help,
            1..=4 => Ask::Rename(name),
            5 => Ask::Rooms,
            6 | 7 => Ask::Users,
            8..=11 if self.many_rooms => Ask::Enter(room),
            8..=11 => Ask::Switch(room),
            12 => {
                *rng.pick(&[Ask::Quit, Ask::EndOfInput, Ask::NotUtf8(true)].map(Box::new)).clone()
            }
            13 => Ask::Unknown,
            14 => Ask::TooLong,
            15 => Ask::NotUtf8(false),
            _ if self.many_rooms => Ask::SayIn(room.clone(), format!("m{n}@{room}")),
            _ => Ask::Say(format!("m{n} {}", "x".repeat(rng.below(60)))),
        }
    }
}

/// The connections of one shard.
pub(super) struct Sockets<'a> {
    pub(super) clients: &'a mut [Client],
    pub(super) by_slot: &'a HashMap<Slot, usize>,
}

impl Sink for Sockets<'_> {
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        assert!(!bytes.is_empty(), "a write of nothing");
        self.clients[self.by_slot[&slot]].write(bytes)
    }

    fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
        assert!(parts.iter().all(|part| !part.is_empty()), "a part of nothing");
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.write(slot, &all)
    }
}
