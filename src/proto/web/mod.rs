//! The WebSocket classes: texts in frames, which are lines or JSON (`docs/protocol.md`).

mod frames;
mod json;
mod lines;
mod request;

use crate::model::{CloseReason, Command, Ending, Limits, Reply};
use crate::proto::line::Decoder as LineDecoder;

pub use frames::{Control, End, Frames, code};
pub(super) use json::event as json_event;
pub(super) use lines::event as line_event;
pub(super) use request::{Decoder as RequestDecoder, request_bytes_max};

/// The next command of a client that sends lines. Frames that say they are text have to be.
// Not inlined for the sake of those who have no frames, and the path of whose messages it is on.
#[inline(never)]
pub(super) fn next_line<'a>(
    decoder: &mut LineDecoder,
    input: &'a [u8],
    at: &mut usize,
    limits: &Limits,
    clean: &'a mut String,
) -> Option<Command<'a>> {
    match decoder.next(input, at, limits, clean) {
        Some(Command::NotUtf8 { .. }) => Some(Command::NotUtf8 { last_strike: true }),
        next => next,
    }
}

/// Appends a reply, in lines.
pub(super) fn line_reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    if !frame_reply(reply, out) {
        lines::reply(reply, out);
    }
}

/// Appends a reply, in JSON.
pub(super) fn json_reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    if !frame_reply(reply, out) {
        json::reply(reply, out);
    }
}

/// Appends a reply that is no text, whatever texts are; whether it is one.
fn frame_reply(reply: &Reply<'_>, out: &mut Vec<u8>) -> bool {
    match *reply {
        Reply::Ping => frames::ping(out),
        Reply::Pong(payload) => frames::pong(out, payload),
        Reply::Closing(Ending { reason, word }) => {
            let code = if word == 0 { usual_code(reason) } else { word };
            frames::close(out, code, reason.label());
        }
        _ => return false,
    }
    true
}

/// What a client is told that ends for this reason.
fn usual_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::Quit | CloseReason::EndOfInput => code::NORMAL,
        CloseReason::Drain => code::GOING_AWAY,
        CloseReason::BadFrame => code::PROTOCOL,
        CloseReason::BadInput => code::NOT_TEXT,
        CloseReason::Internal => code::INTERNAL,
        CloseReason::Memory => code::TRY_LATER,
        _ => code::POLICY,
    }
}
