//! The first line of a connection to a port for lines: browsers, TLS clients and proxies come to
//! wrong ports, and what they send first must not be said aloud in a room.

use std::fmt::Write as _;

use memchr::memchr;

use super::line_bytes_max;
use crate::model::{Foreign, Limits, Signposts};

/// What begins a PROXY header of version 2.
pub const PROXY_V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What begins a PROXY header of version 1: a person's line goes on otherwise.
const PROXY_V1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
/// What begins the record with a TLS hello, of any version: its type, and the major version.
const TLS_HELLO: &[u8] = &[0x16, 0x03];

/// What the input of a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// No whole line that is not blank has arrived.
    Unfinished,
    /// Nothing that can be told before more arrives: none of it may be decoded.
    Undecided,
    /// A line of this protocol.
    Line,
    /// Another protocol.
    Foreign(Foreign),
}

/// Looks at the start of `input`, which is all that has arrived on a connection, but for blank
/// lines that were decoded before.
pub(in crate::proto) fn opening(input: &[u8], limits: &Limits) -> Opening {
    if input.starts_with(TLS_HELLO) {
        return Opening::Foreign(Foreign::Tls);
    }
    if begins_proxy_header(input) {
        return Opening::Foreign(Foreign::ProxyHeader);
    }
    if !input.is_empty() && PROXY_V2_SIGNATURE.starts_with(input) {
        return Opening::Undecided;
    }
    let blank = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = &input[blank..];
    match memchr(b'\n', rest) {
        Some(end) if is_http_request(&rest[..end]) => Opening::Foreign(Foreign::Http),
        Some(_) => Opening::Line,
        // A target may be longer than any line.
        None if rest.len() > line_bytes_max(limits) && begins_http_request(rest) => {
            Opening::Foreign(Foreign::Http)
        }
        None if rest.len() > line_bytes_max(limits) => Opening::Line,
        None => Opening::Unfinished,
    }
}

/// Whether `input` is the start of a PROXY header, as far as that is no accident.
pub(in crate::proto) fn begins_proxy_header(input: &[u8]) -> bool {
    input.starts_with(PROXY_V2_SIGNATURE) || PROXY_V1.iter().any(|start| input.starts_with(start))
}

/// Whether `line` is a method, a target and a version (RFC 9112, 3), whatever the method.
fn is_http_request(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(version) = line.iter().rposition(|&byte| byte == b' ') else { return false };
    line[version + 1..].starts_with(b"HTTP/") && begins_http_request(&line[..version])
}

/// Whether `line` begins with a method and what can be a target: a path, a URL, `*`, or, for
/// `CONNECT`, a host.
fn begins_http_request(line: &[u8]) -> bool {
    let Some(method_end) = memchr(b' ', line) else { return false };
    let (method, target) = (&line[..method_end], &line[method_end + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_url = |target: &[u8]| {
        let scheme = target.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        scheme > 0 && target[scheme..].starts_with(b"://") && !target.contains(&b' ')
    };
    !method.is_empty()
        && method.iter().all(is_token)
        && (target.starts_with(b"/")
            || target == b"*"
            || method.eq_ignore_ascii_case(b"CONNECT") && !target.contains(&b' ')
            || is_url(target))
}

/// Appends what the client is told that speaks `foreign`, in its own protocol where that can be
/// done: a TLS client shows an alert of its own for whatever is no TLS.
pub(in crate::proto) fn answer(foreign: Foreign, signposts: &Signposts, out: &mut Vec<u8>) {
    let mut text = String::new();
    let _ = match (foreign, signposts) {
        (Foreign::Http, Signposts { page: Some(page), .. }) => {
            writeln!(text, "This port speaks lines of chat, not HTTP: the page is at {page}")
        }
        (Foreign::Http, Signposts { page: None, .. }) => {
            writeln!(
                text,
                "This port speaks lines of chat, not HTTP, and there is no page (--http)"
            )
        }
        (Foreign::Tls, Signposts { tls: Some(tls), .. }) => {
            writeln!(text, "This port does not speak TLS: that is at {tls}")
        }
        (Foreign::Tls, Signposts { tls: None, .. }) => {
            writeln!(text, "This port does not speak TLS, nor does another (--tls-listen)")
        }
        (Foreign::ProxyHeader, _) => writeln!(
            text,
            "A PROXY header is not expected from your address: the operator names proxies with \
             --proxies"
        ),
    };
    if foreign == Foreign::Http {
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        out.extend_from_slice(head.as_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: Opening = Opening::Foreign(Foreign::Http);
    const PROXY: Opening = Opening::Foreign(Foreign::ProxyHeader);

    fn of(input: &[u8]) -> Opening {
        opening(input, &Limits::default())
    }

    #[test]
    fn requests_are_known_whatever_their_method_and_target() {
        for request in [
            "GET / HTTP/1.1\r\n",
            "POST /x?y=z HTTP/1.0\nHost: a\n",
            "\r\n\r\nGET / HTTP/1.1\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "CONNECT chat.example:443 HTTP/1.1\r\n",
            "get http://chat.example/ HTTP/1.1\r\n",
            "M-SEARCH * HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n",
            "X /a b HTTP/1.1\r\n",
        ] {
            assert_eq!(of(request.as_bytes()), HTTP, "{request:?}");
        }
        let long = format!("GET /{}", "x".repeat(8_000));
        assert_eq!(of(long.as_bytes()), HTTP);
    }

    #[test]
    fn what_people_write_is_a_line() {
        for line in [
            "hello\n",
            "/name bob\n",
            "\r\n  \nhello\r\n",
            "I love HTTP/1.1\n",
            "GET up, HTTP/1.1 is old\n",
            "see http://chat.example/ for HTTP/1.1\n",
            "PROXY servers are in between\n",
            "GET /\n",
        ] {
            assert_eq!(of(line.as_bytes()), Opening::Line, "{line:?}");
        }
        assert_eq!(of("x".repeat(8_000).as_bytes()), Opening::Line, "too long, as it will be told");
    }

    #[test]
    fn hellos_and_headers_are_known_before_a_line_ends() {
        assert_eq!(of(b"\x16\x03\x01\x02\0\x01"), Opening::Foreign(Foreign::Tls));
        assert_eq!(of(b"PROXY TCP4 192.0.2.1"), PROXY);
        assert_eq!(of(b"PROXY UNKNOWN\r\n"), PROXY);
        assert_eq!(of(&[PROXY_V2_SIGNATURE, b"\x20\x00\0\0"].concat()), PROXY);
        for cut in 1..PROXY_V2_SIGNATURE.len() {
            assert_eq!(of(&PROXY_V2_SIGNATURE[..cut]), Opening::Undecided, "{cut} bytes");
        }
    }

    #[test]
    fn a_part_of_a_line_decides_nothing() {
        for part in ["", "hel", "GET / HTTP/1.1", "  ", "\x16"] {
            assert_eq!(of(part.as_bytes()), Opening::Unfinished, "{part:?}");
        }
    }

    #[test]
    fn answers_say_where_to_go() {
        let signposts = Signposts {
            page: Some("http://127.0.0.1:8080/".to_owned()),
            tls: Some("127.0.0.1:42070".to_owned()),
        };
        let told = |foreign| {
            let mut out = vec![];
            answer(foreign, &signposts, &mut out);
            String::from_utf8(out).unwrap()
        };
        let http = told(Foreign::Http);
        let (head, body) = http.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("http://127.0.0.1:8080/"));
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(told(Foreign::Tls).contains("127.0.0.1:42070"));
        assert!(told(Foreign::ProxyHeader).contains("--proxies"));
    }
}
