//! Lines in frames: each line is the text of one, without its end.

use super::frames::text;
use crate::model::{Command, Event, Limits, Reply};
use crate::proto::line::{self, Decoder};

/// See [`crate::proto::Decoder::next`].
#[inline(never)]
pub(in crate::proto) fn next<'a>(
    decoder: &mut Decoder,
    input: &'a [u8],
    at: &mut usize,
    limits: &Limits,
    clean: &'a mut String,
) -> Option<Command<'a>> {
    match decoder.next(input, at, limits, clean) {
        // Frames that say they are text have to be.
        Some(Command::NotUtf8 { .. }) => Some(Command::NotUtf8 { last_strike: true }),
        next => next,
    }
}

#[inline(never)]
pub(in crate::proto) fn event(event: &Event<'_>, out: &mut Vec<u8>) {
    text(out, |out| {
        line::event(event, out);
        out.pop();
    });
}

pub(super) fn reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    let mut lines = vec![];
    line::reply(reply, &mut lines);
    for line in lines.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        text(out, |out| out.extend_from_slice(line));
    }
}
