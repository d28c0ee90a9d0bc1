//! Flags and environment, in two stages: [`Args`] is what was asked for, [`Config`] what that comes
//! to on this machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;

use crate::machine::Machine;
use crate::model::{Allowance, Limits};
use crate::net::AdmissionLimits;

/// Descriptors kept for everything that is not a client: listener, readiness sets, logs, a spare
/// for the operator.
const DESCRIPTORS_RESERVED: u64 = 64;
/// Descriptors each shard needs for itself.
const DESCRIPTORS_PER_SHARD: u64 = 8;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Addresses that are remembered, if there may be fewer clients than half of that.
const ADDRESSES_MIN: usize = 1024;
/// Frames of the longest message that a feed must have room for, so that no one message pushes out
/// all others.
const FEED_FRAMES_MIN: usize = 16;
/// Bytes around a message's text: a name, punctuation, a line end.
const FRAME_BYTES_SPARE: usize = 32;

/// Hubbub, a chat server: `nc 127.0.0.1 42069` and you are in.
///
/// Every flag can also be set by the environment variable named beside it; a flag wins over its
/// variable.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Args {
    /// Address to listen on; 0.0.0.0 or :: for all of this machine.
    #[arg(short, long, env = "HUBBUB_IP", default_value = "127.0.0.1", value_parser = parse_ip)]
    pub ip: IpAddr,
    /// Port to listen on, 0 for any that is free.
    #[arg(short, long, env = "HUBBUB_PORT", value_name = "0..=65535", default_value_t = 42069)]
    #[arg(value_parser = clap::value_parser!(u16).range(0..))]
    pub port: u16,
    /// Most clients at a time [default: as many as the descriptor limit allows].
    #[arg(long, env = "HUBBUB_CONNECTIONS_MAX", value_name = "1..")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: Option<u32>,
    /// Most clients at a time from one IPv4 address, or from one IPv6 network of 64 bits.
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

    /// Networks of proxies that send a PROXY header, version 1 or 2, with every connection; limits
    /// are for the address in it [default: none].
    #[arg(long, env = "HUBBUB_PROXIES", value_name = "NETWORKS", value_delimiter = ',')]
    #[arg(value_parser = parse_networks, help_heading = "Strangers")]
    pub proxies: Vec<Networks>,

    /// Seconds after which a client that sends nothing is sent away [default: never].
    #[arg(long, env = "HUBBUB_IDLE_SECONDS", value_name = "1..=1000000", help_heading = "Time")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub idle_seconds: Option<u64>,
    /// Seconds in which a client that has fallen behind must read 4 KiB, or is sent away.
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

    /// What log lines on standard error look like. RUST_LOG chooses which there are: info, debug, …
    #[arg(long, env = "HUBBUB_LOG_FORMAT", value_enum, default_value_t, help_heading = "Log")]
    pub log_format: LogFormat,
}

const AFTER_HELP: &str = "\
Connect with `nc ADDRESS PORT` or `telnet ADDRESS PORT`, and send /help.
Stop with Ctrl-C or SIGTERM: clients get what they are owed first. A second one stops at once.";

/// What log lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything the server needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub address: SocketAddr,
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
    /// When a peer that does not answer is taken for gone.
    pub vanish_wait: Duration,
    /// How long a drain may take.
    pub drain_wait_max: Duration,
    /// What sessions and rooms may cost.
    pub limits: Limits,
}

/// What an entry of `--exempt` stands for: a network, or none.
#[derive(Clone, Debug)]
pub struct Networks(Vec<IpNet>);

fn networks(each: &[Networks]) -> Vec<IpNet> {
    each.iter().flat_map(|networks| networks.0.clone()).collect()
}

fn parse_networks(text: &str) -> Result<Networks, String> {
    if text == "none" {
        return Ok(Networks(vec![]));
    }
    let network = text.parse().or_else(|_| parse_ip(text).map(IpNet::from));
    network.map(|network| Networks(vec![network])).map_err(|_| {
        "not a network or an address, such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32".to_owned()
    })
}

/// Least memory that clients and rooms can do with.
const MEMORY_BYTES_MIN: u64 = 16 << 20;

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

/// Memory for clients and rooms if nobody says how much: the other half is for their sockets in the
/// kernel, and for everything else.
fn half_of(machine: Machine) -> u64 {
    machine.memory_bytes.map_or(u64::MAX, |bytes| (bytes / 2).max(MEMORY_BYTES_MIN))
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "not an IP address, such as 127.0.0.1 or [::1]".to_owned())
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
            address: SocketAddr::new(args.ip, args.port),
            shards,
            pin: !args.no_pin,
            descriptors_max: machine.descriptors_max,
            connections_max,
            admission: admission(args, connections_max),
            proxies: networks(&args.proxies),
            vanish_wait: Duration::from_secs(args.vanish_seconds),
            drain_wait_max: Duration::from_secs(args.drain_seconds),
            limits,
        })
    }
}

fn admission(args: &Args, connections_max: u32) -> AdmissionLimits {
    let per_minute = args.address_connects_per_minute;
    AdmissionLimits {
        exempt: networks(&args.exempt),
        addresses_max: (connections_max as usize * 2).max(ADDRESSES_MIN),
        per_address_max: args.address_connections_max,
        per_address: Allowance::of(per_minute, MINUTE, per_minute * 2),
        overall: Allowance::of(args.connects_per_second, SECOND, args.connects_per_second),
    }
}

/// How many clients there are descriptors for, or fewer if that is asked for.
fn connections_max(asked: Option<u32>, shards: u16, machine: Machine) -> Result<u32, String> {
    let own = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_SHARD * u64::from(shards);
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
            (&["--log-format", "xml"], &["--log-format", "text", "json"]),
        ] {
            let error = config(flags).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{flags:?}: {word:?} is not in {error:?}");
            }
        }
    }
}
