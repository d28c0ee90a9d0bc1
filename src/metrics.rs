//! Plain counters, one set per shard and layer, owned by whoever counts. Read as a [`Snapshot`],
//! which the [`table`] explains to the operator.

pub mod table;
mod turns;

use std::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use crate::model::CloseReason;
pub use turns::TurnTimes;

/// What a core has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct CoreCounters {
    /// Sessions opened, probes not counted.
    pub opened: u64,
    /// Connections that ended without a line, before they had entered the lobby.
    pub probes: u64,
    /// Sessions ended, by [`CloseReason::index`].
    pub closed: [u64; CloseReason::OF_SESSIONS],
    /// Messages said by sessions of this shard.
    pub said: u64,
    /// Events handed to sockets, once for each member.
    pub deliveries: u64,
    /// Events members were told they missed, once for each member.
    pub missed: u64,
    /// Times a member was told so.
    pub gaps: u64,
    /// Bytes of memory given back because the server was short of it.
    pub relieved: u64,
    /// Times a session's input was left unread because it asked for too much.
    pub rests: u64,
}

/// What a shard's end of the mesh has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct MeshCounters {
    /// Parcels sent to other shards.
    pub parcels: u64,
    /// Messages in them.
    pub messages: u64,
    /// Sleeping shards woken for them.
    pub rings: u64,
    /// Times input was left unread because some shard could not keep up.
    pub strained: u64,
}

/// What a shard's sockets have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct NetCounters {
    /// Reads that brought something.
    pub reads: u64,
    /// Bytes they brought.
    pub bytes_read: u64,
    /// Writes, those that were refused too.
    pub writes: u64,
    /// Bytes they took.
    pub bytes_written: u64,
}

/// What a shard has at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct Stock {
    /// Sessions.
    pub sessions: u64,
    /// Rooms at home here.
    pub rooms: u64,
    /// Names at home here.
    pub names: u64,
    /// Bytes of memory that feeds hold.
    pub feed_bytes: u64,
    /// Bytes of replies that clients have not read.
    pub owed_bytes: u64,
    /// Bytes that the memory account has it hold in all.
    pub held_bytes: u64,
    /// Pieces of mail that wait to be handled.
    pub mail: u64,
    /// Connections by what they speak, in the order of [`PROTOCOLS`].
    pub by_protocol: [u64; PROTOCOLS.len()],
}

/// What connections speak, and whether within TLS, as labels of a metric have it.
pub const PROTOCOLS: [(&str, bool); 6] = [
    ("line", false),
    ("line", true),
    ("websocket-line", false),
    ("websocket-line", true),
    ("websocket-json", false),
    ("websocket-json", true),
];

/// All that is known of a shard at one moment. Made of 64-bit words alone, so that it can be copied
/// to where others read it one word at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct Snapshot {
    /// See [`CoreCounters`].
    pub core: CoreCounters,
    /// See [`MeshCounters`].
    pub mesh: MeshCounters,
    /// See [`NetCounters`].
    pub net: NetCounters,
    /// See [`Stock`].
    pub stock: Stock,
    /// See [`TurnTimes`].
    pub turn_times: TurnTimes,
    /// Turns that found something to do.
    pub turns: u64,
    /// Times a turn ended in waiting for more, instead of writing.
    pub pauses: u64,
    /// Writes that were not needed, because lines of several clients left in one.
    pub spared_writes: u64,
}

/// How many words a [`Snapshot`] is.
pub const WORDS: usize = size_of::<Snapshot>() / size_of::<u64>();

impl Snapshot {
    /// The words it is made of.
    #[inline]
    #[must_use]
    pub fn into_words(self) -> [u64; WORDS] {
        transmute!(self)
    }

    /// The snapshot that is made of `words`.
    #[must_use]
    pub fn from_words(words: [u64; WORDS]) -> Self {
        transmute!(words)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { core, mesh, net, turns, pauses, .. } = self;
        write!(f, "turns={turns} pauses={pauses} opened={} said={}", core.opened, core.said)?;
        write!(f, " deliveries={} missed={} rests={}", core.deliveries, core.missed, core.rests)?;
        write!(f, " gaps={} relieved={}", core.gaps, core.relieved)?;
        write!(f, " writes={} bytes_written={}", net.writes, net.bytes_written)?;
        write!(f, " reads={} bytes_read={}", net.reads, net.bytes_read)?;
        write!(f, " parcels={} messages={}", mesh.parcels, mesh.messages)?;
        write!(f, " rings={} strained={}", mesh.rings, mesh.strained)?;
        for (reason, count) in CloseReason::ALL.iter().zip(core.closed) {
            write!(f, " closed_{}={count}", reason.label().replace('-', "_"))?;
        }
        Ok(())
    }
}
