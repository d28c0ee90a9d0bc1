//! Coming back on another connection, as `docs/protocol.md` promises: at once, and unnoticed.

mod common;

use common::frames::{Frame, Framed};
use common::talk::Talk;
use common::{Client, eventually, people, web};
use serde_json::{Value, json};

/// What comes on a connection up to its end: the last object, and the code and reason in its end.
fn end_of(talk: &mut Talk) -> (Value, Option<Frame>) {
    let bye = talk.skip_to("bye");
    (bye, talk.framed.read())
}

/// The rooms that a session enters next, sorted, and what else it is told, which is sorted too, as
/// the order is not promised.
fn taken_over(talk: &mut Talk, rooms: usize) -> (Vec<Value>, Vec<Value>) {
    let (mut entered, mut told) = (vec![], vec![]);
    // Of each room its entry and its history; `resumed` and `named`.
    for _ in 0..2 * rooms + 2 {
        let it = talk.next();
        match it["type"].as_str() {
            Some("history") => entered.push(it),
            Some("entered") => {}
            _ => told.push(it),
        }
    }
    entered.sort_by_key(|it| it["room"].to_string());
    told.sort_by_key(|it| it["type"].to_string());
    (entered, told)
}

#[test]
fn f49_a_session_is_taken_over_with_its_name_and_rooms_and_no_member_notices() {
    for shards in [1, 2, 8] {
        let (server, door) = web::start(shards, &[]);
        let [mut bob] = people(&server, ["bob"]);
        let mut old = Talk::in_main(door, "amy");
        old.join("den");
        bob.skip_to("amy joined");
        let known = old.join("zoo");
        old.say("main", "one");
        bob.expect("amy: one");
        old.skip_to("message");
        let epoch = |talk: &Talk, room: &str| {
            let entered = talk.said.iter().find(|it| it["type"] == "entered" && it["room"] == room);
            entered.expect("it is there")["epoch"].clone()
        };
        let main = epoch(&old, "main");
        bob.send("two");
        bob.expect("bob: two");
        let two = old.skip_to("message");
        let mut new = Talk::begin(door);
        let seq = two["seq"].as_u64().expect("a number") - 1;
        new.ask(json!({"type": "resume", "token": old.resume, "rooms": [
            {"room": "MAIN", "epoch": main, "seq": seq},
            {"room": "zoo", "epoch": known["epoch"], "seq": 0},
            {"room": "nowhere", "epoch": "0000000000000001", "seq": 1},
        ]}));
        let (histories, told) = taken_over(&mut new, 3);
        let rooms: Vec<&Value> = histories.iter().map(|it| &it["room"]).collect();
        assert_eq!(rooms, ["den", "main", "zoo"]);
        let [messages, gap] = ["messages", "gap"].map(|field| &histories[1][field]);
        assert_eq!((messages[0]["text"].as_str(), gap.as_bool()), (Some("two"), Some(false)));
        assert_eq!(messages.as_array().map(Vec::len), Some(1), "what is known is not told again");
        assert_eq!(told[0], json!({"type": "named", "name": "amy"}));
        assert_eq!((&told[1]["type"], &told[1]["name"]), (&json!("resumed"), &json!("amy")));
        let (bye, close) = end_of(&mut old);
        assert_eq!(bye["reason"], "replaced");
        assert_eq!(close, Some(Frame::Close(1008, "replaced".to_owned())));
        new.say("main", "three");
        bob.expect("amy: three");
        new.skip_to("message");
        // Its rooms and its name are its own from now on.
        new.ask(json!({"type": "leave", "room": "main"}));
        bob.expect("amy left");
        let mut thief = Talk::begin(door);
        thief.expect_error(json!({"type": "name", "name": "amy"}), "name-taken");
        drop(new);
        let mut next = Client::greeted(&server);
        let taken = format!("{} is now amy", next.name());
        eventually("the name is free", || next.ask("/name amy") == taken);
    }
}

#[test]
fn f49_a_token_of_a_session_that_is_gone_or_of_none_takes_nothing_over() {
    let (_server, door) = web::start(2, &[]);
    let mut gone = Talk::in_main(door, "amy");
    let token = gone.resume.clone();
    gone.ask(json!({"type": "quit"}));
    while gone.framed.read().is_some() {}
    let mut new = Talk::begin(door);
    let forged = format!("{}{}", &new.resume[..20], &token[20..]);
    let own = new.resume.clone();
    for token in [token.as_str(), &forged, &own, "", "x", &"é".repeat(26)] {
        new.expect_error(json!({"type": "resume", "token": token}), "resume-failed");
    }
    let many = vec![json!({"room": "den", "epoch": "1", "seq": 1}); 65];
    new.expect_error(json!({"type": "resume", "token": own, "rooms": many}), "bad-json");
    new.join("main");
    let other = Talk::in_main(door, "bob");
    new.skip_to("join");
    new.expect_error(json!({"type": "resume", "token": other.resume}), "resume-failed");
}

#[test]
fn f49_of_two_who_take_over_from_one_session_the_last_has_it() {
    let (_server, door) = web::start(2, &[]);
    let first = Talk::in_main(door, "amy");
    let mut second = Talk::begin(door);
    second.ask(json!({"type": "resume", "token": first.resume}));
    taken_over(&mut second, 1);
    let mut third = Talk::begin(door);
    third.expect_error(json!({"type": "resume", "token": first.resume}), "resume-failed");
    third.ask(json!({"type": "resume", "token": second.resume}));
    taken_over(&mut third, 1);
    assert_eq!(end_of(&mut second).0["reason"], "replaced");
    third.ask(json!({"type": "users", "room": "main"}));
    assert_eq!(third.skip_to("users")["users"], json!(["amy"]));
}

/// A connection that says nothing any more, as one that is lost.
#[test]
fn f49_a_ghost_that_does_not_read_is_taken_over_from_as_well() {
    let (server, door) = web::start(2, &[]);
    let [mut bob] = people(&server, ["bob"]);
    let ghost = Talk::in_main(door, "amy");
    bob.skip_to("amy joined");
    let mut new = Talk::begin(door);
    new.ask(json!({"type": "resume", "token": ghost.resume}));
    taken_over(&mut new, 1);
    new.say("main", "back");
    bob.expect("amy: back");
    let Talk { framed, .. } = ghost;
    drop::<Framed>(framed);
    common::expect_quiet([&mut bob]);
}
