//! The real program in a real terminal, with a real server.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{self, Command};
use std::{env, fs};

use common::{Client, Server, Terminal, hubbub};

/// Text that this program alone has on its screen.
const STARTED: &str = "F1 shows help";

#[test]
fn people_talk_in_eighty_columns() {
    let server = Server::start(0, &[]);
    let terminal = Terminal::start(80, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for(STARTED);
    terminal.wait_for("bear in main · 1 here");
    let mut bob = Client::named(server.addr, "bob");
    terminal.wait_for("bear in main · 2 here");
    let row = terminal.wait_for("is now bob");
    assert!(row.contains('│'), "the lists are beside it: {row}");
    terminal.enter("hello wörld 日本");
    bob.wait_for("bear: hello wörld 日本");
    bob.send("hi bear");
    terminal.wait_for("bob: hi bear");
    assert!(terminal.wait_for(" bob ").contains('│'), "he is in the list");
    let coloured = terminal.coloured();
    assert!(coloured.contains("\u{1b}[1m\u{1b}[38;5;"), "names have colours: {coloured:?}");
    bob.send("/quit");
    terminal.wait_for("bob left");
    terminal.wait_for("bear in main · 1 here");
}

#[test]
fn people_talk_in_forty_columns() {
    let server = Server::start(0, &[]);
    let mut bob = Client::named(server.addr, "bob");
    let terminal = Terminal::start(40, 12, &format!("{} --name bear", server.addr));
    terminal.wait_for("bear in main · 2 here");
    bob.send("this is a line that does not fit into the columns there are");
    terminal.wait_for("bob: this is a line that does not");
    let row = terminal.wait_for("fit into the columns there are");
    assert!(row.starts_with("      fit"), "it goes on below itself: {row:?}");
    assert!(!terminal.screen().iter().any(|row| row.contains("Users")), "lists are folded");
    terminal.press(&["F2"]);
    terminal.wait_for("Users 2");
    terminal.press(&["F2"]);
    terminal.wait_without("Users 2");
}

#[test]
fn lists_are_kept_up_to_date_without_a_word() {
    let server = Server::start(0, &[]);
    let terminal = Terminal::start(80, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for("bear in main");
    let mut bob = Client::named(server.addr, "bob");
    bob.send("/join den");
    bob.wait_for("You joined den");
    terminal.enter("/join den");
    terminal.wait_for("bear in den · 2 here");
    terminal.wait_for("Rooms 1");
    let screen = terminal.screen().join("\n");
    assert!(!screen.contains("Users - ") && !screen.contains("Rooms - "), "{screen}");
    terminal.enter("/users");
    terminal.wait_for("Users - bear, bob");
}

#[test]
fn the_terminal_may_change_its_size() {
    let server = Server::start(0, &[]);
    let terminal = Terminal::start(80, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for("Users 1");
    terminal.types("half a line");
    terminal.resize(40, 12);
    terminal.wait_without("Users 1");
    terminal.wait_for("> half a line");
    terminal.wait_for("bear in main · 1 here");
    terminal.resize(100, 30);
    terminal.wait_for("Users 1");
    terminal.press(&["Enter"]);
    terminal.wait_for("bear: half a line");
}

#[test]
fn a_server_that_restarts_gets_everyone_back() {
    let server = Server::start(0, &[]);
    let port = server.addr.port();
    let terminal = Terminal::start(80, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for("bear in main");
    terminal.enter("/join den");
    terminal.wait_for("bear in den");
    server.stop();
    terminal.wait_for("Server is shutting down, bye!");
    terminal.wait_for("Disconnected: the server has ended the");
    terminal.wait_for("not connected");
    let _server = Server::start(port, &[]);
    terminal.wait_for("Connected again to 127.0.0.1");
    terminal.wait_for("bear in den · 1 here");
    terminal.enter("still here");
    terminal.wait_for("bear: still here");
}

#[test]
fn escape_sequences_of_others_are_text() {
    // Hubbub takes them out itself; others do not.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let terminal = Terminal::start(80, 24, &addr.to_string());
    let (mut stream, _) = listener.accept().expect("the client");
    stream
        .write_all(b"You are bear\nYou joined main\nbob: \x1b[2J\x1b]0;title\x07\x1b[31mred\n")
        .expect("the client reads");
    terminal.wait_for("bob: ␛[2J␛]0;title␇␛[31mred");
    terminal.wait_for(STARTED);

    let server = Server::start(0, &[]);
    let terminal = Terminal::start(80, 24, &server.addr.to_string());
    terminal.wait_for("in main · 1 here");
    Client::named(server.addr, "eve").send("\x1b[2Jgone?");
    terminal.wait_for("eve: [2Jgone?");
    terminal.wait_for(STARTED);
}

#[test]
fn a_server_that_knows_nothing_but_the_plain_dialect_will_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let terminal = Terminal::start(80, 24, &format!("{addr} --name bear"));
    for guest in ["first", "second"] {
        let (mut stream, _) = listener.accept().expect("the client");
        let lines = BufReader::new(stream.try_clone().expect("another descriptor")).lines();
        let mut tell = |text: &str| writeln!(stream, "{text}").expect("the client reads");
        tell(&format!("Server commands\n  /quit - quit server\nYou are {guest}\nYou joined main"));
        for line in lines.map_while(Result::ok) {
            match line.as_str() {
                "/name bear" => tell(&format!("{guest} is now bear")),
                "/users" => tell("Users - bear, bob"),
                "/rooms" => tell("Rooms - main (2)"),
                "bye" => break,
                other => panic!("not asked for: {other}"),
            }
            if line == "/rooms" {
                tell(&format!("bob: you came {guest}\nbob left"));
                terminal.wait_for(&format!("bob: you came {guest}"));
                terminal.wait_for("bear in main · 1 here");
                terminal.wait_for("Rooms 1");
                // What was said last time had no echo, and is offered again.
                terminal.press(&["C-u"]);
                terminal.enter("bye");
            }
        }
    }
}

#[test]
fn keys_edit_recall_complete_and_help() {
    let server = Server::start(0, &[]);
    let _bob = Client::named(server.addr, "bobcat");
    let terminal = Terminal::start(80, 24, &format!("{} --name bear", server.addr));
    terminal.wait_for("bear in main · 2 here");
    terminal.wait_for("bobcat");
    terminal.types("one three");
    terminal.press(&["C-Left"]);
    terminal.types("two ");
    terminal.press(&["Home", "Delete", "End", "C-w"]);
    terminal.wait_for("> ne two");
    terminal.press(&["C-u"]);
    terminal.wait_without("> ne two");
    terminal.types("bo");
    terminal.press(&["Tab"]);
    terminal.wait_for("> bobcat:");
    terminal.types("hi");
    terminal.press(&["Enter"]);
    terminal.wait_for("bear: bobcat: hi");
    terminal.press(&["Up"]);
    terminal.wait_for("> bobcat: hi");
    terminal.press(&["C-u"]);
    terminal.enter("/help");
    terminal.wait_for("complete a command, room or name");
    terminal.press(&["Escape"]);
    terminal.wait_without("complete a command, room or name");
    terminal.wait_for("bear: bobcat: hi");
}

#[test]
fn whoever_leaves_finds_the_terminal_as_it_was() {
    let server = Server::start(0, &[]);
    for way in ["/quit", "Ctrl-D", "TERM", "INT", "HUP"] {
        let terminal = Terminal::start(80, 24, &format!("{} --mouse", server.addr));
        terminal.wait_for("in main · 1 here");
        match way {
            "/quit" => terminal.enter("/quit"),
            "Ctrl-D" => terminal.press(&["C-d"]),
            signal => {
                let line = format!("kill -{signal} {}", terminal.client_pid());
                assert!(
                    Command::new("sh").args(["-c", &line]).status().expect("a shell").success()
                );
            }
        }
        terminal.wait_for("ended with 0");
        assert_eq!(terminal.wait_for("echo").trim(), "echo", "after {way}");
        assert_eq!(terminal.screen()[0], "before", "after {way}");
    }
}

#[test]
fn without_a_server_it_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    drop(listener);
    let terminal = Terminal::start(100, 24, &addr.to_string());
    terminal.wait_for(&format!("cannot connect to {addr}: nobody listens there"));
    terminal.wait_for("ended with 1");
}

#[test]
fn without_a_terminal_it_says_so() {
    let server = Server::start(0, &[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub-tui"));
    let output = command.arg(server.addr.to_string()).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("needs a terminal"), "{stderr}");
}

#[test]
fn tls_trusts_a_certificate_for_development_only_if_told_to() {
    let folder = Folder::new();
    let ([cert, key], [other, _]) = (folder.certificate("own"), folder.certificate("other"));
    let flags = ["--tls-listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let server = Server::start(0, &flags);
    let (plain, tls) = (server.addr, server.tls.expect("it listens for TLS"));
    for (args, expected) in [
        (format!("{tls} --tls-ca {cert} --name bear"), "bear in main · 1 here"),
        (tls.to_string(), "speaks TLS: please add --tls"),
        (format!("{tls} --tls-ca {other}"), "do not vouch for the server's"),
        (format!("{tls} --tls-ca {key}"), "there is no certificate in --tls-ca"),
        (format!("{tls} --tls-ca /nowhere"), "cannot read --tls-ca /nowhere"),
        (format!("{plain} --tls-ca {cert}"), "the server does not speak TLS on this port"),
    ] {
        Terminal::start(200, 24, &args).wait_for(expected);
    }
    // The system's certificates are those of this file, then.
    let line = format!("SSL_CERT_FILE={other} {} {tls} --tls", client());
    Terminal::run(200, 24, &line).wait_for("give it (or its authority's) with --tls-ca FILE");
}

/// A folder that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(env::temp_dir().join(format!("hubbub-tui-{}", process::id())))
    }

    /// A certificate for development and its key.
    fn certificate(&self, name: &str) -> [String; 2] {
        let folder = self.0.join(name);
        let made = Command::new(hubbub()).args(["gen-cert", "--out"]).arg(&folder).output();
        assert!(made.expect("it runs").status.success());
        ["cert.pem", "key.pem"].map(|file| folder.join(file).to_str().expect("text").to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn client() -> &'static str {
    env!("CARGO_BIN_EXE_hubbub-tui")
}

#[test]
fn no_colours_if_there_are_to_be_none() {
    let server = Server::start(0, &[]);
    let line = format!("NO_COLOR=1 {} {} --name bear", client(), server.addr);
    let terminal = Terminal::run(80, 24, &line);
    terminal.wait_for("bear in main · 1 here");
    terminal.enter("hello");
    terminal.wait_for("bear: hello");
    assert!(!terminal.coloured().contains("38;5;"), "{:?}", terminal.coloured());
}
