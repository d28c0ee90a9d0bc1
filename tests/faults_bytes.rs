//! Faults and abuse on the wire (`docs/faults.md`): lines without end, bytes that are no text,
//! texts that are meant to harm those who read them, and names that are meant to deceive.

mod common;

use std::time::Duration;

use common::proxy::{Faults, GOOD, Proxy};
use common::server::Setup;
use common::victims::Victims;
use common::{Client, Server, alone, expect_quiet, on_every_shard_count, people, vitals};

const TOO_LONG: &str = "Messages can only be 400 chars long";
const NOT_UTF8: &str = "Messages must be valid UTF-8";
const BAD_NAME: &str = "Name must be 2 - 20 alphanumeric chars";
const BAD_ROOM: &str = "Room must be 2 - 20 alphanumeric chars";

#[test]
fn f11_an_endless_line_is_refused_once() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let endless = vec![b'x'; 3_000_000];
        for _ in 0..2 {
            amy.send_bytes(&endless);
            amy.send_bytes(b"/quit\n");
            amy.expect(TOO_LONG);
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn f11_an_endless_line_takes_no_memory() {
    const SENT_BYTES: usize = 64 << 20;
    /// A few pages that the allocator had not touched before.
    const GROWTH_BYTES_MAX: u64 = 256 << 10;
    let _alone = alone();
    let server = Server::start(2, &[]);
    let mut victims = Victims::in_room(&server, "victims");
    let mut abuser = Client::greeted(&server);
    let piece = vec![b'x'; 1 << 20];
    let mut flood = |bytes: usize| (0..bytes >> 20).for_each(|_| abuser.send_bytes(&piece));
    // What is used once anyway is used now.
    flood(4 << 20);
    victims.talk(20);
    let before = vitals::resident_bytes(server.pid());
    victims.unharmed_by(|| flood(SENT_BYTES));
    let grown = vitals::resident_bytes(server.pid()).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{SENT_BYTES} bytes of one line made it grow by {grown}");
    abuser.send_bytes(b"\n");
    abuser.skip_to(TOO_LONG);
}

#[test]
fn f12_a_line_that_is_no_utf8_is_refused_and_the_connection_stays() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let broken: [&[u8]; 5] =
            [b"caf\xe9\n", b"\xc3\x28\n", b"\xed\xa0\x80\n", b"\xf0\x9f\x91\n", b"\xc0\xaf\r\n"];
        for line in broken {
            amy.send_bytes(line);
            amy.expect(NOT_UTF8);
            expect_quiet([&mut amy, &mut bob]);
        }
    });
}

#[test]
fn f12_three_lines_in_a_row_that_are_no_utf8_end_the_session() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"\xfe1\n\xfe2\nfine\n\xfe1\n\xfe2\n/users\n\xfe1\n\xfe2\n\xfe3\nlost\n");
        for line in [NOT_UTF8, NOT_UTF8, "amy: fine", NOT_UTF8, NOT_UTF8, "Users - amy, bob"] {
            amy.expect(line);
        }
        for _ in 0..3 {
            amy.expect(NOT_UTF8);
        }
        amy.closed();
        bob.expect("amy: fine");
        bob.expect("amy left");
        expect_quiet([&mut bob]);
    });
}

#[test]
fn f12_it_does_not_matter_where_a_network_cuts_a_character() {
    const SCRIPT: &[u8] = b"h\xc3\xa9llo \xf0\x9f\x91\x8b\nlone \xed\xa0\x80\noverlong \xc0\xaf\n\
        \xe6\x97\xa5\xe6\x9c\xac\nhalf \xf0\x9f\n/name \xff\nfine\r\n\xe6\x97\nlast";
    const ANSWERS: [&str; 8] = [
        "ann: h\u{e9}llo \u{1f44b}",
        NOT_UTF8,
        NOT_UTF8,
        "ann: \u{65e5}\u{672c}",
        NOT_UTF8,
        NOT_UTF8,
        "ann: fine",
        NOT_UTF8,
    ];
    let server = Server::start(2, &[]);
    for (seed, piece_bytes_max) in [(1, 1), (2, 2), (3, 3), (4, 7), (5, 64)] {
        let faults = Faults { piece_bytes_max, jitter: Duration::from_micros(200), ..GOOD };
        let proxy = Proxy::start(server.addr, seed, faults, faults);
        let mut client = Client::connect_to(proxy.addr);
        client.expect_help_and_name();
        client.expect("You joined main");
        client.rename("ann");
        client.send_bytes(SCRIPT);
        client.half_close();
        for answer in ANSWERS {
            client.expect(answer);
        }
        // The end of input is the end of a line.
        client.expect("ann: last");
        client.closed();
    }
}

#[test]
fn f13_no_control_character_reaches_a_reader() {
    let controls = ('\0'..'\u{20}').chain('\u{7f}'..'\u{a0}').filter(|c| !"\n\t".contains(*c));
    let controls: Vec<char> = controls.collect();
    assert_eq!(controls.len(), 63);
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let mut harmless = |sent: &str, heard: &str| {
            amy.send(sent);
            amy.expect(&format!("amy: {heard}"));
            bob.expect(&format!("amy: {heard}"));
        };
        for control in &controls {
            // Those at which some reader would end a line become a blank.
            let separates = "\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{1f}\u{85}".contains(*control);
            let between = if separates { " " } else { "" };
            harmless(&format!("a{control}b"), &format!("a{between}b"));
            harmless(&format!("\u{e9}{control}b"), &format!("\u{e9}{between}b"));
        }
        harmless("\u{1b}]0;owned\u{7}a\u{1b}[31mred\u{9b}0m", "]0;owneda[31mred0m");
        harmless("tab\tstays", "tab\tstays");
        // A line of nothing else is blank.
        amy.send("\u{1b}\0\u{7f}\u{85}");
        expect_quiet([&mut amy, &mut bob]);
    });
}

/// Names with characters that are not seen, or pile up.
const DECEIVING: [&str; 10] = [
    "am\u{200b}y", // Zero-width space.
    "am\u{200d}y", // Zero-width joiner.
    "am\u{feff}y", // Byte-order mark.
    "am\u{ad}y",   // Soft hyphen.
    "am\u{34f}y",  // Grapheme joiner.
    "am\u{e0041}", // Tag.
    "am\u{3164}y", // Filler that looks like nothing.
    "am\u{a0}y",   // Space that does not break.
    "a\u{300}\u{301}\u{302}\u{303}my",
    "am\u{fe0f}y", // Variation selector.
];

#[test]
fn f14_what_reorders_text_is_taken_out_of_it() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for (sent, heard) in [
            ("\u{202a}r\u{202b}t\u{202c}l\u{202d}o\u{202e}", "rtlo"),
            ("\u{2066}i\u{2067}s\u{2068}o\u{2069}", "iso"),
            ("\u{5e9}\u{5dc}\u{5d5}\u{5dd} abc", "\u{5e9}\u{5dc}\u{5d5}\u{5dd} abc"),
        ] {
            amy.send(sent);
            amy.expect(&format!("amy: {heard}"));
            bob.expect(&format!("amy: {heard}"));
        }
        amy.send("\u{202e}\u{2069}");
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn f14_names_hold_nothing_that_cannot_be_seen() {
    let server = Server::start(2, &[]);
    let [mut eve] = people(&server, ["eve"]);
    for name in DECEIVING {
        refused_as_a_name(&mut eve, name);
    }
    // What reorders text is out of a line before anybody looks for a name in it.
    assert_eq!(eve.ask("/name am\u{202e}y"), "eve is now amy");
    assert_eq!(eve.ask("/name e\u{2066}ve"), "amy is now eve");
    assert_eq!(eve.ask("/users"), "Users - eve");
}

#[test]
fn f15_no_name_looks_like_another_by_another_script() {
    let server = Server::start(2, &[]);
    let [mut amy, mut eve] = people(&server, ["emily", "eve"]);
    for name in [
        "\u{435}mily",    // Cyrillic for the first letter.
        "\u{435}van",     // The same, of a name that is free.
        "Ch\u{251}nserv", // A Latin letter beyond ASCII.
        "\u{ff45}mily",   // Full width.
        "em\u{131}ly",    // Without its dot.
        "\u{212a}elvin",  // A sign that folds to a letter.
        "\u{3b5}mily",    // Greek.
        "e\u{301}mily",   // An accent of its own.
    ] {
        refused_as_a_name(&mut eve, name);
    }
    // Nor by case.
    for name in ["EMILY", "Emily", "emilY"] {
        assert_eq!(eve.ask(&format!("/name {name}")), format!("{name} is already taken"));
    }
    expect_quiet([&mut amy, &mut eve]);
}

/// Asks for a name, and for a room of that name, neither of which there can be.
fn refused_as_a_name(client: &mut Client, name: &str) {
    assert_eq!(client.ask(&format!("/name {name}")), BAD_NAME, "{name:?}");
    assert_eq!(client.ask(&format!("/join {name}")), BAD_ROOM, "{name:?}");
}

#[test]
fn f20_nothing_a_client_sends_begins_a_line_of_its_own() {
    const FORGED: &str = "9999-01-01T00:00:00Z ERROR forged";
    for format in ["text", "json"] {
        let variables = [("HUBBUB_LOG_LEVEL", "trace")];
        let args = ["--log-format", format];
        let setup = Setup { shards: 2, args: &args, variables: &variables, ..Setup::default() };
        let server = Server::start_as(&setup);
        let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
        for end in ["\r", "\u{85}", "\u{2028}", "\u{b}", "\u{c}", "\0"] {
            for command in ["/name", "/join"] {
                amy.send(&format!("{command} eve{end}{FORGED}"));
                let answer = amy.read_line();
                assert!([BAD_NAME, BAD_ROOM].contains(&answer.as_str()), "{answer:?}");
            }
            amy.send(&format!("hi{end}bob: {FORGED}"));
            let heard = bob.read_line();
            assert!(heard.starts_with("amy: hi"), "{heard:?}");
            amy.expect(&heard);
        }
        expect_quiet([&mut amy, &mut bob]);
        server.stop();
        let log = server.stderr.all();
        let forged = log.iter().find(|line| line.trim_start().starts_with("9999"));
        assert_eq!(forged, None, "in the {format} log");
    }
}
