//! The `hubbub` server. See the crate's documentation for how it is built, and `hubbub --help` for
//! how it is used.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use hubbub::config::{Args, Config, LogFormat};
use hubbub::logging::{self, Log};
use hubbub::machine::Machine;
use hubbub::server::{self, End, cores_of_shards};
use tracing::info;

const EXIT_UNUSABLE_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    let log = logging::start(args.log_format);
    let config = match Config::new(&args, Machine::look()) {
        Ok(config) => config,
        Err(sentence) => return fail(&log, &sentence, EXIT_UNUSABLE_ARGUMENTS),
    };
    match serve(&args, &config, &log) {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Cut | End::Failed) => ExitCode::FAILURE,
        Err(sentence) => fail(&log, &sentence, 1),
    }
}

fn serve(args: &Args, config: &Config, log: &Log) -> Result<End, String> {
    let explain = |e: io::Error| server::explain_listen_error(&e, config.address);
    let listener = hubbub::net::listen(config.address, config.vanish_wait).map_err(explain)?;
    let address = listener.local_addr().map_err(explain)?;
    announce(args.log_format, config, address, log);
    server::run(config, listener).map_err(|e| format!("cannot serve: {e}"))
}

fn fail(log: &Log, sentence: &str, code: u8) -> ExitCode {
    log.print(&format!("hubbub: {sentence}\n"));
    ExitCode::from(code)
}

/// Says that the server is there, and how to use it.
fn announce(format: LogFormat, config: &Config, address: SocketAddr, log: &Log) {
    let version = env!("CARGO_PKG_VERSION");
    let shards = config.shards;
    if format == LogFormat::Json {
        let (connections_max, descriptors_max) = (config.connections_max, config.descriptors_max);
        info!(version, shards, connections_max, descriptors_max, "listening on {address}");
        return;
    }
    log.print(&banner(version, config, address));
}

fn banner(version: &str, config: &Config, address: SocketAddr) -> String {
    let (shards, limits) = (config.shards, &config.limits);
    let cores: Vec<String> =
        cores_of_shards(config).into_iter().flatten().map(|core| core.id.to_string()).collect();
    let cores = match cores.len() {
        0 => "not pinned to cores".to_owned(),
        1 => format!("pinned to core {}", cores[0]),
        _ => format!("pinned to cores {}", cores.join(", ")),
    };
    let plural = if shards == 1 { "" } else { "s" };
    let host = match address.ip() {
        ip if ip.is_unspecified() && address.is_ipv4() => "127.0.0.1".to_owned(),
        ip if ip.is_unspecified() => "::1".to_owned(),
        ip => ip.to_string(),
    };
    let mut text = String::new();
    let _ = writeln!(text, "hubbub {version} listening on {address}");
    let _ = writeln!(text, "  shards   {shards} thread{plural}, {cores}");
    let _ = writeln!(
        text,
        "  limits   {} clients ({} descriptors), {} characters a message, {} KiB a feed",
        config.connections_max,
        config.descriptors_max,
        limits.message_chars_max,
        limits.feed_bytes_max >> 10
    );
    let exempt: Vec<String> = config.admission.exempt.iter().map(ToString::to_string).collect();
    let but =
        if exempt.is_empty() { String::new() } else { format!(", but {}", exempt.join(", ")) };
    let _ = writeln!(
        text,
        "  held to  {} clients an address, a message each {} ms{but}",
        config.admission.per_address_max, limits.allowance.each_ms
    );
    let _ = writeln!(text, "  connect  nc {host} {}", address.port());
    let _ = writeln!(text, "  stop     Ctrl-C, or kill -TERM {}", std::process::id());
    text
}
