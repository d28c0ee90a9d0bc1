//! What a proxy says of those it passes on: in a PROXY header before a connection's bytes, or in
//! the headers of each HTTP request on it.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::admin::{ADMIN, Admin, Answer};
use common::tls::{cert_file, pair, trusting};
use common::web::{self, address, converse, head, opening, rest};
use common::wire::Wire;
use common::{Client, Server, eventually, expect_quiet, people};

const LOOPBACK_IS_A_PROXY: [&str; 4] = ["--proxies", "127.0.0.1", "--address-connections-max", "2"];
/// Version 2 of the header, without an address.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn start(args: &[&str]) -> (Server, Admin) {
    web::start(2, &[&LOOPBACK_IS_A_PROXY, args].concat())
}

/// Asks to chat, as passed on by a proxy with these headers.
fn chat(door: Admin, headers: &[(&str, &str)]) -> (u16, TcpStream) {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, Some(*value))).collect();
    let (answer, stream) = converse(door, &opening(&headers));
    (answer.status, stream)
}

#[test]
fn limits_and_log_are_for_the_address_that_a_proxy_forwards() {
    let (server, door) = start(&[]);
    let forwarded = |host: u8| {
        let (x, rfc7239) =
            (format!("203.0.113.{host}"), format!("for=\"203.0.113.{host}:4711\";proto=http"));
        [("X-Forwarded-For", x), ("Forwarded", rfc7239)]
    };
    let mut inside = vec![];
    // Two of each address, whichever of the headers names it, though loopback is exempt.
    for host in 1..4 {
        for (name, value) in &forwarded(host) {
            let (status, stream) = chat(door, &[(name, value)]);
            assert_eq!(status, 101, "{name}: {value}");
            inside.push(stream);
        }
        for (name, value) in &forwarded(host) {
            let forged = format!("6.6.6.6, {value}");
            let forged = if *name == "Forwarded" { format!("for={forged}") } else { forged };
            for value in [value, &forged] {
                let (status, mut stream) = chat(door, &[(name, value)]);
                assert_eq!(status, 429, "{name}: {value}");
                assert!(rest(&mut stream).contains("too many connections from your address"));
            }
        }
    }
    for from in ["203.0.113.1:0", "203.0.113.2:4711"] {
        let told = format!("from={from}");
        let is_told =
            |line: &str| (line.contains("has come") && line.contains(&told)).then_some(());
        assert!(server.stderr.wait_for(is_told).is_some(), "{from}");
    }
    drop(inside.pop());
    let again = || chat(door, &[("X-Forwarded-For", "203.0.113.3")]).0 == 101;
    eventually("there is room", again);
}

#[test]
fn each_request_on_a_connection_of_a_proxy_is_of_its_own_client() {
    let (_server, door) =
        start(&["--address-connects-per-minute", "1", "--exempt", "198.51.100.7"]);
    let mut pooled = door.connect();
    let mut ask = |from: &str| {
        let request =
            format!("GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {from}\r\n\r\n");
        if pooled.write_all(request.as_bytes()).is_err() {
            pooled = door.connect();
            pooled.write_all(request.as_bytes()).expect("it reads");
        }
        let answer = head(&mut pooled);
        let mut body = vec![0; length(&answer)];
        pooled.read_exact(&mut body).expect("a body");
        if answer.header("connection") == Some("close") {
            pooled = door.connect();
        }
        answer.status
    };
    // Two connects at once are 64 requests, and the one that goes over it.
    let answered = (0..200).take_while(|_| ask("203.0.113.1") == 404).count();
    assert!((65..=70).contains(&answered), "{answered}");
    assert_eq!([ask("203.0.113.2"), ask("203.0.113.1"), ask("203.0.113.2")], [404, 429, 404]);
    assert!((0..200).all(|_| ask("198.51.100.7") == 404), "exempt");
    // A client that chats is counted for itself, on a connection that others have used.
    assert_eq!(chat(door, &[("X-Forwarded-For", "203.0.113.2")]).0, 101);
}

fn length(answer: &Answer) -> usize {
    answer.header("content-length").and_then(|it| it.parse().ok()).expect("a length")
}

#[test]
fn a_proxy_that_does_not_say_is_counted_itself_and_never_exempt() {
    let (server, door) = start(&[]);
    let headers = [
        &[][..],
        &[("X-Forwarded-For", "unknown")],
        &[("Forwarded", "for=_hidden")],
        &[("X-Forwarded-For", "203.0.113.1"), ("Forwarded", "for=203.0.113.2")],
    ];
    let all: Vec<(u16, TcpStream)> = headers.iter().map(|headers| chat(door, headers)).collect();
    let statuses: Vec<u16> = all.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [101, 101, 429, 429], "two of 127.0.0.1, though that is exempt");
    assert_eq!(chat(door, &[("X-Forwarded-For", "203.0.113.1")]).0, 101);
    assert_eq!(server.stop().0, Some(0));
    let log = server.stderr.all().join("\n");
    let told = "a proxy does not say where a request comes from";
    assert_eq!(log.matches(told).count(), 1, "{log}");
    assert!(log.contains("neither X-Forwarded-For nor Forwarded"), "{log}");
}

#[test]
fn who_is_no_proxy_may_forward_what_it_likes() {
    let args = ["--proxies", "192.0.2.1", "--address-connections-max", "2", "--exempt", "none"];
    let (_server, door) = web::start(2, &args);
    let inside: Vec<_> = (1..=2)
        .map(|host| chat(door, &[("X-Forwarded-For", &format!("203.0.113.{host}"))]))
        .collect();
    assert!(inside.iter().all(|(status, _)| *status == 101));
    assert_eq!(chat(door, &[("X-Forwarded-For", "203.0.113.3")]).0, 429);
}

#[test]
fn a_proxy_may_send_either_header_to_ports_for_http_with_and_without_tls() {
    let [cert, key] = pair();
    let (server, door) = start(&["--https", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key]);
    let https = Admin { addr: address(&server, "https") };
    let request = |headers: &str| {
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n")
    };
    let proxy = "PROXY TCP4 203.0.113.5 127.0.0.1 4711 1\r\n";
    for piece in [1, 3, 1000] {
        for before in ["", proxy] {
            let mut stream = door.connect();
            stream.set_nodelay(true).expect("an option of our own socket");
            for bytes in (before.to_owned() + &request("")).as_bytes().chunks(piece) {
                stream.write_all(bytes).expect("it reads");
            }
            assert_eq!(head(&mut stream).status, 200, "{before:?} in pieces of {piece}");
        }
    }
    assert_eq!(door.ask(&request("").replace("GET", "PUT")).status, 405, "begins as PROXY does");
    for before in ["", proxy] {
        let mut stream = https.connect();
        stream.write_all(before.as_bytes()).expect("it reads");
        let tls = Wire::secure(stream, &trusting(&cert_file()), request("").as_bytes());
        assert_eq!(head(&mut tls.expect("a handshake")).status, 200, "{before:?}");
    }
    let mut stream = https.connect();
    stream.write_all(request("").as_bytes()).expect("it reads");
    assert_eq!(head(&mut stream).status, 400, "plainly to the port for TLS");
}

#[test]
fn a_host_that_lost_its_port_at_a_proxy_is_still_that_of_its_page() {
    let (_server, door) = start(&[]);
    let origin =
        |host, origin| [("Host", host), ("Origin", origin), ("X-Forwarded-For", "1.2.3.4")];
    for (host, page, status) in [
        ("chat.example", "https://chat.example:8443", 101),
        ("chat.example:8443", "https://chat.example:8443", 101),
        ("chat.example:1", "https://chat.example:8443", 403),
        ("chat.example", "https://evil.example:8443", 403),
    ] {
        assert_eq!(chat(door, &origin(host, page)).0, status, "{host} {page}");
    }
    let (_server, door) = web::start(1, &[]);
    let (status, mut stream) = chat(door, &origin("chat.example", "https://chat.example:8443"));
    assert_eq!(status, 403, "from no proxy");
    let told = rest(&mut stream);
    assert!(told.contains("--allow-origin") && told.contains("--proxies"), "{told}");
}

/// Connects from the proxy, and says this.
fn from_proxy(server: &Server, bytes: &[u8]) -> Client {
    let mut client = Client::connect_from("127.0.0.9", server);
    client.send_bytes(bytes);
    client
}

const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

#[test]
fn a_proxy_s_checks_are_no_sessions_and_no_rejections() {
    let server = Server::start(2, &[&["--proxies", "127.0.0.9"], &ADMIN[..]].concat());
    let mut members = people(&server, ["amy"]);
    for header in [LOCAL, UNKNOWN, b""] {
        for _ in 0..5 {
            let mut check = from_proxy(&server, header);
            check.half_close();
            check.hung_up_on();
        }
    }
    expect_quiet(members.each_mut());
    let away = Admin::of(&server).metrics().sum("hubbub_connections_turned_away_total");
    assert_eq!(away, 0.0);
    let log = server.stderr.so_far();
    assert!(!log.contains("WARN") && !log.contains("127.0.0.9"), "{log}");
}

#[test]
fn a_client_of_whom_a_proxy_has_no_address_is_told_so() {
    let server = Server::start(1, &[&["--proxies", "127.0.0.9"], &ADMIN[..]].concat());
    for header in [LOCAL, UNKNOWN] {
        let mut client = from_proxy(&server, &[header, b"hello\n"].concat());
        client.expect(
            "The proxy in between does not say where you come from, its operator can have it do so",
        );
        client.closed();
    }
    Admin::of(&server).wait_for_turned_away("bad-proxy-header", 2);
}

#[test]
fn a_proxy_s_check_over_http_is_answered() {
    let (_server, door) = start(&[]);
    for header in [LOCAL, UNKNOWN] {
        let mut stream = door.connect();
        stream.write_all(header).expect("it reads");
        stream.write_all(b"OPTIONS / HTTP/1.0\r\n\r\n").expect("it reads");
        assert_eq!(head(&mut stream).status, 405);
        let mut stream = door.connect();
        stream.write_all(header).expect("it reads");
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it reads");
        assert_eq!(head(&mut stream).status, 200);
    }
}

#[test]
fn connections_from_proxies_wait_for_the_pace_of_all() {
    const HERD: u64 = 80;
    const PER_SECOND: u64 = 25;
    let per_second = PER_SECOND.to_string();
    let pace = ["--connects-per-second", &per_second, "--exempt", "none"];
    let server = Server::start(2, &[&["--proxies", "127.0.0.9"], &pace[..]].concat());
    let started = Instant::now();
    let mut herd: Vec<Client> = (0..HERD)
        .map(|n| {
            let header = format!("PROXY TCP4 203.0.113.{n} 127.0.0.1 4000 1\r\n");
            from_proxy(&server, header.as_bytes())
        })
        .collect();
    herd.iter_mut().for_each(|client| drop(client.expect_help_and_name()));
    let took = started.elapsed();
    // A second's worth may come at once, and one that goes over it.
    let paid_for = HERD - PER_SECOND - 1;
    assert!(took >= Duration::from_millis(1_000 / PER_SECOND * paid_for), "{took:?}");
}

#[test]
fn networks_of_mapped_addresses_are_those_of_ipv4() {
    let args = ["--proxies", "::ffff:127.0.0.9", "--exempt", "::ffff:203.0.113.0/120"];
    let limits = ["--address-connections-max", "1"];
    let server = Server::start(1, &[&args[..], &limits].concat());
    let header = b"PROXY TCP4 203.0.113.7 127.0.0.1 4000 1\r\n/nonsense\n";
    let mut clients = [(); 3].map(|()| from_proxy(&server, header));
    for client in &mut clients {
        client.skip_to("Unrecognized command /nonsense, try /help");
    }
}
