//! Where bytes for users go: sockets in the server, memory in the simulation, nowhere in a bench.

use std::io::IoSlice;

use crate::model::Slot;

/// The connections of a shard, to write to. Never waits.
///
/// Writing returns how many bytes were taken. Fewer than offered means that no more will be until
/// the connection says so. A broken connection takes all: that it is broken is learnt from reading
/// it, after what its client had sent before.
pub trait Sink {
    /// Writes `bytes` to the connection in `slot`.
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize;

    /// Writes `parts`, one after another, to the connection in `slot`.
    fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize;
}
