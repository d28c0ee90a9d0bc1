//! The WebSocket classes: texts in frames, which are lines or JSON (`docs/protocol.md`).

mod frames;
mod json;
mod lines;
mod request;

use crate::model::{CloseReason, Ending, Reply};

pub use frames::{Control, End, Frames, code};
pub(super) use json::event as json_event;
pub(super) use lines::event as line_event;
pub(super) use request::{Decoder as RequestDecoder, request_bytes_max};

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
        // Telnet is for connections without frames.
        Reply::Telnet(_) => {}
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
