//! What was said in a room, for those who were not there.

use super::Name;

/// An event's place in its room's order, and when it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Its number.
    pub seq: u64,
    /// Milliseconds since 1970, as the server's clock had it.
    pub time: u64,
}

/// What a client knows of what was said in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// See [`Past::epoch`].
    pub epoch: u64,
    /// The last event it has seen.
    pub seq: u64,
}

impl Since {
    /// Nothing.
    pub const ALL: Self = Self { epoch: 0, seq: 0 };
}

/// One thing that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// When.
    pub stamp: Stamp,
    /// By whom.
    pub author: &'a str,
    /// What.
    pub text: &'a str,
}

/// What was said in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Names one life of the room, from its first member to its last: never 0, and never the same
    /// again.
    pub epoch: u64,
    /// Something that was asked for has been forgotten.
    pub gap: bool,
    /// The messages, oldest first, as [`encode`] has them.
    pub messages: Box<[u8]>,
}

/// Bytes of a message beside its author and its text.
const HEAD_BYTES: usize = 8 + 8 + 1 + 4;

/// Appends one message to `out`.
#[inline]
pub fn encode(stamp: Stamp, author: &Name, text: &str, out: &mut Vec<u8>) {
    let author = author.as_str();
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&stamp.seq.to_le_bytes());
    head[8..16].copy_from_slice(&stamp.time.to_le_bytes());
    head[16] = author.len() as u8;
    head[17..].copy_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(author.as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The messages in `bytes`.
pub fn decode(mut bytes: &[u8]) -> impl Iterator<Item = Said<'_>> {
    std::iter::from_fn(move || {
        let said;
        (said, bytes) = split_first(bytes)?;
        Some(said)
    })
}

/// The first message in `bytes`, and what is behind it.
fn split_first(bytes: &[u8]) -> Option<(Said<'_>, &[u8])> {
    let (seq, bytes) = bytes.split_first_chunk()?;
    let (time, bytes) = bytes.split_first_chunk()?;
    let (&[author_bytes], bytes) = bytes.split_first_chunk()?;
    let (text_bytes, bytes) = bytes.split_first_chunk()?;
    let stamp = Stamp { seq: u64::from_le_bytes(*seq), time: u64::from_le_bytes(*time) };
    let (author, bytes) = bytes.split_at_checked(author_bytes.into())?;
    let (text, bytes) = bytes.split_at_checked(u32::from_le_bytes(*text_bytes) as usize)?;
    let [author, text] = [author, text].map(|text| std::str::from_utf8(text).ok());
    Some((Said { stamp, author: author?, text: text? }, bytes))
}

impl Past {
    /// The messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = Said<'_>> {
        decode(&self.messages)
    }
}
