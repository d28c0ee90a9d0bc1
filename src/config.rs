//! Flags, environment and file, in two stages: [`Settings`] are what was asked for, wherever that
//! was, [`Config`] what it comes to on this machine.

mod args;
mod environment;
mod file;
mod settings;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

pub use args::{Args, FIXED, LogFormat};
use args::{Http, Place, hosts, networks, origins};
pub use settings::{Settings, Unusable};

use crate::cli::Demands;
use crate::http::{AllowedHost, AllowedOrigin};
use crate::machine::{MEMORY_PARTS, Machine, own_descriptors};
use crate::model::{Allowance, Limits};
use crate::net::{
    AdmissionLimits, CertificateFiles, ENTRIES_PER_CONNECTION, ListenAddress, ListenOptions,
};

/// Least memory that clients and rooms can do with.
const MEMORY_BYTES_MIN: u64 = 16 << 20;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Where the page for browsers is, unless somebody says where.
const HTTP: ListenAddress =
    ListenAddress::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080));
/// Addresses and networks that are remembered, at least.
const ADDRESSES_MIN: usize = 1024;
/// Frames of the longest message that a feed must have room for, so that no one message pushes out
/// all others.
const FEED_FRAMES_MIN: usize = 16;
/// Bytes around a message's text: a name, punctuation, a line end.
const FRAME_BYTES_SPARE: usize = 32;

/// Everything the server needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub address: ListenAddress,
    /// Where to listen for TLS, if that is wanted.
    pub tls: Option<ListenAddress>,
    /// Where to listen for browsers, unless that is not wanted.
    pub http: Option<ListenAddress>,
    /// Whether somebody has said so, and wants nothing else.
    pub http_is_asked_for: bool,
    /// Where to listen for browsers that speak TLS, if that is wanted.
    pub https: Option<ListenAddress>,
    /// What is shown to who speaks TLS, which is there if anybody may.
    pub certificates: Option<CertificateFiles>,
    /// Whose pages may chat here beside our own.
    pub origins: Vec<AllowedOrigin>,
    /// Host names that are answered beside those of `origins` and of the certificate.
    pub hosts: Vec<AllowedHost>,
    /// Where to listen for the operator.
    pub admin: Option<ListenAddress>,
    /// Threads that serve clients.
    pub shards: u16,
    /// Whether each is to stay on a core of its own.
    pub pin: bool,
    /// Descriptors this process may have.
    pub descriptors_max: u64,
    /// Clients at a time.
    pub connections_max: u32,
    /// Who may come in, and how fast.
    pub admission: AdmissionLimits,
    /// Where connections come from that have a PROXY header.
    pub proxies: Vec<IpNet>,
    /// How to listen.
    pub listen: ListenOptions,
    /// How long a drain may take.
    pub drain_wait_max: Duration,
    /// Whether the log may only show which network a client is in.
    pub mask_addresses: bool,
    /// What sessions and rooms may cost.
    pub limits: Limits,
}

/// Memory for clients and rooms if nobody says how much.
fn half_of(machine: Machine) -> u64 {
    machine.memory_bytes.map_or(u64::MAX, |bytes| (bytes / MEMORY_PARTS).max(MEMORY_BYTES_MIN))
}

impl Config {
    /// What `args` come to on `machine`.
    ///
    /// # Errors
    /// A sentence for the user when they cannot be had, or not together.
    pub fn new(args: &Args, machine: Machine) -> Result<Self, String> {
        let shards = args.shards.unwrap_or(machine.cores).max(1);
        let connections_max = connections_max(args.connections_max, shards, machine)?;
        let limits = Limits {
            message_chars_max: args.message_chars_max as usize,
            history_messages_max: history_messages(args),
            history_bytes_max: args.history_bytes_max as usize,
            line_history: args.line_history,
            pong_wait_max: Duration::from_secs(args.ping_seconds),
            announce_max: args.announce_max,
            feed_bytes_max: args.feed_bytes_max as usize,
            feed_messages_max: args.feed_messages_max as usize,
            memory_bytes_max: args.memory_max.unwrap_or(half_of(machine)),
            outbox_bytes_max: args.outbox_bytes_max as usize,
            drain_spread_max: Duration::from_secs(args.drain_seconds) / 2,
            idle_wait_max: args.idle_seconds.map(Duration::from_secs),
            stall_wait_max: Duration::from_secs(args.stall_seconds),
            allowance: Allowance::of(args.messages_per_second, SECOND, args.messages_burst),
            room_allowance: Allowance::of(args.rooms_per_minute, MINUTE, args.rooms_per_minute),
            home_rooms_max: args.rooms_max.div_ceil(u32::from(shards)) as usize,
            ..Limits::default()
        };
        let feed_min = (limits.message_bytes_max() + FRAME_BYTES_SPARE) * FEED_FRAMES_MIN;
        if limits.feed_bytes_max < feed_min {
            return Err(format!(
                "--feed-bytes-max {} is too little for --message-chars-max {}: it must be at least \
                 {feed_min}",
                limits.feed_bytes_max, limits.message_chars_max
            ));
        }
        Ok(Self {
            address: address(args),
            tls: args.tls_listen.clone(),
            http: http(args),
            http_is_asked_for: args.http.is_some(),
            https: args.https.clone(),
            certificates: certificates(args)?,
            origins: origins(&args.allow_origin),
            hosts: hosts(&args.allow_host),
            admin: args.admin.clone(),
            shards,
            pin: !args.no_pin,
            descriptors_max: machine.descriptors_max,
            connections_max,
            admission: admission(args, connections_max),
            proxies: networks(&args.proxies),
            listen: ListenOptions {
                vanish_wait: Duration::from_secs(args.vanish_seconds),
                unix_mode: args.unix_mode,
            },
            drain_wait_max: Duration::from_secs(args.drain_seconds),
            mask_addresses: args.mask_addresses,
            limits,
        })
    }

    /// Addresses that may have to be remembered after a reload: with as many clients as there are
    /// descriptors for, which is decided when the process starts.
    #[must_use]
    pub fn addresses_max_ever(&self) -> usize {
        addresses_max(self.descriptors_max.min(u32::MAX.into()))
    }
}

/// Addresses to remember where there are at most so many clients.
fn addresses_max(connections_max: u64) -> usize {
    // Each connection may have entries of its own; as much again is for those that were here.
    let entries = connections_max.saturating_mul(ENTRIES_PER_CONNECTION as u64 + 1);
    usize::try_from(entries).unwrap_or(usize::MAX).max(ADDRESSES_MIN)
}

/// Where lines come in.
fn address(args: &Args) -> ListenAddress {
    match &args.ip {
        Place::Ip(ip) => ListenAddress::Tcp(SocketAddr::new(*ip, args.port)),
        Place::Unix(path) => ListenAddress::Unix(path.clone()),
    }
}

/// Where browsers come in, if they do.
fn http(args: &Args) -> Option<ListenAddress> {
    match &args.http {
        Some(Http::Off) => None,
        Some(Http::At(address)) => Some(address.clone()),
        None => Some(HTTP),
    }
}

/// Messages that a room remembers: none where nobody could come who is told of them.
fn history_messages(args: &Args) -> usize {
    let is_for_lines_only = http(args).is_none() && args.https.is_none();
    if is_for_lines_only && !args.line_history { 0 } else { args.history_messages as usize }
}

/// What `args` need of any machine.
#[must_use]
pub fn demands(args: &Args) -> Demands {
    Demands {
        clients: args.connections_max,
        shards: args.shards,
        connects_per_second: args.connects_per_second,
        tls: args.tls_listen.is_some() || args.https.is_some(),
        proxies: !networks(&args.proxies).is_empty(),
        memory_max: args.memory_max,
        certificates: args
            .tls_cert
            .clone()
            .zip(args.tls_key.clone())
            .map(|(cert, key)| CertificateFiles { cert, key }),
    }
}

/// All or nothing: a flag of these needs the others.
fn certificates(args: &Args) -> Result<Option<CertificateFiles>, String> {
    let is_wanted = args.tls_listen.is_some() || args.https.is_some();
    match (is_wanted, args.tls_cert.clone(), args.tls_key.clone()) {
        (false, None, None) => Ok(None),
        (true, Some(cert), Some(key)) => Ok(Some(CertificateFiles { cert, key })),
        _ => Err("--tls-listen or --https, --tls-cert and --tls-key go together: give all three, \
                  or none; `hubbub gen-cert` makes a certificate and its key for development"
            .to_owned()),
    }
}

fn admission(args: &Args, connections_max: u32) -> AdmissionLimits {
    let per_minute = args.address_connects_per_minute;
    AdmissionLimits {
        exempt: networks(&args.exempt),
        addresses_max: addresses_max(connections_max.into()),
        per_address_max: args.address_connections_max,
        per_address: Allowance::of(per_minute, MINUTE, per_minute * 2),
        overall: Allowance::of(args.connects_per_second, SECOND, args.connects_per_second),
    }
}

/// How many clients there are descriptors for, or fewer if that is asked for.
fn connections_max(asked: Option<u32>, shards: u16, machine: Machine) -> Result<u32, String> {
    let own = own_descriptors(shards);
    let possible = machine.descriptors_max.saturating_sub(own);
    let possible = u32::try_from(possible).unwrap_or(u32::MAX);
    if possible == 0 {
        return Err(format!(
            "this process may open {} descriptors, and {shards} shards need {own} for themselves: \
             raise the limit (ulimit -n) or lower --shards",
            machine.descriptors_max
        ));
    }
    match asked {
        Some(asked) if asked > possible => Err(format!(
            "--connections-max {asked} is more than the {possible} there are descriptors for: \
             raise the limit (ulimit -n {}) or lower it",
            u64::from(asked) + own
        )),
        asked => Ok(asked.unwrap_or(possible)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const MACHINE: Machine = Machine { cores: 2, descriptors_max: 1024, memory_bytes: None };

    fn config(flags: &[&str]) -> Result<Config, String> {
        let flags = ["hubbub"].iter().chain(flags);
        let args = Args::try_parse_from(flags).map_err(|e| e.to_string())?;
        Config::new(&args, MACHINE)
    }

    #[test]
    fn the_defaults_fit_the_machine() {
        let config = config(&[]).unwrap();
        assert_eq!(config.address.to_string(), "127.0.0.1:42069");
        assert_eq!((config.shards, config.connections_max), (2, 1024 - 64 - 16));
        assert!(config.pin);
    }

    #[test]
    fn the_flags_agree_with_the_limits_they_set() {
        let (config, limits) = (config(&["--shards", "1"]).unwrap(), Limits::default());
        assert_eq!(format!("{:?}", config.limits), format!("{limits:?}"));
    }

    #[test]
    fn memory_is_half_of_what_there_is_or_what_is_asked_for() {
        let args = |flags: &[&str]| Args::try_parse_from(["hubbub"].iter().chain(flags)).unwrap();
        let machine = Machine { memory_bytes: Some(1 << 30), ..MACHINE };
        let max = |flags| Config::new(&args(flags), machine).unwrap().limits.memory_bytes_max;
        assert_eq!(max(&[]), 512 << 20);
        assert_eq!(max(&["--memory-max", "16M"]), 16 << 20);
        assert_eq!(max(&["--memory-max", "3G"]), 3 << 30);
        assert_eq!(max(&["--memory-max", "16777216"]), 16 << 20);
    }

    #[test]
    fn the_operator_s_port_is_off_unless_asked_for_and_loopback_unless_told() {
        let admin = |flags| config(flags).unwrap().admin.map(|it| it.to_string());
        assert_eq!(admin(&[]), None);
        assert_eq!(admin(&["--admin"]).as_deref(), Some("127.0.0.1:9469"));
        assert_eq!(admin(&["--admin", "-p", "0"]).as_deref(), Some("127.0.0.1:9469"));
        assert_eq!(admin(&["--admin", "[::]:1"]).as_deref(), Some("[::]:1"));
    }

    #[test]
    fn rooms_remember_only_what_somebody_may_be_told() {
        let history = |flags| config(flags).unwrap().limits.history_messages_max;
        assert_eq!(history(&["--history-messages", "7"]), 7);
        assert_eq!(history(&["--http", "off"]), 0);
        assert_eq!(history(&["--http", "off", "--line-history"]), 50);
    }

    #[test]
    fn browsers_are_welcome_at_the_usual_place_unless_somebody_says_otherwise() {
        let http = |flags| {
            let config = config(flags).unwrap();
            (config.http.map(|it| it.to_string()), config.http_is_asked_for)
        };
        assert_eq!(http(&[]), (Some("127.0.0.1:8080".to_owned()), false));
        assert_eq!(http(&["--http", "[::]:80"]), (Some("[::]:80".to_owned()), true));
        assert_eq!(http(&["--http", "off"]), (None, true));
        let origins = |flags| config(flags).unwrap().origins;
        assert_eq!(origins(&[]), []);
        assert_eq!(origins(&["--allow-origin", "none"]), []);
        let two = origins(&["--allow-origin", "https://a.example,http://b.example:80"]);
        let two: Vec<String> = two.iter().map(ToString::to_string).collect();
        assert_eq!(two, ["https://a.example", "http://b.example"]);
    }

    #[test]
    fn networks_of_mapped_addresses_are_those_of_ipv4() {
        let networks = "::ffff:127.0.0.0/104,::ffff:192.0.2.9,::ffff:0:0/96,::/0,2001:db8::/32";
        for flag in ["--exempt", "--proxies"] {
            let config = config(&[flag, networks]).unwrap();
            let networks =
                if flag == "--exempt" { config.admission.exempt } else { config.proxies };
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            let ipv4 = ["127.0.0.0/8", "192.0.2.9/32", "0.0.0.0/0"];
            assert_eq!(networks, [&ipv4[..], &["::/0", "2001:db8::/32"]].concat());
        }
    }

    #[test]
    fn addresses_may_be_written_with_brackets() {
        assert_eq!(config(&["-i", "[::]", "-p", "0"]).unwrap().address.to_string(), "[::]:0");
        assert_eq!(config(&["-i", "::1"]).unwrap().address.to_string(), "[::1]:42069");
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_the_flag_and_what_would_do() {
        for (flags, words) in [
            (&["--shards", "0"][..], &["--shards", "1..=256"][..]),
            (&["--port", "99999"], &["--port", "65535"]),
            (&["--message-chars-max", "0"], &["--message-chars-max", "1..=16384"]),
            (&["--ip", "example"], &["--ip", "127.0.0.1"]),
            (&["--connections-max", "5000"], &["--connections-max", "944", "ulimit -n 5080"]),
            (&["--shards", "200"], &["--shards", "1024", "ulimit -n"]),
            (
                &["--message-chars-max", "16384"],
                &["--feed-bytes-max", "--message-chars-max", "1049088"],
            ),
            (&["--memory-max", "12M"], &["--memory-max", "16M"]),
            (&["--memory-max", "lots"], &["--memory-max", "512M"]),
            (&["--exempt", "home"], &["--exempt", "10.0.0.0/8"]),
            (&["--admin", "9469"], &["--admin", "127.0.0.1:9469"]),
            (&["--log-format", "xml"], &["--log-format", "text", "json"]),
            (&["--http", "8080"], &["--http", "127.0.0.1:8080", "off"]),
            (&["--allow-origin", "a.example"], &["--allow-origin", "https://chat.example"]),
            (&["--allow-host", "https://a.example"], &["--allow-host", "such as chat.example"]),
            (&["--https", "127.0.0.1:0"], &["--https", "--tls-cert", "gen-cert"]),
        ] {
            let error = config(flags).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{flags:?}: {word:?} is not in {error:?}");
            }
        }
    }
}
