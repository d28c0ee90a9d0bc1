//! The protocol of the web page, `hubbub.v1.json`: what `docs/protocol.md` promises, over real
//! sockets, beside people who speak lines.

mod common;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::frames::{Frame, Framed, text};
use common::talk::{PROTOCOL, Talk};
use common::{Client, Server, people, web};
use serde_json::{Value, json};

/// The texts in a history, oldest first.
fn texts(history: &Value) -> Vec<&str> {
    let messages = history["messages"].as_array().expect("a list").iter();
    messages.map(|message| message["text"].as_str().expect("a text")).collect()
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()
}

/// Holds all that was said against the schema.
#[allow(clippy::print_stderr, reason = "whoever runs the tests by hand should know")]
fn check(talks: &[&Talk]) {
    const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.schema.json");
    const SCRIPT: &str = "
import json, sys, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
for line in sys.stdin:
    for error in validator.iter_errors(json.loads(line)):
        sys.exit(line + error.message)";
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python").join("bin/python");
    if !python.exists() {
        eprintln!("skipped: there is no {}; `cargo xtask test python` makes it", python.display());
        return;
    }
    let mut python = Command::new(python);
    let python = python.args(["-c", SCRIPT, SCHEMA]).stdin(Stdio::piped()).spawn();
    let mut python = python.expect("it is there");
    let mut input = python.stdin.take().expect("piped");
    for it in talks.iter().flat_map(|talk| &talk.said) {
        // It need not read on behind what is wrong.
        let _ = writeln!(input, "{it}");
    }
    drop(input);
    assert!(python.wait().expect("it ends").success(), "something is not as the schema says");
}

#[test]
fn people_of_all_protocols_talk_in_one_room() {
    for shards in [1, 2, 8] {
        let (server, door) = web::start(shards, &[]);
        let [mut amy] = people(&server, ["amy"]);
        let mut bob = Talk::in_main(door, "bob");
        let mut kim = Framed::open(door, Some("hubbub.v1.line"));
        kim.skip_to("You joined main");
        amy.skip_to("bob joined");
        let guest = amy.read_line().strip_suffix(" joined").expect("kim came").to_owned();
        bob.say("main", "hi <all>");
        assert_eq!(kim.text(), "bob: hi <all>");
        amy.skip_to("bob: hi <all>");
        kim.send(&text("/name kim"));
        while kim.text() != format!("{guest} is now kim") {}
        kim.send(&text("yo"));
        amy.skip_to("kim: yo");
        amy.send("/quit");
        let events: Vec<Value> = (0..5).map(|_| bob.next()).collect();
        let kinds: Vec<&str> = events.iter().map(|it| it["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["join", "message", "rename", "message", "leave"]);
        assert_eq!((&events[1]["name"], &events[1]["text"]), (&json!("bob"), &json!("hi <all>")));
        assert_eq!((&events[2]["old"], &events[2]["new"]), (&json!(guest), &json!("kim")));
        for (before, it) in events.iter().zip(&events[1..]) {
            assert_eq!(it["seq"].as_u64(), before["seq"].as_u64().map(|seq| seq + 1));
            assert!(it["time"].as_u64() >= before["time"].as_u64());
            let time = u128::from(it["time"].as_u64().expect("a time"));
            assert!(now_ms().abs_diff(time) < 60_000, "{time} is not now");
        }
        check(&[&bob]);
    }
}

#[test]
fn a_session_is_in_many_rooms_and_asks_of_each() {
    for shards in [1, 2, 8] {
        let (_server, door) = web::start(shards, &[]);
        let (mut amy, mut bob) = (Talk::in_main(door, "amy"), Talk::in_main(door, "bob"));
        amy.join("den");
        bob.join("den");
        amy.skip_to("join");
        bob.say("den", "in the den");
        bob.say("main", "in main");
        let heard = [amy.skip_to("message"), amy.skip_to("message")];
        let mut rooms = heard.map(|it| (it["room"].clone(), it["text"].clone()));
        rooms.sort_by_key(|(room, _)| room.to_string());
        let pair = |room, text| (json!(room), json!(text));
        assert_eq!(rooms, [pair("den", "in the den"), pair("main", "in main")]);
        amy.ask(json!({"type": "users", "room": "den"}));
        let users = amy.skip_to("users");
        assert_eq!((&users["room"], &users["users"]), (&json!("den"), &json!(["amy", "bob"])));
        amy.ask(json!({"type": "leave", "room": "den"}));
        amy.expect(json!({"type": "left", "room": "den"}));
        bob.skip_to("leave");
        bob.ask(json!({"type": "rooms"}));
        let rooms = bob.skip_to("rooms");
        let sizes = json!([{"room": "main", "users": 2}, {"room": "den", "users": 1}]);
        assert_eq!(rooms["rooms"], sizes);
        check(&[&amy, &bob]);
    }
}

#[test]
fn f19_what_cannot_be_done_is_an_error_and_nothing_else() {
    let (server, door) = web::start(2, &["--message-chars-max", "400"]);
    let [_amy] = people(&server, ["amy"]);
    let mut bob = Talk::in_main(door, "bob");
    let say = |room: &str, text: &str| json!({"type": "say", "room": room, "text": text});
    let cases = [
        (json!({"type": "name", "name": "AMY"}), "name-taken"),
        (json!({"type": "name", "name": "you"}), "name-taken"),
        (json!({"type": "name", "name": "a b"}), "name-invalid"),
        (json!({"type": "join", "room": "#den"}), "room-invalid"),
        (json!({"type": "join", "room": "MAIN"}), "already-in-room"),
        (json!({"type": "leave", "room": "den"}), "not-in-room"),
        (json!({"type": "users", "room": "den"}), "not-in-room"),
        (say("den", "hi"), "not-in-room"),
        (say("main", &"x".repeat(401)), "too-long"),
        (json!({"type": "dance"}), "unknown-type"),
        (json!({"type": "quit", "why": "because"}), "bad-json"),
        (json!(["quit"]), "bad-json"),
    ];
    for (request, code) in cases {
        bob.expect_error(request, code);
    }
    bob.say("main", "still here");
    assert_eq!(bob.next()["text"], "still here");
}

#[test]
fn texts_are_one_line_and_their_words_stay_apart() {
    let (server, door) = web::start(2, &[]);
    let mut bob = Talk::in_main(door, "bob");
    let mut amy = Client::greeted(&server);
    for end in ["\n", "\r\n", "\r", "\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{2028}", "\u{2029}"] {
        bob.say("main", &format!("one{end}amy: two{end}"));
        assert_eq!(bob.skip_to("message")["text"], "one amy: two");
        amy.expect("bob: one amy: two");
    }
    // What is a command in lines is none where there is a type for each.
    bob.say("main", "//etc");
    amy.expect("bob: //etc");
}

#[test]
fn of_a_new_name_its_owner_is_told_once_and_each_room_too() {
    let (_server, door) = web::start(2, &[]);
    let mut amy = Talk::in_main(door, "amy");
    amy.join("den");
    amy.ask(json!({"type": "name", "name": "eve"}));
    amy.expect(json!({"type": "named", "name": "eve"}));
    let mut rooms = [amy.next(), amy.next()].map(|it| {
        assert_eq!((&it["type"], &it["new"]), (&json!("rename"), &json!("eve")));
        it["room"].as_str().expect("a room").to_owned()
    });
    rooms.sort_unstable();
    assert_eq!(rooms, ["den", "main"]);
}

#[test]
fn whoever_comes_is_told_the_last_of_what_was_said() {
    for shards in [1, 2, 8] {
        let (server, door) = web::start(shards, &["--history-messages", "3"]);
        let [mut amy] = people(&server, ["amy"]);
        for n in 0..5 {
            amy.send(&format!("message {n}"));
            amy.expect(&format!("amy: message {n}"));
        }
        let mut bob = Talk::begin(door);
        let history = bob.join("main");
        assert_eq!(texts(&history), ["message 2", "message 3", "message 4"]);
        assert_eq!(
            (&history["gap"], &history["messages"][0]["name"]),
            (&json!(false), &json!("amy"))
        );
        // Who reads lines would take them for new ones.
        let mut kim = Client::connect(&server);
        kim.expect_help_and_name();
        kim.expect("You joined main");
        kim.say_something();
        check(&[&bob]);
    }
}

#[test]
fn readers_of_lines_are_told_it_where_the_operator_says_so() {
    for shards in [1, 2] {
        let args = ["--line-history", "--history-messages", "2"];
        let server = Server::start(shards, &args);
        let [mut amy] = people(&server, ["amy"]);
        for n in 0..3 {
            amy.send(&format!("message {n}"));
            amy.expect(&format!("amy: message {n}"));
        }
        let mut kim = Client::connect(&server);
        kim.expect_help_and_name();
        kim.expect("You joined main");
        for line in ["Last 2 messages:", "amy: message 1", "amy: message 2"] {
            kim.expect(line);
        }
        kim.say_something();
    }
}

#[test]
fn who_comes_back_is_told_what_it_missed_or_that_nobody_knows() {
    for shards in [1, 2, 8] {
        let (server, door) = web::start(shards, &["--history-messages", "3"]);
        let [mut amy] = people(&server, ["amy"]);
        let mut say = |n: usize| {
            amy.send(&format!("message {n}"));
            amy.skip_to(&format!("amy: message {n}"));
        };
        let mut bob = Talk::begin(door);
        let epoch = bob.join("main")["epoch"].clone();
        say(0);
        let seen = bob.skip_to("message")["seq"].clone();
        drop(bob);
        (1..3).for_each(&mut say);
        let back = |epoch: &Value, seq: &Value| {
            let mut bob = Talk::begin(door);
            bob.ask(json!({"type": "join", "room": "main", "epoch": epoch, "seq": seq}));
            let history = bob.entered("main");
            check(&[&bob]);
            history
        };
        let history = back(&epoch, &seen);
        assert_eq!(texts(&history), ["message 1", "message 2"]);
        assert_eq!(history["gap"], false);
        let last = history["messages"][1]["seq"].clone();
        assert_eq!(texts(&back(&epoch, &last)), [""; 0]);
        (3..6).for_each(&mut say);
        let history = back(&epoch, &seen);
        assert_eq!(texts(&history), ["message 3", "message 4", "message 5"]);
        assert_eq!(history["gap"], true, "two are forgotten");
        assert_eq!(back(&epoch, &last)["gap"], false, "not those");
        let history = back(&json!("00000000000000ff"), &last);
        assert_eq!((texts(&history).len(), &history["gap"]), (3, &json!(true)));
    }
}

#[test]
fn a_room_that_was_left_by_all_begins_anew() {
    let (_server, door) = web::start(2, &[]);
    let mut bob = Talk::begin(door);
    let epoch = bob.join("den")["epoch"].clone();
    bob.say("den", "gone with me");
    bob.skip_to("message");
    bob.ask(json!({"type": "leave", "room": "den"}));
    bob.skip_to("left");
    let history = bob.join("den");
    assert_ne!(history["epoch"], epoch);
    assert_eq!(texts(&history), [""; 0]);
}

#[test]
fn who_answers_when_asked_stays_and_who_does_not_goes() {
    let (_server, door) = web::start(2, &["--ping-seconds", "1"]);
    let (mut amy, mut bob) = (Framed::open(door, None), Framed::open(door, Some(PROTOCOL)));
    // Amy is asked three times and answers, Bob never does.
    for _ in 0..3 {
        while !matches!(amy.read(), Some(Frame::Ping(_))) {}
        amy.send(&common::frames::frame(0x8a, b""));
    }
    while let Some(frame) = bob.read() {
        assert!(!matches!(frame, Frame::Close(..)), "there is nobody to be told");
    }
    amy.send(&text("still here"));
    while !matches!(amy.read(), Some(Frame::Text(text)) if text.ends_with(": still here")) {}
}

#[test]
fn every_end_is_told_with_its_reason() {
    let (_server, door) = web::start(2, &["--idle-seconds", "1"]);
    let mut bob = Talk::in_main(door, "bob");
    let bye = bob.skip_to("bye");
    assert_eq!(bye["reason"], "idle");
    assert_eq!(bob.framed.read(), Some(Frame::Close(1008, "idle".to_owned())));
    let (server, door) = web::start(2, &[]);
    let mut amy = Talk::begin(door);
    amy.ask(json!({"type": "quit"}));
    assert_eq!(amy.framed.read(), Some(Frame::Close(1000, "quit".to_owned())));
    let mut kim = Talk::begin(door);
    server.signal("TERM");
    let bye = kim.next();
    assert_eq!((&bye["reason"], &bye["retry_seconds"]), (&json!("drain"), &json!(1)));
    assert_eq!(kim.framed.read(), Some(Frame::Close(1001, "drain".to_owned())));
    assert_eq!(kim.framed.read(), None);
    check(&[&bob, &amy, &kim]);
}

#[test]
fn the_examples_of_the_protocol_s_page_are_what_its_schema_says() {
    let page = include_str!("../docs/protocol.md");
    let lines = page.lines().filter(|line| line.starts_with('{'));
    let said: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(said.len() > 8, "there are examples");
    let (_server, door) = web::start(1, &[]);
    let mut talk = Talk::begin(door);
    talk.said = said;
    check(&[&talk]);
}
