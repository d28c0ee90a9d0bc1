//! Clients that speak TLS are clients like any other: those of other people's programs, slow ones,
//! those that are gone, and those behind proxies and bad networks.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::admin::{ADMIN, Admin};
use common::program::{Ended, Program};
use common::proxy::{Faults, GOOD, Proxy};
use common::tls::{TlsServer, cert_file};
use common::{Client, PATIENCE, expect_quiet, introduced, people};

const FAREWELL: &str = "Server is shutting down, bye!";
const NO_TLS: &str = "This port speaks TLS: try `openssl s_client -quiet -connect HOST:PORT`";
/// A message's text, but for its number.
const TEXT_CHARS: usize = 390;

/// Chats with Python's own TLS, which is told to object to an end that is a mere cut.
const PYTHON: &str = r#"
import socket, ssl, sys
host, port, cert, version = sys.argv[1:]
context = ssl.create_default_context(cafile=cert)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
with socket.create_connection((host, int(port))) as sock:
    tls = context.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)
    lines = tls.makefile("rw", encoding="utf-8", newline="\n")
    print(next(line for line in lines if line.startswith("You joined")), end="")
    print("héllo from Python", file=lines, flush=True)
    print(next(line for line in lines if "from Python" in line).split(": ")[1], end="")
    print("/quit", file=lines, flush=True)
    rest = lines.read()
    print(tls.version())
"#;

fn text(number: usize) -> String {
    format!("{number:06}{}", "x".repeat(TEXT_CHARS))
}

/// Connects, with this name, and nobody else is there who does not know.
fn secured(server: &TlsServer, name: &str, others: &mut [Client]) -> Client {
    introduced(server.connect(), name, others)
}

#[test]
fn with_and_without_tls_they_chat_in_one_room() {
    for shards in [1, 2, 8] {
        let tls = TlsServer::start(shards, &[]);
        let [mut amy, bob] = people(&tls.server, ["amy", "bob"]);
        let mut both = [amy, bob];
        let mut eve = secured(&tls, "eve", &mut both);
        [amy, _] = both;
        eve.send("hello from within");
        amy.expect("eve: hello from within");
        eve.expect("eve: hello from within");
        amy.send("hello to you");
        amy.expect("amy: hello to you");
        eve.expect("amy: hello to you");
        eve.send("/quit");
        amy.skip_to("eve left");
        eve.closed();
    }
}

/// Runs `openssl s_client` against the server, and types these lines once it is in.
fn openssl(server: &TlsServer, args: &[&str], lines: &[&str]) -> Ended {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.addr.to_string(), "-ign_eof"]).args(args);
    command.arg("-CAfile").arg(cert_file()).arg("-verify_return_error");
    let mut client = Program::start(&mut command);
    if !lines.is_empty() {
        client.expect("You joined main");
    }
    lines.iter().for_each(|line| client.type_line(line));
    client.ended()
}

#[test]
fn openssl_can_chat() {
    let tls = TlsServer::start(2, &[]);
    let [mut amy] = people(&tls.server, ["amy"]);
    let ended = openssl(&tls, &["-quiet"], &["/name guest", "hello from openssl", "/quit"]);
    amy.skip_to("guest: hello from openssl");
    amy.expect("guest left");
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
fn python_can_chat_and_its_connection_ends_in_good_order() {
    let tls = TlsServer::start(2, &[]);
    for (version, name) in [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")] {
        let mut command = Command::new("python3");
        let (host, port) = (tls.addr.ip().to_string(), tls.addr.port().to_string());
        command.args(["-c", PYTHON, &host, &port]).arg(cert_file()).arg(version);
        let ended = Program::start(&mut command).ended();
        assert!(ended.status.success(), "{}", ended.stderr);
        let printed: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(printed, ["You joined main", "héllo from Python", name]);
    }
}

#[test]
fn curl_hears_what_the_server_says() {
    let tls = TlsServer::start(1, &[]);
    let mut command = Command::new("curl");
    // What it sends as a request is a command here, behind which the server hangs up.
    command.args(["--silent", "--http0.9", "--no-alpn", "--request", "/quit"]);
    command.arg("--cacert").arg(cert_file()).arg(format!("https://{}/", tls.addr));
    let ended = Program::start(&mut command).ended();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    assert!(ended.stdout.starts_with("Server commands\n"), "{}", ended.stdout);
}

#[test]
fn tls_is_of_version_1_2_at_least() {
    let tls = TlsServer::start(1, &[]);
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let ended = openssl(&tls, &[flag], &["/quit"]);
        assert!(ended.stdout.contains(&format!("New, {version}")), "{}", ended.stdout);
    }
    for flag in ["-tls1", "-tls1_1"] {
        let ended = openssl(&tls, &[flag, "-cipher", "ALL:@SECLEVEL=0"], &[]);
        assert!(!ended.status.success());
        assert!(ended.stderr.contains("alert"), "the server did not refuse: {}", ended.stderr);
    }
}

#[test]
fn sessions_are_resumed() {
    let tls = TlsServer::start(2, &[]);
    for flag in ["-tls1_2", "-tls1_3"] {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("session{flag}"));
        let file = file.to_str().expect("a path of ours is text");
        let first = openssl(&tls, &[flag, "-sess_out", file], &["/quit"]);
        assert!(first.stdout.contains("New, TLSv1"), "{}", first.stdout);
        for _ in 0..2 {
            let again = openssl(&tls, &[flag, "-sess_in", file], &["/quit"]);
            assert!(again.stdout.contains("Reused, TLSv1"), "{}", again.stdout);
        }
    }
}

#[test]
fn who_never_reads_costs_others_nothing_and_is_told_what_was_missed() {
    const MESSAGES: usize = 20_000;
    const WINDOW: usize = 40;
    for shards in [1, 2] {
        let tls = TlsServer::start(shards, &["--feed-bytes-max", "65536"]);
        let mut readers = people(&tls.server, ["amy", "bob"]);
        let sloth = tls.secure(Client::narrow_stream(tls.addr));
        let mut sloth = introduced(sloth, "sloth", &mut readers);
        for first in (0..MESSAGES).step_by(WINDOW) {
            let texts: Vec<String> = (first..first + WINDOW).map(text).collect();
            readers[0].send_bytes(format!("{}\n", texts.join("\n")).as_bytes());
            for reader in &mut readers {
                texts.iter().for_each(|text| reader.expect(&format!("amy: {text}")));
            }
        }
        let (mut next, mut missed) = (0, 0);
        while next < MESSAGES {
            let line = sloth.read_line();
            match line.strip_prefix("Server is very busy and dropped ") {
                Some(rest) => {
                    let count: usize = rest.split(' ').next().unwrap().parse().expect("a number");
                    (next, missed) = (next + count, missed + count);
                }
                None => {
                    assert_eq!(line, format!("amy: {}", text(next)), "after {missed} missed");
                    next += 1;
                }
            }
        }
        assert!(missed > 0, "{MESSAGES} messages fitted into the buffers");
        let [amy, bob] = &mut readers;
        expect_quiet([&mut sloth, amy, bob]);
    }
}

#[test]
fn who_never_reads_is_sent_away() {
    let tls = TlsServer::start(2, &["--stall-seconds", "1"]);
    let mut talkers = people(&tls.server, ["amy"]);
    let sloth = tls.secure(Client::narrow_stream(tls.addr));
    let _sloth = introduced(sloth, "sloth", &mut talkers);
    let [mut amy] = talkers;
    common::eventually("the sloth is sent away", || {
        amy.send_bytes(format!("{}\n", text(0)).repeat(100).as_bytes());
        let line = format!("amy: {}", text(0));
        (0..100).any(|_| amy.skip_to(&line).iter().any(|it| it == "sloth left"))
    });
}

#[test]
fn bursts_arrive_whole_and_in_order() {
    const MESSAGES: usize = 3_000;
    for shards in [1, 2] {
        let flags = ["--feed-bytes-max", "4000000"];
        let tls = TlsServer::start(shards, &flags);
        let mut all = vec![];
        for name in ["amy", "bob", "eve"] {
            let newcomer = secured(&tls, name, &mut all);
            all.push(newcomer);
        }
        let lines: String = (0..MESSAGES).map(|number| text(number) + "\n").collect();
        assert!(lines.len() > 1 << 20, "not much of a burst");
        let [amy, others @ ..] = &mut all[..] else { unreachable!("three") };
        // Half of it within records of TLS that are as long as they may be.
        for part in lines.as_bytes().chunks(100_000) {
            amy.send_bytes(part);
            let heard = part.iter().filter(|&&byte| byte == b'\n').count();
            (0..heard).for_each(|_| drop(amy.read_line()));
        }
        for other in others {
            (0..MESSAGES).for_each(|number| other.expect(&format!("amy: {}", text(number))));
        }
    }
}

#[test]
fn what_is_said_with_the_end_of_the_handshake_is_heard() {
    for shards in [1, 2] {
        let tls = TlsServer::start(shards, &[]);
        for _ in 0..10 {
            let stream = TcpStream::connect(tls.addr).expect("it listens");
            let mut client = tls.secure_saying(stream, b"/nonsense\n/quit\n");
            client.skip_to("Unrecognized command /nonsense, try /help");
            client.closed();
        }
    }
}

#[test]
fn who_says_no_more_hears_the_answers_to_what_was_said() {
    for shards in [1, 2] {
        let tls = TlsServer::start(shards, &[]);
        let mut asker = tls.connect();
        asker.expect_help_and_name();
        asker.expect("You joined main");
        asker.send_bytes("/nonsense\n".repeat(500).as_bytes());
        asker.send_bytes(b"/rooms");
        asker.half_close();
        for _ in 0..500 {
            asker.expect("Unrecognized command /nonsense, try /help");
        }
        asker.expect("Rooms - main (1)");
        asker.closed();
    }
}

#[test]
fn a_stop_loses_nothing_and_ends_in_good_order() {
    // More than the system takes for somebody who does not read.
    const MESSAGES: usize = 26_000;
    const WINDOW: usize = 40;
    let limits = ["--feed-bytes-max", "16000000", "--feed-messages-max", "30000"];
    for shards in [1, 2] {
        let tls = TlsServer::start(shards, &[&["--drain-seconds", "9"], &limits[..]].concat());
        let mut all = Vec::from(people(&tls.server, ["amy"]));
        let late = tls.secure(Client::narrow_stream(tls.addr));
        let late = introduced(late, "late", &mut all);
        all.push(late);
        let mut idle = secured(&tls, "idle", &mut all);
        let [amy, late] = &mut all[..] else { unreachable!("two") };
        for first in (0..MESSAGES).step_by(WINDOW) {
            let texts: Vec<String> = (first..first + WINDOW).map(text).collect();
            amy.send_bytes(format!("{}\n", texts.join("\n")).as_bytes());
            texts.iter().for_each(|text| amy.expect(&format!("amy: {text}")));
        }
        tls.server.signal("TERM");
        amy.expect(FAREWELL);
        for client in [late, &mut idle] {
            (0..MESSAGES).for_each(|number| client.expect(&format!("amy: {}", text(number))));
            client.expect(FAREWELL);
            client.closed();
        }
        drop((all, idle));
        assert_eq!(tls.server.ended_within(PATIENCE).code(), Some(0));
    }
}

#[test]
fn who_is_gone_within_a_record_has_not_said_what_was_in_it() {
    for shards in [1, 2] {
        let tls = TlsServer::start(shards, &[]);
        let mut all = people(&tls.server, ["amy"]);
        let mut bob = secured(&tls, "bob", &mut all);
        let mut eve = secured(&tls, "eve", &mut all);
        let [mut amy] = all;
        bob.send("the first");
        bob.break_off(b"the second\n");
        eve.send_bytes(b"the third\nthe fou");
        eve.vanish();
        let mut heard: Vec<String> = (0..4).map(|_| amy.read_line()).collect();
        heard.sort_unstable();
        assert_eq!(heard, ["bob left", "bob: the first", "eve left", "eve: the third"]);
        expect_quiet([&mut amy]);
    }
}

#[test]
fn a_proxy_says_before_tls_where_a_connection_comes_from() {
    let flags = ["--exempt", "none", "--address-connects-per-minute", "60000"];
    let proxies = ["--proxies", "127.0.0.9", "--address-connections-max", "1"];
    let tls = TlsServer::start(2, &[&flags[..], &proxies].concat());
    let through_proxy = |host: u8| {
        let mut stream = Client::stream_from("127.0.0.9", tls.addr);
        let header = format!("PROXY TCP4 203.0.113.{host} 127.0.0.1 4000 1\r\n");
        stream.write_all(header.as_bytes()).expect("it is connected");
        stream
    };
    let mut clients = [1, 2].map(|host| tls.secure(through_proxy(host)));
    for client in &mut clients {
        client.expect_help_and_name();
    }
    let mut second = through_proxy(1);
    second.set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
    assert_eq!(second.read(&mut [0]).unwrap_or(0), 0, "one is all an address may have");
    drop(tls.secure(Client::stream_from("127.0.0.3", tls.addr)));
}

#[test]
fn it_does_not_matter_where_a_network_cuts_a_record() {
    let crumbs = Faults { piece_bytes_max: 7, ..GOOD };
    let tls = TlsServer::start(2, &[]);
    let proxy = Proxy::start(tls.addr, 7, crumbs, crumbs);
    let stream = TcpStream::connect(proxy.addr).expect("the proxy listens");
    let mut all = people(&tls.server, ["amy"]);
    let mut bob = introduced(tls.secure(stream), "bob", &mut all);
    let [mut amy] = all;
    for number in 0..100 {
        bob.send(&text(number));
        amy.expect(&format!("bob: {}", text(number)));
        bob.expect(&format!("bob: {}", text(number)));
    }
    bob.send("/quit");
    amy.expect("bob left");
    bob.closed();
}

#[test]
fn who_speaks_plainly_to_the_port_for_tls_is_told_so() {
    let tls = TlsServer::start(1, &ADMIN);
    for said in ["hello\n", "GET / HTTP/1.1\r\nHost: here\r\n\r\n"] {
        let mut client = Client::connect_to(tls.addr);
        client.send_bytes(said.as_bytes());
        client.expect(NO_TLS);
        client.closed();
    }
    Admin::of(&tls.server).wait_for_turned_away("no-tls", 2);
    assert_eq!(tls.server.stop().0, Some(0));
    let log = tls.server.stderr.all().join("\n");
    assert!(log.contains(r#"reason="no-tls" count=2"#), "{log}");
}

#[test]
fn handshakes_count_as_connections_of_their_address() {
    const FULL: &str = "There are too many connections from your address, please close one first";
    let flags = ["--exempt", "none", "--address-connects-per-minute", "60000"];
    let tls = TlsServer::start(1, &[&flags[..], &["--address-connections-max", "3"]].concat());
    // Nobody says anything on these.
    let mut silent = vec![];
    common::eventually("there is no room for another", || {
        silent.push(Client::stream_from("127.0.0.2", tls.addr));
        Client::connect_from("127.0.0.2", &tls.server).read_line() == FULL
    });
    let mut other = Client::connect_from("127.0.0.3", &tls.server);
    other.expect_help_and_name();
    for stream in &silent {
        // Some may have been turned away themselves.
        let _ = stream.shutdown(Shutdown::Both);
    }
    common::eventually("there is room again", || {
        Client::connect_from("127.0.0.2", &tls.server).read_line() == "Server commands"
    });
}

#[test]
fn gen_cert_writes_a_key_for_its_owner_alone_and_overwrites_nothing() {
    let folder = cert_file().parent().expect("a folder").to_owned();
    let mode = |name: &str| {
        let file = fs::metadata(folder.join(name)).expect("it is there");
        file.permissions().mode() & 0o777
    };
    assert_eq!((mode("key.pem"), mode("cert.pem") & 0o644), (0o600, 0o644));
    let before = fs::read(folder.join("key.pem")).expect("it is there");
    let out = folder.to_str().expect("a path of ours is text");
    let ended = Program::hubbub(&["gen-cert", "--out", out], &[]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("not overwritten"), "{}", ended.stderr);
    assert_eq!(fs::read(folder.join("key.pem")).expect("it is there"), before);

    let other = folder.join("other");
    let out = other.to_str().expect("a path of ours is text");
    let ended = Program::hubbub(&["gen-cert", "--out", out, "--name", "chat.example"], &[]);
    assert!(ended.status.success(), "{}", ended.stderr);
    for part in ["chat.example", "--tls-listen", "--tls-cert", "--tls-key", "openssl s_client"] {
        assert!(ended.stdout.contains(part), "{part:?} is missing in {:?}", ended.stdout);
    }
    let mut command = Command::new("openssl");
    command.args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(other.join("cert.pem"));
    let shown = Program::start(&mut command).ended();
    assert!(shown.stdout.contains("DNS:chat.example"), "{}", shown.stdout);
}

#[test]
fn tls_that_cannot_be_had_is_explained_in_one_line() {
    let folder = cert_file().parent().expect("a folder").to_owned();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    let [cert, key] = [&cert, &key].map(|path| path.to_str().expect("a path of ours is text"));
    for (cert, key, words) in [
        ("/no/such/file", key, &["/no/such/file", "--tls-cert", "hubbub gen-cert"][..]),
        (cert, "/no/such/file", &["/no/such/file", "--tls-key", "hubbub gen-cert"]),
        (cert, cert, &["--tls-key", "no private key in it"]),
    ] {
        let tls = ["--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let ended = Program::hubbub(&[&["--port", "0"], &tls[..]].concat(), &[]);
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} is missing in {:?}", ended.stderr);
        }
    }
    for alone in ["--tls-listen=127.0.0.1:1", "--tls-cert=x", "--tls-key=x"] {
        let ended = Program::hubbub(&[alone], &[]);
        assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("--tls-"), "{}", ended.stderr);
    }
}
