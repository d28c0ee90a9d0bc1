//! Where a request comes from that a proxy passes on: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Both are lists to which each proxy on the way appends the address that it was connected from.
//! Any client may send such a list, so it is read from its end, and only for as long as what is
//! there was written by one of our own proxies: the last address that is not a proxy's is the
//! client's.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request with these `headers` comes from, that was sent by one of `proxies`. A port that
/// is not known is 0.
///
/// # Errors
/// Why they do not say: then the proxy's own address is all that is known.
pub(super) fn client(headers: &HeaderMap, proxies: &[IpNet]) -> Result<SocketAddr, &'static str> {
    let x_forwarded_for = list(headers, &X_FORWARDED_FOR)?;
    let forwarded = list(headers, &FORWARDED)?;
    // A proxy that writes one of them passes on what a client has sent of the other.
    match (x_forwarded_for, forwarded) {
        (None, None) => Err("it sends neither X-Forwarded-For nor Forwarded"),
        (Some(list), None) => last_stranger(elements(&list, ','), address, proxies),
        (None, Some(list)) => last_stranger(elements(&list, ','), forwarded_for, proxies),
        (Some(x), Some(list)) => {
            let x = last_stranger(elements(&x, ','), address, proxies)?;
            let other = last_stranger(elements(&list, ','), forwarded_for, proxies)?;
            if x.ip() == other.ip() {
                Ok(x)
            } else {
                Err("its X-Forwarded-For and Forwarded differ: have it remove the one it does not \
                     write")
            }
        }
    }
}

/// All values of a header as one, if there is any.
fn list(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, &'static str> {
    let values: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|it| it.to_str()).collect();
    let values = values.map_err(|_| "its X-Forwarded-For or Forwarded is no ASCII")?;
    Ok((!values.is_empty()).then(|| values.join(",")))
}

/// The parts of a list between separators that are not within quotes.
fn elements(list: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |it: char| {
        let ends = it == separator && !is_quoted;
        is_quoted ^= it == '"' && !is_escaped;
        is_escaped = it == '\\' && !is_escaped;
        ends
    };
    list.split(is_end).map(str::trim).collect()
}

/// The last address in a list that is not of `proxies`; the first, if all are.
fn last_stranger(
    list: Vec<&str>,
    address: impl Fn(&str) -> Option<SocketAddr>,
    proxies: &[IpNet],
) -> Result<SocketAddr, &'static str> {
    let mut first = None;
    for element in list.into_iter().rev() {
        let from = address(element).ok_or("its X-Forwarded-For or Forwarded has no address")?;
        if !proxies.iter().any(|network| network.contains(&from.ip())) {
            return Ok(from);
        }
        first = Some(from);
    }
    first.ok_or("its X-Forwarded-For or Forwarded is empty")
}

/// An address, with or without a port; IPv6 in brackets if there is one.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    let from = ip.or_else(|_| text.parse()).ok()?;
    Some(SocketAddr::new(from.ip().to_canonical(), from.port()))
}

/// The address in the `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<SocketAddr> {
    let mut pairs = elements(element, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let quoted = node.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const PROXIES: [&str; 2] = ["127.0.0.0/8", "2001:db8:f::/48"];

    fn from(headers: &[(HeaderName, &str)]) -> Result<String, &'static str> {
        let proxies = PROXIES.map(|it| it.parse().expect("a network"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        client(&map, &proxies).map(|it| it.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_s_is_the_client_s() {
        for (list, client) in [
            ("203.0.113.7", "203.0.113.7:0"),
            ("203.0.113.7:4711", "203.0.113.7:4711"),
            ("6.6.6.6, 203.0.113.7", "203.0.113.7:0"),
            ("6.6.6.6,junk,, 203.0.113.7 , 127.0.0.9,2001:db8:f::1", "203.0.113.7:0"),
            ("2001:db8::7", "[2001:db8::7]:0"),
            ("[2001:db8::7]", "[2001:db8::7]:0"),
            ("[2001:db8::7]:4711", "[2001:db8::7]:4711"),
            ("::ffff:203.0.113.7", "203.0.113.7:0"),
            ("127.0.0.3, 127.0.0.4", "127.0.0.3:0"),
        ] {
            assert_eq!(from(&[(X_FORWARDED_FOR, list)]).as_deref(), Ok(client), "{list}");
        }
        let both = [(X_FORWARDED_FOR, "203.0.113.7"), (X_FORWARDED_FOR, "127.0.0.4")];
        assert_eq!(from(&both).as_deref(), Ok("203.0.113.7:0"), "one list in two headers");
        for (list, client) in [
            ("for=203.0.113.7", "203.0.113.7:0"),
            ("For=203.0.113.7;proto=https;by=127.0.0.1", "203.0.113.7:0"),
            ("proto=https; for=\"203.0.113.7:4711\"", "203.0.113.7:4711"),
            ("for=6.6.6.6, for=\"[2001:db8::7]:4711\"", "[2001:db8::7]:4711"),
            ("for=203.0.113.7;host=\"a,for=6.6.6.6\", for=127.0.0.4", "203.0.113.7:0"),
            ("for=_hidden, for=203.0.113.7", "203.0.113.7:0"),
        ] {
            assert_eq!(from(&[(FORWARDED, list)]).as_deref(), Ok(client), "{list}");
        }
    }

    #[test]
    fn what_does_not_say_is_not_guessed() {
        for list in ["", " ", "unknown", "203.0.113.7, _hidden", "6.6.6.6, 127.0.0.1:x", "1.2.3"] {
            assert!(from(&[(X_FORWARDED_FOR, list)]).is_err(), "{list}");
        }
        for list in ["", "203.0.113.7", "for=unknown", "by=203.0.113.7", "for=6.6.6.6, for=_x"] {
            assert!(from(&[(FORWARDED, list)]).is_err(), "{list}");
        }
        assert!(from(&[]).is_err());
        let same = [(X_FORWARDED_FOR, "203.0.113.7"), (FORWARDED, "for=203.0.113.7;proto=http")];
        assert!(from(&same).is_ok());
        let forged = [(X_FORWARDED_FOR, "203.0.113.7"), (FORWARDED, "for=6.6.6.6")];
        assert!(from(&forged).is_err(), "a client's own is passed on by who writes the other");
    }
}
