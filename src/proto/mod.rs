//! Layer 1: bytes to vocabulary and back, as pure functions. One module per wire class.
//!
//! A *wire class* is a way in which everything a client sees is spelled in bytes. Members of a room
//! with the same wire class on the same shard share one rendering, so the rest of the server
//! handles a class as an opaque [`Wire`].

mod line;
mod sanitize;
pub mod web;

use std::ops::Range;

pub use line::{Opening, PROXY_V2_SIGNATURE};
use memchr::memrchr;

use crate::model::{CloseReason, Command, Event, Limits, Name, Reply, Stamp};

/// A wire class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Lines of text, for `nc` and `telnet`.
    Line,
    /// The same lines with CR LF at their ends, for clients that speak the telnet protocol.
    Telnet,
    /// The same lines, in the frames of a WebSocket.
    WebLine,
    /// JSON, in the frames of a WebSocket.
    WebJson,
}

/// Turns one connection's input into commands. Holds no input itself: what is unfinished is offered
/// again, with more. What comes in frames has been taken out of them before, see [`web::Frames`].
#[derive(Debug)]
pub enum Decoder {
    /// See [`Wire::Line`].
    Line(line::Decoder),
    /// See [`Wire::WebLine`].
    WebLine(line::Decoder),
    /// See [`Wire::WebJson`].
    WebJson(web::RequestDecoder),
}

/// What a client is told in lines whose connection is rejected.
#[must_use]
pub fn rejection_line(reason: CloseReason) -> Vec<u8> {
    let mut line = vec![];
    line::reply(&Reply::TurnedAway(reason), &mut line);
    line
}

/// Whether what a connection has sent first is a PROXY header, of version 1 or 2.
#[must_use]
pub fn begins_proxy_header(input: &[u8]) -> bool {
    line::begins_proxy_header(input)
}

impl Wire {
    /// A decoder for a new connection.
    #[must_use]
    pub fn decoder(self) -> Decoder {
        match self {
            Self::Line | Self::Telnet => Decoder::Line(line::Decoder::new(line::STRIKES_MAX)),
            // Frames that say they are text have to be.
            Self::WebLine => Decoder::WebLine(line::Decoder::new(1)),
            Self::WebJson => Decoder::WebJson(web::RequestDecoder::default()),
        }
    }

    /// Whether everything is in the frames of a WebSocket. Its clients are asked now and then
    /// whether they are there, and told when nothing more comes.
    #[inline]
    #[must_use]
    pub fn is_framed(self) -> bool {
        matches!(self, Self::WebLine | Self::WebJson)
    }

    /// The class of a client that has turned out to speak the telnet protocol.
    #[must_use]
    pub fn with_telnet(self) -> Self {
        if self == Self::Line { Self::Telnet } else { self }
    }

    /// Whether a newcomer is taken to the lobby, because its client does not ask for a room.
    #[must_use]
    pub fn starts_in_lobby(self) -> bool {
        self != Self::WebJson
    }

    /// Whether whoever has a new name is told so apart from what its rooms are told.
    #[must_use]
    pub fn tells_own_name(self) -> bool {
        self == Self::WebJson
    }

    /// Whether a client that has lost its connection can take over from its session.
    #[must_use]
    pub fn may_resume(self) -> bool {
        self == Self::WebJson
    }

    /// Whether whoever comes into a room is told what was said there.
    #[must_use]
    pub fn tells_past(self, limits: &Limits) -> bool {
        self == Self::WebJson || limits.line_history
    }

    /// Appends `event`, which happened in `room`, to `out` as one frame. Lines do not name the
    /// room: their sessions are in one only.
    #[inline]
    pub fn render_event(self, room: &Name, stamp: Stamp, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Line => line::event(event, out),
            Self::Telnet => line::telnet_event(event, out),
            Self::WebLine => web::line_event(event, out),
            Self::WebJson => web::json_event(room, stamp, event, out),
        }
    }

    /// Appends `reply` to `out`.
    pub fn render_reply(self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Line => line::reply(reply, out),
            Self::Telnet => line::telnet_reply(reply, out),
            Self::WebLine => web::line_reply(reply, out),
            Self::WebJson => web::json_reply(reply, out),
        }
    }
}

impl Decoder {
    /// What `input`, the first that arrived on a connection, begins with. To be asked again with
    /// more until that is a line, or another protocol.
    #[must_use]
    pub fn opening(&self, input: &[u8], limits: &Limits) -> Opening {
        match self {
            Self::Line(_) => line::opening(input, limits),
            // Whatever is in the frames of a WebSocket is no accident.
            Self::WebLine(_) | Self::WebJson(_) if input.contains(&b'\n') => Opening::Line,
            Self::WebLine(_) | Self::WebJson(_) => Opening::Unfinished,
        }
    }

    /// Whether the client has sent a telnet command.
    #[must_use]
    pub fn speaks_telnet(&self) -> bool {
        matches!(self, Self::Line(decoder) if decoder.speaks_telnet())
    }

    /// How many bytes a decoder may leave unfinished; also the most a client can make the server
    /// keep.
    #[must_use]
    pub fn unfinished_bytes_max(limits: &Limits) -> usize {
        line::line_bytes_max(limits).max(web::request_bytes_max(limits))
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
            Self::WebLine(_) | Self::WebJson(_) => arrived.end,
        }
    }

    /// No more will arrive behind `buffer[..end]`. The end of what there is to decode: at most one
    /// more, for which there must be room.
    pub fn end_input(&mut self, buffer: &mut [u8], end: usize) -> usize {
        match self {
            // The end of input is the end of its last line.
            Self::Line(_) if end > 0 => {
                buffer[end] = b'\n';
                end + 1
            }
            Self::Line(_) => end,
            // A message that has not come to its end is none.
            Self::WebLine(_) | Self::WebJson(_) => {
                memrchr(b'\n', &buffer[..end]).map_or(0, |at| at + 1)
            }
        }
    }

    /// The next command in `input` from `at` on, which is moved behind it and anything before it
    /// that means nothing; nothing if what is left is no complete one. Texts are borrowed from
    /// `input`, or from `clean` when something had to be taken out.
    // Where the next one starts is not part of what is returned because that would have every
    // command copied on its way to the core. Inlined always, because compilers would rather call
    // what has several callers, and every line would pay for that.
    #[inline(always)]
    pub fn next<'a>(
        &mut self,
        input: &'a [u8],
        at: &mut usize,
        limits: &Limits,
        clean: &'a mut String,
    ) -> Option<Command<'a>> {
        match self {
            Self::Line(decoder) | Self::WebLine(decoder) => decoder.next(input, at, limits, clean),
            Self::WebJson(decoder) => decoder.next(input, at, limits, clean),
        }
    }
}
