//! The frames of a WebSocket around what is read. What is written is in frames already: whoever
//! renders it does so once for many.

use std::io;

use crate::proto::web::{Control, Frames};
use crate::socket::{Brought, READ_ROOM, Scratch, Socket};

/// A socket on which everything is in frames.
#[derive(Debug)]
pub struct Framed {
    /// What carries them.
    pub(super) inner: Socket,
    /// Those that arrive.
    frames: Frames,
    /// What has arrived before anybody knew that it would be frames.
    early: Box<[u8]>,
    /// The payload of the last ping that was asked for.
    ping: Box<[u8]>,
}

impl Framed {
    /// All that is to come on `inner`, after `early`, which has come already.
    pub(super) fn new(inner: Socket, early: &[u8], frames: Frames) -> Self {
        debug_assert!(early.len() <= READ_ROOM, "no more than is read at once");
        Self { inner, frames, early: early.into(), ping: Box::default() }
    }

    pub(super) fn read(&mut self, into: &mut [u8], scratch: &mut Scratch) -> io::Result<Brought> {
        let early = std::mem::take(&mut self.early);
        let brought = if early.is_empty() {
            self.inner.read(into, scratch)?
        } else {
            into[..early.len()].copy_from_slice(&early);
            Brought::Bytes { count: early.len(), taken: early.len(), more: true }
        };
        Ok(match brought {
            Brought::Bytes { count, taken, more } => {
                Brought::Bytes { count: self.frames.admit(into, 0..count), taken, more }
            }
            Brought::End => Brought::End,
        })
    }

    pub(super) fn has_input(&self) -> bool {
        !self.early.is_empty() || self.inner.has_input()
    }

    /// The frames.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The next frame that is no part of a message; the payload of one that wants it back.
    pub fn control(&mut self) -> Option<Option<&[u8]>> {
        Some(match self.frames.control()? {
            Control::Ping(payload) => {
                self.ping = payload;
                Some(&self.ping)
            }
            Control::Pong => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle WebSocket may cost beside what an idle connection without frames does, with all
    /// that there is of it elsewhere: its entry in the queue of those to be asked for a sign of
    /// life, which may have just grown to twice what is in it.
    const BYTES_MAX: usize = 256;
    const ELSEWHERE_BYTES: usize = 2 * 24;

    #[test]
    fn an_idle_websocket_costs_little_more_than_a_line() {
        let bytes = size_of::<Framed>() + ELSEWHERE_BYTES;
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    }
}
