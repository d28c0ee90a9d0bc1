//! What measured messages look like: a header of fixed width that says who sent what when, then
//! filling, all printable ASCII so that it passes any server's rules.
//!
//! ```text
//! ~ run:4 sender:6 room:5 sequence:8 intended:16 sent:16 checksum:8 filling…     (hexadecimal)
//! ```

/// The first byte of a header; no name contains it.
pub const MARK: u8 = b'~';
const HEADER_BYTES: usize = 64;
const CHECKSUM_AT: usize = 56;
/// The highest bit of the sequence says that the message does not count.
const WARM_UP_BIT: u32 = 31;

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Tells messages of this run from any others.
    pub run: u16,
    /// Who sent it: a number that is used once in a run.
    pub sender: u32,
    /// The room it was sent to.
    pub room: u32,
    /// It does not count, and has a number of its own.
    pub warm_up: bool,
    /// Its place among those of its sender, from 0.
    pub sequence: u32,
    /// When it should have been sent, on the machine's monotonic clock, in nanoseconds.
    pub intended_ns: u64,
    /// When it was.
    pub sent_ns: u64,
}

impl Header {
    /// Appends a message with this header, `bytes` long.
    pub fn write(&self, bytes: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(MARK);
        hex(out, u64::from(self.run), 4);
        hex(out, u64::from(self.sender), 6);
        hex(out, u64::from(self.room), 5);
        hex(out, u64::from(self.sequence | u32::from(self.warm_up) << WARM_UP_BIT), 8);
        hex(out, self.intended_ns, 16);
        hex(out, self.sent_ns, 16);
        hex(out, 0, 8);
        let fill = bytes.saturating_sub(HEADER_BYTES);
        out.extend((0..fill).map(|i| b'a' + (i % 26) as u8));
        let sum = checksum(&out[start..]);
        write_hex(&mut out[start + CHECKSUM_AT..start + HEADER_BYTES], u64::from(sum));
    }
}

/// Reads a message, from its mark to its end; none if it has changed on its way.
#[must_use]
pub fn read(text: &[u8]) -> Option<Header> {
    let said = unhex(text.get(CHECKSUM_AT..HEADER_BYTES)?)?;
    header(text).filter(|_| said == u64::from(checksum(text)))
}

fn header(text: &[u8]) -> Option<Header> {
    let field = |from: usize, to: usize| unhex(text.get(from..to)?);
    let sequence = u32::try_from(field(16, 24)?).ok()?;
    Some(Header {
        run: u16::try_from(field(1, 5)?).ok()?,
        sender: u32::try_from(field(5, 11)?).ok()?,
        room: u32::try_from(field(11, 16)?).ok()?,
        warm_up: sequence >> WARM_UP_BIT == 1,
        sequence: sequence & !(1 << WARM_UP_BIT),
        intended_ns: field(24, 40)?,
        sent_ns: field(40, 56)?,
    })
}

/// CRC-32 over a whole message but its checksum.
fn checksum(text: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&text[..CHECKSUM_AT]);
    crc.update(&text[HEADER_BYTES..]);
    crc.finalize()
}

fn hex(out: &mut Vec<u8>, value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, 0);
    write_hex(&mut out[start..], value);
}

/// Fills `out` with the last digits of `value`.
fn write_hex(out: &mut [u8], value: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (place, digit) in out.iter_mut().rev().enumerate() {
        *digit = DIGITS[(value >> (4 * place) & 15) as usize];
    }
}

fn unhex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        run: 0xbeef,
        sender: 0x01_23ab,
        room: 0x12345,
        warm_up: true,
        sequence: 77,
        intended_ns: 123_456_789_012,
        sent_ns: 123_456_999_012,
    };

    fn text(bytes: usize) -> Vec<u8> {
        let mut out = vec![];
        HEADER.write(bytes, &mut out);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        for bytes in [64, 65, 100, 400] {
            let text = text(bytes);
            assert_eq!((text.len(), text[0]), (bytes, MARK));
            assert_eq!(read(&text), Some(HEADER));
        }
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let good = text(100);
        // The mark is what a message is found by.
        for at in 1..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), None, "byte {at}");
        }
        assert_eq!(read(&good[..60]), None);
    }
}
