//! What one session alone is told.

use super::{CloseReason, Ending, Foreign, Name, Past, RoomSize, Signposts};

/// What a telnet client is answered that negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelnetAnswer {
    /// We enable this option.
    Will(u8),
    /// We do not enable this option.
    Wont(u8),
    /// The client is not to enable this option.
    Dont(u8),
    /// Somebody is here.
    Here,
}

/// Why a room that does not exist is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server has as many as it may have.
    ServerHasTooMany,
    /// The session has made too many of late.
    TooSoon,
}

/// An answer or a notice to one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The commands and what they do.
    Help,
    /// The first there is: who the session is, and where to go.
    Welcome {
        /// The name it has been given.
        name: &'a Name,
        /// The room where people are.
        lobby: &'a Name,
        /// Characters that a message may have.
        message_chars_max: usize,
        /// What proves on another connection that this session was its client's.
        resume: &'a str,
    },
    /// The session has taken over from another.
    Resumed {
        /// The name that it gets.
        name: &'a Name,
        /// The rooms that it is in, or about to be.
        rooms: &'a [Name],
    },
    /// There is no session that it could take over from.
    ResumeFailed,
    /// Another session has taken over from this one, which ends.
    Replaced,
    /// The session has this name now, and nobody else is told.
    YouAre(&'a Name),
    /// The session is in this room now.
    Entered {
        /// The room.
        room: &'a Name,
        /// See [`Past::epoch`]; 0 for who is not told of the past.
        epoch: u64,
        /// The last event that it does not get.
        seq: u64,
    },
    /// What was said in this room before.
    Past(&'a Name, &'a Past),
    /// The session already was in this room.
    YouAreIn(&'a Name),
    /// The session has left this room.
    YouLeft(&'a Name),
    /// The session is not in the room it spoke of.
    NotInRoom,
    /// The session is in as many rooms as it may be.
    TooManyRooms {
        /// The limit.
        max: usize,
    },
    /// There is no such room, and none is made.
    RoomRefused(&'a Name, Refusal),
    /// Somebody has this name.
    NameTaken(&'a Name),
    /// A text that cannot be a user's name.
    NameInvalid,
    /// A text that cannot be a room's name.
    RoomInvalid,
    /// Rooms, largest first.
    Rooms {
        /// The first of them.
        rooms: &'a [RoomSize],
        /// How many more there are.
        more: u32,
        /// How many shards did not answer in time.
        missing: u16,
    },
    /// Members of a room, by name.
    Users {
        /// The room.
        room: &'a Name,
        /// The first of them.
        names: &'a [Name],
        /// How many more there are.
        more: u32,
        /// How many shards did not answer in time.
        missing: u16,
    },
    /// A command word nobody knows.
    Unknown(&'a str),
    /// Something that is no command at all.
    Malformed,
    /// What the session has just said may have been meant for a command.
    BareWord,
    /// A message over the limit.
    TooLong {
        /// The limit, in characters.
        max: usize,
    },
    /// A line that is no UTF-8.
    NotUtf8,
    /// The session read too slowly and has missed messages.
    Missed {
        /// Of which room.
        room: &'a Name,
        /// How many.
        count: u64,
    },
    /// The answer to a telnet client's negotiation.
    Telnet(TelnetAnswer),
    /// Is somebody there?
    Ping,
    /// Somebody is: the answer to a client that asked with these bytes.
    Pong(&'a [u8]),
    /// Nothing comes after this, in protocols that have a word for that.
    Closing(Ending),
    /// The session ends because it has sent nothing for so many seconds.
    Idle(u64),
    /// Handling what the client sent failed in a way it should not: the session ends.
    Internal,
    /// The server is going down.
    Farewell {
        /// After how many seconds to try whether it is back: not everyone should at once.
        seconds: u64,
    },
    /// The server turns this connection away, for one of the reasons that [`CloseReason`] has for
    /// that.
    TurnedAway(CloseReason),
    /// The client speaks another protocol than its port: where to go instead.
    Foreign(Foreign, &'a Signposts),
}
