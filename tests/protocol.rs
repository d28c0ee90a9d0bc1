//! The commands of the line protocol, row by row, over real sockets: on 1, 2 and 8 shards.

mod common;

use common::client::HELP;
use common::{Client, Server, eventually, expect_quiet, on_every_shard_count, people};

const BAD_NAME: &str = "Name must be 2 - 20 alphanumeric chars";
const BAD_ROOM: &str = "Room must be 2 - 20 alphanumeric chars";

/// Texts that are no name, neither of a user nor of a room.
const NO_NAMES: [&str; 10] =
    ["x", "x23456789-123456789-1", "two words", "naïve", "日本", "a.b", "a/b", "<b>", "bob!", ""];

/// Texts that are names, if only just.
const NAMES: [&str; 5] = ["x2", "x23456789-123456789-", "--", "_x_", "007"];

#[test]
fn a_newcomer_gets_help_a_name_and_the_main_room() {
    on_every_shard_count(|server| {
        let mut first = Client::connect(server);
        let first_name = first.expect_help_and_name();
        first.expect("You joined main");
        let mut second = Client::connect(server);
        let second_name = second.expect_help_and_name();
        second.expect("You joined main");
        first.expect(&format!("{second_name} joined"));
        assert_ne!(first_name, second_name);
        expect_quiet([&mut first, &mut second]);
    });
}

#[test]
fn random_names_are_8_to_20_letters_and_never_shared() {
    on_every_shard_count(|server| {
        let clients: Vec<Client> = (0..60).map(|_| Client::greeted(server)).collect();
        let mut names: Vec<String> = clients.iter().map(|it| it.name().to_lowercase()).collect();
        for name in &names {
            assert!((8..=20).contains(&name.len()), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_alphabetic()), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), clients.len(), "a name was given twice");
    });
}

#[test]
fn help_explains_every_command() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send("/help");
        for line in HELP {
            amy.expect(line);
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn a_new_name_is_told_to_the_whole_room_and_nobody_else() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob, mut eve] = people(server, ["amy", "bob", "eve"]);
        eve.join("den");
        amy.expect("eve left");
        bob.expect("eve left");
        amy.rename("Anna");
        bob.expect("amy is now Anna");
        expect_quiet([&mut eve]);
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn a_name_in_use_is_refused_whatever_its_case() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "Bob"]);
        for taken in ["Bob", "bob", "BOB"] {
            assert_eq!(amy.ask(&format!("/name {taken}")), format!("{taken} is already taken"));
        }
        // One's own name is in use too, but respelling it takes it from nobody.
        assert_eq!(bob.ask("/name Bob"), "Bob is already taken");
        bob.rename("bOB");
        amy.expect("Bob is now bOB");
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn the_words_that_begin_the_servers_lines_are_no_users_names() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for taken in ["You", "YOU", "server", "Server"] {
            assert_eq!(amy.ask(&format!("/name {taken}")), format!("{taken} is already taken"));
        }
        expect_quiet([&mut amy, &mut bob]);
        // A room of that name deceives nobody: no line begins with a room's name.
        amy.join("you");
        bob.expect("amy left");
    });
}

#[test]
fn names_have_2_to_20_ascii_letters_digits_dashes_and_underscores() {
    on_every_shard_count(|server| {
        let [mut amy] = people(server, ["amy"]);
        for name in NO_NAMES {
            assert_eq!(amy.ask(&format!("/name {name}")), BAD_NAME, "{name:?}");
        }
        assert_eq!(amy.ask("/name"), BAD_NAME);
        for name in NAMES {
            amy.rename(name);
        }
    });
}

#[test]
fn a_name_given_up_is_free_again() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.rename("anna");
        bob.expect("amy is now anna");
        // The old name goes home on its own time, which is no part of the announcement.
        eventually("amy is free", || take(&mut bob, "AMY"));
        amy.skip_to("bob is now AMY");
        amy.send("/quit");
        bob.skip_to("anna left");
        eventually("anna is free", || take(&mut bob, "anna"));
    });
}

/// Tries to take a name in a room in which nothing else happens.
fn take(client: &mut Client, name: &str) -> bool {
    let answer = client.ask(&format!("/name {name}"));
    let taken = format!("{name} is already taken");
    assert!(answer == taken || answer.ends_with(&format!(" is now {name}")), "{answer}");
    answer != taken
}

#[test]
fn joining_moves_from_one_room_to_the_other() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob, mut eve] = people(server, ["amy", "bob", "eve"]);
        eve.join("den");
        amy.expect("eve left");
        bob.expect("eve left");
        bob.join("den");
        amy.expect("bob left");
        eve.expect("bob joined");
        // Each room now hears its own and nothing of the other.
        let (in_main, in_den) = (amy.say_something(), bob.say_something());
        amy.expect(&in_main);
        bob.expect(&in_den);
        eve.expect(&in_den);
        bob.join("main");
        amy.expect("bob joined");
        eve.expect("bob left");
        expect_quiet([&mut eve]);
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn joining_the_room_one_is_in_changes_nothing() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        assert_eq!(amy.ask("/join main"), "You are in main");
        assert_eq!(amy.ask("/join MAIN"), "You are in main");
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn the_first_in_a_room_decides_its_spelling() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.join("DeN");
        bob.expect("amy left");
        bob.send("/join den");
        bob.expect("You joined DeN");
        amy.expect("bob joined");
        assert_eq!(amy.ask("/join dEn"), "You are in DeN");
        assert_eq!(amy.ask("/rooms"), "Rooms - DeN (2)");
        // It is forgotten with the room.
        amy.join("nook");
        bob.expect("amy left");
        bob.join("nook");
        amy.expect("bob joined");
        amy.join("den");
        expect_quiet([&mut amy]);
    });
}

#[test]
fn rooms_have_the_same_kind_of_names() {
    on_every_shard_count(|server| {
        let [mut amy] = people(server, ["amy"]);
        for room in NO_NAMES {
            assert_eq!(amy.ask(&format!("/join {room}")), BAD_ROOM, "{room:?}");
        }
        assert_eq!(amy.ask("/join"), BAD_ROOM);
        for room in NAMES {
            amy.join(room);
        }
    });
}

#[test]
fn rooms_are_listed_largest_first_and_only_while_somebody_is_there() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob, mut eve, mut joe] = people(server, ["amy", "bob", "eve", "joe"]);
        assert_eq!(amy.ask("/rooms"), "Rooms - main (4)");
        for (client, room) in [(&mut joe, "zoo"), (&mut eve, "zoo"), (&mut bob, "attic")] {
            client.go(room);
        }
        joe.expect("eve joined");
        assert_eq!(eve.ask("/rooms"), "Rooms - zoo (2), attic (1), main (1)");
        bob.send("/quit");
        bob.closed();
        for left in ["joe left", "eve left", "bob left"] {
            amy.expect(left);
        }
        eventually("the attic is gone", || eve.ask("/rooms") == "Rooms - zoo (2), main (1)");
        amy.join("zoo");
        assert_eq!(amy.ask("/rooms"), "Rooms - zoo (3)");
    });
}

#[test]
fn a_long_list_of_rooms_is_cut_with_a_count() {
    on_every_shard_count(|server| {
        let mut watcher = Client::named(server, "watcher");
        let rooms: Vec<String> = (0..102).map(|it| format!("room-{it:03}")).collect();
        let _guests: Vec<Client> = rooms.iter().map(|room| in_room(server, room)).collect();
        let listed: Vec<String> = rooms[..99].iter().map(|room| format!("{room} (1)")).collect();
        let listed = listed.join(", ");
        watcher.send("/rooms");
        watcher.skip_to(&format!("Rooms - main (1), {listed}, … and 3 more"));
        // The largest comes first, though its name is last.
        watcher.join("room-101");
        let expected = format!("Rooms - room-101 (2), {listed}, … and 2 more");
        assert_eq!(watcher.ask("/rooms"), expected);
    });
}

/// A new client that has gone to this room.
fn in_room(server: &Server, room: &str) -> Client {
    let mut client = Client::connect(server);
    // With its first line, so that nobody waits for it to come into the lobby without one.
    client.send(&format!("/join {room}"));
    client.skip_to(&format!("You joined {room}"));
    client
}

#[test]
fn users_of_the_room_are_listed_by_name() {
    on_every_shard_count(|server| {
        let [mut eve, mut bob, mut amy] = people(server, ["eve", "Bob", "amy"]);
        assert_eq!(amy.ask("/users"), "Users - amy, Bob, eve");
        bob.join("den");
        assert_eq!(bob.ask("/users"), "Users - Bob");
        amy.expect("Bob left");
        assert_eq!(amy.ask("/users"), "Users - amy, eve");
        eve.expect("Bob left");
        eve.rename("Zoe");
        assert_eq!(eve.ask("/users"), "Users - amy, Zoe");
    });
}

#[test]
fn a_long_list_of_users_is_cut_with_a_count() {
    on_every_shard_count(|server| {
        let names: Vec<String> = (0..103).map(|it| format!("user-{it:03}")).collect();
        let mut users: Vec<Client> =
            names.iter().rev().map(|name| Client::named(server, name)).collect();
        let last = users.last_mut().expect("103 of them");
        let expected = format!("Users - {}, … and 3 more", names[..100].join(", "));
        assert_eq!(last.ask("/users"), expected);
    });
}

#[test]
fn quitting_delivers_what_was_said_and_closes() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        amy.send_bytes(b"so long\n/quit\nnever said\n");
        amy.expect("amy: so long");
        amy.closed();
        bob.expect("amy: so long");
        bob.expect("amy left");
        expect_quiet([&mut bob]);
    });
}

#[test]
fn unknown_commands_are_named() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for word in ["/namely", "/", "/HELPS", "/quitter", "/joint"] {
            let answer = format!("Unrecognized command {word}, try /help");
            assert_eq!(amy.ask(word), answer);
            assert_eq!(amy.ask(&format!("{word} and more")), answer);
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn commands_may_be_in_upper_case() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        assert_eq!(amy.ask("/Users"), "Users - amy, bob");
        assert_eq!(amy.ask("/NAME Bob"), "Bob is already taken");
        amy.send("/Quit");
        amy.closed();
        bob.expect("amy left");
        expect_quiet([&mut bob]);
    });
}

#[test]
fn two_slashes_say_one() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for (line, said) in [("//etc/fstab", "/etc/fstab"), ("//", "/"), ("//quit", "/quit")] {
            amy.send(line);
            amy.expect(&format!("amy: {said}"));
            bob.expect(&format!("amy: {said}"));
        }
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn a_command_without_its_slash_is_said_and_its_author_gets_a_hint() {
    const HINT: &str = "Commands begin with a slash: /help shows them, /quit leaves";
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for word in ["help", "QUIT"] {
            // The room may be at home on another shard than its author, who gets the hint first.
            let mut heard = [amy.ask(word), amy.read_line()];
            heard.sort();
            assert_eq!(heard, [HINT.to_owned(), format!("amy: {word}")]);
            bob.expect(&format!("amy: {word}"));
        }
        amy.send("help me");
        amy.expect("amy: help me");
        bob.expect("amy: help me");
        expect_quiet([&mut amy, &mut bob]);
    });
}

#[test]
fn messages_go_to_the_whole_room_and_their_sender() {
    on_every_shard_count(|server| {
        let [mut amy, mut bob] = people(server, ["amy", "bob"]);
        for text in
            ["hello", "bob: hi", "not a /quit", "日本 👩‍👩‍👧 العربية", "50 % off: 'x' \"y\" \\n"]
        {
            amy.send(text);
            amy.expect(&format!("amy: {text}"));
            bob.expect(&format!("amy: {text}"));
        }
        expect_quiet([&mut bob, &mut amy]);
    });
}

#[test]
fn commands_in_one_packet_take_effect_in_order() {
    on_every_shard_count(|server| {
        let [mut bob] = people(server, ["bob"]);
        let mut amy = Client::greeted(server);
        let guest = amy.name().to_owned();
        amy.send_bytes(b"/name amy\n/users\n/join den\nhello\n/rooms\n/name x\n/users\n/quit\n");
        for line in [
            &format!("{guest} is now amy"),
            "Users - amy, bob",
            "You joined den",
            "amy: hello",
            "Rooms - den (1), main (1)",
            BAD_NAME,
            "Users - amy",
        ] {
            amy.expect(line);
        }
        amy.closed();
        bob.expect(&format!("{guest} joined"));
        bob.expect(&format!("{guest} is now amy"));
        bob.expect("amy left");
        expect_quiet([&mut bob]);
    });
}
