//! The command line.

use std::path::PathBuf;

use clap::Parser;

const PORT: u16 = 42069;

const AFTER_HELP: &str = "\
Examples:
  hubbub-tui                                      a server on this machine
  hubbub-tui chat.example.org --name bear         another one, as bear
  hubbub-tui chat.example.org:42070 --tls         through TLS
  hubbub-tui localhost:42070 --tls-ca cert.pem    the same, with a certificate for development

Inside, F1 shows keys and commands. NO_COLOR=1 does without colours.";

/// A terminal client for Hubbub, and for any server that speaks its lines.
#[derive(Clone, Debug, Parser)]
#[command(name = "hubbub-tui", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The server: a host name or address, and a port if it is not 42069.
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1", value_parser = parse_server)]
    pub(crate) server: Server,
    /// The name to take. Without it the server gives you one; `/name` changes it.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) name: Option<String>,
    /// Connect through TLS; the system's certificates tell whom to trust.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Connect through TLS and trust only the certificates in this file, in PEM: those of a private
    /// authority, or the one that `hubbub gen-cert` has made.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Use the mouse: the wheel scrolls, a click goes to a room or writes a name. Selecting text
    /// then takes the Shift key.
    #[arg(long)]
    pub(crate) mouse: bool,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Takes `HOST`, `HOST:PORT`, `[IPV6]:PORT`, and IPv6 addresses as they are.
fn parse_server(text: &str) -> Result<Server, String> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, rest)) => {
            (host, Some(rest.strip_prefix(':').ok_or("a port comes after `]:`")?))
        }
        None => match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("a host comes before the port, such as 127.0.0.1:42069".to_owned());
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port > 0),
        None => Some(PORT),
    };
    let port = port.ok_or("a port is a number from 1 to 65535")?;
    Ok(Server { host: host.to_owned(), port })
}

/// Refuses what is more than a name: the server says what is wrong with anything else.
fn parse_name(text: &str) -> Result<String, String> {
    let is_word = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_word { Ok(text.to_owned()) } else { Err("a name is one word".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_given_in_many_ways() {
        for (text, shown) in [
            ("chat", "chat:42069"),
            ("chat:7", "chat:7"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("::1", "[::1]:42069"),
            ("[::1]", "[::1]:42069"),
            ("[::1]:7", "[::1]:7"),
        ] {
            assert_eq!(parse_server(text).map(|it| it.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for wrong in ["", ":7", "chat:", "chat:0", "chat:65536", "chat:x", "[::1]7", "[]:7"] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_a_word() {
        assert!(parse_name("bear").is_ok());
        for wrong in ["", "two words", "line\nbreak", "esc\u{1b}"] {
            assert!(parse_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
