//! The frames of a WebSocket (RFC 6455), as clients see them whose server sends every message in
//! one frame. A handshake comes before them, in lines: no line begins as a frame does.

/// In the first byte: nothing of the message is in frames behind this one.
const FIN: u8 = 0x80;
/// In the second byte: that a client sent it.
const MASKED: u8 = 0x80;
/// Payloads up to so many bytes have their length in the second byte of the header.
const SHORT_MAX: usize = 125;
/// In the place of a length: it follows, in two bytes, or in eight.
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
/// What clients should make up anew for each frame, against caches that may be on the way to their
/// servers. There are none here.
const MASK: [u8; 4] = [0x5a, 0x96, 0x3c, 0xe1];

/// What a frame of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text = 1,
    /// The answer to a ping.
    Pong = 10,
}

/// What a frame of the server's says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// This text.
    Text(&'a [u8]),
    /// It is to be answered with the same bytes.
    Ping(&'a [u8]),
    /// That it ends the connection, for this reason.
    Close(&'a [u8]),
    /// What we have not asked for.
    Other,
}

/// Whether `bytes` begin with a frame, and not with a line.
#[inline]
#[must_use]
pub fn begin(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & FIN != 0)
}

/// How long the frame is that `bytes` begin with, if all of it is there.
#[inline]
#[must_use]
pub fn whole(bytes: &[u8]) -> Option<usize> {
    let (header, payload) = lengths(bytes)?;
    header.checked_add(payload).filter(|whole| *whole <= bytes.len())
}

/// The text of a whole frame, if it is one.
#[inline]
#[must_use]
pub fn text(frame: &[u8]) -> Option<&[u8]> {
    if let Said::Text(text) = said(frame) { Some(text) } else { None }
}

/// What a whole frame says.
#[inline]
#[must_use]
pub fn said(frame: &[u8]) -> Said<'_> {
    let payload = lengths(frame).map_or(&[][..], |(header, _)| &frame[header..]);
    match frame[0] & !FIN {
        1 => Said::Text(payload),
        // The reason is behind a code of two bytes.
        8 => Said::Close(payload.get(2..).unwrap_or_default()),
        9 => Said::Ping(payload),
        _ => Said::Other,
    }
}

/// Bytes of the header and of the payload, as far as that can be told yet.
#[inline]
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let [_, second, more @ ..] = bytes else { return None };
    let long = match *second {
        LENGTH_IN_2 => 2,
        LENGTH_IN_8 => 8,
        short => return Some((2, usize::from(short))),
    };
    let length = more.get(..long)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    Some((2 + long, length))
}

/// What a client's frame begins with whose payload has `bytes` bytes.
#[must_use]
pub fn header(kind: Kind, bytes: usize) -> Vec<u8> {
    let mut header = vec![FIN | kind as u8];
    if bytes <= SHORT_MAX {
        header.push(MASKED | bytes as u8);
    } else {
        let length = u16::try_from(bytes).expect("less than servers take");
        header.push(MASKED | LENGTH_IN_2);
        header.extend_from_slice(&length.to_be_bytes());
    }
    header.extend_from_slice(&MASK);
    header
}

/// Makes a payload what is sent for it.
pub fn mask(payload: &mut [u8]) {
    for four in payload.chunks_mut(MASK.len()) {
        four.iter_mut().zip(MASK).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// A whole frame of a client's.
#[must_use]
pub fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(kind, payload.len());
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[start..]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a server's with so long a text, and its text.
    fn sent(bytes: usize) -> (Vec<u8>, Vec<u8>) {
        let text: Vec<u8> = (b'a'..=b'z').cycle().take(bytes).collect();
        let mut frame = match bytes {
            0..=125 => vec![0x81, bytes as u8],
            126..=0xffff => vec![0x81, 126, (bytes >> 8) as u8, bytes as u8],
            _ => vec![0x81, 127, 0, 0, 0, 0, 0, (bytes >> 16) as u8, (bytes >> 8) as u8, 0],
        };
        frame.extend_from_slice(&text);
        (frame, text)
    }

    #[test]
    fn a_frame_of_any_length_is_found_once_it_is_there() {
        for bytes in [0, 1, 125, 126, 300, 0xffff, 0x1_0000] {
            let (frame, payload) = sent(bytes);
            for end in (0..frame.len()).step_by(bytes / 100 + 1) {
                assert_eq!(whole(&frame[..end]), None, "{end} of {bytes}");
            }
            let more = [&frame[..], b"\x81"].concat();
            assert_eq!(whole(&more), Some(frame.len()));
            assert_eq!(text(&frame), Some(&payload[..]));
        }
        // As no machine could hold.
        assert_eq!(whole(&[0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255, b'a']), None);
    }

    #[test]
    fn lines_are_no_frames_and_other_frames_no_texts() {
        assert!(!begin(b"") && !begin(b"HTTP/1.1 101 Switching Protocols\r\n") && !begin(b"\r\n"));
        for (frame, says) in [
            (&b"\x81\x02hi"[..], Said::Text(b"hi")),
            (b"\x89\x00", Said::Ping(b"")),
            (b"\x89\x03who", Said::Ping(b"who")),
            (b"\x88\x02\x03\xe8", Said::Close(b"")),
            (b"\x88\x00", Said::Close(b"")),
            (b"\x88\x06\x03\xf0slow", Said::Close(b"slow")),
            (b"\x8a\x00", Said::Other),
            (b"\x82\x01~", Said::Other),
        ] {
            assert!(begin(frame));
            assert_eq!(whole(frame), Some(frame.len()));
            assert_eq!(said(frame), says);
            assert_eq!(text(frame).is_some(), frame[0] == 0x81);
        }
    }

    #[test]
    fn clients_mask_what_they_send() {
        for (bytes, begins) in [
            (0, vec![0x81, 0x80]),
            (125, vec![0x81, 0x80 | 125]),
            (126, vec![0x81, 0x80 | 126, 0, 126]),
            (1000, vec![0x81, 0x80 | 126, 3, 0xe8]),
        ] {
            let text = vec![b'x'; bytes];
            let frame = frame(Kind::Text, &text);
            let (head, rest) = frame.split_at(begins.len());
            let (mask, masked) = rest.split_at(4);
            assert_eq!(head, begins);
            assert!(mask.iter().all(|byte| *byte != 0));
            let unmasked: Vec<u8> =
                masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            assert_eq!(unmasked, text);
        }
        assert_eq!(frame(Kind::Pong, b"")[..2], [0x8a, 0x80]);
    }
}
