//! What clients ask for, whatever their protocol.

use super::{ResumeRequest, Since, TelnetAnswer};

/// One request of a client, decoded but not yet judged: names in it are still plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Explain the commands.
    Help,
    /// Take another name.
    Rename(&'a str),
    /// List the rooms of the whole server.
    Rooms,
    /// List the users of the current room.
    Users,
    /// Leave every room and enter this one: for dialects in which a session is in one room.
    Switch(&'a str),
    /// List the users of this room.
    UsersOf(&'a str),
    /// Enter one more room, which becomes the current one.
    Enter {
        /// The room.
        room: &'a str,
        /// What the client knows of what was said there.
        since: Since,
    },
    /// Take over from a session whose connection is lost.
    Resume(ResumeRequest<'a>),
    /// Leave this room.
    Leave(&'a str),
    /// Say this to the current room.
    Say(&'a str),
    /// The same; it is a command's word, and its author may have meant the command.
    SayBareWord(&'a str),
    /// Say this to the named room.
    SayIn {
        /// The room, which the session must be in.
        room: &'a str,
        /// What is said.
        text: &'a str,
    },
    /// End the session, after what was asked before is answered.
    Quit,
    /// A command word nobody knows, as the client wrote it.
    Unknown(&'a str),
    /// Something that is no command at all, in a dialect in which that can be told.
    Malformed,
    /// What a telnet client asked for, to be answered so.
    Telnet(TelnetAnswer),
    /// A question whether somebody is there, to be answered with these bytes.
    Ping(&'a [u8]),
    /// The answer to such a question of ours.
    Pong,
    /// The client will go as soon as it is told that we know, in this word of its protocol.
    Close(u16),
    /// The client does not keep to its protocol, which has this word for what it did.
    BadFrame(u16),
    /// A message over the limit; it has been thrown away.
    TooLong,
    /// A line that is no UTF-8; it has been thrown away.
    NotUtf8 {
        /// Whether it was one too many in a row: the session ends.
        last_strike: bool,
    },
}

impl Command<'_> {
    /// Whether the work it makes grows with the server, so that others get a turn after each.
    #[inline]
    #[must_use]
    pub fn is_costly(&self) -> bool {
        matches!(self, Self::Rooms | Self::Users | Self::UsersOf(_))
    }

    /// What it takes of a session's allowance, in messages.
    #[inline]
    #[must_use]
    pub fn cost(&self) -> u32 {
        match self {
            Self::Quit | Self::Close(_) | Self::BadFrame(_) => 0,
            Self::Say(_) | Self::SayBareWord(_) | Self::SayIn { .. } => 1,
            Self::Help | Self::Unknown(_) | Self::Telnet(_) => 1,
            Self::TooLong | Self::NotUtf8 { .. } | Self::Malformed => 1,
            Self::Ping(_) | Self::Pong => 1,
            Self::Rename(_) | Self::Switch(_) | Self::Enter { .. } | Self::Leave(_) => 5,
            Self::Resume(_) => 5,
            Self::Rooms | Self::Users | Self::UsersOf(_) => 10,
        }
    }
}
