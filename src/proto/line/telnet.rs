//! What a telnet client sends beside text (RFC 854): negotiation is swallowed, an interrupt ends
//! the input.

use std::ops::Range;

use memchr::memchr;

const IAC: u8 = 255;
const DONT: u8 = 254;
const WILL: u8 = 251;
const SUBNEGOTIATION: u8 = 250;
const INTERRUPT: u8 = 244;
const SUBNEGOTIATION_END: u8 = 240;
const ABORT: u8 = 238;
const END_OF_FILE: u8 = 236;

/// Longer subnegotiations are given up, so that a client that never ends one is not muted for ever.
const SUBNEGOTIATION_BYTES_MAX: u16 = 1024;

/// Where in the telnet protocol a connection's input stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Telnet {
    /// In the text.
    #[default]
    Text,
    /// After an `IAC`.
    Command,
    /// After an `IAC` and a verb; its option follows.
    Option,
    /// In a subnegotiation, so many bytes long up to here.
    Subnegotiation(u16),
    /// After an `IAC` in a subnegotiation.
    SubnegotiationCommand(u16),
    /// After the client's interrupt: whatever follows does not count.
    Interrupted,
}

impl Telnet {
    /// See [`crate::proto::Decoder::admit`].
    #[inline]
    pub(super) fn filter(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        if *self == Self::Text && memchr(IAC, &buffer[arrived.clone()]).is_none() {
            return arrived.end;
        }
        self.filter_slowly(buffer, arrived)
    }

    fn filter_slowly(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        let mut end = arrived.start;
        let mut keep = |buffer: &mut [u8], byte| {
            buffer[end] = byte;
            end += 1;
        };
        let arrived = buffer[arrived].to_vec();
        for byte in arrived {
            *self = match (*self, byte) {
                (Self::Text, IAC) => Self::Command,
                (Self::Text, _) => {
                    keep(buffer, byte);
                    Self::Text
                }
                (Self::Command, INTERRUPT | ABORT | END_OF_FILE) | (Self::Interrupted, _) => {
                    Self::Interrupted
                }
                (Self::Command, WILL..=DONT) => Self::Option,
                (Self::Command, SUBNEGOTIATION) => Self::Subnegotiation(0),
                (Self::Command, SUBNEGOTIATION_END..) if byte != IAC => Self::Text,
                (Self::Command, _) => {
                    // No telnet after all, or an escaped 255: text that is no UTF-8, which the
                    // client shall be told.
                    keep(buffer, IAC);
                    if byte != IAC {
                        keep(buffer, byte);
                    }
                    Self::Text
                }
                (Self::Option, _) | (Self::SubnegotiationCommand(_), SUBNEGOTIATION_END) => {
                    Self::Text
                }
                (Self::Subnegotiation(SUBNEGOTIATION_BYTES_MAX..), _) => Self::Text,
                (Self::Subnegotiation(bytes), IAC) => Self::SubnegotiationCommand(bytes + 1),
                (Self::Subnegotiation(bytes) | Self::SubnegotiationCommand(bytes), _) => {
                    Self::Subnegotiation(bytes + 1)
                }
            };
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is left of `chunks`, and where the protocol stands after them.
    fn filtered(chunks: &[&[u8]]) -> (Vec<u8>, Telnet) {
        let (mut telnet, mut text) = (Telnet::default(), vec![]);
        for chunk in chunks {
            let new = text.len();
            text.extend_from_slice(chunk);
            text.push(0);
            let end = telnet.filter(&mut text, new..new + chunk.len());
            text.truncate(end);
        }
        (text, telnet)
    }

    #[test]
    fn negotiation_vanishes_and_text_stays() {
        let input = b"a\xff\xfd\x06b\xff\xfa\x1f\0\n\xff\xff\x18\xff\xf0c\xff\xf1d\n";
        assert_eq!(filtered(&[input]), (b"abcd\n".to_vec(), Telnet::Text));
    }

    #[test]
    fn an_interrupt_ends_the_input() {
        assert_eq!(
            filtered(&[b"a\nb\xff\xf4\xff\xfd\x06c"]),
            (b"a\nb".to_vec(), Telnet::Interrupted)
        );
    }

    #[test]
    fn what_is_no_telnet_is_left_to_be_refused_as_text() {
        assert_eq!(filtered(&[b"\xff", b"a\xff\xff\n"]).0, b"\xffa\xff\n");
    }

    #[test]
    fn an_endless_subnegotiation_is_given_up() {
        let mut input = b"\xff\xfa".to_vec();
        input.extend(vec![b'x'; usize::from(SUBNEGOTIATION_BYTES_MAX) + 1]);
        input.extend(b"hello\n");
        assert_eq!(filtered(&[&input]).0, b"hello\n");
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(
            input in proptest::collection::vec(prop_oneof![235_u8..=255, any::<u8>()], 0..200),
            cut in 0_usize..200,
        ) {
            let cut = cut.min(input.len());
            prop_assert_eq!(filtered(&[&input[..cut], &input[cut..]]), filtered(&[&input]));
        }
    }
}
