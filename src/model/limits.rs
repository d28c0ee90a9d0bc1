//! The limits that bound a shard's memory and work. Each says its unit in its name.

use std::time::Duration;

use super::Allowance;

/// What a session, a room and a turn may cost. The defaults are those of the command line.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Characters in one message.
    pub message_chars_max: usize,
    /// Bytes a room keeps on a shard, per wire class, for members who read slowly.
    pub feed_bytes_max: usize,
    /// Messages a room keeps on a shard, per wire class, for members who read slowly.
    pub feed_messages_max: usize,
    /// Messages a room remembers for those who come later.
    pub history_messages_max: usize,
    /// Bytes that they may have in memory.
    pub history_bytes_max: usize,
    /// Whether those who read lines are told them.
    pub line_history: bool,
    /// How long a client has to answer, where it is asked whether it is there.
    pub pong_wait_max: Duration,
    /// Members up to which every join and leave is told one by one.
    pub announce_max: u32,
    /// How long joins and leaves of a bigger room are gathered before they are told as one line.
    pub announce_every: Duration,
    /// Bytes of memory that all shards may hold for clients and rooms.
    pub memory_bytes_max: u64,
    /// Rooms one session may be in.
    pub session_rooms_max: usize,
    /// Bytes of private replies kept for one session before its input is left unread.
    pub outbox_bytes_max: usize,
    /// Rooms or users in one list.
    pub list_entries_max: usize,
    /// How long the answers of all shards to one question are waited for.
    pub gather_wait_max: Duration,
    /// How long a client may send nothing before its session ends; unlimited if there is none.
    pub idle_wait_max: Option<Duration>,
    /// How long the socket of a client that has fallen behind may take to accept
    /// [`Limits::stall_bytes_min`].
    pub stall_wait_max: Duration,
    /// What the socket of a client that has fallen behind has to accept in each
    /// [`Limits::stall_wait_max`], in bytes.
    pub stall_bytes_min: u64,
    /// What a session's commands may cost each second.
    pub allowance: Allowance,
    /// How often a session may create a room.
    pub room_allowance: Allowance,
    /// Rooms there may be, those at home on other shards not counted.
    pub home_rooms_max: usize,
    /// How long a session that is closing may take to read what it is owed.
    pub close_wait_max: Duration,
    /// How long it may take, while the server goes down, until all have been told.
    pub drain_spread_max: Duration,
    /// Members of one feed served before other work gets a turn.
    pub flush_members_max: usize,
    /// Sessions served apart from their feeds in one turn.
    pub flush_sessions_max: usize,
}

/// Bytes of a character in UTF-8, at most.
const CHAR_BYTES_MAX: usize = 4;

impl Limits {
    /// Bytes in one message's text, at most.
    #[inline]
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.message_chars_max * CHAR_BYTES_MAX
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_chars_max: 400,
            feed_bytes_max: 1 << 20,
            feed_messages_max: 16_384,
            history_messages_max: 50,
            history_bytes_max: 256 << 10,
            line_history: false,
            pong_wait_max: Duration::from_secs(20),
            announce_max: 200,
            announce_every: Duration::from_secs(1),
            memory_bytes_max: u64::MAX,
            session_rooms_max: 64,
            outbox_bytes_max: 64 << 10,
            list_entries_max: 100,
            gather_wait_max: Duration::from_secs(1),
            idle_wait_max: None,
            stall_wait_max: Duration::from_secs(30),
            stall_bytes_min: 4 << 10,
            allowance: Allowance { each_ms: 100, burst: 50 },
            room_allowance: Allowance { each_ms: 6_000, burst: 10 },
            home_rooms_max: 100_000,
            close_wait_max: Duration::from_secs(5),
            drain_spread_max: Duration::from_millis(2_500),
            flush_members_max: 64,
            flush_sessions_max: 64,
        }
    }
}
