//! The frames of a WebSocket (RFC 6455), on the server's side.
//!
//! Incoming frames are taken apart where they have arrived: what is left in their place are texts,
//! each ended as a line is, for a decoder that knows nothing of frames. What is no text stands
//! beside them. So a connection that is idle has no buffer, and a message is moved by a few bytes
//! and never copied elsewhere.

use std::ops::Range;

/// Bytes of a message, in all its fragments.
const MESSAGE_BYTES_MAX: u64 = 64 << 10;
/// Frames that a message may come in.
const FRAGMENTS_MAX: u8 = 64;
/// Bytes of a frame that is no part of a message.
const CONTROL_BYTES_MAX: usize = 125;
/// Bytes before the payload: two, the long form of the length, the mask.
const HEADER_BYTES_MAX: usize = 2 + 8 + MASK_BYTES;
const MASK_BYTES: usize = 4;
/// Payloads up to so many bytes have their length in the second byte of the header.
const SHORT_MAX: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// In the place of a length: it follows, in two bytes, or in eight.
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;

/// What a frame is, as its header says.
mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

/// Why a connection is closed, in a number for its client.
pub mod code {
    /// It has served its purpose.
    pub const NORMAL: u16 = 1000;
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// What came is no frame as clients send them.
    pub const PROTOCOL: u16 = 1002;
    /// A kind of message that means nothing here.
    pub const UNSUPPORTED: u16 = 1003;
    /// A text that is no UTF-8.
    pub const NOT_TEXT: u16 = 1007;
    /// The client does not do as it should.
    pub const POLICY: u16 = 1008;
    /// A message over the limit.
    pub const TOO_BIG: u16 = 1009;
    /// The server has failed.
    pub const INTERNAL: u16 = 1011;
    /// The server cannot serve it now.
    pub const TRY_LATER: u16 = 1013;

    /// Whether a client may give this as its reason.
    pub(super) fn is_for_clients(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// A frame that is no part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// To be answered with the same bytes.
    Ping(Box<[u8]>),
    /// The answer to a ping.
    Pong,
}

/// Nothing of what a client sends is looked at any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has said that it goes, with this code, or none.
    Asked(u16),
    /// It has sent what it should not; the code to tell it.
    Failed(u16),
}

/// The frames of one connection, as they arrive.
#[derive(Debug)]
pub struct Frames {
    /// Line ends within a message are turned into spaces, so that it is one line whatever is in it.
    joins_lines: bool,
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// Bytes of the payload that have not arrived.
    left: u32,
    /// For the payload's next byte, and those behind it.
    mask: u32,
    /// What is arriving.
    opcode: u8,
    fin: bool,
    /// Frames of the message that is arriving; 0 between messages.
    fragments: u8,
    message_bytes: u32,
    /// The message is whole, and its end has not been written.
    owes_end: bool,
    /// The payload of a frame that is no part of a message, as far as it has arrived.
    control: Vec<u8>,
    /// The last ping that has not been answered. Earlier ones need no answer (RFC 6455, 5.5.3), so
    /// a flood of them takes no memory.
    ping: Option<Box<[u8]>>,
    /// There was an answer to a ping.
    pong: bool,
    end: Option<End>,
}

impl Frames {
    /// A connection on which nothing has arrived.
    #[must_use]
    pub fn new(joins_lines: bool) -> Self {
        Self {
            joins_lines,
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            left: 0,
            mask: 0,
            opcode: 0,
            fin: false,
            fragments: 0,
            message_bytes: 0,
            owes_end: false,
            control: vec![],
            ping: None,
            pong: false,
            end: None,
        }
    }

    /// Takes apart the frames in `buffer[arrived]`, which has just arrived, and leaves their texts
    /// in their place. To be called exactly once for all that arrives.
    ///
    /// The end of what is left: at most one more than `arrived.end`, for which there must be room.
    pub fn admit(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        let (mut read, mut write) = (arrived.start, arrived.start);
        loop {
            // There is room for it behind the next header's first byte, or at the very end.
            if self.owes_end && (write < read || read == arrived.end) {
                self.owes_end = false;
                buffer[write] = b'\n';
                write += 1;
            }
            if self.end.is_some() || read == arrived.end {
                break;
            }
            if self.left == 0 {
                read += self.read_header(&buffer[read..arrived.end]);
                continue;
            }
            let count = (arrived.end - read).min(self.left as usize);
            let payload = read..read + count;
            unmask(&mut buffer[payload.clone()], &mut self.mask);
            if self.is_control() {
                self.control.extend_from_slice(&buffer[payload]);
            } else {
                if self.joins_lines {
                    buffer[payload.clone()].iter_mut().filter(|b| **b == b'\n').for_each(space);
                }
                buffer.copy_within(payload, write);
                write += count;
            }
            read += count;
            self.left -= count as u32;
            if self.left == 0 {
                self.finish();
            }
        }
        write
    }

    /// Takes what there is of the header off the start of `bytes`; how many that are.
    fn read_header(&mut self, bytes: &[u8]) -> usize {
        let have = usize::from(self.header_len);
        // As nearly always, all of it is there, however long it is. But an end that is owed has to
        // be written before a frame that is empty ends another message.
        if have == 0 && bytes.len() >= HEADER_BYTES_MAX && !self.owes_end {
            let count = header_bytes(bytes);
            self.begin(&bytes[..count]);
            return count;
        }
        let count = bytes.len().min(header_bytes(&self.header[..have]) - have);
        self.header[have..have + count].copy_from_slice(&bytes[..count]);
        self.header_len += count as u8;
        let header = self.header;
        self.begin(&header[..have + count]);
        count
    }

    /// Looks at the header, and begins a frame if it is whole.
    fn begin(&mut self, header: &[u8]) {
        if let Err(code) = self.begin_or_not(header) {
            self.fail(code);
        }
    }

    #[inline(always)]
    fn begin_or_not(&mut self, header: &[u8]) -> Result<(), u16> {
        let [first, second, more @ ..] = header else { return Ok(()) };
        if first & RESERVED != 0 || second & MASKED == 0 {
            return Err(code::PROTOCOL);
        }
        if header.len() < header_bytes(header) {
            return Ok(());
        }
        let length_bytes = more.len() - MASK_BYTES;
        let (length, mask) = more.split_at(length_bytes);
        let mask = u32::from_le_bytes(mask.try_into().expect("four bytes"));
        let bytes = match *length {
            [] => u64::from(second & LENGTH),
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            _ => u64::from_be_bytes(length.try_into().expect("eight bytes")),
        };
        let is_shortest = match length_bytes {
            0 => true,
            2 => bytes > SHORT_MAX as u64,
            _ => bytes > u64::from(u16::MAX) && bytes >> 63 == 0,
        };
        if !is_shortest {
            return Err(code::PROTOCOL);
        }
        let (opcode, fin) = (first & 0x0f, first & FIN != 0);
        self.check(opcode, fin, bytes)?;
        (self.opcode, self.fin, self.mask) = (opcode, fin, mask);
        (self.left, self.header_len) = (bytes as u32, 0);
        if bytes == 0 {
            self.finish();
        }
        Ok(())
    }

    /// Whether such a frame may come now; counts it if it is part of a message.
    fn check(&mut self, opcode: u8, fin: bool, bytes: u64) -> Result<(), u16> {
        match opcode {
            opcode::CLOSE | opcode::PING | opcode::PONG => {
                let fits = fin && bytes <= CONTROL_BYTES_MAX as u64;
                return if fits { Ok(()) } else { Err(code::PROTOCOL) };
            }
            opcode::TEXT if self.fragments == 0 => self.message_bytes = 0,
            opcode::CONTINUATION if self.fragments > 0 => {}
            opcode::BINARY if self.fragments == 0 => return Err(code::UNSUPPORTED),
            _ => return Err(code::PROTOCOL),
        }
        if u64::from(self.message_bytes) + bytes > MESSAGE_BYTES_MAX {
            return Err(code::TOO_BIG);
        }
        if self.fragments == FRAGMENTS_MAX {
            return Err(code::POLICY);
        }
        self.fragments += 1;
        self.message_bytes += bytes as u32;
        Ok(())
    }

    /// The frame has arrived to its end.
    #[inline]
    fn finish(&mut self) {
        if self.is_control() {
            self.finish_control();
        } else if self.fin {
            self.fragments = 0;
            self.owes_end = true;
        }
    }

    #[cold]
    fn finish_control(&mut self) {
        let payload = std::mem::take(&mut self.control);
        match self.opcode {
            opcode::PING => self.ping = Some(payload.into()),
            opcode::PONG => self.pong = true,
            _ => match close_code(&payload) {
                Ok(code) => self.end = Some(End::Asked(code)),
                Err(code) => self.fail(code),
            },
        }
    }

    fn fail(&mut self, code: u16) {
        self.end = Some(End::Failed(code));
    }

    fn is_control(&self) -> bool {
        self.opcode & 0x08 != 0
    }

    /// Whether [`Frames::control`] has anything.
    #[must_use]
    pub fn has_control(&self) -> bool {
        self.pong || self.ping.is_some()
    }

    /// What has come that was no part of a message: one of each kind, however many there were.
    pub fn control(&mut self) -> Option<Control> {
        if std::mem::take(&mut self.pong) {
            return Some(Control::Pong);
        }
        self.ping.take().map(Control::Ping)
    }

    /// Whether, and how, it is over: behind all texts that have come.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }
}

/// What a client that goes says of why.
fn close_code(payload: &[u8]) -> Result<u16, u16> {
    match payload {
        [] => Ok(code::NORMAL),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !code::is_for_clients(code) {
                Err(code::PROTOCOL)
            } else if std::str::from_utf8(reason).is_err() {
                Err(code::NOT_TEXT)
            } else {
                Ok(code)
            }
        }
        [_] => Err(code::PROTOCOL),
    }
}

/// How many bytes the header has that begins like this; as many as are needed to tell.
fn header_bytes(header: &[u8]) -> usize {
    let [_, second, ..] = header else { return 2 };
    let length_bytes = match second & LENGTH {
        LENGTH_IN_2 => 2,
        LENGTH_IN_8 => 8,
        _ => 0,
    };
    2 + length_bytes + MASK_BYTES
}

/// Undoes the mask of what follows what was unmasked before.
fn unmask(bytes: &mut [u8], mask: &mut u32) {
    let key = mask.to_le_bytes();
    // In chunks that processors take at once.
    let keys: [u8; 16] = std::array::from_fn(|at| key[at % 4]);
    let (chunks, rest) = bytes.as_chunks_mut::<16>();
    for chunk in chunks {
        chunk.iter_mut().zip(keys).for_each(|(byte, key)| *byte ^= key);
    }
    rest.iter_mut().zip(keys).for_each(|(byte, key)| *byte ^= key);
    *mask = mask.rotate_right(8 * (bytes.len() % 4) as u32);
}

fn space(byte: &mut u8) {
    *byte = b' ';
}

/// Appends what `render` writes to `out`, as the text of one frame.
#[inline]
pub(super) fn text(out: &mut Vec<u8>, render: impl FnOnce(&mut Vec<u8>)) {
    frame(out, FIN | opcode::TEXT, render);
}

/// Appends a ping that carries nothing: one answer is as good as another.
pub(super) fn ping(out: &mut Vec<u8>) {
    frame(out, FIN | opcode::PING, |_| {});
}

/// Appends the answer to a ping.
pub(super) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, FIN | opcode::PONG, |out| out.extend_from_slice(payload));
}

/// Appends the last frame there is.
pub(super) fn close(out: &mut Vec<u8>, code: u16, reason: &str) {
    frame(out, FIN | opcode::CLOSE, |out| {
        out.extend_from_slice(&code.to_be_bytes());
        out.extend_from_slice(reason.as_bytes());
    });
}

#[inline]
fn frame(out: &mut Vec<u8>, first: u8, render: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[first, 0]);
    render(out);
    let bytes = out.len() - start - 2;
    if bytes <= SHORT_MAX {
        out[start + 1] = bytes as u8;
        return;
    }
    // Few are so long; they are moved to make room for their length.
    let (long, form) = match u16::try_from(bytes) {
        Ok(short) => (short.to_be_bytes().to_vec(), LENGTH_IN_2),
        Err(_) => ((bytes as u64).to_be_bytes().to_vec(), LENGTH_IN_8),
    };
    out[start + 1] = form;
    out.splice(start + 2..start + 2, long);
}

#[cfg(test)]
mod tests;
