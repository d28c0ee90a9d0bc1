//! What a browser may send, or whoever takes its place: frames, and requests in them.
#![no_main]

use fuzz::{chunks, sizes_and_bytes};
use hubbub::model::{Command, Limits};
use hubbub::proto::Wire;
use hubbub::proto::web::{Control, Frames};
use libfuzzer_sys::fuzz_target;

/// Few, so that short inputs go over the limit too.
const MESSAGE_CHARS_MAX: usize = 20;

fuzz_target!(|input: &[u8]| {
    let (sizes, sent) = sizes_and_bytes(input);
    for wire in [Wire::WebLine, Wire::WebJson] {
        let whole = Heard::of(wire, [sent].into_iter());
        assert_eq!(whole, Heard::of(wire, sent.chunks(1)), "byte by byte");
        assert_eq!(whole, Heard::of(wire, chunks(sent, sizes)), "cut");
    }
});

/// All that came of what somebody sent.
#[derive(Debug, PartialEq)]
struct Heard {
    commands: Vec<String>,
    /// The last ping, and whether there was a pong: how many are told of depends on the chunks.
    ping: Option<Control>,
    has_pong: bool,
    end: String,
}

impl Heard {
    /// What comes of these chunks, handled as the server does it.
    fn of<'a>(wire: Wire, chunks: impl Iterator<Item = &'a [u8]>) -> Self {
        let limits = Limits { message_chars_max: MESSAGE_CHARS_MAX, ..Limits::default() };
        let (mut frames, mut decoder) = (Frames::new(wire == Wire::WebJson), wire.decoder());
        let (mut kept, mut commands, mut ping, mut has_pong) = (vec![], vec![], None, false);
        for chunk in chunks {
            let arrived = kept.len()..kept.len() + chunk.len();
            kept.extend_from_slice(chunk);
            kept.push(0);
            let end = frames.admit(&mut kept, arrived);
            kept.truncate(end);
            while let Some(control) = frames.control() {
                match control {
                    Control::Ping(_) => ping = Some(control),
                    Control::Pong => has_pong = true,
                }
            }
            let (mut at, mut clean) = (0, String::new());
            while let Some(command) = decoder.next(&kept, &mut at, &limits, &mut clean) {
                check(&command);
                commands.push(format!("{command:?}"));
            }
            kept.drain(..at);
        }
        Self { commands, ping, has_pong, end: format!("{:?}", frames.end()) }
    }
}

/// What others may get to see is fit to be seen.
fn check(command: &Command<'_>) {
    if let Command::Say(text) | Command::SayIn { text, .. } = *command {
        assert!(text.chars().all(|c| c == '\t' || !c.is_control()), "{text:?}");
        assert!(!text.trim_start().is_empty() && text.chars().count() <= MESSAGE_CHARS_MAX);
    }
}
