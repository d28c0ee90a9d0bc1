//! Which host names this server answers to (DNS rebinding, see [`Host`]).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use hyper::header::HOST;
use hyper::{Request, StatusCode, Version};

use crate::model::CloseReason;

/// Characters of a refused name that are repeated to its client.
const SHOWN_CHARS_MAX: usize = 80;
/// Characters of a name in DNS, at most (RFC 1035, 3.1).
const NAME_CHARS_MAX: usize = 253;

/// The host and port that a request is for.
///
/// A page of any site can have its own name resolve to our address ("DNS rebinding"): to a browser
/// we are that site then, on loopback too, and its scripts may read and send what they like. What
/// gives them away is the name, which a browser always sends; so only names that are ours are
/// answered, and IP addresses, which need no DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// In lower case and without a dot at its end; of IPv6, the address in brackets.
    name: String,
    port: Option<u16>,
    is_ip: bool,
}

/// A name that an operator has allowed, with or without all names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// This one.
    Exactly(String),
    /// Every name that ends in this, which begins with a dot.
    Below(String),
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What it is counted as.
    pub reason: CloseReason,
    /// What to do about it, for the client's user.
    pub line: String,
}

impl Refusal {
    /// Of a request that is not as it must be.
    pub(super) fn bad_request(line: &str) -> Self {
        let (status, reason) = (StatusCode::BAD_REQUEST, CloseReason::BadRequest);
        Self { status, reason, line: line.to_owned() }
    }
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a host, such as chat.example, 192.0.2.1:8080 or [2001:db8::1]";
        let (name, port) = match text.strip_prefix('[') {
            Some(text) => text.split_once(']').ok_or(WRONG)?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| WRONG)?)
            }
            None if port.is_empty() => None,
            _ => return Err(WRONG),
        };
        if text.starts_with('[') {
            let ip: Ipv6Addr = name.parse().map_err(|_| WRONG)?;
            return Ok(Self { name: format!("[{ip}]"), port, is_ip: true });
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_odd = |it: char| !it.is_ascii_graphic() || "/?#@,\\*\"'<>[]%".contains(it);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || name.contains(is_odd) {
            return Err(WRONG);
        }
        let is_ip = name.parse::<IpAddr>().is_ok();
        Ok(Self { name, port, is_ip })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Host {
    /// The host that `request` is for.
    ///
    /// # Errors
    /// When it names none, or several. A request of HTTP/1.0 need not name one: no browser sends
    /// such a request.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Option<Self>, Refusal> {
        let mut headers = request.headers().get_all(HOST).iter();
        let header = match (headers.next(), headers.next()) {
            (Some(header), None) => header.to_str().unwrap_or_default(),
            (None, _) if request.version() == Version::HTTP_10 => return Ok(None),
            _ => {
                return Err(Refusal::bad_request(
                    "there must be one Host, as it is in the address",
                ));
            }
        };
        // A target with a host in it wins over the header (RFC 9112, 3.2.2).
        let text = request.uri().authority().map_or(header.trim(), |it| it.as_str());
        let wrong = "Host must be a name or an address, and a port";
        text.parse().map(Some).map_err(|_| Refusal::bad_request(wrong))
    }

    /// Its name or address.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its port, unless it is the scheme's own.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same at another port.
    pub(super) fn at(self, port: Option<u16>) -> Self {
        Self { port, ..self }
    }

    /// Whether this is one of ours, if `allowed` are those that an operator has named.
    ///
    /// # Errors
    /// What to tell the client if it is not.
    pub(super) fn check(&self, allowed: &[AllowedHost]) -> Result<(), Refusal> {
        let is_local = self.name == "localhost" || self.name.ends_with(".localhost");
        if self.is_ip || is_local || allowed.iter().any(|it| it.contains(&self.name)) {
            return Ok(());
        }
        let shown: String = self.name.chars().take(SHOWN_CHARS_MAX).collect();
        Err(Refusal {
            status: StatusCode::MISDIRECTED_REQUEST,
            reason: CloseReason::BadHost,
            line: format!(
                "this server does not answer to the name {shown}: use its IP address or \
                 localhost, or have the operator give --allow-host {shown}"
            ),
        })
    }
}

impl FromStr for AllowedHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a host name, such as chat.example, or *.chat.example for all \
                             names below it; without a scheme and a port";
        let (bare, is_below) = text.strip_prefix("*.").map_or((text, false), |it| (it, true));
        let host: Host = bare.parse().map_err(|_| WRONG)?;
        match (host.port, is_below) {
            (None, false) if !bare.ends_with(':') => Ok(Self::Exactly(host.name)),
            (None, true) if !host.is_ip && !bare.ends_with(':') => {
                Ok(Self::Below(format!(".{}", host.name)))
            }
            _ => Err(WRONG),
        }
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => f.write_str(name),
            Self::Below(end) => write!(f, "*{end}"),
        }
    }
}

impl AllowedHost {
    /// Whether `name`, in lower case, is meant.
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Exactly(allowed) => name == allowed,
            Self::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_ours_are_refused_however_they_are_spelled() {
        let allowed =
            ["Chat.Example", "*.apps.example"].map(|it| it.parse::<AllowedHost>().expect("a name"));
        for (host, is_ours) in [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("198.51.100.7:1", true),
            ("[::1]", true),
            ("[2001:DB8::1]:8080", true),
            ("[::ffff:127.0.0.1]:8080", true),
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("localhost.", true),
            ("a.localhost", true),
            ("chat.example", true),
            ("CHAT.example.:443", true),
            ("chat.example:", true),
            ("a.apps.example", true),
            ("b.a.apps.example", true),
            ("apps.example", false),
            ("notapps.example", false),
            ("evil.example", false),
            ("chat.example.evil.example", false),
            ("evil-chat.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f000001", false),
            ("hubbub", false),
        ] {
            let parsed: Host = host.parse().expect("a host");
            assert_eq!(parsed.check(&allowed).is_ok(), is_ours, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for text in [
            "",
            ".",
            ":80",
            "a b",
            "amy@chat.example",
            "chat.example:http",
            "chat.example:99999",
            "chat.example:+80",
            "::1",
            "[::1",
            "[::1]80",
            "[chat.example]",
            "chat.example/x",
            "chat.example,evil.example",
            "*.example",
            "b\u{fc}cher.example",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
        for text in ["https://chat.example", "chat.example:80", "chat.example:", "*", "*.", "a*.b"]
        {
            assert!(text.parse::<AllowedHost>().is_err(), "{text:?}");
        }
    }
}
