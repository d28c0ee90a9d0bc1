//! Other people's programs as clients: what a person types into them is what the room reads.

mod common;

use std::process::Command;

use common::program::Program;
use common::{eventually, on_every_shard_count, people, vitals};

#[test]
fn netcat_can_chat() {
    chat_with("nc");
}

#[test]
fn telnet_can_chat() {
    chat_with("telnet");
}

#[test]
fn keys_that_have_telnet_ask_for_a_timing_mark_do_not_silence_it() {
    on_every_shard_count(|server| {
        let [mut amy] = people(server, ["amy"]);
        let telnet = format!("exec telnet {} {}", server.addr.ip(), server.addr.port());
        // These keys are keys in a terminal only.
        let mut guest =
            Program::start(Command::new("script").args(["-qefc", &telnet, "/dev/null"]));
        guest.expect("You joined main");
        guest.type_line("/name guest");
        let joined = amy.read_line();
        let name = joined.strip_suffix(" joined").expect("the guest comes first");
        amy.expect(&format!("{name} is now guest"));
        guest.expect(&format!("{name} is now guest"));
        let telnet = vitals::only_child(guest.pid());
        for key in ["\x1a", "\x1c", "\x0f"] {
            // As a signal a key comes in the midst of whatever telnet does, which it does not bear.
            eventually("telnet waits for keys", || vitals::is_asleep(telnet));
            guest.type_keys(key);
            let text = format!("behind {}", key.escape_debug());
            guest.type_line(&text);
            amy.expect(&format!("guest: {text}"));
            guest.expect(&format!("guest: {text}"));
        }
    });
}

/// Chats through a program that takes an address and a port.
fn chat_with(program: &str) {
    on_every_shard_count(|server| {
        let [mut amy] = people(server, ["amy"]);
        let mut command = Command::new(program);
        command.args([server.addr.ip().to_string(), server.addr.port().to_string()]);
        let mut guest = Program::start(&mut command);
        guest.expect("You joined main");
        guest.type_line("/name guest");
        let joined = amy.read_line();
        let name = joined.strip_suffix(" joined").expect("the guest comes first");
        amy.expect(&format!("{name} is now guest"));
        guest.expect(&format!("{name} is now guest"));

        guest.type_line("hello from here");
        amy.expect("guest: hello from here");
        guest.expect("guest: hello from here");
        amy.send("héllo from there");
        guest.expect("amy: héllo from there");

        guest.type_line("/quit");
        amy.expect("amy: héllo from there");
        amy.expect("guest left");
        guest.ended();
    });
}
