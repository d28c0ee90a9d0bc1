//! The words shards speak to each other: plain data that can travel over a channel, a simulator's
//! queue or a network.
//!
//! Imperatives (`NameClaim`, `RoomEnter`, …) go to the home of a name or a room; facts
//! (`NameVerdict`, `RoomEntered`, …) come from it. The sender is known from the envelope.

use std::sync::Arc;

use super::{Key, Name, Past, Refusal, ReqId, SessionId, SharedEvent, Since, Stamp};

/// A room and how many members it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSize {
    /// The room, spelled as by whoever created it.
    pub name: Name,
    /// Its members on all shards.
    pub members: u32,
}

/// One message from shard to shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardMsg {
    /// To a name's home: `session` wants it.
    NameClaim {
        /// Who wants it.
        session: SessionId,
        /// The name, as it will be shown.
        name: Name,
    },
    /// From a name's home: the answer to a claim.
    NameVerdict {
        /// Who wanted it.
        session: SessionId,
        /// The name asked for.
        name: Name,
        /// Whether it is theirs now.
        granted: bool,
    },
    /// To a name's home: `session` no longer uses it. Of no effect if the name is not theirs.
    NameRelease {
        /// Who had it.
        session: SessionId,
        /// The name.
        name: Key,
    },
    /// To a name's home: it is passed on from one session to another.
    NamePass {
        /// Who has it.
        from: SessionId,
        /// Who is to have it, and gets a [`ShardMsg::NameVerdict`].
        to: SessionId,
        /// The name.
        name: Name,
    },
    /// To the shard of a session: another is to take over from it.
    Replace {
        /// The session.
        old: SessionId,
        /// The other.
        new: SessionId,
        /// What the other's client knows of rooms.
        known: Box<[(Key, Since)]>,
    },
    /// The answer to [`ShardMsg::Replace`].
    Replaced {
        /// Who takes over.
        session: SessionId,
        /// The name that it gets; nothing if there is no session to take over from.
        name: Option<Name>,
        /// The rooms that it is about to be in.
        rooms: Box<[Name]>,
    },
    /// To a room's home: a session is there instead of a member.
    RoomReplace {
        /// The room.
        room: Key,
        /// The member.
        old: SessionId,
        /// Who is there instead.
        new: SessionId,
        /// The name of both.
        who: Name,
        /// What the new one knows of what was said there.
        since: Since,
    },
    /// To a room's home: a session wants to come in.
    RoomEnter {
        /// The room, as the user spelled it.
        room: Name,
        /// Who comes.
        session: SessionId,
        /// Their name.
        who: Name,
        /// Whether the room may be made for them if there is none.
        may_found: bool,
        /// What they know of what was said there, if they want to be told the rest.
        since: Option<Since>,
    },
    /// From a room's home: a session may not come in.
    RoomRefused {
        /// The room, as the user spelled it.
        room: Name,
        /// Who wanted to come.
        session: SessionId,
        /// Why they may not.
        refusal: Refusal,
    },
    /// From a room's home to the shard of the session that came in: it is a member from here on.
    /// Stands in for the `Joined` event on that shard.
    RoomEntered {
        /// The room, as it is spelled by whoever created it.
        room: Name,
        /// Who came.
        session: SessionId,
        /// Their name.
        who: Name,
        /// The place of this in the room's order.
        stamp: Stamp,
        /// Whether the other members are told by name.
        announced: bool,
        /// Whether the room was made for them.
        founded: bool,
        /// What was said before, if they wanted to be told.
        past: Option<Box<Past>>,
    },
    /// To a room's home: a member goes.
    RoomLeave {
        /// The room.
        room: Key,
        /// Who goes.
        session: SessionId,
        /// Their name.
        who: Name,
    },
    /// From a room's home to the shard of the session that went: it is no member from here on.
    /// Stands in for the `Left` event on that shard.
    RoomLeft {
        /// The room.
        room: Key,
        /// Who went.
        session: SessionId,
        /// Their name.
        who: Name,
        /// The place of this in the room's order.
        stamp: Stamp,
        /// Whether the other members are told by name.
        announced: bool,
    },
    /// To a room's home: a member says something.
    RoomSay {
        /// The room.
        room: Key,
        /// Who says it.
        author: Name,
        /// What is said.
        text: Arc<str>,
    },
    /// To a room's home: a member has a new name.
    RoomRename {
        /// The room.
        room: Key,
        /// The name until now.
        old: Name,
        /// The name from now on.
        new: Name,
    },
    /// From a room's home to every shard with members: the next entry of the room's log.
    RoomEvent {
        /// The room.
        room: Key,
        /// The place of this in the room's order.
        stamp: Stamp,
        /// What happened.
        event: SharedEvent,
    },
    /// To every shard: which rooms are at home with you?
    RoomsQuery {
        /// Who asks.
        session: SessionId,
        /// Which of their questions.
        req: ReqId,
    },
    /// The answer to [`ShardMsg::RoomsQuery`].
    RoomsAnswer {
        /// Who asked.
        session: SessionId,
        /// Which of their questions.
        req: ReqId,
        /// The largest, as many as a list may have.
        rooms: Arc<[RoomSize]>,
        /// How many there are in all.
        total: u32,
    },
    /// To a room's home: who is in it?
    UsersQuery {
        /// Who asks.
        session: SessionId,
        /// Which of their questions.
        req: ReqId,
        /// The room.
        room: Key,
    },
    /// From a room's home to every shard with members: which are with you, at this place in the
    /// room's order?
    UsersRoll {
        /// Who asks.
        session: SessionId,
        /// Which of their questions.
        req: ReqId,
        /// The room.
        room: Key,
        /// How many shards are asked.
        shards: u16,
    },
    /// The answer to [`ShardMsg::UsersRoll`].
    UsersAnswer {
        /// Who asked.
        session: SessionId,
        /// Which of their questions.
        req: ReqId,
        /// The first by name, as many as a list may have.
        names: Arc<[Name]>,
        /// How many there are in all.
        total: u32,
    },
    /// To every shard while the server goes down: all I had to send before round `round` is ahead
    /// of this.
    Marker {
        /// The round that begins, from 1.
        round: u8,
    },
}

/// Moved by value through every queue; a variant that outgrows this belongs in a box.
const SHARD_MSG_BYTES_MAX: usize = 96;
const _: () = assert!(size_of::<ShardMsg>() <= SHARD_MSG_BYTES_MAX);
