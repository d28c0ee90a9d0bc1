//! The door for browsers: the page's files, who may chat and who may not, and how both are told.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use common::admin::{ADMIN, Admin};
use common::program::Program;
use common::server::{Setup, hubbub};
use common::tls::{cert_file, pair, trusting};
use common::web::{self, ACCEPT, address, converse, head, opening, rest};
use common::wire::Wire;
use common::{Client, PATIENCE, Server, eventually};

/// What every answer has.
const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "no-cache"),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

/// The files of the page: where they are asked for, where they are, and what they are.
fn files() -> Vec<(String, Vec<u8>, &'static str)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let file = |path: std::path::PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let kind = match path.extension()?.to_str()? {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => return None,
        };
        let place = if name == "index.html" { String::new() } else { name };
        Some((format!("/{place}"), fs::read(&path).expect("a file"), kind))
    };
    entries.filter_map(|entry| file(entry.path())).collect()
}

#[test]
fn every_file_of_the_page_is_there_as_what_it_is() {
    let (_server, door) = web::start(1, &[]);
    let files = files();
    assert!(files.iter().any(|(path, ..)| path == "/"), "there is no page");
    for (path, bytes, kind) in files {
        let answer = door.get(&path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.body.as_bytes(), bytes, "{path}");
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}

#[test]
fn a_browser_that_has_a_file_is_told_so_and_gets_it_no_second_time() {
    let (_server, door) = web::start(1, &[]);
    let tag = door.get("/").header("etag").expect("a tag").to_owned();
    let ask = |tags: &str| {
        let request = format!("GET / HTTP/1.0\r\nIf-None-Match: {tags}\r\n\r\n");
        let answer = door.ask(&request);
        (answer.status, answer.header("etag") == Some(&tag), answer.body.is_empty())
    };
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        assert_eq!(ask(&known), (304, true, true), "{known}");
    }
    assert_eq!(ask("\"other\""), (200, true, false));
}

#[test]
fn a_head_is_all_but_the_body() {
    let (_server, door) = web::start(1, &[]);
    let [whole, head] = ["GET", "HEAD"].map(|method| {
        let mut answer = door.ask(&format!("{method} / HTTP/1.0\r\n\r\n"));
        let lines = answer.head.lines().filter(|line| !line.starts_with("date: "));
        answer.head = lines.collect::<Vec<_>>().join("\n");
        answer
    });
    assert_eq!((&head.head, head.body.as_str()), (&whole.head, ""));
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
}

#[test]
fn what_is_not_there_or_cannot_be_done_is_said_in_a_line() {
    let (_server, door) = web::start(1, &[]);
    for (request, status, word) in [
        ("GET /nothing", 404, "at /"),
        ("GET /../web/index.html", 404, "at /"),
        ("GET /index.html/", 404, "at /"),
        ("GET /%2e%2e/Cargo.toml", 404, "at /"),
        ("GET /ws/", 404, "at /"),
        ("POST /", 405, "GET and HEAD"),
        ("DELETE /", 405, "GET and HEAD"),
        ("POST /nothing", 405, "GET and HEAD"),
        ("POST /ws", 405, "GET and HEAD"),
        ("OPTIONS *", 405, "GET and HEAD"),
    ] {
        let answer = door.ask(&format!("{request} HTTP/1.0\r\n\r\n"));
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.body.contains(word) && answer.body.lines().count() == 1, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{request}");
        }
    }
}

#[test]
fn a_connection_is_kept_for_more_requests_but_not_for_any_number() {
    let (_server, door) = web::start(1, &[]);
    let mut stream = door.connect();
    let mut answers = 0;
    loop {
        stream.write_all(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it reads");
        let answer = head(&mut stream);
        assert_eq!(answer.status, 200);
        answers += 1;
        if answer.header("connection") == Some("close") {
            break;
        }
    }
    assert!((2..=100).contains(&answers), "{answers} answers");
    assert_eq!(rest(&mut stream), "");
}

#[test]
fn a_chat_is_opened_with_what_was_agreed_on_and_nothing_else() {
    let (_server, door) = web::start(2, &[]);
    for (asked, agreed) in [
        (None, None),
        (Some("hubbub.v1.json"), Some("hubbub.v1.json")),
        (Some("hubbub.v1.line"), Some("hubbub.v1.line")),
        (Some("hubbub.v1.line, hubbub.v1.json"), Some("hubbub.v1.line")),
        (Some("mqtt,hubbub.v1.json"), Some("hubbub.v1.json")),
    ] {
        let (answer, _stream) = converse(door, &opening(&[("Sec-WebSocket-Protocol", asked)]));
        assert_eq!(answer.status, 101, "{asked:?}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(answer.header("sec-websocket-protocol"), agreed, "{asked:?}");
        assert!(answer.header("upgrade").is_some_and(|it| it.eq_ignore_ascii_case("websocket")));
        assert!(answer.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("upgrade")));
        assert_eq!(answer.header("content-length"), None, "{answer:?}");
    }
}

#[test]
fn f17_no_compression_is_agreed_on_whatever_is_offered() {
    let (_server, door) = web::start(1, &[]);
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_no_context_takeover",
        "permessage-bzip2, x-webkit-deflate-frame",
    ] {
        let (answer, _stream) =
            converse(door, &opening(&[("Sec-WebSocket-Extensions", Some(offer))]));
        assert_eq!(answer.status, 101);
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{offer}");
    }
}

#[test]
fn what_is_no_opening_is_refused_with_what_is_wrong_with_it() {
    let (_server, door) = web::start(1, &[]);
    let key = "Sec-WebSocket-Key";
    for (changes, status, word) in [
        (&[("Upgrade", None)][..], 400, "WebSocket"),
        (&[("Upgrade", Some("h2c"))], 400, "WebSocket"),
        (&[("Connection", None)], 400, "WebSocket"),
        (&[("Connection", Some("close"))], 400, "WebSocket"),
        (&[("Content-Length", Some("1"))], 400, "WebSocket"),
        (&[("Transfer-Encoding", Some("chunked"))], 400, "WebSocket"),
        (&[("Sec-WebSocket-Version", None)], 426, "13"),
        (&[("Sec-WebSocket-Version", Some("8"))], 426, "13"),
        (&[("Sec-WebSocket-Version", Some("13, 8"))], 426, "13"),
        (&[(key, None)], 400, key),
        (&[(key, Some(""))], 400, key),
        (&[(key, Some("dGhlIHNhbXBsZSBub25jZ"))], 400, key),
        (&[(key, Some("dGhlIHNhbXBsZSBub25jZSE="))], 400, key),
        (&[(key, Some("*GhlIHNhbXBsZSBub25jZQ=="))], 400, key),
        (&[(key, Some("a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))], 400, key),
        (&[("Host", None)], 400, "Host"),
        (&[("Host", Some("a.example\r\nHost: chat.example"))], 400, "Host"),
        (&[("Sec-WebSocket-Protocol", Some("mqtt"))], 400, "hubbub.v1.json"),
        (&[("Sec-WebSocket-Protocol", Some("HUBBUB.V1.JSON"))], 400, "hubbub.v1.json"),
    ] {
        let (answer, mut stream) = converse(door, &opening(changes));
        assert_eq!(answer.status, status, "{changes:?}");
        stream.shutdown(Shutdown::Write).expect("it is connected");
        let line = rest(&mut stream);
        assert!(line.contains(word) && line.lines().count() == 1, "{changes:?}: {line}");
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        }
    }
    let old = opening(&[]).replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(converse(door, &old).0.status, 400, "HTTP/1.0");
    let other = opening(&[]).replace("GET", "HEAD");
    assert_eq!(converse(door, &other).0.status, 400, "HEAD");
}

#[test]
fn an_opening_may_be_spelled_in_other_ways() {
    let (_server, door) = web::start(1, &[]);
    for changes in [
        &[("Upgrade", Some("WebSocket"))][..],
        &[("Connection", Some("keep-alive, upgrade"))],
        &[("Connection", Some("keep-alive\r\nConnection: UPGRADE"))],
        &[("Sec-WebSocket-Protocol", Some("mqtt\r\nSec-WebSocket-Protocol: hubbub.v1.line"))],
        &[("Content-Length", Some("0"))],
    ] {
        assert_eq!(converse(door, &opening(changes)).0.status, 101, "{changes:?}");
    }
}

/// Whether a page of each origin may chat, where the host is `chat.example`.
fn judge(door: Admin, origins: &[Option<&str>]) -> Vec<u16> {
    let status = |&origin| {
        let (answer, mut stream) = converse(door, &opening(&[("Origin", origin)]));
        if answer.status == 403 {
            stream.shutdown(Shutdown::Write).expect("it is connected");
            assert!(rest(&mut stream).contains("--allow-origin"), "it does not say what to do");
        }
        answer.status
    };
    origins.iter().map(status).collect()
}

const ORIGINS: [Option<&str>; 9] = [
    None,
    Some("http://chat.example"),
    Some("https://chat.example"),
    Some("https://chat.example:8443"),
    Some("https://evil.example"),
    Some("https://chat.example.evil.example"),
    Some("null"),
    Some(""),
    Some("https://chat.example\r\nOrigin: https://evil.example"),
];

#[test]
fn f18_pages_from_elsewhere_may_not_chat() {
    let (server, door) = web::start(2, &ADMIN);
    assert_eq!(judge(door, &ORIGINS), [101, 101, 101, 403, 403, 403, 403, 403, 403]);
    Admin::of(&server).wait_for_turned_away("bad-origin", 6);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    assert!(log.contains(r#"reason="bad-origin" count=6"#), "{log}");
}

#[test]
fn f18_pages_may_chat_whose_origin_the_operator_names_from_then_on() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("origins.toml");
    let write = |origins| fs::write(&file, format!("allow-origin = {origins}\n")).expect("a file");
    write(r#"["https://Evil.example:443", "http://a.example"]"#);
    let path = file.to_str().expect("a path of ours is text");
    let (server, door) = web::start(2, &["--config", path]);
    assert_eq!(judge(door, &ORIGINS), [101, 101, 101, 403, 101, 403, 403, 403, 403]);
    write("[]");
    server.signal("HUP");
    let is_read = |line: &str| line.contains("settings were read again").then_some(());
    server.stderr.wait_for(is_read).expect("it reads its settings");
    assert_eq!(judge(door, &[Some("https://evil.example")]), [403]);
    let wrong = Program::hubbub(&["--allow-origin", "evil.example", "--check-config"], &[]);
    assert!(wrong.stderr.contains("such as https://chat.example"), "{}", wrong.stderr);
}

#[test]
fn curl_gets_the_page_with_and_without_tls() {
    let [cert, key] = pair();
    let args = ["--https", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let (server, door) = web::start(2, &args);
    let secure = address(&server, "https");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/web/index.html"));
    let page = page.expect("the page");
    for url in [format!("http://{}/", door.addr), format!("https://{secure}/")] {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--http1.1", "--cacert"]);
        let ended = Program::start(command.arg(cert_file()).args([&url, &url])).ended();
        assert!(ended.status.success(), "{url}: {}", ended.stderr);
        assert_eq!(ended.stdout, page.repeat(2).trim_end(), "{url}");
    }
    let told = Admin { addr: secure }.get("/");
    assert_eq!(told.status, 400, "plainly to the port for TLS: {told:?}");
    assert!(told.body.contains("https://"), "{told:?}");
}

/// Opens a WebSocket through TLS, with the request and its first bytes in as few pieces as can be.
const PYTHON: &str = r#"
import socket, ssl, sys
host, port, cert, version, request = sys.argv[1:]
context = ssl.create_default_context(cafile=cert)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
with socket.create_connection((host, int(port))) as sock:
    tls = context.wrap_socket(sock, server_hostname=host)
    tls.sendall(request.encode())
    answer = tls.makefile("rb")
    for line in iter(answer.readline, b"\r\n"):
        print(line.decode().strip())
"#;

#[test]
fn a_chat_is_opened_through_tls() {
    let [cert, key] = pair();
    let args = ["--https", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let (server, _) = web::start(2, &args);
    let addr = address(&server, "https");
    for version in ["TLSv1_2", "TLSv1_3"] {
        let mut command = Command::new("python3");
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        command.args(["-c", PYTHON, &host, &port]).arg(cert_file());
        let ended = Program::start(command.args([version, &opening(&[])])).ended();
        assert!(ended.status.success(), "{version}: {}", ended.stderr);
        assert!(ended.stdout.starts_with("HTTP/1.1 101 "), "{version}: {}", ended.stdout);
        assert!(ended.stdout.contains(ACCEPT), "{version}: {}", ended.stdout);
    }
}

#[test]
fn what_is_asked_with_the_end_of_a_handshake_is_answered() {
    let [cert, key] = pair();
    let args = ["--https", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let (server, _) = web::start(2, &args);
    let stream = Admin { addr: address(&server, "https") }.connect();
    let request = opening(&[]);
    let tls = Wire::secure(stream, &trusting(&cert_file()), request.as_bytes());
    assert_eq!(head(&mut tls.expect("a handshake")).status, 101);
}

#[test]
fn where_nobody_has_said_and_the_port_is_taken_the_server_starts_all_the_same() {
    // Whether it is us or somebody else who has it.
    let _taken = TcpListener::bind("127.0.0.1:8080");
    for format in ["text", "json"] {
        let mut command = hubbub();
        command.args(["--port", "0", "--no-pin", "--log-format", format]);
        let said = first_words(&mut command, if format == "text" { "stop" } else { "browsers" });
        for word in ["listening on 127.0.0.1:", "127.0.0.1:8080", "already in use", "--http"] {
            assert!(said.contains(word), "{word} is not in {said}");
        }
    }
}

/// What a server says up to a line with this word, after which it is ended.
fn first_words(command: &mut Command, word: &str) -> String {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut said = String::new();
    for line in lines.map_while(Result::ok) {
        said += &line;
        said.push('\n');
        if line.contains(word) {
            break;
        }
    }
    child.kill().expect("it is there");
    child.wait().expect("it ends");
    said
}

#[test]
fn a_port_that_was_asked_for_and_cannot_be_had_is_explained_in_one_line() {
    let taker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taker.local_addr().expect("it is bound").to_string();
    let [cert, key] = pair();
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let at_taken = [&["--https", &taken], &tls[..]].concat();
    for (args, code, words) in [
        (&["--http", &taken][..], 1, ["already in use", "--http"]),
        (&["--http", "8080"], 2, ["--http", "127.0.0.1:8080"]),
        (&["--https", "127.0.0.1:0"], 2, ["--tls-cert", "gen-cert"]),
        (&at_taken, 1, ["already in use", "--https"]),
        (&tls, 2, ["--tls-listen", "--https"]),
    ] {
        let ended = Program::hubbub(&[&["--port", "0"], args].concat(), &[]);
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{args:?}: {}", ended.stderr);
        }
    }
}

#[test]
fn without_the_door_nobody_listens_there() {
    let server = Server::start_as(&Setup { args: &["--http", "off"], ..Setup::default() });
    Client::greeted(&server);
    assert!(!server.stderr.so_far().contains("browser"), "{}", server.stderr.so_far());
}

#[test]
fn a_full_server_says_so_to_browsers_and_lets_them_in_when_somebody_has_left() {
    let (server, door) = web::start(2, &["--connections-max", "4"]);
    let mut clients: Vec<Client> = (0..4).map(|_| Client::greeted(&server)).collect();
    for request in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), opening(&[])] {
        let (answer, mut stream) = converse(door, &request);
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some_and(|it| it.parse::<u32>().is_ok()));
        assert!(rest(&mut stream).contains("Server is full"));
    }
    clients.pop();
    eventually("there is room", || door.get("/").status == 200);
}

#[test]
fn f08_connections_of_an_address_count_wherever_it_comes_in() {
    let args = ["--exempt", "none", "--address-connections-max", "3"];
    let (server, door) = web::start(2, &args);
    let [_first, _second] = [Client::greeted(&server), Client::greeted(&server)];
    let (answer, mut third) = converse(door, &opening(&[]));
    assert_eq!(answer.status, 101);
    let (answer, mut fourth) = converse(door, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some_and(|it| it.parse::<u32>().is_ok()));
    assert!(rest(&mut fourth).contains("too many connections from your address"));
    third.shutdown(Shutdown::Both).expect("it is connected");
    let mut byte = [0];
    eventually("it has gone", || third.read(&mut byte).is_ok_and(|count| count == 0));
    eventually("there is room", || door.get("/").status == 200);
}

#[test]
fn f09_a_proxy_says_before_the_request_where_a_browser_comes_from() {
    let args = ["--proxies", "127.0.0.1", "--exempt", "none", "--address-connections-max", "1"];
    let (server, door) = web::start(2, &args);
    let from =
        |host: u8| format!("PROXY TCP4 198.51.100.{host} 192.0.2.1 12345 80\r\n{}", opening(&[]));
    let (answer, _amy) = converse(door, &from(1));
    assert_eq!(answer.status, 101);
    assert_eq!(converse(door, &from(1)).0.status, 429);
    assert_eq!(converse(door, &from(2)).0.status, 101);
    let told = "from=198.51.100.1:12345";
    assert!(server.stderr.wait_for(|line| line.contains(told).then_some(())).is_some());
}

#[test]
fn a_stop_closes_the_door_with_the_others() {
    let (server, door) = web::start(2, &["--drain-seconds", "60"]);
    let mut slow = door.connect();
    slow.write_all(b"GET / HTTP/1.1\r\n").expect("it reads");
    let (answer, chatting) = converse(door, &opening(&[]));
    assert_eq!(answer.status, 101);
    server.signal("TERM");
    assert_eq!(rest(&mut slow), "");
    eventually("nobody listens", || TcpStream::connect(door.addr).is_err());
    // This one has not closed its side, so there is still a server.
    assert!(server.is_running());
    drop(chatting);
    assert_eq!(server.ended_within(PATIENCE).code(), Some(0));
}
