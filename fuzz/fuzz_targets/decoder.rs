//! What a client may send, in chunks of any sizes.
#![no_main]

use fuzz::{chunks, sizes_and_bytes};
use hubbub::model::{Command, Limits, Name};
use hubbub::proto::{Decoder, Wire};
use libfuzzer_sys::fuzz_target;

/// Few, so that short inputs go over the limit too.
const MESSAGE_CHARS_MAX: usize = 20;

fuzz_target!(|input: &[u8]| {
    let limits = Limits { message_chars_max: MESSAGE_CHARS_MAX, ..Limits::default() };
    let (sizes, sent) = sizes_and_bytes(input);
    let whole = commands([sent].into_iter(), &limits);
    assert_eq!(whole, commands(sent.chunks(1), &limits), "byte by byte");
    assert_eq!(whole, commands(chunks(sent, sizes), &limits), "cut");
});

/// The commands of a client who sends these chunks and then closes its side, up to the one that
/// ends the session, handled as the server does it.
fn commands<'a>(chunks: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Vec<String> {
    let mut decoder = Wire::Line.decoder();
    let (mut kept, mut found) = (vec![], vec![]);
    for chunk in chunks {
        let arrived = kept.len()..kept.len() + chunk.len();
        kept.extend_from_slice(chunk);
        kept.push(0);
        let end = decoder.admit(&mut kept, arrived);
        kept.truncate(end);
        if decode(&mut decoder, &mut kept, limits, &mut found) {
            return found;
        }
        assert!(kept.len() <= Decoder::unfinished_bytes_max(limits), "{} kept", kept.len());
    }
    if !kept.is_empty() {
        kept.push(b'\n');
        decode(&mut decoder, &mut kept, limits, &mut found);
    }
    found
}

/// Takes the whole commands out of `kept`; whether the last of them ends the session.
fn decode(
    decoder: &mut Decoder,
    kept: &mut Vec<u8>,
    limits: &Limits,
    found: &mut Vec<String>,
) -> bool {
    let (mut at, mut clean, mut ended) = (0, String::new(), false);
    while !ended && let Some(command) = decoder.next(kept, &mut at, limits, &mut clean) {
        check(&command, limits);
        ended = matches!(command, Command::Quit | Command::NotUtf8 { last_strike: true });
        // Of a flood, how much is answered depends on how it is cut; and answers come when there is
        // no whole line left.
        if !matches!(command, Command::Telnet(_)) {
            found.push(format!("{command:?}"));
        }
    }
    kept.drain(..at);
    ended
}

/// What others may get to see of a command must be fit to be seen.
fn check(command: &Command<'_>, limits: &Limits) {
    match *command {
        Command::Say(text) | Command::SayBareWord(text) => {
            assert!(is_harmless(text) && !text.trim().is_empty(), "{text:?}");
            assert!(text.chars().count() <= limits.message_chars_max, "{text:?}");
        }
        Command::Unknown(word) => assert!(is_harmless(word), "{word:?}"),
        Command::Rename(text) | Command::Switch(text) => {
            assert!(is_harmless(text), "{text:?}");
            if let Ok(name) = Name::new(text) {
                assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
            }
        }
        _ => {}
    }
}

/// Said in other words than the server's: neither controls, of which only the tab is text, nor what
/// separates lines or turns the text around it.
fn is_harmless(text: &str) -> bool {
    let turns = ['\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    let controls = ['\0'..='\x08', '\x0a'..='\x1f', '\x7f'..='\u{9f}'];
    text.chars().all(|c| !turns.iter().chain(&controls).any(|harmful| harmful.contains(&c)))
}
