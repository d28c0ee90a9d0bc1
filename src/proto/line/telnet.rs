//! What a telnet client sends beside text (RFC 854, 885, 1143): its commands are taken out and
//! obeyed or answered, and its line ends become line feeds.

use std::collections::VecDeque;
use std::ops::Range;

use memchr::memchr;
use smallvec::SmallVec;

use crate::model::TelnetAnswer;
use crate::proto::sanitize;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SUBNEGOTIATION: u8 = 250;
const ERASE_LINE: u8 = 248;
const ERASE_CHARACTER: u8 = 247;
const ARE_YOU_THERE: u8 = 246;
const INTERRUPT: u8 = 244;
const SUBNEGOTIATION_END: u8 = 240;
const ABORT: u8 = 238;
const END_OF_FILE: u8 = 236;
/// The option with which clients ask how far their input has been read (RFC 860). Clients that
/// throw away output after an interrupt, an abort or a break do so until it is answered.
const TIMING_MARK: u8 = 6;

/// Editing keys as a terminal in character mode sends them: the first two erase a character, the
/// third the line.
const BACKSPACE: u8 = 8;
const DELETE: u8 = 0x7f;
const CTRL_U: u8 = 0x15;
/// A control character that is no editing key.
const NO_KEY: u8 = 1;

/// Longer subnegotiations are given up, so that a client that never ends one is not muted for ever.
const SUBNEGOTIATION_BYTES_MAX: u16 = 1024;

/// Answers that wait to be sent; requests beyond are not answered. As many as there are options, in
/// both directions.
const ANSWERS_MAX: usize = 512;

/// Where in the telnet protocol a connection's input stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In the text.
    #[default]
    Text,
    /// In the text, after a carriage return that has ended a line.
    Return,
    /// After an `IAC`.
    Command,
    /// After an `IAC` and this verb; its option follows.
    Option(u8),
    /// In a subnegotiation, so many bytes long up to here.
    Subnegotiation(u16),
    /// After an `IAC` in a subnegotiation.
    SubnegotiationCommand(u16),
    /// After the client's interrupt: whatever follows does not count.
    Interrupted,
}

/// The telnet protocol on one connection, which may never hear of it.
#[derive(Debug, Default)]
pub(super) struct Telnet {
    state: State,
    /// There is more to look for than an `IAC`: what one has begun, or telnet's line ends.
    is_engaged: bool,
    /// The client has sent a telnet command: it ends its lines as telnet does, and its terminal may
    /// be in character mode, in which editing keys are sent as they are pressed.
    is_spoken: bool,
    /// What is rare; absent until there is something to answer.
    options: Option<Box<Options>>,
}

/// What has been asked for and answered. No option is ever enabled here, so requests to disable one
/// need no answer (RFC 1143).
#[derive(Debug, Default)]
struct Options {
    /// Bits of the options that the client wanted us to enable, and was refused. Each is refused
    /// once: no exchange of answers can go on for ever.
    refused_ours: [u128; 2],
    /// The same of options that the client wanted to enable on its side.
    refused_theirs: [u128; 2],
    /// Not sent yet, oldest first; at most [`ANSWERS_MAX`].
    answers: VecDeque<TelnetAnswer>,
}

impl Telnet {
    /// See [`crate::proto::Decoder::admit`].
    #[inline]
    pub(super) fn filter(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        if !self.is_engaged && memchr(IAC, &buffer[arrived.clone()]).is_none() {
            return arrived.end;
        }
        self.filter_slowly(buffer, arrived)
    }

    /// Whether the client has sent a telnet command.
    pub(super) fn is_spoken(&self) -> bool {
        self.is_spoken
    }

    /// Whether the client has interrupted: nothing follows.
    #[inline]
    pub(super) fn is_interrupted(&self) -> bool {
        self.state == State::Interrupted
    }

    /// The next answer to be sent, taken off the queue.
    #[inline]
    pub(super) fn answer(&mut self) -> Option<TelnetAnswer> {
        self.options.as_mut()?.answers.pop_front()
    }

    fn filter_slowly(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        let mut end = arrived.start;
        let arrived = buffer[arrived].to_vec();
        for byte in arrived {
            let kept = self.take(byte, &mut buffer[..end]);
            buffer[end..end + kept.len()].copy_from_slice(&kept);
            end += kept.len();
        }
        self.is_engaged = self.is_spoken || self.state != State::Text;
        end
    }

    /// Takes a byte that comes behind `text`; what it adds to it.
    fn take(&mut self, byte: u8, text: &mut [u8]) -> SmallVec<[u8; 2]> {
        let mut kept = SmallVec::new();
        self.state = match (self.state, byte) {
            (State::Text | State::Return, IAC) => State::Command,
            (State::Return, b'\n' | b'\0') => State::Text,
            (State::Text | State::Return, b'\r') if self.is_spoken => {
                kept.push(b'\n');
                State::Return
            }
            (State::Text | State::Return, _) => {
                kept.push(byte);
                State::Text
            }
            (State::Command, INTERRUPT | ABORT | END_OF_FILE) | (State::Interrupted, _) => {
                State::Interrupted
            }
            (State::Command, WILL..=DONT) => State::Option(byte),
            (State::Command, SUBNEGOTIATION) => State::Subnegotiation(0),
            (State::Command, END_OF_FILE..) if byte != IAC => {
                self.speak(text);
                kept.extend(self.command(byte));
                State::Text
            }
            (State::Command, _) => {
                // No telnet after all, or an escaped 255: text that is no UTF-8, which is answered
                // as such.
                kept.push(IAC);
                kept.extend((byte != IAC).then_some(byte));
                State::Text
            }
            (State::Option(verb), option) => {
                self.speak(text);
                self.negotiate(verb, option);
                State::Text
            }
            (State::SubnegotiationCommand(_), SUBNEGOTIATION_END)
            | (State::Subnegotiation(SUBNEGOTIATION_BYTES_MAX..), _) => State::Text,
            (State::Subnegotiation(bytes), IAC) => State::SubnegotiationCommand(bytes + 1),
            (State::Subnegotiation(bytes) | State::SubnegotiationCommand(bytes), _) => {
                State::Subnegotiation(bytes + 1)
            }
        };
        kept
    }

    /// The client speaks telnet from here on, and not in `text`: editing keys there are control
    /// characters like all others, and become one that is taken out.
    fn speak(&mut self, text: &mut [u8]) {
        if !std::mem::replace(&mut self.is_spoken, true) {
            text.iter_mut().filter(|byte| is_editing_key(**byte)).for_each(|byte| *byte = NO_KEY);
        }
    }

    /// Obeys a command of two bytes: the editing key it stands for in the text, if any.
    fn command(&mut self, command: u8) -> Option<u8> {
        match command {
            ERASE_CHARACTER => return Some(BACKSPACE),
            ERASE_LINE => return Some(CTRL_U),
            ARE_YOU_THERE => self.options.get_or_insert_default().push(TelnetAnswer::Here),
            // The others need nothing done, as neither end holds anything back.
            _ => {}
        }
        None
    }

    fn negotiate(&mut self, verb: u8, option: u8) {
        match (verb, option) {
            (DO, TIMING_MARK) => {
                self.options.get_or_insert_default().push(TelnetAnswer::Will(TIMING_MARK));
            }
            (DO | WILL, _) => self.options.get_or_insert_default().refuse(verb, option),
            _ => {}
        }
    }
}

fn is_editing_key(byte: u8) -> bool {
    matches!(byte, BACKSPACE | DELETE | CTRL_U)
}

/// Puts what is left of `line` after its editing keys into `out`, without control characters.
pub(super) fn edit_into(line: &str, out: &mut String) {
    out.clear();
    for c in sanitize::trimmed(line).chars() {
        match u8::try_from(c) {
            Ok(BACKSPACE | DELETE) => drop(out.pop()),
            Ok(CTRL_U) => out.clear(),
            _ => out.extend(sanitize::shown(c)),
        }
    }
}

impl Options {
    fn refuse(&mut self, verb: u8, option: u8) {
        let (refused, answer) = match verb {
            DO => (&mut self.refused_ours, TelnetAnswer::Wont(option)),
            _ => (&mut self.refused_theirs, TelnetAnswer::Dont(option)),
        };
        let (bits, bit) = (&mut refused[usize::from(option >> 7)], 1 << (option & 0x7f));
        if *bits & bit == 0 && self.answers.len() < ANSWERS_MAX {
            *bits |= bit;
            self.answers.push_back(answer);
        }
    }

    fn push(&mut self, answer: TelnetAnswer) {
        if self.answers.len() < ANSWERS_MAX {
            self.answers.push_back(answer);
        }
    }
}

/// Appends an answer as telnet spells it.
pub(super) fn answer(answer: TelnetAnswer, out: &mut Vec<u8>) {
    match answer {
        TelnetAnswer::Will(option) => out.extend([IAC, WILL, option]),
        TelnetAnswer::Wont(option) => out.extend([IAC, WONT, option]),
        TelnetAnswer::Dont(option) => out.extend([IAC, DONT, option]),
        TelnetAnswer::Here => out.extend(b"[Yes]\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is left of `chunks`, where the protocol stands after them, and what is answered.
    fn filtered(chunks: &[&[u8]]) -> (Vec<u8>, State, Vec<u8>) {
        let (mut telnet, mut text) = (Telnet::default(), vec![]);
        for chunk in chunks {
            let new = text.len();
            text.extend_from_slice(chunk);
            text.push(0);
            let end = telnet.filter(&mut text, new..new + chunk.len());
            text.truncate(end);
        }
        let mut answers = vec![];
        while let Some(next) = telnet.answer() {
            answer(next, &mut answers);
        }
        (text, telnet.state, answers)
    }

    #[test]
    fn negotiation_vanishes_and_text_stays() {
        let input = b"a\xff\xfe\x01b\xff\xfa\x1f\0\n\xff\xff\x18\xff\xf0c\xff\xf1d\n";
        assert_eq!(filtered(&[input]), (b"abcd\n".to_vec(), State::Text, vec![]));
    }

    #[test]
    fn every_command_is_taken_out_wherever_it_stands() {
        for command in END_OF_FILE..=ERASE_LINE + 1 {
            let ends = matches!(command, INTERRUPT | ABORT | END_OF_FILE);
            let erases = matches!(command, ERASE_CHARACTER | ERASE_LINE);
            let (text, state, _) = filtered(&[b"h\xff", &[command], b"i\n"]);
            match (ends, erases) {
                (true, _) => assert_eq!((&text[..], state), (&b"h"[..], State::Interrupted)),
                (_, true) => assert_eq!(text.len(), 4, "a control character: {text:?}"),
                _ => assert_eq!((&text[..], state), (&b"hi\n"[..], State::Text), "{command}"),
            }
        }
    }

    #[test]
    fn an_interrupt_ends_the_input() {
        let (text, state, _) = filtered(&[b"a\nb\xff\xf4\xff\xfd\x06c"]);
        assert_eq!((&text[..], state), (&b"a\nb"[..], State::Interrupted));
    }

    #[test]
    fn timing_marks_are_given_and_each_option_is_refused_once() {
        let asked = b"\xff\xfd\x06\xff\xfd\x01\xff\xfb\x1f\xff\xfc\x18\xff\xfe\x18\xff\xfb\x06";
        let answers = b"\xff\xfb\x06\xff\xfc\x01\xff\xfe\x1f\xff\xfe\x06".to_vec();
        assert_eq!(filtered(&[asked]).2, answers);
        let again = [answers, b"\xff\xfb\x06".to_vec()].concat();
        assert_eq!(filtered(&[asked, asked]).2, again, "only the timing mark again");
        assert_eq!(filtered(&[b"\xff\xf6"]).2, b"[Yes]\n", "are you there?");
    }

    #[test]
    fn a_flood_of_requests_is_answered_up_to_a_limit() {
        let mut flood = vec![];
        for option in 0..=255 {
            flood.extend([IAC, DO, option, IAC, WILL, option, IAC, DO, TIMING_MARK]);
        }
        let (text, _, answers) = filtered(&[&flood, &flood]);
        assert_eq!((text, answers.len()), (vec![], 3 * ANSWERS_MAX));
    }

    #[test]
    fn every_line_end_of_telnet_ends_one_line() {
        let spoken: [&[u8]; 2] = [b"\xff\xf1", b"\xff\xfc\x01"];
        for telnet in spoken {
            let input = [telnet, b"a\r\nb\r\0c\rd\ne\r\r\n"].concat();
            assert_eq!(filtered(&[&input]).0, b"a\nb\nc\nd\ne\n\n");
        }
        assert_eq!(filtered(&[b"a\r\nb\rc\n"]).0, b"a\r\nb\rc\n", "no telnet");
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
            input in proptest::collection::vec(
                prop_oneof![235_u8..=255, Just(b'\r'), Just(b'\n'), any::<u8>()],
                0..200,
            ),
            cut in 0_usize..200,
        ) {
            let cut = cut.min(input.len());
            prop_assert_eq!(filtered(&[&input[..cut], &input[cut..]]), filtered(&[&input]));
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            prop_assert_eq!(filtered(&bytes), filtered(&[&input]));
        }
    }
}
