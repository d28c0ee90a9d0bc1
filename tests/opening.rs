//! The first line of a connection: what is no line of ours is said in no room, and what closes
//! without one was never there.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use common::admin::{ADMIN, Admin};
use common::tls::{TlsServer, cert_file, pair};
use common::{Client, PATIENCE, Server, eventually, expect_quiet, people};

/// What browsers send beside a request's first line, and must not be read by others.
const HEADERS: &str =
    "Host: chat.example\r\nCookie: session=secret\r\nAuthorization: Basic c2VjcmV0\r\n\r\n";
/// Connections that come and go without a word, of each kind.
const PROBES: usize = 334;

/// All that comes on a connection up to its end, in good order or not.
fn all_of(mut connection: impl Read) -> String {
    let mut bytes = vec![];
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = connection.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends these pieces one after the other, and reads the answer to its end.
fn answer_to(addr: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(addr).expect("a connection");
    stream.set_nodelay(true).expect("an option of our own socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
    for piece in pieces {
        // It may have been hung up on behind the first.
        let _ = stream.write_all(piece);
    }
    all_of(stream)
}

/// Waits for the line of the log that says why a client was sent away.
fn wait_for_reason(server: &Server, reason: &str) {
    let words = format!("reason=\"{reason}\"");
    let found = server.stderr.wait_for(|line| line.contains(&words).then_some(()));
    assert!(found.is_some(), "no {words}: {}", server.stderr.so_far());
}

#[test]
fn f46_an_http_request_at_a_port_for_lines_is_said_in_no_room() {
    let http = common::server::free_port();
    let page = format!("127.0.0.1:{http}");
    let server = Server::start(2, &["--http", &page]);
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    let long = format!("GET /{} HTTP/1.1\r\n{HEADERS}", "x".repeat(20_000));
    let requests = [
        format!("GET / HTTP/1.1\r\n{HEADERS}"),
        format!("\r\n\r\nPOST /form HTTP/1.1\r\n{HEADERS}/name eve\nhello=from+a+form\n"),
        format!("PROPFIND / HTTP/1.1\r\n{HEADERS}"),
        format!("OPTIONS * HTTP/1.0\r\n{HEADERS}"),
        format!("CONNECT chat.example:443 HTTP/1.1\r\n{HEADERS}"),
        long,
    ];
    for request in &requests {
        let (first, rest) = request.as_bytes().split_at(9);
        for pieces in [&[request.as_bytes()][..], &[first, rest]] {
            let answer = answer_to(server.addr, pieces);
            let (_, response) = answer.split_once("HTTP/1.1 400 ").expect("a response");
            assert!(response.contains(&format!("http://{page}/")), "{response}");
            wait_for_reason(&server, "http-on-line-port");
        }
    }
    expect_quiet([&mut amy, &mut bob]);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    assert!(!log.contains("secret") && !log.contains("Cookie"), "{log}");
}

#[test]
fn f46_a_request_that_comes_late_is_still_none_to_be_said() {
    let server = Server::start(1, &[]);
    let mut amy = Client::greeted(&server);
    let mut late = Client::connect(&server);
    let guest = late.expect_help_and_name();
    // It has sent nothing for long enough to be in the lobby, as a browser's spare connection.
    late.expect("You joined main");
    amy.expect(&format!("{guest} joined"));
    late.send_bytes(format!("GET / HTTP/1.1\r\n{HEADERS}").as_bytes());
    assert_eq!(late.read_line(), "HTTP/1.1 400 Bad Request\r");
    amy.expect(&format!("{guest} left"));
    expect_quiet([&mut amy]);
}

#[test]
fn f46_what_a_browser_would_send_within_tls_is_said_in_no_room() {
    let tls = TlsServer::start(1, &[]);
    let [mut amy] = people(&tls.server, ["amy"]);
    let mut client = tls.connect();
    client.send_bytes(format!("GET / HTTP/1.1\r\n{HEADERS}").as_bytes());
    let mut lines: Vec<String> = std::iter::from_fn(|| client.read_line_or_end()).collect();
    lines.retain(|line| line.contains("HTTP/1.1 400 "));
    assert_eq!(lines.len(), 1, "{lines:?}");
    let cert = cert_file();
    let curl = |more: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "10", "--cacert"]).arg(&cert);
        curl.args(more).arg(format!("https://{}/", tls.addr));
        let output = curl.output().expect("curl is installed by `cargo xtask test packages`");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // What is no protocol of ours is refused before a byte of it is sent.
    let refused = curl(&[]);
    assert!(refused.contains("alert no application protocol"), "{refused}");
    expect_quiet([&mut amy]);
}

#[test]
fn f46_a_tls_hello_at_a_plain_port_is_said_in_no_room() {
    let server = Server::start(1, &[]);
    let [mut amy] = people(&server, ["amy"]);
    // A hello's record as clients send it, with line ends in what is random in it.
    let hello = [&b"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03"[..], &[b'\n'; 39]].concat();
    let answer = answer_to(server.addr, &[&hello]);
    assert!(answer.contains("does not speak TLS"), "{answer}");
    wait_for_reason(&server, "tls-on-plain-port");
    let answer = answer_to(server.addr, &[&hello[..1], &hello[1..]]);
    assert!(answer.contains("does not speak TLS"), "{answer}");
    expect_quiet([&mut amy]);
}

#[test]
fn f47_a_proxy_header_that_is_not_announced_is_refused_with_the_setting() {
    let tls = TlsServer::start(1, &[]);
    let server = &tls.server;
    let [mut amy] = people(server, ["amy"]);
    let v1 = b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 42069\r\nhello\n";
    let v2 =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x01\x12\x67\xa4\x55hello\n";
    for header in [&v1[..], v2] {
        for cut in [header.len(), 1, 2, 8] {
            let answer = answer_to(server.addr, &[&header[..cut], &header[cut..]]);
            assert!(answer.contains("--proxies") && !answer.contains("198.51.100.7"), "{answer}");
            wait_for_reason(server, "unannounced-proxy-header");
        }
    }
    answer_to(tls.addr, &[v2]);
    wait_for_reason(server, "unannounced-proxy-header");
    expect_quiet([&mut amy]);
}

#[test]
fn f48_connections_without_a_word_are_announced_to_nobody() {
    let [cert, key] = pair();
    let http = format!("127.0.0.1:{}", common::server::free_port());
    let tls = ["--tls-listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let own = ["--http", &http, "--exempt", "none", "--address-connects-per-minute", "60000"];
    let server = Server::start(
        2,
        &[&tls[..], &own, &["--address-connections-max", "2000"], &ADMIN].concat(),
    );
    let (secure, admin) = (common::tls::address(&server), Admin::of(&server));
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    let ports = [server.addr, secure, http.parse().expect("an address")];
    for _ in 0..PROBES {
        for port in ports {
            let stream = TcpStream::connect(port).expect("a connection");
            drop(stream);
        }
    }
    // A check that closes one side only, and one that says that it goes.
    let polite = TcpStream::connect(server.addr).expect("a connection");
    polite.shutdown(Shutdown::Write).expect("it is open");
    assert!(all_of(polite).contains("You are "), "the greeting comes at once");
    answer_to(server.addr, &[b"\x04"]);
    let probes = (PROBES + 2) as f64;
    eventually("all are gone", || {
        let metrics = admin.metrics();
        metrics.sum("hubbub_probes_total") >= probes && metrics.sum("hubbub_connections") == 2.0
    });
    let metrics = admin.metrics();
    assert_eq!(metrics.sum("hubbub_names"), 2.0, "guests' names are free again");
    assert_eq!(metrics.sum("hubbub_connections_opened_total"), 2.0);
    assert_eq!(metrics.sum("hubbub_connections_turned_away_total"), 0.0);
    expect_quiet([&mut amy, &mut bob]);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all();
    let clients = log.iter().filter(|line| line.contains("from=")).count();
    assert_eq!(clients, 2, "{log:#?}");
}

#[test]
fn a_client_enters_the_lobby_with_its_first_line_or_after_a_moment() {
    common::on_every_shard_count(|server| {
        let mut amy = Client::greeted(server);
        let mut bob = Client::connect(server);
        let guest = bob.expect_help_and_name();
        bob.send("hello");
        bob.expect("You joined main");
        bob.expect(&format!("{guest}: hello"));
        amy.expect(&format!("{guest} joined"));
        amy.expect(&format!("{guest}: hello"));
    });
}
