//! Bytes to lines.

/// The longest line that is kept whole; of a longer one only its beginning is. A list of all names
/// that a server tells is a tenth of it.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Puts together what arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// The line that is arriving, as far as it is kept.
    part: Vec<u8>,
}

impl Splitter {
    /// Takes bytes that have arrived, and hands out each line that ends in them. What is no UTF-8
    /// is replaced.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = vec![];
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_BYTES_MAX - self.part.len();
            self.part.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                let line = self.part.strip_suffix(b"\r").unwrap_or(&self.part);
                lines.push(String::from_utf8_lossy(line).into_owned());
                self.part.clear();
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn lines_end_in_either_way_and_keep_what_is_odd() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(b"one\r\ntwo\n\nthr"), ["one", "two", ""]);
        assert_eq!(splitter.feed(b"ee\xff\x1b[2J\n"), ["three\u{fffd}\u{1b}[2J"]);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_is_whole() {
        let mut splitter = Splitter::default();
        for _ in 0..100 {
            assert!(splitter.feed(&[b'x'; 1000]).is_empty());
        }
        let lines = splitter.feed(b"\nnext\n");
        assert_eq!((lines[0].len(), &*lines[1]), (LINE_BYTES_MAX, "next"));
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(
            input in vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..80),
            cut in any::<proptest::sample::Index>(),
        ) {
            let cut = cut.index(input.len() + 1);
            let (mut whole, mut parts) = (Splitter::default(), Splitter::default());
            let mut lines = parts.feed(&input[..cut]);
            lines.extend(parts.feed(&input[cut..]));
            prop_assert_eq!(lines, whole.feed(&input));
        }
    }
}
