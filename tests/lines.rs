//! What may come over the wire, and what becomes of it: limits, telnet's own bytes, any chunking,
//! and the ends of a connection. On 1, 2 and 8 shards. What is meant to do harm is in
//! `faults_bytes.rs`.

mod common;

use std::slice;

use common::{Client, Server, expect_quiet, introduced, on_every_shard_count, people};

const TOO_LONG: &str = "Messages can only be 400 chars long";

#[test]
fn blank_lines_mean_nothing() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"\n\r\n   \n \t \r\n\n");
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn lines_may_end_like_on_any_system() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"one\r\ntwo\n/name anna\r\n/users\r\n");
        for line in ["amy: one", "amy: two", "amy is now anna", "Users - anna, bob"] {
            amy.expect(line);
        }
        for line in ["amy: one", "amy: two", "amy is now anna"] {
            bob.expect(line);
        }
        expect_quiet([&mut bob]);
    });
}

#[test]
fn a_message_may_have_400_characters_of_any_size() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for character in ["x", "é", "日", "👋"] {
            let longest = character.repeat(400);
            amy.send_bytes(format!("{longest}\r\n").as_bytes());
            amy.expect(&format!("amy: {longest}"));
            bob.expect(&format!("amy: {longest}"));
            assert_eq!(amy.ask(&format!("{longest}{character}")), TOO_LONG);
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn telnet_negotiation_vanishes() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let input: &[u8] =
            b"he\xff\xfa\x1f\x00\x50\n\x18\xff\xf0l\xff\xf1\xff\xed\xff\xeflo\xff\xfc\x01\r\n";
        amy.send_bytes(input);
        amy.expect("amy: hello");
        bob.expect("amy: hello");
        for byte in input {
            amy.send_bytes(&[*byte]);
        }
        amy.expect("amy: hello");
        bob.expect("amy: hello");
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn what_a_telnet_client_asks_for_is_answered() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        // DO TIMING-MARK, WILL NAWS, DO ECHO, DONT ECHO, WONT NAWS.
        amy.send_bytes(b"\xff\xfd\x06\xff\xfb\x1f\xff\xfd\x01\xff\xfe\x01\xff\xfc\x1f");
        amy.expect_bytes(b"\xff\xfb\x06\xff\xfe\x1f\xff\xfc\x01");
        // Each option is refused once, each timing mark is given.
        amy.send_bytes(b"\xff\xfb\x1f\xff\xfd\x01\xff\xfd\x06");
        amy.expect_bytes(b"\xff\xfb\x06");
        amy.send_bytes(b"\xff\xf6");
        amy.expect("[Yes]");
        expect_quiet([&mut bob, &mut amy]);
    });
}

#[test]
fn a_telnet_client_may_end_lines_as_telnet_does() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"zero\r\0\xff\xf1one\r\ntwo\r\0three\rfour\nfive\r");
        for line in ["zero", "one", "two", "three", "four", "five"] {
            amy.expect(&format!("amy: {line}"));
            bob.expect(&format!("amy: {line}"));
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn a_client_that_begins_with_telnet_gets_cr_lf() {
    on_every_shard_count(|server| {
        let [mut bob] = people(server, ["bob"]);
        // It has to begin within a moment, which a busy machine may let pass.
        let telnet = (0..20).find_map(|_| {
            let mut amy = Client::connect(server);
            amy.send_bytes(b"\xff\xf1/users\r\n");
            amy.expect_help_and_name();
            (amy.read_line() == "You joined main\r").then_some(amy)
        });
        let mut amy = telnet.expect("telnet is noticed");
        bob.send("hi");
        amy.skip_to("bob: hi\r");
        amy.send("/join den");
        amy.skip_to("You joined den\r");
        bob.skip_to("bob: hi");
        bob.send("still LF alone");
        bob.skip_to("bob: still LF alone");
    });
}

#[test]
fn editing_keys_in_character_mode_edit_the_line() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"\xff\xf1");
        for (keys, line) in [
            ("hé\u{8}ello wörldx\u{7f}\r\n".as_bytes(), "hello wörld"),
            (b"wrong\x15/naem\x08\x08\x08ame\x15right\n", "right"),
            (b"ax\xff\xf7bc\r\n", "abc"),
            (b"wrong\xff\xf8right\r\0", "right"),
        ] {
            keys.iter().for_each(|key| amy.send_bytes(&[*key]));
            amy.expect(&format!("amy: {line}"));
            bob.expect(&format!("amy: {line}"));
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn no_text_has_a_line_end_in_it() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for end in "\r \u{b} \u{c} \u{1c} \u{1d} \u{1e} \u{1f} \u{85} \u{2028} \u{2029}".split(' ')
        {
            amy.send(&format!("one{end}bob: two{end}"));
            amy.expect("amy: one bob: two");
            bob.expect("amy: one bob: two");
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn a_terminals_interrupt_and_end_of_text_end_the_session() {
    let endings: [&[u8]; 6] =
        [b"\xff\xf4", b"\xff\xf4\xff\xfd\x06", b"half a li\xff\xf4", b"\x04", b"\x03", b"\x04\r\n"];
    on_every_shard_count(|server| {
        let [mut bob] = people(server, ["bob"]);
        for (index, ending) in endings.into_iter().enumerate() {
            let name = format!("amy-{index}");
            let mut amy = introduced(Client::connect(server), &name, slice::from_mut(&mut bob));
            amy.send("last words");
            amy.expect(&format!("{name}: last words"));
            amy.send_bytes(ending);
            amy.closed();
            bob.expect(&format!("{name}: last words"));
            bob.expect(&format!("{name} left"));
            expect_quiet([&mut bob]);
        }
    });
}

#[test]
fn any_chunking_gives_the_same_conversation() {
    const SCRIPT: &str = "/name NAME\r\nhéllo wörld 👋\n\n/users\n/namely\n\u{1b}[1mbold\n\
                          /join NAME-room\n日本\r\n/users\n/name NAME\nhalf a line";
    const ANSWERS: [&str; 10] = [
        "GUEST is now NAME",
        "NAME: héllo wörld 👋",
        "Users - NAME",
        "Unrecognized command /namely, try /help",
        "NAME: [1mbold",
        "You joined NAME-room",
        "NAME: 日本",
        "Users - NAME",
        "NAME is already taken",
        "NAME: half a line",
    ];
    on_every_shard_count(|server| {
        for chunk_bytes in [1, 2, 3, 5, 7, 64, SCRIPT.len()] {
            let name = format!("by-{chunk_bytes:03}");
            let answers = conversation(server, SCRIPT, &name, chunk_bytes);
            assert_eq!(answers, ANSWERS, "in chunks of {chunk_bytes} bytes");
        }
    });
}

/// Sends the script in chunks of this many bytes, under a name of its own, ends the input, and
/// returns all that was answered after the greeting, with the names taken out again.
fn conversation(server: &Server, script: &str, name: &str, chunk_bytes: usize) -> Vec<String> {
    let mut client = Client::greeted(server);
    let guest = client.name().to_owned();
    let script = script.replace("NAME", name).into_bytes();
    for chunk in script.chunks(chunk_bytes) {
        client.send_bytes(chunk);
    }
    client.half_close();
    let answers = std::iter::from_fn(|| client.read_line_or_end());
    answers.map(|line| line.replace(name, "NAME").replace(&guest, "GUEST")).collect()
}

#[test]
fn many_lines_in_one_packet_are_all_told_in_order() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let lines: Vec<String> = (0..2_000).map(|it| format!("line {it}")).collect();
        amy.send_bytes(format!("{}\n", lines.join("\n")).as_bytes());
        for line in &lines {
            amy.expect(&format!("amy: {line}"));
            bob.expect(&format!("amy: {line}"));
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn many_lines_before_the_end_of_input_are_all_told() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let lines: Vec<String> = (0..2_000).map(|it| format!("line {it}")).collect();
        amy.send_bytes(lines.join("\n").as_bytes());
        amy.half_close();
        for line in &lines {
            bob.expect(&format!("amy: {line}"));
        }
        bob.expect("amy left");
    });
}

#[test]
fn the_end_of_input_ends_the_session_after_all_is_answered() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"one\n/users\n/name anna\ntwo");
        amy.half_close();
        for line in ["amy: one", "Users - amy, bob", "amy is now anna", "anna: two"] {
            amy.expect(line);
        }
        amy.closed();
        for line in ["amy: one", "amy is now anna", "anna: two", "anna left"] {
            bob.expect(line);
        }
        expect_quiet([&mut bob]);
    });
}

#[test]
fn an_unfinished_command_before_the_end_of_input_counts() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"/name anna");
        amy.half_close();
        amy.expect("amy is now anna");
        amy.closed();
        bob.expect("amy is now anna");
        bob.expect("anna left");
        expect_quiet([&mut bob]);
    });
}

#[test]
fn somebody_who_hangs_up_has_left() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob, eve] = people(server, ["amy", "bob", "eve"]);
        // Closing a socket with something still to read resets the connection.
        amy.send("unread by eve");
        amy.expect("amy: unread by eve");
        drop(eve);
        amy.expect("eve left");
        bob.expect("amy: unread by eve");
        bob.expect("eve left");
        expect_quiet([&mut bob, &mut amy]);
    });
}

#[test]
fn a_client_that_asks_for_more_than_fits_gets_all_of_it_in_time() {
    const ASKED: usize = 2_000;
    on_every_shard_count(|server| {
        let [mut amy] = people(server, ["amy"]);
        amy.send_bytes(&b"/help\n".repeat(ASKED));
        for _ in 0..ASKED {
            amy.expect("Server commands");
            for _ in 0..6 {
                amy.read_line();
            }
        }
    });
}

#[test]
fn what_was_sent_before_a_hang_up_is_heard() {
    const SAID: usize = 2_000;
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        let lines: String = (0..SAID).map(|n| format!("line {n}\n")).collect();
        amy.send_bytes(lines.as_bytes());
        // Closing with everything unread makes the kernel reset the connection.
        drop(amy);
        for n in 0..SAID {
            bob.expect(&format!("amy: line {n}"));
        }
        bob.expect("amy left");
    });
}
