//! WebSockets as RFC 6455 has them, by the cases that implementations are commonly tried with:
//! lengths, pings, reserved bits and opcodes, fragments, UTF-8, endings and limits. In most of them
//! the client says something behind it all, which comes back only if the server went on.

mod common;

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use common::admin::Admin;
use common::frames::{Frame, Framed, close, frame, text};
use common::web::{self, converse, opening};
use common::{Server, people};

/// Said when all else has been, to see whether the server listens.
const LAST: &str = "and that was it";

const MESSAGE_BYTES_MAX: usize = 64 << 10;
const FRAGMENTS_MAX: usize = 64;

/// What comes of what a client sends.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// These frames, and the conversation goes on.
    Answers(Vec<Frame>),
    /// It is over, with this code, after these frames.
    Closed(u16, Vec<Frame>),
}

use Outcome::{Answers, Closed};

/// A server whose clients may say long things, fast.
fn start() -> (Server, Admin) {
    web::start(2, &["--message-chars-max", "16384", "--feed-bytes-max", "4194304"])
}

/// A client who is alone in a room, and is called so.
fn loner(door: Admin, name: &str) -> Framed {
    let mut framed = Framed::open(door, None);
    framed.skip_to("You joined main");
    framed.send(&text(format!("/name {name}")));
    while !framed.text().ends_with(&format!("is now {name}")) {}
    framed.send(&text(format!("/join {name}-s")));
    framed.skip_to(&format!("You joined {name}-s"));
    framed
}

/// What the server says to `pieces`, which are sent one by one.
fn hear(door: Admin, name: &str, pieces: &[Vec<u8>]) -> Outcome {
    let mut framed = loner(door, name);
    pieces.iter().for_each(|piece| framed.send(piece));
    framed.send(&text(LAST));
    let mut heard = vec![];
    loop {
        match framed.read() {
            Some(Frame::Text(text)) if text == format!("{name}: {LAST}") => return Answers(heard),
            Some(Frame::Close(code, _)) => {
                assert_eq!(framed.read(), None, "behind the end");
                return Closed(code, heard);
            }
            Some(frame) => heard.push(frame),
            None => panic!("it is over without a word, after {heard:?}"),
        }
    }
}

/// Tries each of `cases`: what it is about, what is sent, what comes of that.
fn try_all(cases: Vec<(&str, Vec<Vec<u8>>, Outcome)>) {
    let (_server, door) = start();
    for (number, (what, pieces, outcome)) in cases.into_iter().enumerate() {
        let name = format!("case-{number}");
        let said = |frame| match frame {
            Frame::Text(text) => Frame::Text(format!("{name}: {text}")),
            other => other,
        };
        let outcome = match outcome {
            Answers(frames) => Answers(frames.into_iter().map(said).collect()),
            Closed(code, frames) => Closed(code, frames.into_iter().map(said).collect()),
        };
        let heard = hear(door, &name, &pieces);
        assert_eq!(with_last_pongs(heard), with_last_pongs(outcome), "{what}");
    }
}

/// An outcome without the pongs that another comes right behind: of pings that have arrived
/// together, only the last need be answered (RFC 6455, 5.5.3).
fn with_last_pongs(outcome: Outcome) -> Outcome {
    let last = |frames: Vec<Frame>| {
        let is_pong = |frame: Option<&Frame>| matches!(frame, Some(Frame::Pong(_)));
        let next = frames.iter().skip(1).map(Some).chain([None]);
        let each = frames.iter().zip(next);
        let kept = each.filter(|(frame, next)| !(is_pong(Some(frame)) && is_pong(*next)));
        kept.map(|(frame, _)| frame.clone()).collect()
    };
    match outcome {
        Answers(frames) => Answers(last(frames)),
        Closed(code, frames) => Closed(code, last(frames)),
    }
}

fn echo(text: &str) -> Outcome {
    Answers(vec![Frame::Text(text.to_owned())])
}

fn goes_on() -> Outcome {
    Answers(vec![])
}

fn is_over(code: u16) -> Outcome {
    Closed(code, vec![])
}

#[test]
fn texts_of_all_lengths_are_heard_however_they_are_cut() {
    let mut cases = vec![];
    for count in [1, 125, 126, 127, 128, 4_096, 16_384] {
        let said = "*".repeat(count);
        cases.push(("a length", vec![text(&said)], echo(&said)));
        let cut = text(&said).chunks(count.div_ceil(40)).map(<[u8]>::to_vec).collect();
        cases.push(("in chops", cut, echo(&said)));
    }
    // 65 535 bytes and one more, whose length is written in other ways.
    let long = "𝄞".repeat(MESSAGE_BYTES_MAX / 4);
    let one_less = long.replacen('𝄞', "ࠀ", 1);
    assert_eq!(one_less.len(), MESSAGE_BYTES_MAX - 1);
    cases.push(("the longest length in two bytes", vec![text(&one_less)], echo(&one_less)));
    cases.push(("the shortest in eight", vec![text(&long)], echo(&long)));
    cases.push(("one byte more", vec![text(format!("{long}x"))], is_over(1009)));
    cases.push(("nothing", vec![text("")], goes_on()));
    try_all(cases);
}

#[test]
fn lines_in_frames_follow_the_rules_of_lines() {
    try_all(vec![
        ("two slashes", vec![text("//quit")], echo("/quit")),
        ("a separator", vec![text("one\u{2028}two\u{85}\rthree")], echo("one two  three")),
        ("an editing key", vec![text("hex\u{8}llo")], echo("hexllo")),
    ]);
}

#[test]
fn binary_messages_mean_nothing_here() {
    try_all(vec![
        ("none", vec![frame(0x82, b"")], is_over(1003)),
        ("a short one", vec![frame(0x82, b"\xfe")], is_over(1003)),
        ("the beginning of one", vec![frame(0x02, b"x")], is_over(1003)),
    ]);
}

#[test]
fn f16_pings_are_answered_with_what_was_in_them() {
    let pong = |payload: &[u8]| Frame::Pong(payload.to_vec());
    let (long, ping) = ([0xfe; 125], |payload: &[u8]| frame(0x89, payload));
    let chopped = ping(&long).chunks(1).map(<[u8]>::to_vec).collect();
    let pings: Vec<Vec<u8>> = (0..10).map(|it| ping(format!("{it}").as_bytes())).collect();
    let pongs = (0..10).map(|it| pong(format!("{it}").as_bytes())).collect();
    try_all(vec![
        ("an empty one", vec![ping(b"")], Answers(vec![pong(b"")])),
        ("a text", vec![ping(b"Hello, world!")], Answers(vec![pong(b"Hello, world!")])),
        ("no text", vec![ping(&[0, 255, 254, 253])], Answers(vec![pong(&[0, 255, 254, 253])])),
        ("the longest", vec![ping(&long)], Answers(vec![pong(&long)])),
        ("the longest, byte by byte", chopped, Answers(vec![pong(&long)])),
        ("one that is too long", vec![frame(0x89, [0xfe; 126])], is_over(1002)),
        ("ten of them", pings, Answers(pongs)),
        ("answers that nobody has asked for", vec![frame(0x8a, b""), frame(0x8a, b"x")], goes_on()),
        ("an answer, a question", vec![frame(0x8a, b"x"), ping(b"y")], Answers(vec![pong(b"y")])),
    ]);
}

#[test]
fn f16_reserved_bits_and_opcodes_end_the_conversation() {
    let mut cases = vec![];
    for bits in (0x10..=0x70).step_by(0x10) {
        for opcode in [0x81, 0x89, 0x88, 0x01] {
            let pieces = vec![text("before"), frame(opcode | bits, b"")];
            let before = Frame::Text("before".to_owned());
            cases.push(("reserved bits", pieces, Closed(1002, vec![before])));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"x"] {
            let pieces = vec![frame(0x80 | opcode, payload), frame(0x89, b"never")];
            cases.push(("a reserved opcode", pieces, is_over(1002)));
        }
    }
    try_all(cases);
}

#[test]
fn f16_messages_come_in_fragments_with_controls_between_them() {
    let ping = |payload: &[u8]| frame(0x89, payload);
    let pong = |payload: &[u8]| Frame::Pong(payload.to_vec());
    let said = |text: &str| Frame::Text(text.to_owned());
    let bytewise = |pieces: &[Vec<u8>]| pieces.concat().chunks(1).map(<[u8]>::to_vec).collect();
    let mixed = [frame(0x01, "one"), ping(b"x"), frame(0x00, "two"), ping(b"y"), frame(0x80, "!")];
    let answers = || Answers(vec![pong(b"x"), pong(b"y"), said("onetwo!")]);
    let many = |count: usize| {
        let middle = std::iter::repeat_n(frame(0x00, ""), count - 2);
        let first = std::iter::once(frame(0x01, "x"));
        first.chain(middle).chain([frame(0x80, "y")]).collect::<Vec<_>>()
    };
    try_all(vec![
        ("two", vec![frame(0x01, "frag"), frame(0x80, "ment")], echo("fragment")),
        ("three, the second empty", many(3), echo("xy")),
        ("all are empty", vec![frame(0x01, ""), frame(0x00, ""), frame(0x80, "")], goes_on()),
        ("pings between them", mixed.to_vec(), answers()),
        ("the same in one piece", vec![mixed.concat()], answers()),
        ("the same byte by byte", bytewise(&mixed), answers()),
        ("as many as there may be", many(FRAGMENTS_MAX), echo("xy")),
        ("one more", many(FRAGMENTS_MAX + 1), is_over(1008)),
        ("a ping in fragments", vec![frame(0x09, "x"), frame(0x80, "y")], is_over(1002)),
        ("a pong in fragments", vec![frame(0x0a, "x"), frame(0x80, "y")], is_over(1002)),
        ("a continuation of nothing", vec![frame(0x80, "x")], is_over(1002)),
        ("the beginning of one", vec![frame(0x00, "x"), frame(0x80, "y")], is_over(1002)),
        ("a message in a message", vec![frame(0x01, "x"), text("y")], is_over(1002)),
        (
            "a continuation behind the end",
            vec![frame(0x01, "x"), frame(0x80, "y"), frame(0x80, "z")],
            Closed(1002, vec![said("xy")]),
        ),
        (
            "fragments that are too much together",
            vec![frame(0x01, "x".repeat(MESSAGE_BYTES_MAX)), frame(0x80, "y")],
            is_over(1009),
        ),
    ]);
}

#[test]
fn texts_are_utf_8_wherever_they_are_cut() {
    let greek = "κόσμε Hello-µ@ßöäüàá-UTF-8!!";
    let bytes = greek.as_bytes();
    let fragments = |cut: usize| vec![frame(0x01, &bytes[..cut]), frame(0x80, &bytes[cut..])];
    let mut cases = vec![
        ("whole", vec![text(greek)], echo(greek)),
        ("the last there is", vec![text("\u{10ffff}\u{fffd}")], echo("\u{10ffff}\u{fffd}")),
        ("around the surrogates", vec![text("\u{d7ff}\u{e000}")], echo("\u{d7ff}\u{e000}")),
    ];
    for cut in 1..bytes.len() {
        cases.push(("cut in two fragments", fragments(cut), echo(greek)));
        let (one, other) = (text(greek)[..cut + 6].to_vec(), text(greek)[cut + 6..].to_vec());
        cases.push(("cut by the network", vec![one, other], echo(greek)));
    }
    try_all(cases);
}

#[test]
fn what_is_no_utf_8_ends_the_conversation() {
    let refused = || Frame::Text("Messages must be valid UTF-8".to_owned());
    let odd: [&[u8]; 18] = [
        b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80\xbf",
        b"\xc3",
        b"\xe0\xa0",
        b"\xf0\x90\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xf4\x90\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
    ];
    let (_server, door) = start();
    for (number, bytes) in odd.into_iter().enumerate() {
        let outcome = hear(door, &format!("odd-{number}"), &[text(bytes)]);
        assert_eq!(outcome, Closed(1007, vec![refused()]), "{bytes:x?}");
    }
}

#[test]
fn whoever_closes_is_answered_with_the_code_it_gave() {
    let mut cases = vec![
        ("no code", vec![frame(0x88, b"")], is_over(1000)),
        ("one byte", vec![frame(0x88, b"\x03")], is_over(1002)),
        ("a reason", vec![close(1000, "Hello World!")], is_over(1000)),
        ("the longest reason", vec![close(1000, "*".repeat(123))], is_over(1000)),
        ("a longer one", vec![close(1000, "*".repeat(124))], is_over(1002)),
        ("a reason that is no UTF-8", vec![close(1000, b"\xce\xba\xe1\xbd\xff")], is_over(1007)),
        ("twice", vec![close(1000, ""), close(1001, "")], is_over(1000)),
        ("a ping behind it", vec![close(1000, ""), frame(0x89, b"never")], is_over(1000)),
        ("within a message", vec![frame(0x01, "fragment"), close(1000, "")], is_over(1000)),
        (
            "behind a message",
            vec![text("Hello World!"), close(1000, "")],
            Closed(1000, vec![Frame::Text("Hello World!".to_owned())]),
        ),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.push(("a good code", vec![close(code, "")], is_over(code)));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(("a bad code", vec![close(code, "")], is_over(1002)));
    }
    try_all(cases);
}

#[test]
fn f16_what_clients_cannot_have_meant_ends_the_conversation() {
    let unmasked = b"\x81\x05Hello".to_vec();
    let long_form = [&b"\x81\xfe\x00\x05"[..], b"\0\0\0\0Hello"].concat();
    let longer_form = [&b"\x81\xff\0\0\0\0\0\0\x01\0"[..], b"\0\0\0\0"].concat();
    let giant = [&b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"[..], b"\0\0\0\0"].concat();
    let negative = [&b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\0\0\0\0"].concat();
    try_all(vec![
        ("no mask", vec![unmasked], is_over(1002)),
        ("a length in two bytes that fits in none", vec![long_form], is_over(1002)),
        ("one in eight that fits in two", vec![longer_form], is_over(1002)),
        ("a length of exabytes", vec![giant], is_over(1009)),
        ("a length that is none", vec![negative], is_over(1002)),
    ]);
}

#[test]
fn what_comes_with_the_request_is_heard() {
    let (_server, door) = start();
    let early = [text("/name early"), text("first words"), frame(0x89, b"are you there")].concat();
    let request = [opening(&[]).as_bytes(), &early].concat();
    for cut in [request.len(), request.len() - early.len() + 1, request.len() - 1] {
        let mut stream = door.connect();
        stream.write_all(&request[..cut]).expect("it reads");
        let answer = web::head(&mut stream);
        assert_eq!(answer.status, 101);
        stream.write_all(&request[cut..]).expect("it reads");
        let mut framed = Framed::over(stream);
        let mut heard = vec![];
        while heard.len() < 2 {
            match framed.read().expect("an answer") {
                Frame::Text(text) if text == "early: first words" => heard.push(text),
                Frame::Pong(payload) => heard.push(String::from_utf8(payload).expect("ours")),
                _ => {}
            }
        }
        heard.sort();
        assert_eq!(heard, ["are you there", "early: first words"], "cut at {cut}");
        framed.send(&close(1000, ""));
        while framed.read().is_some() {}
    }
}

#[test]
fn in_lines_and_in_frames_they_chat_in_one_room() {
    let (server, door) = web::start(2, &[]);
    let [mut amy] = people(&server, ["amy"]);
    let mut framed = Framed::open(door, Some("hubbub.v1.line"));
    framed.skip_to("You joined main");
    framed.send(&text("/name bob"));
    while !framed.text().ends_with("is now bob") {}
    framed.send(&text("hello"));
    amy.skip_to("bob: hello");
    framed.skip_to("bob: hello");
    amy.send("hello yourself");
    framed.skip_to("amy: hello yourself");
    framed.send(&close(1000, "bye"));
    amy.skip_to("bob left");
}

#[test]
fn a_connection_that_breaks_is_no_end_of_the_server() {
    let (server, door) = web::start(2, &[]);
    for bytes in [&b""[..], b"\x81", b"\x81\x85\x01\x02", &text("half")[..8]] {
        let mut framed = loner(door, "brief");
        framed.send(bytes);
        framed.stream().shutdown(Shutdown::Write).expect("it is connected");
        while framed.read().is_some() {}
    }
    let (answer, _) = converse(door, &opening(&[]));
    assert_eq!(answer.status, 101);
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "the end took {took:?}");
}
