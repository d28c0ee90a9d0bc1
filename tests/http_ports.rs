//! What holds for every HTTP port, that of the page and that of the operator: which host names are
//! answered, and that a client which sends no more gets its answer.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Server;
use common::admin::{ADMIN, Admin, Answer};
use common::program::Program;
use common::tls::{cert_file, pair, trusting};
use common::web::{address, converse, head, opening, rest};
use common::wire::Wire;

const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];

fn start(args: &[&str]) -> (Server, Admin, Admin) {
    let server = Server::start(2, &[&HTTP, &ADMIN[..], args].concat());
    let door = Admin { addr: address(&server, "http") };
    let admin = Admin::of(&server);
    (server, door, admin)
}

/// The answer to a request for `target` with these headers.
fn ask(port: Admin, target: &str, headers: &str) -> Answer {
    port.ask(&format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
}

fn host(name: &str) -> String {
    format!("Host: {name}\r\n")
}

#[test]
fn a_name_that_is_not_ours_is_answered_at_no_http_port() {
    let (server, door, admin) = start(&["--allow-host", "Chat.Example,*.apps.example"]);
    let ours = [
        "127.0.0.1",
        "[::1]:8080",
        "LOCALHOST:1",
        "localhost.",
        "chat.example",
        "CHAT.example.:443",
        "a.apps.example",
    ];
    let others = ["evil.example", "evil.example:8080", "apps.example", "chat.example.evil.example"];
    for (port, paths) in [(door, &["/", "/chat.js"][..]), (admin, &["/", "/metrics", "/healthz"])] {
        for path in paths {
            for name in ours {
                assert_eq!(ask(port, path, &host(name)).status, 200, "{name}{path}");
            }
            for name in others {
                let answer = ask(port, path, &host(name));
                assert_eq!(answer.status, 421, "{name}{path}: {answer:?}");
                let name = name.trim_end_matches(":8080");
                assert!(answer.body.contains(&format!("--allow-host {name}")), "{answer:?}");
            }
        }
    }
    let evil = [("Host", Some("evil.example")), ("Origin", Some("http://evil.example"))];
    assert_eq!(converse(door, &opening(&evil)).0.status, 421);
    let refused = (2 + 3) * others.len() + 1;
    admin.wait_for_turned_away("bad-host", refused as u32);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    assert!(
        log.contains(r#"connections are turned away reason="bad-host" from=127.0.0.1:"#),
        "{log}"
    );
}

#[test]
fn a_request_names_its_host_once_and_the_target_wins() {
    let (_server, door, admin) = start(&[]);
    for port in [door, admin] {
        for (target, headers, status) in [
            ("/", String::new(), 400),
            ("/", host("localhost") + &host("localhost"), 400),
            ("/", host(""), 400),
            ("/", host("amy@localhost"), 400),
            ("/", host("localhost:http"), 400),
            ("/", host("b\u{fc}cher.example"), 400),
            ("http://localhost/", host("localhost"), 200),
            ("http://localhost/", host("evil.example"), 200),
            ("http://evil.example/", host("localhost"), 421),
            ("http://localhost@evil.example/", host("localhost"), 400),
            ("http://evil.example@localhost/", host("localhost"), 400),
            ("http://localhost/", String::new(), 400),
        ] {
            let answer = ask(port, target, &headers);
            assert_eq!(answer.status, status, "{target} {headers:?}: {answer:?}");
        }
        let long = format!("{}.example", "x".repeat(200));
        let answer = ask(port, "/", &host(&long));
        assert_eq!(answer.status, 421);
        assert!(answer.body.len() < 400, "it repeats all of it: {answer:?}");
        // No browser sends such a request, and a health check has no name to send.
        assert_eq!(port.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
        assert_eq!(port.ask("GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n").status, 421);
    }
}

/// A certificate for these names, and its key.
fn certificate(folder: &Path, names: &str) -> [PathBuf; 2] {
    let files = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    fs::create_dir_all(folder).expect("a folder");
    files.iter().for_each(|file| drop(fs::remove_file(file)));
    let names: Vec<&str> = names.split(',').flat_map(|name| ["--name", name]).collect();
    let out = folder.to_str().expect("a path of ours is text");
    let args = [&["gen-cert", "--out", out], &names[..]].concat();
    let ended = Program::hubbub(&args, &[]);
    assert!(ended.status.success(), "{}", ended.stderr);
    files
}

#[test]
fn names_of_origins_and_of_the_certificate_are_ours_and_a_reload_changes_them() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hosts");
    let files = certificate(&folder, "cert.example,*.sub.example");
    let [cert, key] = [&files[0], &files[1]].map(|it| it.to_str().expect("a path of ours is text"));
    let config = folder.join("hubbub.toml");
    let write = |more: &str| fs::write(&config, more).expect("a file");
    write(
        "allow-origin = [\"https://page.example:8443\", \"https://*.pages.example\", \"app://x\"]",
    );
    let config = config.to_str().expect("a path of ours is text");
    let tls = ["--https", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
    let (server, door, admin) = start(&[&tls[..], &["--config", config]].concat());
    let judge = |names: &[&str]| {
        let both = |name: &&str| [door, admin].map(|port| ask(port, "/", &host(name)).status);
        names.iter().map(both).collect::<Vec<_>>()
    };
    let names = ["cert.example", "a.sub.example", "page.example", "a.pages.example", "x", "new"];
    let (yes, no) = ([200; 2], [421; 2]);
    assert_eq!(judge(&names), [yes, yes, yes, yes, no, no]);
    certificate(&folder, "new");
    write("");
    server.signal("HUP");
    let is_read = |line: &str| line.contains("settings were read again").then_some(());
    server.stderr.wait_for(is_read).expect("it reads its settings");
    assert_eq!(judge(&names), [no, no, no, no, no, yes]);
}

#[test]
fn apps_and_all_names_below_one_may_chat_if_the_operator_says_so() {
    let rules =
        "null,capacitor://localhost,tauri://localhost,file://,app://x,https://*.example.com";
    let (_server, door, _) = start(&["--allow-origin", rules]);
    for (origin, status) in [
        ("null", 101),
        ("capacitor://localhost", 101),
        ("tauri://localhost", 101),
        ("file://", 101),
        ("app://x", 101),
        ("https://a.example.com", 101),
        ("https://b.a.example.com", 101),
        ("https://example.com", 403),
        ("http://a.example.com", 403),
        ("https://evilexample.com", 403),
        ("capacitor://evil", 403),
        ("app://", 403),
    ] {
        let changes = [("Host", Some("127.0.0.1")), ("Origin", Some(origin))];
        assert_eq!(converse(door, &opening(&changes)).0.status, status, "{origin}");
    }
    for rule in ["*", "https://*", "a.example", "https://a.*.example", "https://a.example/chat"] {
        let ended = Program::hubbub(&["--allow-origin", rule, "--check-config"], &[]);
        assert_eq!(ended.status.code(), Some(2), "{rule}");
        let told = ended.stderr;
        assert!(told.contains("--allow-origin") && told.contains("such as https://"), "{told}");
    }
}

#[test]
fn a_refused_request_is_the_last_of_its_connection() {
    let (_server, door, _) = start(&[]);
    let evil = [("Host", Some("127.0.0.1")), ("Origin", Some("http://evil.example"))];
    let (answer, mut stream) = converse(door, &opening(&evil));
    assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
    stream.shutdown(Shutdown::Write).expect("it is connected");
    rest(&mut stream);
}

/// How many times each client of the tests below asks.
const TIMES: usize = 50;

#[test]
fn a_client_that_closes_its_side_behind_its_request_is_answered() {
    let (_server, door, admin) = start(&[]);
    for (port, path) in [(door, "/"), (door, "/nothing"), (admin, "/metrics"), (admin, "/healthz")]
    {
        for _ in 0..TIMES {
            let mut stream = port.connect();
            let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", host("localhost"));
            stream.write_all(request.as_bytes()).expect("it reads");
            stream.shutdown(Shutdown::Write).expect("it is connected");
            let answer = head(&mut stream);
            assert_eq!(answer.status, if path == "/nothing" { 404 } else { 200 }, "{path}");
            // It has closed its side, so this does not wait for any deadline.
            let length = answer.header("content-length").and_then(|it| it.parse::<usize>().ok());
            assert_eq!(Some(rest(&mut stream).len()), length, "{path}");
        }
    }
}

#[test]
fn a_client_that_closes_its_side_behind_its_request_is_answered_through_tls() {
    let [cert, key] = pair();
    let args = ["--https", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let server = Server::start(2, &args);
    let https = Admin { addr: address(&server, "https") };
    for _ in 0..TIMES {
        let config = trusting(&cert_file());
        let mut tls = Wire::secure(https.connect(), &config, b"").expect("a handshake");
        tls.write_all(format!("GET / HTTP/1.1\r\n{}\r\n", host("localhost")).as_bytes())
            .expect("it reads");
        tls.end_output().expect("it is connected");
        assert_eq!(head(&mut tls).status, 200);
        let mut body = String::new();
        tls.read_to_string(&mut body).expect("it ends in good order");
        assert!(body.contains("</html>"), "{body}");
    }
}

#[test]
fn netcat_is_answered_that_closes_its_side_at_the_end_of_its_input() {
    let (_server, door, admin) = start(&[]);
    for port in [door, admin] {
        let line = format!(
            "printf 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' | nc -N {} {}",
            port.addr.ip(),
            port.addr.port()
        );
        let ended = Program::start(Command::new("sh").args(["-c", &line])).ended();
        assert!(ended.stdout.starts_with("HTTP/1.1 200 "), "{}: {}", ended.stdout, ended.stderr);
    }
}
