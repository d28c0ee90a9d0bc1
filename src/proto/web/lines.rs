//! Lines in frames: each line is the text of one, without its end.

use super::frames::text;
use crate::model::{Event, Reply};
use crate::proto::line;

// Never inlined for the sake of lines without frames, on whose way it would be.
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
