//! The real program where something is lost: the terminal, the connection, the way there, a day.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Client, Server, Terminal, hubbub, wait_at_most, wait_for};

/// Lists are asked for, and drawn, every 30 s: then at the latest a client that has not noticed the
/// end of its terminal fails to draw.
const BEFORE_REFRESH: Duration = Duration::from_secs(20);

fn client() -> &'static str {
    env!("CARGO_BIN_EXE_hubbub-tui")
}

#[test]
fn it_ends_with_its_terminal_even_without_a_signal() {
    let server = Server::start(0, &[]);
    let mut bob = Client::named(server.addr, "bob");
    // The shell keeps SIGHUP from those it starts, as nohup does.
    let line = format!("trap '' HUP; {} {} --name bear", client(), server.addr);
    let terminal = Terminal::run(80, 24, &line);
    terminal.wait_for("bear in main · 2 here");
    let process = format!("/proc/{}", terminal.client_pid());
    drop(terminal);
    let gone = wait_at_most(BEFORE_REFRESH, || (!Path::new(&process).exists()).then_some(()));
    gone.expect("it has ended");
    bob.wait_for("bear left");
}

#[test]
fn output_that_nobody_reads_does_no_harm() {
    let line = format!("{} --help | head -n 1", client());
    let output = Command::new("sh").args(["-c", &line]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("A terminal client"));
}

/// A server that lets whoever comes in under this name.
fn greet(listener: &TcpListener, name: &str) -> (TcpStream, impl Iterator<Item = String>) {
    let (mut stream, _) = listener.accept().expect("the client");
    writeln!(stream, "You are {name}\nYou joined main").expect("the client reads");
    let lines = BufReader::new(stream.try_clone().expect("another descriptor")).lines();
    (stream, lines.map_while(Result::ok))
}

#[test]
fn what_a_dead_connection_swallows_is_put_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let terminal = Terminal::start(80, 24, &listener.local_addr().expect("bound").to_string());
    let (mut stream, mut lines) = greet(&listener, "bear");
    terminal.wait_for("bear in main");
    terminal.enter("heard");
    lines.find(|line| line == "heard").expect("it is sent");
    writeln!(stream, "bear: heard").expect("the client reads");
    terminal.wait_for("bear: heard");
    terminal.enter("into the void");
    lines.find(|line| line == "into the void").expect("it is sent");
    terminal.wait_for("no answer to what you sent");
    drop((stream, lines));
    terminal.wait_for("— Perhaps lost: into the void");
    terminal.wait_for("> into the void");
    let (mut stream, mut lines) = greet(&listener, "bear");
    terminal.wait_for("Connected again");
    terminal.press(&["Enter"]);
    lines.find(|line| line == "into the void").expect("it is sent again");
    writeln!(stream, "bear: into the void").expect("the client reads");
    terminal.wait_for("bear: into the void");
    let screen = terminal.screen().join("\n");
    assert_eq!(screen.matches("bear: into the void").count(), 1, "{screen}");
    assert_eq!(screen.matches("lost: heard").count(), 0, "{screen}");
}

#[test]
fn a_rejected_client_waits_and_may_be_told_to_try_at_once() {
    let server = Server::start(0, &["--address-connections-max", "1"]);
    let bob = Client::named(server.addr, "bob");
    let terminal = Terminal::start(90, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for("There are too many connections from your address");
    terminal.wait_for("not connected · again in ");
    drop(bob);
    // The server learns of that in its own time.
    let inside = wait_for(|| {
        terminal.enter("/reconnect");
        terminal.screen().iter().any(|row| row.contains("bear in main")).then_some(())
    });
    inside.unwrap_or_else(|| panic!("it is not let in: {:#?}", terminal.screen()));
    let screen = terminal.screen().join("\n");
    assert_eq!(screen.matches("too many connections").count(), 1, "{screen}");
}

#[test]
fn a_silent_address_does_not_hide_a_good_one() {
    // In a network and with a table of hosts of its own: the first address leads nowhere.
    let script = "\
        ip link set lo up; ip link add d0 type veth peer name d1; ip link set d1 up; \
        ip addr add 2001:db8::2/64 dev d0 nodad; ip link set d0 up; \
        ip neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 dev d0 nud permanent; \
        hosts=$(mktemp); (echo 2001:db8::1 chat.test; echo 127.0.0.1 chat.test) > $hosts; \
        mount --bind $hosts /etc/hosts; rm $hosts; \
        $SERVER --shards 1 --no-pin --http off 2> /dev/null & \
        until $CLIENT chat.test --name bear; do sleep 0.1; done";
    let line = format!(
        "SERVER={} CLIENT={} unshare -rnmpf --kill-child sh -c '{script}'",
        hubbub().display(),
        client()
    );
    Terminal::run(80, 24, &line).wait_for("bear in main · 1 here");
}

#[test]
fn a_new_day_begins_with_a_line() {
    let server = Server::start(0, &[]);
    // A minute passes in a second, and the last one of the day is half over.
    let clock = "TZ=UTC FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f '@2026-11-30 23:59:20 x20'";
    let line = format!("{clock} {} {} --name bear", client(), server.addr);
    let terminal = Terminal::run(80, 40, &line);
    terminal.wait_for("bear in main");
    let mut bob = Client::named(server.addr, "bob");
    let day = wait_for(|| {
        bob.send("what day is it?");
        terminal.screen().into_iter().find(|row| row.contains("December"))
    });
    assert!(day.expect("it is tomorrow").contains("— Tuesday, 1 December 2026 —"));
}

#[test]
fn slashes_and_commands_follow_the_servers_rules() {
    let server = Server::start(0, &[]);
    let mut bob = Client::named(server.addr, "bob");
    let terminal = Terminal::start(80, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for("bear in main · 2 here");
    terminal.enter("//etc/fstab");
    terminal.wait_for("bear: /etc/fstab");
    terminal.enter("help");
    terminal.wait_for("Commands begin with a slash");
    bob.wait_for("bear: help");
    terminal.enter("/name You");
    terminal.wait_for("You is already taken");
    terminal.enter("/QUIT");
    terminal.wait_for("ended with 0");
    bob.wait_for("bear left");
}
