//! Where bytes for users go: sockets in the server, memory in the simulation, nowhere in a bench.

use std::io::IoSlice;

use crate::model::Slot;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// So many bytes were taken. Fewer than offered means that no more will be until the connection
    /// says so.
    Bytes(usize),
    /// The connection is broken.
    Gone,
}

/// The connections of a shard, to write to. Never waits.
pub trait Sink {
    /// Writes `bytes` to the connection in `slot`.
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Taken;

    /// Writes `parts`, one after another, to the connection in `slot`.
    fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> Taken;
}
