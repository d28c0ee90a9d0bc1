//! Everyone in a room gets the same bytes, so messages are taken apart and their checksums checked
//! for the first receiver only: those of the others are compared with them, which takes a tenth of
//! the time and notices every difference just as well.

use std::collections::HashMap;

use ahash::RandomState;

use crate::message::Header;

/// What is kept of what one sender said.
const MIRROR_BYTES_MAX: usize = 256 << 10;
/// Senders of whom anything is kept.
const SENDERS_MAX: usize = 256;

/// Messages that were checked, with all that belongs to them in the server's dialect, by sender.
#[derive(Debug, Default)]
pub(super) struct Mirrors(HashMap<u32, Mirror, RandomState>);

/// The last messages of one sender, all of them equally long, one following the other.
#[derive(Debug, Default)]
struct Mirror {
    text: Vec<u8>,
    each_bytes: usize,
    headers: Vec<Header>,
}

impl Mirrors {
    /// The headers of the messages with which `bytes` begin, as far as these are the very bytes in
    /// which `sender` is known to have been heard from `sequence` on, and how many bytes they are.
    pub(super) fn known(&self, sender: u32, sequence: u32, bytes: &[u8]) -> (&[Header], usize) {
        self.0.get(&sender).and_then(|mirror| mirror.known(sequence, bytes)).unwrap_or_default()
    }

    /// Keeps a message, to its very end, that was checked.
    pub(super) fn learn(&mut self, header: &Header, message: &[u8]) {
        if self.0.len() >= SENDERS_MAX && !self.0.contains_key(&header.sender) {
            self.0.clear();
        }
        self.0.entry(header.sender).or_default().learn(header, message);
    }
}

impl Mirror {
    fn known(&self, sequence: u32, bytes: &[u8]) -> Option<(&[Header], usize)> {
        let at = sequence.checked_sub(self.headers.first()?.sequence)? as usize;
        let text = self.text.get(at * self.each_bytes..)?;
        let pairs = text.chunks_exact(self.each_bytes).zip(bytes.chunks_exact(self.each_bytes));
        let count = pairs.take_while(|(a, b)| a == b).count();
        Some((&self.headers[at..at + count], count * self.each_bytes))
    }

    fn learn(&mut self, header: &Header, message: &[u8]) {
        let next = self.headers.last().map_or(0, |last| last.sequence + 1);
        if header.sequence < next {
            return;
        }
        if header.sequence > next || message.len() != self.each_bytes {
            *self = Self { each_bytes: message.len(), ..Self::default() };
        }
        if self.text.len() + message.len() > MIRROR_BYTES_MAX {
            let half = self.headers.len() / 2;
            self.headers.drain(..half);
            self.text.drain(..half * self.each_bytes);
        }
        self.text.extend_from_slice(message);
        self.headers.push(*header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sequence: u32) -> (Header, Vec<u8>) {
        let header = Header {
            run: 1,
            sender: 9,
            room: 3,
            warm_up: false,
            sequence,
            intended_ns: u64::from(sequence),
            sent_ns: 0,
        };
        let mut line = b"bob: ".to_vec();
        header.write(100, &mut line);
        line.push(b'\n');
        (header, line)
    }

    fn lines(sequences: std::ops::Range<u32>) -> Vec<u8> {
        sequences.flat_map(|sequence| line(sequence).1).collect()
    }

    fn learnt(sequences: std::ops::Range<u32>) -> Mirrors {
        let mut mirrors = Mirrors::default();
        for sequence in sequences {
            let (header, line) = line(sequence);
            mirrors.learn(&header, &line);
        }
        mirrors
    }

    fn sequences((headers, bytes): (&[Header], usize)) -> Vec<u32> {
        assert_eq!(bytes, headers.len() * line(0).1.len());
        headers.iter().map(|header| header.sequence).collect()
    }

    #[test]
    fn known_lines_are_recognised_as_far_as_they_are_known() {
        let mirrors = learnt(5..10);
        assert_eq!(sequences(mirrors.known(9, 6, &lines(6..9))), [6, 7, 8]);
        assert_eq!(sequences(mirrors.known(9, 8, &lines(8..20))), [8, 9]);
        for (sender, sequence) in [(8, 6), (9, 4), (9, 7), (9, 10), (9, 1000)] {
            assert!(sequences(mirrors.known(sender, sequence, &lines(6..9))).is_empty());
        }
        assert!(sequences(Mirrors::default().known(9, 6, &lines(6..9))).is_empty());
    }

    #[test]
    fn any_changed_byte_makes_a_line_unknown() {
        let mirrors = learnt(0..4);
        let line_bytes = line(0).1.len();
        for at in 0..lines(0..4).len() {
            let mut changed = lines(0..4);
            changed[at] ^= 1;
            assert_eq!(mirrors.known(9, 0, &changed).0.len(), at / line_bytes, "byte {at}");
        }
    }

    #[test]
    fn a_gap_starts_anew_and_old_lines_are_not_learnt_again() {
        let mut mirrors = learnt(0..4);
        for sequence in [7, 8, 2, 9] {
            let (header, line) = line(sequence);
            mirrors.learn(&header, &line);
        }
        assert!(sequences(mirrors.known(9, 0, &lines(0..4))).is_empty());
        assert_eq!(sequences(mirrors.known(9, 7, &lines(7..10))), [7, 8, 9]);
    }

    #[test]
    fn memory_is_bounded() {
        let mirrors = learnt(0..20_000);
        assert!(mirrors.0[&9].text.len() <= MIRROR_BYTES_MAX);
        let last = lines(19_000..20_000);
        assert_eq!(sequences(mirrors.known(9, 19_000, &last)).len(), 1_000);
        let mut mirrors = Mirrors::default();
        for sender in 0..10_000 {
            let (header, line) = line(0);
            mirrors.learn(&Header { sender, ..header }, &line);
        }
        assert!(mirrors.0.len() <= SENDERS_MAX);
    }
}
