//! Input: read from clients that have sent something, decoded, and given to the core.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::error;

#[cfg(feature = "fault-injection")]
use super::faults;
use crate::model::{CloseReason, Moment, Slot};
use crate::net::Received;
use crate::shard::Shard;

/// Bytes of input that cost as much of a session's allowance as a message, beside the messages in
/// them: few pay for that but those who send what is no message.
const BYTES_PER_MESSAGE: u64 = 4 << 10;
/// How long input is read in a turn, but for that of a few connections: whatever else a shard does
/// waits for the end of it, however many clients send at once, and however dear it is to decode.
const READING_MAX: Duration = Duration::from_micros(250);
/// Connections that are read between two looks at the clock, at most.
const READS_PER_LOOK: usize = 16;
/// Bytes of input after which it is looked at sooner.
const BYTES_PER_LOOK: u64 = 16 << 10;
/// Commands of one connection that are handled in a turn: of the dearest, such as pings that fill
/// the room for one read, all of them would take a millisecond.
const COMMANDS_MAX: usize = 256;

impl Shard {
    /// Reads what clients have sent, and has the core handle it.
    pub(super) fn serve_clients(&mut self, now: Moment) -> io::Result<()> {
        let core = &mut self.core;
        self.more_events = self.connections.poll(|slot| core.handle_writable(slot))?;
        while let Some(slot) = self.core.poll_resumed() {
            self.connections.make_ready(slot);
        }
        if !self.credit.may_read_clients() {
            self.mesh_counters.strained += 1;
            return Ok(());
        }
        let until = Instant::now() + READING_MAX;
        let bytes_read = |shard: &Self| shard.connections.counters.bytes_read;
        let mut looked_at = bytes_read(self);
        for number in 1..=self.connections.ready() {
            if self.core.is_pressed() {
                break;
            }
            if let Some(slot) = self.connections.next_ready()
                && self.connections.contains(slot)
            {
                self.read_or_close(slot, now);
            }
            // Those who are left come first in the next turn.
            let is_much = bytes_read(self) - looked_at >= BYTES_PER_LOOK;
            if is_much || number % READS_PER_LOOK == 0 {
                looked_at = bytes_read(self);
                if Instant::now() >= until {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads from the connection in `slot`. A panic ends it and nobody else: should it have left
    /// anything in disorder that others need, the shard will panic over that, and the server end.
    fn read_or_close(&mut self, slot: Slot, now: Moment) {
        if catch_unwind(AssertUnwindSafe(|| self.read(slot, now))).is_err() {
            error!(shard = %self.id, "a connection is closed, because handling it panicked");
            self.core.handle_failure(slot, now);
        }
    }

    /// Reads from the connection in `slot`, once, and handles the commands that have arrived.
    fn read(&mut self, slot: Slot, now: Moment) {
        if !self.core.may_read(slot) {
            // Whoever has asked for too much need not be served to the end once they are gone.
            if self.core.is_resting(slot) && self.connections.is_broken(slot) {
                self.hang_up(slot, now);
            }
            return;
        }
        let read_before = self.connections.counters.bytes_read;
        let Received::Input(mut input) = self.connections.receive(slot) else {
            self.hang_up(slot, now);
            return;
        };
        self.core.begin_batch();
        let is_held_back = self.connections.awaits_first_line(slot)
            && !self.look_at_first_line(slot, &mut input, now);
        let exhausted = is_held_back || self.handle_commands(slot, &mut input, now);
        let bytes_read = self.connections.counters.bytes_read - read_before;
        if bytes_read > 0 {
            self.core.heard_from(slot);
        }
        let noise = bytes_read / BYTES_PER_MESSAGE;
        if noise > 0 {
            self.core.handle_noise(slot, noise as u32, now);
        }
        if self.connections.keep(slot, input, exhausted) {
            self.core.handle_end_of_input(slot, now);
        } else if self.core.may_read(slot) {
            self.connections.make_ready(slot);
        }
    }

    /// Has the core handle the commands in `input`, as far as it will; whether that is all of them.
    #[inline(always)]
    fn handle_commands(&mut self, slot: Slot, input: &mut Range<usize>, now: Moment) -> bool {
        for _ in 0..COMMANDS_MAX {
            if self.core.is_pressed() || !self.core.may_read(slot) {
                return false;
            }
            let Some(command) = self.connections.decode(slot, input) else { return true };
            #[cfg(feature = "fault-injection")]
            faults::obey(&command);
            let costly = command.is_costly();
            self.core.handle_command(slot, command, now);
            if costly {
                return false;
            }
        }
        false
    }

    /// The connection in `slot` is broken, and its session ends.
    fn hang_up(&mut self, slot: Slot, now: Moment) {
        self.core.handle_close(slot, CloseReason::HangUp, now);
        self.connections.close(slot, CloseReason::HangUp, now);
    }
}
