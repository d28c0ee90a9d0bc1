//! Lines to commands.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::telnet::{self, Telnet};
use crate::model::{Command, Limits};
use crate::proto::sanitize;

const END_OF_TEXT: u8 = 3;
const END_OF_TRANSMISSION: u8 = 4;

/// Commands that newcomers send without the slash.
const BARE_WORDS: [&str; 2] = ["help", "quit"];
/// Bytes of each of them.
const BARE_WORD_BYTES: usize = 4;

/// Lines in a row that are no UTF-8 before the session ends.
pub(in crate::proto) const STRIKES_MAX: u8 = 3;

/// Room in a line for more than the text: a command's word, a carriage return, characters that are
/// taken out.
const LINE_BYTES_SPARE: usize = 64;

/// The longest line, in bytes, that is looked at; whatever is longer is over the limit in
/// characters too.
pub(in crate::proto) fn line_bytes_max(limits: &Limits) -> usize {
    limits.message_bytes_max() + LINE_BYTES_SPARE
}

/// See [`crate::proto::Decoder`].
#[derive(Debug)]
pub struct Decoder {
    telnet: Telnet,
    /// The line that is arriving is over the limit, and the client has been told.
    discarding: bool,
    /// Lines in a row, up to here, that were no UTF-8.
    strikes: u8,
    /// The last of so many ends the session.
    strikes_max: u8,
}

/// What a line that is not simply text turned out to be.
enum Line {
    /// Nothing.
    Blank,
    /// Nothing that can be said.
    Rejected(Command<'static>),
    /// The text is in the decoder's scratch string.
    Cleaned,
}

impl Decoder {
    /// For a client whose session ends with so many lines in a row that are no UTF-8.
    pub(in crate::proto) fn new(strikes_max: u8) -> Self {
        Self { telnet: Telnet::default(), discarding: false, strikes: 0, strikes_max }
    }

    pub(in crate::proto) fn admit(&mut self, buffer: &mut [u8], arrived: Range<usize>) -> usize {
        self.telnet.filter(buffer, arrived)
    }

    pub(in crate::proto) fn speaks_telnet(&self) -> bool {
        self.telnet.is_spoken()
    }

    // See [`crate::proto::Decoder::next`].
    #[inline(always)]
    pub(in crate::proto) fn next<'a>(
        &mut self,
        input: &'a [u8],
        at: &mut usize,
        limits: &Limits,
        clean: &'a mut String,
    ) -> Option<Command<'a>> {
        // Before all lines: a client that throws away output until it has an answer would throw
        // away what those behind its question bring about.
        if let Some(answer) = self.telnet.answer() {
            return Some(Command::Telnet(answer));
        }
        loop {
            let rest = &input[*at..];
            // A terminal in character mode sends these by themselves, with no line end to wait for.
            let ends = matches!(rest.first(), Some(&(END_OF_TEXT | END_OF_TRANSMISSION)));
            if ends && !self.discarding {
                *at += 1;
                return Some(Command::Quit);
            }
            let Some(end) = memchr(b'\n', rest).or_else(|| return_nul(rest)) else {
                return self.unfinished(rest, at, limits);
            };
            if let Some(text) = self.plain_text(&rest[..end], limits) {
                *at += end + 1;
                if is_blank(text) {
                    continue;
                }
                return Some(parse(text, limits));
            }
            let end = return_nul(&rest[..end]).unwrap_or(end);
            *at += end + 1;
            match self.line(&rest[..end], limits, clean) {
                Line::Blank => {}
                Line::Rejected(command) => return Some(command),
                Line::Cleaned => return Some(parse(clean, limits)),
            }
        }
    }

    /// What to do about `rest`, which starts at `at` and ends inside a line.
    #[inline(always)]
    fn unfinished<'a>(
        &mut self,
        rest: &[u8],
        at: &mut usize,
        limits: &Limits,
    ) -> Option<Command<'a>> {
        let interrupted = self.telnet.is_interrupted();
        let too_long = rest.len() > line_bytes_max(limits);
        if !(interrupted || self.discarding || too_long) {
            return None;
        }
        // The line may end with a carriage return and what has not arrived.
        *at += rest.len() - usize::from(rest.ends_with(b"\r") && !interrupted);
        // Before the end, as it would be if the interrupt had come apart from the rest.
        if too_long && !std::mem::replace(&mut self.discarding, true) {
            return Some(Command::TooLong);
        }
        interrupted.then_some(Command::Quit)
    }

    /// The text of a line in which nothing is to be taken out, as nearly always.
    #[inline(always)]
    fn plain_text<'a>(&mut self, line: &'a [u8], limits: &Limits) -> Option<&'a str> {
        if self.discarding || line.len() > line_bytes_max(limits) {
            return None;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok().filter(|text| sanitize::is_clean(text))?;
        self.strikes = 0;
        Some(text)
    }

    /// Judges any other line.
    #[cold]
    fn line(&mut self, line: &[u8], limits: &Limits, clean: &mut String) -> Line {
        if std::mem::take(&mut self.discarding) {
            return Line::Blank;
        }
        if line.len() > line_bytes_max(limits) {
            return Line::Rejected(Command::TooLong);
        }
        let Ok(text) = std::str::from_utf8(line) else {
            self.strikes += 1;
            let last_strike = self.strikes >= self.strikes_max;
            return Line::Rejected(Command::NotUtf8 { last_strike });
        };
        self.strikes = 0;
        if self.telnet.is_spoken() {
            telnet::edit_into(text, clean);
        } else {
            sanitize::clean_into(text, clean);
        }
        if is_blank(clean) { Line::Blank } else { Line::Cleaned }
    }
}

/// Where a line ends with a carriage return and NUL, as telnet may end it: the place of the NUL.
#[cold]
fn return_nul(bytes: &[u8]) -> Option<usize> {
    memchr_iter(0, bytes).find(|&at| bytes[..at].ends_with(b"\r"))
}

#[inline(always)]
fn is_blank(text: &str) -> bool {
    // The first byte tells nearly always.
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim_start().is_empty()
}

#[inline(always)]
fn parse<'a>(text: &'a str, limits: &Limits) -> Command<'a> {
    if text.starts_with('/') {
        return parse_slash(text, limits);
    }
    // Bytes are never fewer than characters, so counting is rarely needed.
    let max = limits.message_chars_max;
    if text.len() > max && text.chars().count() > max {
        return Command::TooLong;
    }
    if text.len() == BARE_WORD_BYTES && is_bare_word(text) {
        return Command::SayBareWord(text);
    }
    Command::Say(text)
}

/// Whether somebody who says this may well have meant a command.
#[cold]
fn is_bare_word(text: &str) -> bool {
    BARE_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Reads a line that begins with a slash.
#[cold]
fn parse_slash<'a>(text: &'a str, limits: &Limits) -> Command<'a> {
    // A second one is the first character of a message.
    if let Some(message) = text.get(1..).filter(|rest| rest.starts_with('/')) {
        let is_long = message.chars().count() > limits.message_chars_max;
        return if is_long { Command::TooLong } else { Command::Say(message) };
    }
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let argument = rest.trim();
    match &*word.to_ascii_lowercase() {
        "/help" => Command::Help,
        "/name" => Command::Rename(argument),
        "/rooms" => Command::Rooms,
        "/join" => Command::Switch(argument),
        "/users" => Command::Users,
        "/quit" => Command::Quit,
        _ => Command::Unknown(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `chunks` as they would arrive, keeping what is unfinished; the commands, printed.
    /// Answers to negotiation are left out: their places depend on how the input is cut.
    fn decoded(chunks: &[&[u8]]) -> Vec<String> {
        let (mut decoder, limits) = (Decoder::new(STRIKES_MAX), Limits::default());
        let (mut buffer, mut clean, mut commands) = (vec![], String::new(), vec![]);
        for chunk in chunks {
            let new = buffer.len();
            buffer.extend_from_slice(chunk);
            buffer.push(0);
            let end = decoder.admit(&mut buffer, new..new + chunk.len());
            buffer.truncate(end);
            loop {
                let mut taken = 0;
                let command = decoder.next(&buffer, &mut taken, &limits, &mut clean);
                let command = command.map(|c| format!("{c:?}"));
                buffer.drain(..taken);
                let Some(command) = command else { break };
                let ended = command == "Quit";
                if !command.starts_with("Telnet") {
                    commands.push(command);
                }
                if ended {
                    return commands;
                }
            }
            assert!(buffer.len() <= line_bytes_max(&limits), "{} bytes kept", buffer.len());
        }
        commands
    }

    #[test]
    fn command_words_are_whole_words() {
        assert_eq!(
            decoded(&[b"/name  bob \r\n/namely\n/join\n/users x\n/\n/HELP\n /help\n/Join Den\n"]),
            [
                r#"Rename("bob")"#,
                r#"Unknown("/namely")"#,
                r#"Switch("")"#,
                "Users",
                r#"Unknown("/")"#,
                "Help",
                r#"Say(" /help")"#,
                r#"Switch("Den")"#,
            ]
        );
    }

    #[test]
    fn blank_lines_mean_nothing_and_the_rest_is_said_as_it_is() {
        assert_eq!(
            decoded(&[b"\n\r\n  \t \n\x1b\x1b\n x \ny\r\nz\r\r\n"]),
            [r#"Say(" x ")"#, r#"Say("y")"#, r#"Say("z")"#]
        );
    }

    #[test]
    fn two_slashes_say_one() {
        let most = "x".repeat(399);
        let input = format!("//etc/fstab\n//\n///\n//{most}\n//{most}x\n");
        assert_eq!(
            decoded(&[input.as_bytes()]),
            [
                r#"Say("/etc/fstab")"#.to_owned(),
                r#"Say("/")"#.into(),
                r#"Say("//")"#.into(),
                format!(r#"Say("/{most}")"#),
                "TooLong".into(),
            ]
        );
    }

    #[test]
    fn a_bare_command_word_is_said_and_noticed() {
        assert_eq!(
            decoded(&[b"help\nQuit\r\nhelp me\n help\nhelx\nh\x01elp\n//help\n"]),
            [
                r#"SayBareWord("help")"#,
                r#"SayBareWord("Quit")"#,
                r#"Say("help me")"#,
                r#"Say(" help")"#,
                r#"Say("helx")"#,
                r#"SayBareWord("help")"#,
                r#"Say("/help")"#,
            ]
        );
    }

    #[test]
    fn editing_keys_of_telnet_clients_erase_what_was_typed() {
        let keys = "hé\x7fi 👋\x08!\n\x7f\x08ab\x7f\x7f\x7f\x7fc\nwrong\x15right\r\n";
        let telnet = [b"\xff\xf1", keys.as_bytes()].concat();
        assert_eq!(decoded(&[&telnet]), [r#"Say("hi !")"#, r#"Say("c")"#, r#"Say("right")"#]);
        assert_eq!(
            decoded(&[b"ax\xff\xf7b\r\0wrong\xff", b"\xf8right\rno more\x15\r\n"]),
            [r#"Say("ab")"#, r#"Say("right")"#],
            "telnet's own commands for it"
        );
        let taken_out = [r#"Say("hi")"#, r#"Say("hi")"#];
        assert_eq!(decoded(&[b"h\x08i\nh\x15\x7fi\n\xff\xf1"]), taken_out, "no telnet yet");
        assert_eq!(decoded(&[b"h\x08i\nh\x15\x7f", b"i\xff\xf1\n"]), taken_out);
    }

    #[test]
    fn answers_to_telnet_come_before_what_the_lines_behind_the_question_bring() {
        let (mut decoder, limits) = (Decoder::new(STRIKES_MAX), Limits::default());
        let mut buffer = *b"\xff\xed\xff\xfd\x06hi\n";
        let (len, mut taken, mut clean) = (buffer.len(), 0, String::new());
        let end = decoder.admit(&mut buffer, 0..len);
        let mut next = || {
            let command = decoder.next(&buffer[..end], &mut taken, &limits, &mut clean);
            command.map(|it| format!("{it:?}"))
        };
        assert_eq!(next().as_deref(), Some("Telnet(Will(6))"));
        assert_eq!(next().as_deref(), Some(r#"Say("hi")"#));
        assert_eq!(next(), None);
    }

    #[test]
    fn telnets_line_ends_end_lines() {
        let all = [r#"Say("a")"#, r#"Say("b")"#, r#"Say("c")"#];
        assert_eq!(decoded(&[b"a\r\0b\r", b"\0c\n"]), all);
        assert_eq!(decoded(&[b"a\r\0b\r\0c\r\0"]), all);
        assert_eq!(decoded(&[b"\xff\xf1a\rb\r\0c\r"]), all);
        assert_eq!(
            decoded(&[b"a\rb\n"]),
            [r#"Say("a b")"#],
            "a lone one is none for who speaks none"
        );
        let endless = [vec![b'x'; 2000], b"\r\0a\n".to_vec()].concat();
        assert_eq!(decoded(&[&endless]), ["TooLong", r#"Say("a")"#]);
    }

    #[test]
    fn separators_of_lines_become_blanks() {
        for end in ["\u{b}", "\u{c}", "\u{1c}", "\u{1f}", "\u{85}", "\u{2028}", "\u{2029}", "\r"] {
            let input = format!("{end}hi{end}you{end}\n/name{end}bob\n");
            let expected = [r#"Say("hi you")"#, r#"Rename("bob")"#];
            assert_eq!(decoded(&[input.as_bytes()]), expected, "{end:?}");
        }
    }

    #[test]
    fn the_limit_counts_characters_as_they_will_be_seen() {
        let most = "é".repeat(400);
        let with_controls = format!("\u{1b}{most}\n");
        assert_eq!(decoded(&[with_controls.as_bytes()]), [format!("Say({most:?})")]);
        let over = format!("{most}x\nok\n");
        assert_eq!(decoded(&[over.as_bytes()]), ["TooLong", r#"Say("ok")"#]);
    }

    #[test]
    fn an_endless_line_is_refused_once_and_never_kept() {
        let chunk = vec![b'x'; 5000];
        assert_eq!(decoded(&[&chunk, &chunk, b"\x04 tail\nok\n"]), ["TooLong", r#"Say("ok")"#]);
    }

    #[test]
    fn three_lines_in_a_row_that_are_no_text_are_one_too_many() {
        let strike = |last| format!("NotUtf8 {{ last_strike: {last} }}");
        assert_eq!(
            decoded(&[b"\xc3\x28\n\xfe\nfine\n\xff\n\xf0\x90\n\x80\n"]),
            [
                strike(false),
                strike(false),
                r#"Say("fine")"#.into(),
                strike(false),
                strike(false),
                strike(true)
            ]
        );
    }

    #[test]
    fn interrupts_end_the_session_after_what_came_before() {
        assert_eq!(decoded(&[b"hi\n\x04"]), [r#"Say("hi")"#, "Quit"]);
        assert_eq!(decoded(&[b"\x03"]), ["Quit"]);
        assert_eq!(decoded(&[b"hi\nunfinished\xff\xf4\xff\xfd\x06"]), [r#"Say("hi")"#, "Quit"]);
        assert_eq!(decoded(&[b"a\x03\x04b\n"]), [r#"Say("ab")"#]);
        let too_long = [vec![b'x'; 1665], b"\xff\xf4".to_vec()].concat();
        assert_eq!(decoded(&[&too_long]), ["TooLong", "Quit"]);
        assert_eq!(decoded(&[&too_long, b"y"]), ["TooLong", "Quit"]);
    }

    fn input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"/name bob\n".to_vec()),
            Just("héllo wörld 👋\r\n".as_bytes().to_vec()),
            Just(b"\xff\xfd\x06".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\xff".to_vec()),
            Just(b"\x04".to_vec()),
            Just(b"hi\r\0".to_vec()),
            Just(b"\x08\x15".to_vec()),
            Just(b"\xff\xf7".to_vec()),
            (1600_usize..1700).prop_map(|n| vec![b'y'; n]),
            proptest::collection::vec(any::<u8>(), 0..20),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(
            input in input(),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|i| i.index(input.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = vec![];
            let mut at = 0;
            for cut in cuts {
                chunks.push(&input[at..cut]);
                at = cut;
            }
            chunks.push(&input[at..]);
            prop_assert_eq!(decoded(&chunks), decoded(&[&input]));
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            prop_assert_eq!(decoded(&bytes), decoded(&[&input]));
        }
    }
}
