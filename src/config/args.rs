//! Flags and their environment variables. The configuration file has the same keys, and the same
//! checks: see [`file`](super::file).

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::MEMORY_BYTES_MIN;
use crate::cli::Command;
use crate::http::{AllowedHost, AllowedOrigin};
use crate::net::ListenAddress;

/// Flags that are looked at when the server starts, and never again.
pub const FIXED: &[&str] = &[
    "ip",
    "port",
    "unix-mode",
    "tls-listen",
    "http",
    "https",
    "admin",
    "vanish-seconds",
    "shards",
    "no-pin",
    "log-format",
    "mask-addresses",
];

/// Where the operator's port is, if nobody says where.
const ADMIN: &str = "127.0.0.1:9469";
/// All permissions of a file.
const MODE_MAX: u32 = 0o777;

/// Hubbub, a chat server: `nc 127.0.0.1 42069` and you are in.
///
/// Every flag can also be set by the environment variable named beside it, and in a file. A flag
/// wins over its variable, and both over the file.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address to listen on; 0.0.0.0 or :: for all of this machine; unix:/PATH for a Unix socket in
    /// place of address and port.
    #[arg(short, long, env = "HUBBUB_IP", default_value = "127.0.0.1", value_parser = parse_place)]
    pub ip: Place,
    /// Port to listen on, 0 for any that is free.
    #[arg(short, long, env = "HUBBUB_PORT", value_name = "0..=65535", default_value_t = 42069)]
    #[arg(value_parser = clap::value_parser!(u16).range(0..))]
    pub port: u16,
    /// Who may connect to Unix sockets: the permissions of their files, in octal digits.
    #[arg(long, env = "HUBBUB_UNIX_MODE", value_name = "OCTAL", default_value = "660")]
    #[arg(value_parser = parse_mode)]
    pub unix_mode: u32,
    /// Most clients at a time [default: as many as the descriptor limit allows].
    #[arg(long, env = "HUBBUB_CONNECTIONS_MAX", value_name = "1..")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: Option<u32>,
    /// Most clients at a time from one IPv4 address, or one IPv6 network of 64 bits; 4 times as
    /// many from one of 56 bits, 16 times from one of 48 bits, or of 24 bits of IPv4.
    #[arg(long, env = "HUBBUB_ADDRESS_CONNECTIONS_MAX", value_name = "1..")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..), default_value_t = 64)]
    #[arg(help_heading = "Strangers")]
    pub address_connections_max: u32,
    /// How often one address may connect in a minute; twice as often at once.
    #[arg(long, env = "HUBBUB_ADDRESS_CONNECTS_PER_MINUTE", value_name = "1..=60000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=60_000), default_value_t = 120)]
    #[arg(help_heading = "Strangers")]
    pub address_connects_per_minute: u32,
    /// How many may come in a second from all addresses; the others wait for their turn.
    #[arg(long, env = "HUBBUB_CONNECTS_PER_SECOND", value_name = "1..=1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000), default_value_t = 1000)]
    #[arg(help_heading = "Strangers")]
    pub connects_per_second: u32,
    /// How many messages a client may send in a second; a /join counts as 5, a list as 10. Whoever
    /// sends more is read more slowly.
    #[arg(long, env = "HUBBUB_MESSAGES_PER_SECOND", value_name = "1..=1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000), default_value_t = 10)]
    #[arg(help_heading = "Strangers")]
    pub messages_per_second: u32,
    /// How many it may send at once.
    #[arg(long, env = "HUBBUB_MESSAGES_BURST", value_name = "1..=10000", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Strangers")]
    pub messages_burst: u32,
    /// How many rooms a client may make in a minute, and at once.
    #[arg(long, env = "HUBBUB_ROOMS_PER_MINUTE", value_name = "1..=10000", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Strangers")]
    pub rooms_per_minute: u32,
    /// Networks that none of these limits hold for, separated by commas; `none` for no network.
    #[arg(long, env = "HUBBUB_EXEMPT", value_name = "NETWORKS", value_delimiter = ',')]
    #[arg(default_value = "127.0.0.0/8,::1/128", value_parser = parse_networks)]
    #[arg(help_heading = "Strangers")]
    pub exempt: Vec<Networks>,

    /// Networks of proxies, which say where each client comes from; limits are for that address. On
    /// every port they may send a PROXY header, version 1 or 2; on those for HTTP each request may
    /// have X-Forwarded-For or Forwarded instead [default: none].
    #[arg(long, env = "HUBBUB_PROXIES", value_name = "NETWORKS", value_delimiter = ',')]
    #[arg(value_parser = parse_networks, help_heading = "Strangers")]
    pub proxies: Vec<Networks>,

    /// Seconds after which a client that sends nothing is sent away [default: never].
    #[arg(long, env = "HUBBUB_IDLE_SECONDS", value_name = "1..=1000000", help_heading = "Time")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub idle_seconds: Option<u64>,
    /// Seconds after which a browser is asked whether it is still there; it has as long to answer.
    /// Less than the patience of any proxy in between, which is 30 s for many.
    #[arg(long, env = "HUBBUB_PING_SECONDS", value_name = "1..=3600", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Time")]
    pub ping_seconds: u64,
    /// Seconds in which the socket of a client that has fallen behind must take more, or it is sent
    /// away. A socket does once the client has read about what its receive buffer holds, usually
    /// 128 KiB.
    #[arg(long, env = "HUBBUB_STALL_SECONDS", value_name = "1..=3600", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Time")]
    pub stall_seconds: u64,
    /// Seconds after which a client whose machine no longer answers is taken for gone.
    #[arg(long, env = "HUBBUB_VANISH_SECONDS", value_name = "2..=7200", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(2..=7200), help_heading = "Time")]
    pub vanish_seconds: u64,
    /// How long clients may take, after SIGINT or SIGTERM, to read what they are owed.
    #[arg(long, env = "HUBBUB_DRAIN_SECONDS", value_name = "0..=3600", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3600))]
    #[arg(help_heading = "Time")]
    pub drain_seconds: u64,

    /// Shards: threads that each serve a share of the clients [default: one for each core].
    #[arg(long, env = "HUBBUB_SHARDS", value_name = "1..=256", help_heading = "Cores")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: Option<u16>,
    /// Let the operating system move shards between cores, instead of pinning each to one.
    #[arg(long, env = "HUBBUB_NO_PIN", help_heading = "Cores")]
    #[arg(value_parser = BoolishValueParser::new())]
    pub no_pin: bool,

    /// Most characters in a message.
    #[arg(long, env = "HUBBUB_MESSAGE_CHARS_MAX", value_name = "1..=16384", default_value_t = 400)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=16_384), help_heading = "Rooms")]
    pub message_chars_max: u32,
    /// Members up to which a room is told of every join and leave; bigger ones get a tally once a
    /// second.
    #[arg(long, env = "HUBBUB_ANNOUNCE_MAX", value_name = "0..", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32), help_heading = "Rooms")]
    pub announce_max: u32,

    /// Most rooms there may be.
    #[arg(long, env = "HUBBUB_ROOMS_MAX", value_name = "1..", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..), help_heading = "Rooms")]
    pub rooms_max: u32,
    /// Messages that a room remembers, while somebody is in it, for those who come later; browsers
    /// are told them.
    #[arg(long, env = "HUBBUB_HISTORY_MESSAGES", value_name = "0..=1000", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1000), help_heading = "Rooms")]
    pub history_messages: u32,
    /// Bytes that these messages may take in each room; it forgets the oldest over that. The
    /// default is enough for 50 of the longest.
    #[arg(long, env = "HUBBUB_HISTORY_BYTES_MAX", value_name = "32768..")]
    #[arg(value_parser = clap::value_parser!(u32).range(32_768..), default_value_t = 1 << 18)]
    #[arg(help_heading = "Rooms")]
    pub history_bytes_max: u32,
    /// Tell them to those who read lines, too, after one line that says how many there are: clients
    /// that do not know of it take them for new ones.
    #[arg(long, env = "HUBBUB_LINE_HISTORY", help_heading = "Rooms")]
    #[arg(value_parser = BoolishValueParser::new())]
    pub line_history: bool,

    /// Address and port to listen on for TLS, such as 127.0.0.1:42070, or unix:/PATH, beside the
    /// plain one; a proxy's header comes before the handshake.
    #[arg(long, env = "HUBBUB_TLS_LISTEN", value_name = "ADDRESS:PORT", help_heading = "TLS")]
    #[arg(value_parser = parse_address)]
    pub tls_listen: Option<ListenAddress>,
    /// PEM file with the certificate that clients are shown, and those of whoever vouches for it;
    /// `hubbub gen-cert` makes one for development.
    #[arg(long, env = "HUBBUB_TLS_CERT", value_name = "FILE", help_heading = "TLS")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[arg(long, env = "HUBBUB_TLS_KEY", value_name = "FILE", help_heading = "TLS")]
    pub tls_key: Option<PathBuf>,

    /// Address and port of the page for browsers, and of WebSockets, over HTTP, or unix:/PATH for
    /// a proxy's connections; `off` for none [default: 127.0.0.1:8080, if it is free].
    #[arg(long, env = "HUBBUB_HTTP", value_name = "ADDRESS:PORT", value_parser = parse_http)]
    #[arg(help_heading = "Browsers")]
    pub http: Option<Http>,
    /// The same within TLS, with the certificate of --tls-cert [default: none].
    #[arg(long, env = "HUBBUB_HTTPS", value_name = "ADDRESS:PORT", help_heading = "Browsers")]
    #[arg(value_parser = parse_address)]
    pub https: Option<ListenAddress>,
    /// Names that browsers and proxies may reach this server by, such as `chat.example`, or
    /// `*.chat.example` for all names below it, separated by commas; `none` for none [default:
    /// none]. IP addresses, localhost, the names in --tls-cert and the hosts of --allow-origin need
    /// not be named; a request for any other name is refused.
    #[arg(long, env = "HUBBUB_ALLOW_HOST", value_name = "NAMES", value_delimiter = ',')]
    #[arg(value_parser = parse_hosts, help_heading = "Browsers")]
    pub allow_host: Vec<Hosts>,
    /// Origins, such as `https://chat.example`, `https://*.example.com` for all names below that,
    /// `capacitor://localhost` or `null` for apps, whose pages may chat here beside the server's
    /// own, separated by commas; `none` for none [default: none].
    #[arg(long, env = "HUBBUB_ALLOW_ORIGIN", value_name = "ORIGINS", value_delimiter = ',')]
    #[arg(value_parser = parse_origins, help_heading = "Browsers")]
    pub allow_origin: Vec<Origins>,

    /// Bytes a room keeps, on each shard, for members who read slowly; they miss what is older.
    #[arg(long, env = "HUBBUB_FEED_BYTES_MAX", value_name = "32768..", default_value_t = 1 << 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(32_768..), help_heading = "Memory")]
    pub feed_bytes_max: u32,
    /// Messages a room keeps, on each shard, for members who read slowly; they miss what is older.
    #[arg(long, env = "HUBBUB_FEED_MESSAGES_MAX", value_name = "64..", default_value_t = 16_384)]
    #[arg(value_parser = clap::value_parser!(u32).range(64..), help_heading = "Memory")]
    pub feed_messages_max: u32,
    /// Bytes that all clients and rooms may take, such as 512M or 2G: from 80 % of it nobody new is
    /// let in, from 90 % on those go first who hold most [default: half of what there is].
    #[arg(long, env = "HUBBUB_MEMORY_MAX", value_name = "16M..", value_parser = parse_bytes)]
    #[arg(help_heading = "Memory")]
    pub memory_max: Option<u64>,
    /// Bytes of replies a client may leave unread before its own input is left unread.
    #[arg(long, env = "HUBBUB_OUTBOX_BYTES_MAX", value_name = "4096..", default_value_t = 65_536)]
    #[arg(value_parser = clap::value_parser!(u32).range(4096..), help_heading = "Memory")]
    pub outbox_bytes_max: u32,

    /// Address and port of metrics, health and a status page, over HTTP, or unix:/PATH [default:
    /// none; without a value: 127.0.0.1:9469]. Whoever reaches it may look, so keep it from
    /// strangers.
    #[arg(long, env = "HUBBUB_ADMIN", value_name = "ADDRESS:PORT", help_heading = "Operator")]
    #[arg(num_args = 0..=1, default_missing_value = ADMIN, value_parser = parse_admin)]
    pub admin: Option<ListenAddress>,
    /// Which log lines there are: error, warn, info, debug, trace or off; or one of these for each
    /// part of the server, such as info,hubbub::net=debug.
    #[arg(long, env = "HUBBUB_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    #[arg(value_parser = parse_log_level, help_heading = "Log")]
    pub log_level: String,
    /// What log lines on standard error look like.
    #[arg(long, env = "HUBBUB_LOG_FORMAT", value_enum, default_value_t, help_heading = "Log")]
    pub log_format: LogFormat,
    /// Show in the log only which network a client is in, such as 192.0.2.0/24 or 2001:db8:1::/48.
    #[arg(long, env = "HUBBUB_MASK_ADDRESSES", help_heading = "Log")]
    #[arg(value_parser = BoolishValueParser::new())]
    pub mask_addresses: bool,

    /// File with settings, by the names of these flags. SIGHUP has it read again.
    #[arg(long, env = "HUBBUB_CONFIG", value_name = "FILE", help_heading = "File")]
    pub config: Option<PathBuf>,
    /// Print all settings that hold, as such a file, and exit.
    #[arg(long, help_heading = "File")]
    pub print_config: bool,
    /// Say whether a server would start with these settings, and exit.
    #[arg(long, help_heading = "File")]
    pub check_config: bool,
}

const AFTER_HELP: &str = "\
Connect with `nc ADDRESS PORT` or `telnet ADDRESS PORT`, and send /help.
Stop with Ctrl-C or SIGTERM: clients get what they are owed first. A second one stops at once.
A file to start from: hubbub --print-config > hubbub.toml";

impl Args {
    /// The file with more settings.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.command.as_ref().and_then(Command::config).or(self.config.as_ref())
    }

    /// Sets what is looked at only when the server starts to what it was then.
    pub fn hold_fixed(&mut self, since_start: &Self) {
        (self.ip, self.port) = (since_start.ip.clone(), since_start.port);
        self.unix_mode = since_start.unix_mode;
        (self.shards, self.no_pin) = (since_start.shards, since_start.no_pin);
        self.vanish_seconds = since_start.vanish_seconds;
        self.admin.clone_from(&since_start.admin);
        self.tls_listen.clone_from(&since_start.tls_listen);
        self.http.clone_from(&since_start.http);
        self.https.clone_from(&since_start.https);
        if self.tls_listen.is_none() && self.https.is_none() {
            // Files for a port that only the next start opens.
            (self.tls_cert, self.tls_key) = (None, None);
        }
        self.log_format = since_start.log_format;
        self.mask_addresses = since_start.mask_addresses;
    }
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What `--ip` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This address, and a port of `--port`.
    Ip(IpAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// What `--http` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Http {
    /// There is no page for browsers.
    Off,
    /// It is here.
    At(ListenAddress),
}

/// What an entry of `--allow-origin` stands for: an origin, or none.
#[derive(Clone, Debug)]
pub struct Origins(Option<AllowedOrigin>);

pub(super) fn origins(each: &[Origins]) -> Vec<AllowedOrigin> {
    each.iter().filter_map(|origins| origins.0.clone()).collect()
}

/// What an entry of `--allow-host` stands for: a name, or none.
#[derive(Clone, Debug)]
pub struct Hosts(Option<AllowedHost>);

pub(super) fn hosts(each: &[Hosts]) -> Vec<AllowedHost> {
    each.iter().filter_map(|hosts| hosts.0.clone()).collect()
}

/// What an entry of `--exempt` stands for: a network, or none.
#[derive(Clone, Debug)]
pub struct Networks(Vec<IpNet>);

pub(super) fn networks(each: &[Networks]) -> Vec<IpNet> {
    each.iter().flat_map(|networks| networks.0.clone()).collect()
}

fn parse_networks(text: &str) -> Result<Networks, String> {
    let text = text.trim();
    if text == "none" {
        return Ok(Networks(vec![]));
    }
    let network = text.parse().or_else(|_| parse_ip(text).map(IpNet::from));
    network.map(|network| Networks(vec![canonical(network)])).map_err(|_| {
        "not a network or an address, such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32".to_owned()
    })
}

/// A network of IPv4-mapped addresses as that of IPv4: such clients are counted as IPv4's.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let bits = network.prefix_len().checked_sub(MAPPED_BITS);
    match (network.network().to_canonical(), bits) {
        (ip @ IpAddr::V4(_), Some(bits)) if matches!(network, IpNet::V6(_)) => {
            IpNet::new_assert(ip, bits)
        }
        _ => network,
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => (digits, text.chars().last()),
        None => (text, None),
    };
    let shift = unit.map_or(0, |unit| "KMG".find(unit).map_or(0, |place| 10 * (place + 1)));
    let bytes = digits.parse::<u64>().ok().and_then(|it| it.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= MEMORY_BYTES_MIN => Ok(bytes),
        Some(_) => Err("less than 16M".to_owned()),
        None => Err("not a number of bytes, such as 512M or 2G".to_owned()),
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "not an IP address, such as 127.0.0.1 or [::1]".to_owned())
}

fn parse_place(text: &str) -> Result<Place, String> {
    match ListenAddress::unix_path(text) {
        Some(path) => path.map(Place::Unix),
        None => parse_ip(text).map(Place::Ip),
    }
}

fn parse_listen(text: &str, example: &str) -> Result<ListenAddress, String> {
    match ListenAddress::unix_path(text) {
        Some(path) => path.map(ListenAddress::Unix),
        None => text.parse().map(ListenAddress::Tcp).map_err(|_| {
            format!("not an address and port, such as {example}, nor unix: and a path")
        }),
    }
}

fn parse_address(text: &str) -> Result<ListenAddress, String> {
    parse_listen(text, "127.0.0.1:8443")
}

fn parse_admin(text: &str) -> Result<ListenAddress, String> {
    parse_listen(text, ADMIN)
}

fn parse_http(text: &str) -> Result<Http, String> {
    if text == "off" {
        return Ok(Http::Off);
    }
    let address = parse_listen(text, "127.0.0.1:8080").map(Http::At);
    address.map_err(|why| format!("{why}, nor off"))
}

fn parse_mode(text: &str) -> Result<u32, String> {
    // As a file may have it, in TOML's way.
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= MODE_MAX);
    mode.ok_or_else(|| "not permissions in octal digits, such as 660 or 600".to_owned())
}

fn parse_origins(text: &str) -> Result<Origins, String> {
    let text = text.trim();
    if text == "none" {
        return Ok(Origins(None));
    }
    text.parse().map(|origin| Origins(Some(origin))).map_err(str::to_owned)
}

fn parse_hosts(text: &str) -> Result<Hosts, String> {
    if text == "none" {
        return Ok(Hosts(None));
    }
    text.parse().map(|host| Hosts(Some(host))).map_err(str::to_owned)
}

fn parse_log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    // A lone word that is no level would be taken for the name of a part, and be no error.
    let is_known = |part: &str| part.contains('=') || LEVELS.contains(&part);
    let filter = EnvFilter::try_new(text);
    if text.split(',').all(is_known) && filter.is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("not one of {}, nor such as info,hubbub::net=debug", LEVELS.join(", ")))
}
