//! Where a page comes from that wants to chat, as its browser says.

use std::fmt;
use std::str::FromStr;

/// A scheme, a host and a port, which is left out where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not an origin, such as https://chat.example or http://10.0.0.1:8000";
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(WRONG)?;
        let own_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(WRONG),
        };
        // What a host may be is for browsers to know; what it cannot be would never be met.
        let is_odd = |it: char| it.is_whitespace() || it.is_control() || "/?#@,".contains(it);
        if authority.is_empty() || authority.contains(is_odd) {
            return Err(WRONG);
        }
        let authority = authority.strip_suffix(own_port).unwrap_or(authority);
        Ok(Self(format!("{scheme}://{authority}")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Origin {
    /// Whether it is that of the pages of this `host`, which is as a request says it: with a port
    /// unless it is the scheme's own. Which scheme that is only a proxy may know.
    #[must_use]
    pub fn is_of(&self, host: &str) -> bool {
        let http = format!("http://{host}").parse();
        http.as_ref() == Ok(self) || format!("https://{host}").parse().as_ref() == Ok(self)
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
            ("https://chat.example", "evil.example", false),
            ("https://chat.example.evil", "chat.example", false),
            ("https://evil-chat.example", "chat.example", false),
        ] {
            let origin: Origin = origin.parse().expect("an origin");
            assert_eq!(origin.is_of(host), is_of, "{origin} and {host}");
        }
    }

    #[test]
    fn f18_what_is_no_origin_is_none() {
        for text in [
            "",
            "null",
            "*",
            "chat.example",
            "http://",
            "https:///",
            "ftp://chat.example",
            "https://chat.example/",
            "https://amy@chat.example",
            "https://a.example https://b",
            "file://",
            "https://chat.example?x",
            "https://a.example,https://b.example",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text:?}");
        }
    }
}
