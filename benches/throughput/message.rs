//! The text of a message: a header that can be read without parsing, padded to a fixed length.
//!
//! `#tp#` sender(8) sequence(8) time(16) and padding. Numbers are written four bits to a letter
//! from `a` to `p`, so that eight letters turn into a number with three shifts: at ten million
//! deliveries a second the generator has about fifty nanoseconds for each, the socket included.

/// How long every text is, without the name in front and the newline behind.
pub(crate) const TEXT_LEN: usize = 100;

/// What a server puts between a name and the text.
const SEPARATOR: &[u8] = b": ";

/// What a text starts with; no server says this of its own accord.
const MARK: [u8; 4] = *b"#tp#";

const SENDER_AT: usize = MARK.len();
const SEQUENCE_AT: usize = SENDER_AT + 8;
const TIME_AT: usize = SEQUENCE_AT + 8;
const HEADER_LEN: usize = TIME_AT + 16;
const PADDING: [u8; TEXT_LEN - HEADER_LEN] = [b'.'; TEXT_LEN - HEADER_LEN];

/// A message's text as it stands in the read buffer.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(&'a [u8; TEXT_LEN]);

impl<'a> Text<'a> {
    /// The text at the end of this line (its newline cut off), unless the line is no message.
    pub(crate) fn of_line(line: &'a [u8]) -> Option<Self> {
        let (name, text) = line.split_last_chunk::<TEXT_LEN>()?;
        (text.starts_with(&MARK) && name.ends_with(SEPARATOR)).then_some(Self(text))
    }

    /// The client who wrote it.
    pub(crate) fn sender(self) -> u32 {
        number(self.letters(SENDER_AT))
    }

    /// Which of its sender's messages it is, from 0.
    pub(crate) fn sequence(self) -> u32 {
        number(self.letters(SEQUENCE_AT))
    }

    /// When it was sent, in nanoseconds on the generator's clock.
    pub(crate) fn sent_ns(self) -> u64 {
        u64::from(number(self.letters(TIME_AT))) << 32
            | u64::from(number(self.letters(TIME_AT + 8)))
    }

    fn letters(self, at: usize) -> [u8; 8] {
        let mut letters = [0; 8];
        letters.copy_from_slice(&self.0[at..at + 8]);
        letters
    }
}

/// Appends a message and its newline.
pub(crate) fn append(out: &mut Vec<u8>, sender: u32, sequence: u32, sent_ns: u64) {
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&letters(sender));
    out.extend_from_slice(&letters(sequence));
    out.extend_from_slice(&letters((sent_ns >> 32) as u32));
    out.extend_from_slice(&letters(sent_ns as u32));
    out.extend_from_slice(&PADDING);
    out.push(b'\n');
}

const ALL_A: u64 = u64::from_be_bytes([b'a'; 8]);

/// Spreads the eight half bytes of a number over eight letters.
fn letters(number: u32) -> [u8; 8] {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    (spread + ALL_A).to_be_bytes()
}

/// Gathers what [`letters`] has spread; garbage in is garbage out, which the sequence check sees.
fn number(letters: [u8; 8]) -> u32 {
    let mut packed = u64::from_be_bytes(letters).wrapping_sub(ALL_A);
    packed = (packed | packed >> 4) & 0x00ff_00ff_00ff_00ff;
    packed = (packed | packed >> 8) & 0x0000_ffff_0000_ffff;
    (packed | packed >> 16) as u32
}
