//! Settings in a file, and changing them while the server runs.

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use common::program::Program;
use common::server::Setup;
use common::tls;
use common::victims::Victims;
use common::wire::Wire;
use common::{Client, Server, eventually, people};

/// Reloads under load.
const RELOADS: usize = 20;

/// A settings file of one test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let file = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml")));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("a folder for tests");
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }

    /// A server that has its settings from here.
    fn server(&self) -> Server {
        Server::start(2, &["--config", self.path()])
    }

    /// Has `server` read its settings, which are `text` now, and waits until it has said `word`.
    fn reload(&self, server: &Server, text: &str, word: &str) -> String {
        self.write(text);
        server.signal("HUP");
        let said = server.stderr.wait_for(|line| line.contains(word).then(|| line.to_owned()));
        said.unwrap_or_else(|| panic!("no {word:?}: {}", server.stderr.so_far()))
    }
}

const DONE: &str = "settings were read again";
const REFUSED: &str = "settings are left as they are";

#[test]
fn a_printed_file_says_all_that_holds() {
    let printed = Program::hubbub(&["--print-config"], &[]);
    assert_eq!(printed.status.code(), Some(0));
    let file = File::new("printed", &printed.stdout);
    let read = Program::hubbub(&["--config", file.path(), "--print-config"], &[]);
    assert_eq!(read.stdout, printed.stdout);
    let help = Program::hubbub(&["--help"], &[]).stdout;
    for flag in help.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
        let flag = flag.trim_end_matches(|it: char| !it.is_ascii_alphanumeric());
        let is_there = printed.stdout.lines().any(|line| {
            line.trim_start_matches("# ").split_once(" =").is_some_and(|(key, _)| key == flag)
        });
        let is_none = ["help", "version", "config", "print-config", "check-config"].contains(&flag);
        assert!(is_there != is_none, "--{flag}");
    }
    let other = Program::hubbub(&["--print-config", "--port=7", "--exempt=none"], &[]).stdout;
    assert!(other.contains("\nport = 7\n") && other.contains("\nexempt = [\"none\"]\n"), "{other}");
}

#[test]
fn a_flag_wins_over_its_variable_and_both_over_the_file() {
    let file = File::new("order", "message-chars-max = 5\nannounce-max = 5\nrooms-max = 5\n");
    let settings = |args: &[&str]| {
        let args = [&["--config", file.path(), "--print-config"], args].concat();
        let variables = [("HUBBUB_ANNOUNCE_MAX", "6"), ("HUBBUB_MESSAGE_CHARS_MAX", "6")];
        Program::hubbub(&args, &variables).stdout
    };
    let printed = settings(&["--message-chars-max", "7"]);
    for line in ["message-chars-max = 7", "announce-max = 6", "rooms-max = 5"] {
        assert!(printed.lines().any(|it| it == line), "{line:?} is not in\n{printed}");
    }
}

#[test]
fn settings_can_be_checked_without_a_server() {
    let file = File::new("checked", "port = 1\n");
    let check = |text| {
        file.write(text);
        Program::hubbub(&["--config", file.path(), "--check-config"], &[])
    };
    let good = check("port = 0\n");
    assert_eq!((good.status.code(), &*good.stdout), (Some(0), "all settings are good"));
    let contradiction = check("feed-bytes-max = 32768\nmessage-chars-max = 16384\n");
    assert_eq!(contradiction.status.code(), Some(2));
    assert!(contradiction.stderr.contains("feed-bytes-max"), "{}", contradiction.stderr);
}

#[test]
fn what_kubernetes_sets_for_a_service_of_our_name_keeps_nobody_from_starting() {
    let link = [
        ("HUBBUB_PORT", "tcp://10.0.0.1:42069"),
        ("HUBBUB_SERVICE_HOST", "10.0.0.1"),
        ("HUBBUB_PORT_42069_TCP_ADDR", "10.0.0.1"),
    ];
    let checked = Program::hubbub(&["--http=off", "--print-config"], &link);
    assert_eq!(checked.status.code(), Some(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("\nport = 42069\n"), "{}", checked.stdout);
    for word in ["HUBBUB_PORT=tcp://10.0.0.1:42069", "enableServiceLinks: false"] {
        assert!(checked.stderr.contains(word), "{}", checked.stderr);
    }
    let server = Server::start_as(&Setup { variables: &link, ..Setup::default() });
    let log = server.stderr.so_far();
    assert!(log.contains("WARN the variable HUBBUB_PORT=tcp://10.0.0.1:42069"), "{log}");
}

#[test]
fn what_is_wrong_with_a_variable_is_told_with_its_name() {
    for (name, value) in
        [("HUBBUB_PORT", "many"), ("HUBBUB_EXEMPT", "home"), ("HUBBUB_NO_PIN", "?")]
    {
        let ended = Program::hubbub(&["--print-config"], &[(name, value)]);
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.stderr.contains(&format!("the variable {name}")), "{}", ended.stderr);
    }
    // A flag's own fault is not its variable's.
    let ended = Program::hubbub(&["--port", "many"], &[("HUBBUB_PORT", "7")]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(!ended.stderr.contains("HUBBUB_PORT"), "{}", ended.stderr);
}

#[test]
fn variables_that_are_empty_or_unknown_set_nothing() {
    let empty =
        ["HUBBUB_TLS_CERT", "HUBBUB_PORT", "HUBBUB_NO_PIN", "HUBBUB_ADMIN", "HUBBUB_EXEMPT"];
    let plain = Program::hubbub(&["--print-config"], &[]).stdout;
    let printed = Program::hubbub(&["--print-config"], &empty.map(|name| (name, "")));
    assert_eq!((printed.stdout, &*printed.stderr), (plain, ""));
    let blanks = [("HUBBUB_PROXIES", "10.0.0.0/8, 192.0.2.1")];
    let printed = Program::hubbub(&["--print-config"], &blanks);
    assert_eq!(printed.status.code(), Some(0), "{}", printed.stderr);
    for action in [&["--print-config"][..], &["--check-config", "--port=0"], &["doctor"]] {
        let ended = Program::hubbub(action, &[("HUBBUB_CONECTIONS_MAX", "5")]);
        let told =
            "the variable HUBBUB_CONECTIONS_MAX sets nothing; is HUBBUB_CONNECTIONS_MAX meant?";
        assert!(ended.stderr.contains(told), "{action:?}: {}", ended.stderr);
    }
}

/// What `--check-config` says of settings.
fn checked(args: &[&str]) -> (Option<i32>, String) {
    let ended = Program::hubbub(&[&["--check-config"], args].concat(), &[("HUBBUB_HTTP", "off")]);
    (ended.status.code(), ended.stderr)
}

#[test]
fn a_check_finds_what_would_keep_a_server_from_starting() {
    // This very test has it.
    let held = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let taken = held.local_addr().expect("it is bound");
    let (port, address) = (taken.port().to_string(), taken.to_string());
    for args in [&["--port", &port][..], &["--port=0", "--http", &address]] {
        let (code, told) = checked(args);
        assert_eq!(code, Some(2), "{args:?}: {told}");
        assert!(told.contains("already in use") && told.contains("process"), "{told}");
    }
    let (code, told) = checked(&["--ip", "192.0.2.1"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("an address of this machine"), "{told}");
    let both = "127.0.0.1:48213";
    let (code, told) = checked(&["--port=48213", "--http", both]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("another of these settings has it"), "{told}");
    // A server that runs does not keep its own settings from being checked.
    let server = Server::start(1, &[]);
    let (code, told) = checked(&["--port", &server.addr.port().to_string()]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("in use by hubbub, process"), "{told}");
}

#[test]
fn f41_all_that_is_wrong_with_a_file_is_told_and_nothing_started() {
    let file = File::new("wrong", "port = 70000\nshards = 1\nlimits = 3\n");
    let ended = Program::hubbub(&["--config", file.path()], &[]);
    assert_eq!(ended.status.code(), Some(2));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let [port, limits] = lines[..] else { panic!("{lines:#?}") };
    assert!(port.contains("wrong.toml: line 1: ") && port.contains("65535"), "{port}");
    assert!(limits.contains("wrong.toml: line 3: ") && limits.contains("`limits`"), "{limits}");
    let ended = Program::hubbub(&["--config", "/nowhere/hubbub.toml"], &[]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("/nowhere/hubbub.toml: cannot be read"), "{}", ended.stderr);
}

#[test]
fn limits_change_for_those_who_are_there() {
    let file = File::new("live", "message-chars-max = 5\n");
    let server = file.server();
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    assert_eq!(amy.ask("123456"), "Messages can only be 5 chars long");
    // Longer than what input was decoded in before.
    let long = "€".repeat(16_000);
    let said = file.reload(&server, "message-chars-max = 16000\nfeed-bytes-max = 2000000\n", DONE);
    assert!(said.contains("message-chars-max feed-bytes-max"), "{said}");
    eventually("the limit is raised", || amy.ask("123456") == "amy: 123456");
    for client in [&mut amy, &mut bob] {
        client.send(&long);
    }
    for client in [&mut amy, &mut bob] {
        client.skip_to(&format!("amy: {long}"));
    }
    file.reload(&server, "", DONE);
    eventually("the limit is lowered", || amy.ask(&long).contains("400 chars"));
}

#[test]
fn whoever_is_silent_has_a_whole_span_from_when_that_is_no_longer_welcome() {
    let file = File::new("silent", "");
    let server = file.server();
    let [mut amy] = people(&server, ["amy"]);
    file.reload(&server, "idle-seconds = 1\n", DONE);
    amy.expect("You have said nothing for 1 s, bye!");
    amy.closed();
}

#[test]
fn what_only_a_start_can_change_is_told() {
    let file = File::new("fixed", "");
    let server = file.server();
    let said = file.reload(&server, "vanish-seconds = 7\nlog-format = \"json\"\n", "next start");
    assert!(said.contains("vanish-seconds log-format"), "{said}");
    let files = "tls-cert = \"a.pem\"\ntls-key = \"b.pem\"\n";
    for port in ["tls-listen", "https"] {
        let said = file.reload(&server, &format!("{port} = \"127.0.0.1:0\"\n{files}"), port);
        assert!(said.contains("next start"), "{said}");
    }
}

#[test]
fn the_log_changes_its_level() {
    let file = File::new("level", "log-level = \"off\"\n");
    let server = file.server();
    let said = file.reload(&server, "log-level = \"info\"\n", DONE);
    assert!(said.contains("log-level"), "{said}");
    let before = server.stderr.so_far();
    file.reload(&server, "log-level = \"warn\"\nvanish-seconds = 7\n", "next start");
    file.reload(&server, "log-level = \"warn\"\nrooms-max = 0\n", REFUSED);
    assert_eq!(server.stderr.so_far().matches(DONE).count(), before.matches(DONE).count());
}

#[test]
fn f41_reloads_lose_nothing_and_what_is_broken_changes_nothing() {
    let file = File::new("reloads", "");
    let server = file.server();
    let mut victims = Victims::in_room(&server, "den");
    victims.talk_during(|| {
        for round in 0..RELOADS {
            let good = format!("messages-per-second = {}\nexempt = []\n", 100 + round);
            file.reload(&server, &good, DONE);
            let told = file.reload(&server, "messages-per-second = 0\n", REFUSED);
            assert!(told.contains("line 1") && told.contains("1..=1000"), "{told}");
        }
        fs::remove_file(&file.0).expect("it was there");
        server.signal("HUP");
        let told = server.stderr.wait_for(|line| line.contains("cannot be read").then_some(()));
        assert!(told.is_some(), "{}", server.stderr.so_far());
    });
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn f42_lowered_limits_send_nobody_away() {
    let file = File::new("lowered", "");
    let server = file.server();
    let mut victims = Victims::in_room(&server, "den");
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    amy.go("attic");
    bob.expect("amy left");
    let low = "connections-max = 2\naddress-connections-max = 1\naddress-connects-per-minute = 1\n\
               exempt = []\nmessages-per-second = 1\nmessages-burst = 1\nrooms-max = 1\n\
               memory-max = \"16M\"\nfeed-bytes-max = 32768\nfeed-messages-max = 64\n\
               outbox-bytes-max = 4096\nannounce-max = 0\nidle-seconds = 1000\n\
               stall-seconds = 1\ndrain-seconds = 1\n";
    victims.talk_during(|| file.reload(&server, low, DONE));
    victims.talk(100);
    amy.send("still here");
    amy.expect("amy: still here");
    let mut late = Client::connect(&server);
    late.expect("Server is full, please try again later");
    late.closed();
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_certificate_changes_for_the_next_handshake_and_nobody_is_cut_off() {
    let pairs = ["old", "new"].map(tls::new_pair);
    let settings = |cert: &Path, key: &Path| {
        let (cert, key) = (cert.join("cert.pem"), key.join("key.pem"));
        format!("tls-listen = \"127.0.0.1:0\"\ntls-cert = {cert:?}\ntls-key = {key:?}\n")
    };
    let [old, new] = &pairs;
    let file = File::new("certificate", &settings(old, old));
    let server = file.server();
    let addr = tls::address(&server);
    let connect = |pair: &Path| {
        let stream = TcpStream::connect(addr).expect("it listens");
        Wire::secure(stream, &tls::trusting(&pair.join("cert.pem")), b"").map(Client::over)
    };
    let mut amy = connect(old).expect("the old one is shown");
    amy.expect_help_and_name();
    assert!(connect(new).is_err());
    let mut victims = Victims::in_room(&server, "den");
    victims.talk_during(|| {
        let told = file.reload(&server, &settings(old, new), REFUSED);
        assert!(told.contains("is not that of the certificate"), "{told}");
        connect(old).expect("the old one is still shown");
        file.reload(&server, &settings(new, new), DONE);
        connect(new).expect("the new one is shown");
        assert!(connect(old).is_err());
    });
    amy.send("still here");
    let echo = format!("{}: still here", amy.name());
    amy.skip_to(&echo);
    pairs.iter().for_each(|pair| fs::remove_dir_all(pair).expect("it was there"));
}
