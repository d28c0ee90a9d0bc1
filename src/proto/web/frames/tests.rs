//! Frames as clients send them, and as they should not.

use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame.
fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(MASKED | short as u8),
        long @ 126..=0xffff => {
            bytes.push(MASKED | LENGTH_IN_2);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
        longer => {
            bytes.push(MASKED | LENGTH_IN_8);
            bytes.extend_from_slice(&(longer as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// What has come of frames.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    texts: String,
    controls: Vec<Control>,
    end: Option<End>,
}

/// Takes apart `chunks` as they would arrive.
fn got<'a>(joins_lines: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Got {
    let (mut frames, mut got) = (Frames::new(joins_lines), Got::default());
    let mut texts = vec![];
    for chunk in chunks {
        let mut buffer = [b"kept", chunk, b"!"].concat();
        let end = frames.admit(&mut buffer, 4..4 + chunk.len());
        assert_eq!(&buffer[..4], b"kept");
        texts.extend_from_slice(&buffer[4..end]);
        got.controls.extend(std::iter::from_fn(|| frames.control()));
    }
    got.texts = String::from_utf8_lossy(&texts).into_owned();
    got.end = frames.end();
    got
}

fn all(frames: &[Vec<u8>]) -> Got {
    got(false, [frames.concat().as_slice()])
}

#[test]
fn texts_are_lines_however_they_are_cut() {
    let it = all(&[
        sent(0x81, b"hello"),
        sent(0x01, b"in "),
        sent(0x00, b""),
        sent(0x80, b"parts"),
        sent(0x81, b""),
        sent(0x81, "long ".repeat(40).as_bytes()),
    ]);
    assert_eq!(it.texts, format!("hello\nin parts\n\n{}\n", "long ".repeat(40)));
    assert_eq!((it.controls, it.end), (vec![], None));
}

#[test]
fn line_ends_within_a_message_make_it_many_lines_or_none() {
    let frame = sent(0x81, b"a\nb");
    assert_eq!(got(false, [frame.as_slice()]).texts, "a\nb\n");
    assert_eq!(got(true, [frame.as_slice()]).texts, "a b\n");
}

#[test]
fn controls_may_stand_between_the_parts_of_a_message() {
    let it = all(&[sent(0x01, b"a"), sent(0x89, b"x"), sent(0x8a, b""), sent(0x80, b"b")]);
    assert_eq!(it.texts, "ab\n");
    assert_eq!(it.controls, [Control::Pong, Control::Ping(b"x"[..].into())]);
}

#[test]
fn what_has_been_taken_leaves_nothing_behind() {
    let mut frames = Frames::new(false);
    let mut sent = [sent(0x89, b"x"), sent(0x81, b"hi"), vec![0]].concat();
    let arrived = 0..sent.len() - 1;
    assert_eq!(frames.admit(&mut sent, arrived), 3);
    assert_eq!(frames.control(), Some(Control::Ping(b"x"[..].into())));
    assert_eq!((frames.control.capacity(), frames.has_control()), (0, false));
}

#[test]
fn of_many_pings_the_last_is_to_be_answered() {
    let pings: Vec<Vec<u8>> = (0..2_000).map(|n| sent(0x89, &[n as u8])).collect();
    let pongs = vec![sent(0x8a, b""); 2_000];
    let it = all(&[pings, pongs].concat());
    assert_eq!(it.controls, [Control::Pong, Control::Ping([(1_999 % 256) as u8].into())]);
}

/// Why `frames` end a connection; nothing behind them means anything.
fn end(frames: &[Vec<u8>]) -> Option<End> {
    let it = all(&[frames, &[sent(0x81, b"never"), sent(0x89, b"never")]].concat());
    assert!(it.end.is_none() || !it.texts.contains("never") && it.controls.is_empty());
    it.end
}

#[test]
fn what_clients_must_not_send_ends_the_connection() {
    let unmasked = vec![0x81, 1, b'x'];
    let long_form = [vec![0x81, MASKED | LENGTH_IN_2, 0, 5], MASK.into()].concat();
    let longer_form = [vec![0x81, MASKED | LENGTH_IN_8, 0, 0, 0, 0, 0, 0, 1, 0], MASK.into()];
    let negative = [vec![0x81, MASKED | LENGTH_IN_8, 0x80, 0, 0, 0, 0, 0, 0, 0], MASK.into()];
    let cases: &[(&str, &[Vec<u8>], u16)] = &[
        ("no mask", &[unmasked], code::PROTOCOL),
        ("a reserved bit", &[sent(0xc1, b"x")], code::PROTOCOL),
        ("a reserved bit on a ping", &[sent(0x99, b"")], code::PROTOCOL),
        ("an opcode nobody knows", &[sent(0x83, b"")], code::PROTOCOL),
        ("a control nobody knows", &[sent(0x8b, b"")], code::PROTOCOL),
        ("a ping in parts", &[sent(0x09, b"")], code::PROTOCOL),
        ("a long ping", &[sent(0x89, &[0; 126])], code::PROTOCOL),
        ("a part of nothing", &[sent(0x80, b"x")], code::PROTOCOL),
        ("a message in a message", &[sent(0x01, b"x"), sent(0x81, b"y")], code::PROTOCOL),
        ("binary in a message", &[sent(0x01, b"x"), sent(0x82, b"y")], code::PROTOCOL),
        ("binary", &[sent(0x82, b"x")], code::UNSUPPORTED),
        ("a length that is too long", &[long_form], code::PROTOCOL),
        ("one that is much too long", &[longer_form.concat()], code::PROTOCOL),
        ("one that is none", &[negative.concat()], code::PROTOCOL),
        ("a message over the limit", &[sent(0x81, &[b'x'; (64 << 10) + 1])], code::TOO_BIG),
        (
            "one over it in its parts",
            &[sent(0x01, &[b'x'; 64 << 10]), sent(0x80, b"y")],
            code::TOO_BIG,
        ),
        ("too many parts", &[&[sent(0x01, b"x")][..], &vec![sent(0, b""); 64]].concat(), 1008),
    ];
    for (what, frames, code) in cases {
        assert_eq!(end(frames), Some(End::Failed(*code)), "{what}");
    }
    let most = [&[sent(0x01, &[b'x'; 64 << 10])][..], &vec![sent(0, b""); 62], &[sent(0x80, b"")]]
        .concat();
    assert_eq!(end(&most), None);
}

#[test]
fn a_message_is_whole_whatever_comes_behind_it() {
    let it = all(&[sent(0x81, b"hello"), vec![0xc1, MASKED]]);
    assert_eq!((it.texts.as_str(), it.end), ("hello\n", Some(End::Failed(code::PROTOCOL))));
}

#[test]
fn an_empty_message_behind_one_that_began_before_is_not_lost() {
    let (first, rest) = (sent(0x81, b"hi"), [sent(0x81, b""), sent(0x81, b"later on")].concat());
    let (header, payload) = first.split_at(6);
    let it = got(false, [header, &[payload, &rest].concat()]);
    assert_eq!(it.texts, "hi\n\nlater on\n");
}

#[test]
fn whoever_goes_may_say_why() {
    let close = |payload: &[u8]| end(&[sent(0x88, payload)]);
    assert_eq!(close(b""), Some(End::Asked(code::NORMAL)));
    for code in [1000_u16, 1003, 1007, 1014, 3000, 4999] {
        assert_eq!(close(&code.to_be_bytes()), Some(End::Asked(code)));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_eq!(close(&code.to_be_bytes()), Some(End::Failed(code::PROTOCOL)), "{code}");
    }
    assert_eq!(close(b"\x03"), Some(End::Failed(code::PROTOCOL)));
    assert_eq!(close("\u{3}\u{e8}grüß".as_bytes()), Some(End::Failed(code::PROTOCOL)));
    assert_eq!(close(b"\x03\xe8bye"), Some(End::Asked(1000)));
    assert_eq!(close(b"\x03\xe8\xff"), Some(End::Failed(code::NOT_TEXT)));
}

#[test]
fn the_server_s_frames_say_how_long_they_are() {
    let framed = |count: usize| {
        let mut out = b"before".to_vec();
        text(&mut out, |out| out.resize(out.len() + count, b'x'));
        assert_eq!(out.len() - 6 - count, out[6..].len() - count);
        out[6..out.len() - count].to_vec()
    };
    assert_eq!(framed(0), [0x81, 0]);
    assert_eq!(framed(125), [0x81, 125]);
    assert_eq!(framed(126), [0x81, 126, 0, 126]);
    assert_eq!(framed(65_535), [0x81, 126, 255, 255]);
    assert_eq!(framed(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    let mut out = vec![];
    close(&mut out, 1001, "drain");
    pong(&mut out, b"hi");
    assert_eq!(out, *b"\x88\x07\x03\xe9drain\x8a\x02hi");
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = || proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        4 => payload().prop_map(|it| sent(0x81, &it)),
        2 => payload().prop_map(|it| sent(0x01, &it)),
        2 => payload().prop_map(|it| sent(0x00, &it)),
        4 => payload().prop_map(|it| sent(0x80, &it)),
        1 => payload().prop_map(|it| sent(0x89, &it[..it.len().min(125)])),
        1 => payload(),
    ]
}

proptest! {
    #[test]
    fn chunking_makes_no_difference(
        frames in proptest::collection::vec(frame(), 0..12),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let input = frames.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|i| i.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        // How many pings are answered does depend on it; the last is.
        let last = |mut got: Got| {
            got.controls.drain(..got.controls.len().saturating_sub(1));
            got
        };
        let whole = last(got(false, [input.as_slice()]));
        let cut = last(got(false, cuts.windows(2).map(|cut| &input[cut[0]..cut[1]])));
        prop_assert_eq!(&cut, &whole);
        prop_assert_eq!(last(got(false, input.chunks(1))), whole);
    }
}
