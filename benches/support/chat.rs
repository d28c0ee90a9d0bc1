//! The chat of a server without its sockets: the cores of all shards, on one thread.

use std::io::IoSlice;
use std::time::Duration;

use hubbub::core::Core;
use hubbub::core::sink::Sink;
use hubbub::model::{Command, Limits, Moment, Origin, ShardId, Slot};
use hubbub::proto::Wire;

/// Decides the order of guests' names; any number would do, but always the same one.
const SEED: u64 = 1;
/// Longer than joins and leaves of a big room are gathered.
const A_WHILE: Duration = Duration::from_secs(5);
/// Sessions opened in one turn, as many as the acceptor takes at once.
const OPENED_PER_TURN: usize = 32;

/// All shards.
pub(crate) struct Chat {
    cores: Vec<Core>,
    now: Moment,
}

/// Takes everything and does nothing with it.
pub(crate) struct NullSink;

impl Sink for NullSink {
    fn write(&mut self, _slot: Slot, bytes: &[u8]) -> usize {
        bytes.len()
    }

    fn write_parts(&mut self, _slot: Slot, parts: &[IoSlice<'_>]) -> usize {
        parts.iter().map(|part| part.len()).sum()
    }
}

impl Chat {
    /// Without sessions.
    pub(crate) fn new(shards: u16, limits: &Limits) -> Self {
        let core = |shard| {
            Core::new(shard, shards, limits.clone(), Origin { seed: SEED, ..Origin::default() })
        };
        Self { cores: ShardId::all(shards).map(core).collect(), now: Moment::default() }
    }

    /// With so many sessions, evenly spread over the shards, who have been told of each other.
    pub(crate) fn with_members(shards: u16, members: usize, limits: &Limits) -> Self {
        let mut chat = Self::new(shards, limits);
        for opened in 0..members {
            chat.open(ShardId::all(shards).nth(opened % usize::from(shards)).expect("a shard"));
            if opened % OPENED_PER_TURN == 0 {
                chat.run(&mut NullSink);
            }
        }
        chat.pass_time(&mut NullSink);
        chat
    }

    /// A new session on this shard.
    pub(crate) fn open(&mut self, shard: ShardId) -> Slot {
        let core = &mut self.cores[shard.index()];
        let slot = core.handle_open(Wire::Line, true, self.now);
        core.handle_first_line(slot, self.now);
        while core.poll_registered().is_some() {}
        slot
    }

    /// The shard's share of the chat.
    pub(crate) fn core(&mut self, shard: ShardId) -> &mut Core {
        &mut self.cores[shard.index()]
    }

    /// Handles a command of a session whose input is welcome.
    #[inline]
    pub(crate) fn command(&mut self, (shard, slot): (ShardId, Slot), command: Command<'_>) {
        let core = &mut self.cores[shard.index()];
        assert!(core.may_read(slot), "every command waits for the answer to the one before");
        core.handle_command(slot, command, self.now);
    }

    /// Turn after turn of all shards, until all is done and all is written.
    #[inline]
    pub(crate) fn run(&mut self, sink: &mut impl Sink) {
        let mut busy = true;
        while busy {
            busy = false;
            for shard in 0..self.cores.len() {
                busy |= self.post(shard) > 0;
            }
            for core in &mut self.cores {
                core.flush(sink, self.now);
                while core.poll_closed().is_some() {}
                busy |= core.is_dirty();
            }
        }
    }

    /// Brings what one shard has for others; how many messages that were.
    #[inline]
    pub(crate) fn post(&mut self, from: usize) -> u64 {
        let mut count = 0;
        for to in 0..self.cores.len() {
            let shard = |index| ShardId(u16::try_from(index).expect("a shard"));
            for message in self.cores[from].poll_parcel(shard(to)).into_iter().flatten() {
                count += 1;
                self.cores[to].handle_message(shard(from), message, self.now);
            }
        }
        count
    }

    /// Lets enough time pass for everything that is gathered to be told.
    pub(crate) fn pass_time(&mut self, sink: &mut impl Sink) {
        self.run(sink);
        self.now = self.now.after(A_WHILE);
        for core in &mut self.cores {
            core.handle_tick(self.now, &|_| false);
        }
        self.run(sink);
    }
}
