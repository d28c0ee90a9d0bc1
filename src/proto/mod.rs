//! Layer 1: bytes to vocabulary and back, as pure functions. One module per wire class.
//!
//! A *wire class* is a way in which everything a client sees is spelled in bytes. Members of a room
//! with the same wire class on the same shard share one rendering, so the rest of the server
//! handles a class as an opaque [`Wire`].

mod line;
mod sanitize;

use std::ops::Range;

use crate::model::{Command, Event, Limits, Name, Reply};

/// A wire class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Lines of text, for `nc` and `telnet`.
    Line,
}

/// Turns one connection's input into commands. Holds no input itself: what is unfinished is offered
/// again, with more.
#[derive(Debug)]
pub enum Decoder {
    /// See [`Wire::Line`].
    Line(line::Decoder),
}

impl Wire {
    /// A decoder for a new connection.
    #[must_use]
    pub fn decoder(self) -> Decoder {
        match self {
            Self::Line => Decoder::Line(line::Decoder::default()),
        }
    }

    /// Appends `event`, which happened in `room`, to `out` as one frame. The line class does not
    /// name the room: its sessions are in one only.
    #[inline]
    pub fn render_event(self, _room: &Name, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Line => line::event(event, out),
        }
    }

    /// Appends `reply` to `out` as one frame.
    pub fn render_reply(self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Line => line::reply(reply, out),
        }
    }
}

impl Decoder {
    /// How many bytes a decoder may leave unfinished; also the most a client can make the server
    /// keep.
    #[must_use]
    pub fn unfinished_bytes_max(limits: &Limits) -> usize {
        line::line_bytes_max(limits)
    }

    /// Takes what is not text, such as a telnet client's negotiation, out of `buffer[arrived]`,
    /// which has just arrived, and moves the rest together. To be called exactly once for all that
    /// arrives, before it is decoded.
    ///
    /// The end of what is left: at most one more than `arrived.end`, for which there must be room.
    #[inline]
    pub fn admit(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        match self {
            Self::Line(decoder) => decoder.admit(buffer, arrived),
        }
    }

    /// The next command in `input` from `at` on, which is moved behind it and anything before it
    /// that means nothing; nothing if what is left is no complete one. Texts are borrowed from
    /// `input`, or from `clean` when something had to be taken out.
    // Where the next one starts is not part of what is returned because that would have every
    // command copied on its way to the core.
    #[inline]
    pub fn next<'a>(
        &mut self,
        input: &'a [u8],
        at: &mut usize,
        limits: &Limits,
        clean: &'a mut String,
    ) -> Option<Command<'a>> {
        match self {
            Self::Line(decoder) => decoder.next(input, at, limits, clean),
        }
    }
}
