//! Where a page comes from that wants to chat, as its browser says, and which an operator allows.

use std::fmt;
use std::str::FromStr;

use super::host::{AllowedHost, Host};

/// What a page without an origin of its own has: one from a file, or in a sandbox (RFC 6454, 7.1).
const OPAQUE: &str = "null";
const WRONG: &str = "not an origin, such as https://chat.example, http://10.0.0.1:8000, \
                     https://*.example.com, capacitor://localhost or null";

/// A scheme, a host and a port, which is left out where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    /// None in `file://`, and in `null`.
    host: Option<Host>,
}

/// An origin that an operator has allowed, or all below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// This one.
    Exactly(Origin),
    /// Those of every name below one, however deep, but not of this itself.
    Below {
        /// As in the origin.
        scheme: String,
        /// The name.
        names: AllowedHost,
        /// As in the origin.
        port: Option<u16>,
    },
}

/// The parts of `text`: its scheme in lower case, and what is behind.
fn split(text: &str) -> Result<(String, &str), &'static str> {
    let (scheme, authority) = text.split_once("://").ok_or(WRONG)?;
    let is_odd = |it: char| !it.is_ascii_alphanumeric() && !"+-.".contains(it);
    if !scheme.starts_with(|it: char| it.is_ascii_alphabetic()) || scheme.contains(is_odd) {
        return Err(WRONG);
    }
    Ok((scheme.to_ascii_lowercase(), authority))
}

/// The port that `scheme` has by itself.
fn own_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn is_of_the_web(scheme: &str) -> bool {
    own_port(scheme).is_some()
}

/// `port`, unless `scheme` has it by itself.
fn odd_port(scheme: &str, port: Option<u16>) -> Option<u16> {
    port.filter(|_| port != own_port(scheme))
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == OPAQUE {
            return Ok(Self { scheme: OPAQUE.to_owned(), host: None });
        }
        let (scheme, authority) = split(text)?;
        if authority.is_empty() && !is_of_the_web(&scheme) {
            return Ok(Self { scheme, host: None });
        }
        let host: Host = authority.parse().map_err(|_| WRONG)?;
        let port = odd_port(&scheme, host.port());
        Ok(Self { host: Some(host.at(port)), scheme })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None if self.scheme == OPAQUE => f.write_str(OPAQUE),
            None => write!(f, "{}://", self.scheme),
            Some(host) => write!(f, "{}://{host}", self.scheme),
        }
    }
}

impl Origin {
    /// Whether it is that of the pages of `host`, which has a port unless it is the scheme's own.
    /// Which scheme that is only a proxy may know. With `any_port`, a host without a port is one
    /// whose port was lost on the way.
    #[must_use]
    pub fn is_of(&self, host: &Host, any_port: bool) -> bool {
        let Some(own) = self.host.as_ref().filter(|_| is_of_the_web(&self.scheme)) else {
            return false;
        };
        own.name() == host.name()
            && (own.port() == odd_port(&self.scheme, host.port())
                || any_port && host.port().is_none())
    }

    /// Its host, if it has one that a request could be for.
    fn host(&self) -> Option<AllowedHost> {
        let host = self.host.as_ref().filter(|_| is_of_the_web(&self.scheme))?;
        Some(AllowedHost::Exactly(host.name().to_owned()))
    }
}

impl FromStr for AllowedOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, authority)) = text.split_once("://*.") else {
            return text.parse().map(Self::Exactly);
        };
        let bare: Origin = format!("{scheme}://{authority}").parse()?;
        let host = bare.host.ok_or(WRONG)?;
        let names = format!("*.{}", host.name()).parse().map_err(|_| WRONG)?;
        Ok(Self::Below { scheme: bare.scheme, names, port: host.port() })
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(origin) => origin.fmt(f),
            Self::Below { scheme, names, port } => {
                write!(f, "{scheme}://{names}")?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

impl AllowedOrigin {
    /// Whether `origin` is allowed by this.
    #[must_use]
    pub fn contains(&self, origin: &Origin) -> bool {
        match self {
            Self::Exactly(allowed) => allowed == origin,
            Self::Below { scheme, names, port } => origin.host.as_ref().is_some_and(|host| {
                *scheme == origin.scheme && *port == host.port() && names.contains(host.name())
            }),
        }
    }

    /// The names of its hosts, which requests may be for, too.
    pub(super) fn hosts(&self) -> Option<AllowedHost> {
        match self {
            Self::Exactly(origin) => origin.host(),
            Self::Below { scheme, names, .. } => is_of_the_web(scheme).then(|| names.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f18_the_pages_of_a_host_are_of_the_same_host_and_port() {
        for (origin, host, is_of) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://chat.example", "chat.example", true),
            ("https://chat.example", "chat.example", true),
            ("https://chat.example", "chat.example:443", true),
            ("https://Chat.Example:443", "chat.example", true),
            ("https://chat.example:8443", "CHAT.example:8443", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://127.0.0.1:8081", "127.0.0.1:8080", false),
            ("http://localhost:8080", "127.0.0.1:8080", false),
            ("https://chat.example", "chat.example:8080", false),
            ("https://chat.example", "chat.example:80", false),
            ("https://chat.example:8443", "chat.example", false),
            ("https://chat.example", "evil.example", false),
            ("https://chat.example.evil", "chat.example", false),
            ("https://evil-chat.example", "chat.example", false),
            ("app://chat.example", "chat.example", false),
            ("null", "null", false),
        ] {
            let origin: Origin = origin.parse().expect("an origin");
            let host: Host = host.parse().expect("a host");
            assert_eq!(origin.is_of(&host, false), is_of, "{origin} and {host}");
        }
    }

    #[test]
    fn a_host_that_has_lost_its_port_is_of_any_port() {
        for (origin, host, is_of) in [
            ("https://chat.example:8443", "chat.example", true),
            ("https://chat.example:8443", "chat.example:8443", true),
            ("https://chat.example:8443", "chat.example:8080", false),
            ("https://evil.example:8443", "chat.example", false),
            ("app://chat.example:8443", "chat.example", false),
        ] {
            let origin: Origin = origin.parse().expect("an origin");
            let host: Host = host.parse().expect("a host");
            assert_eq!(origin.is_of(&host, true), is_of, "{origin} and {host}");
        }
    }

    #[test]
    fn f18_what_is_no_origin_is_none() {
        for text in [
            "",
            "Null",
            "*",
            "chat.example",
            "http://",
            "https:///",
            "https://chat.example/",
            "https://amy@chat.example",
            "https://a.example https://b",
            "https://chat.example?x",
            "https://a.example,https://b.example",
            "https://*.example.com",
            "://chat.example",
            "1app://x",
            "a b://x",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text:?}");
        }
        for text in ["https://*", "https://*.", "https://a.*.example", "https://*.*.example", "*"] {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text:?}");
        }
        for text in
            ["https://*.10.0.0.1", "https://*.example.com/", "null://*.x y", "*://a.example"]
        {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_operator_may_allow_apps_and_all_names_below_one() {
        for (allowed, origin, is_allowed) in [
            ("null", "null", true),
            ("null", "file://", false),
            ("file://", "file://", true),
            ("capacitor://localhost", "capacitor://localhost", true),
            ("capacitor://localhost", "http://localhost", false),
            ("tauri://localhost", "Tauri://LOCALHOST", true),
            ("app://x", "app://x", true),
            ("app://x", "app://x:80", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://b.a.example.com:443", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.example", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("app://*.x", "app://a.x", true),
        ] {
            let (rule, origin): (AllowedOrigin, Origin) =
                (allowed.parse().expect("a rule"), origin.parse().expect("an origin"));
            assert_eq!(rule.contains(&origin), is_allowed, "{allowed} and {origin}");
            assert_eq!(rule.to_string(), allowed);
        }
    }
}
