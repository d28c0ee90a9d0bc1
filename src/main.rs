//! The `hubbub` server. See the crate's documentation for how it is built, and `hubbub --help` for
//! how it is used.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use hubbub::config::{Args, Config, LogFormat};
use hubbub::machine::Machine;
use hubbub::server::{self, End, cores_of_shards};
use tracing::info;
use tracing_subscriber::EnvFilter;

const EXIT_UNUSABLE_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    start_log(args.log_format);
    let config = match Config::new(&args, Machine::look()) {
        Ok(config) => config,
        Err(sentence) => return fail(&sentence, EXIT_UNUSABLE_ARGUMENTS),
    };
    match serve(&args, &config) {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Cut | End::Failed) => ExitCode::FAILURE,
        Err(sentence) => fail(&sentence, 1),
    }
}

fn serve(args: &Args, config: &Config) -> Result<End, String> {
    let explain = |e: io::Error| server::explain_listen_error(&e, config.address);
    let listener = hubbub::net::listen(config.address).map_err(explain)?;
    let address = listener.local_addr().map_err(explain)?;
    announce(args.log_format, config, address);
    server::run(config, listener).map_err(|e| format!("cannot serve: {e}"))
}

/// Standard error may be closed, full or a broken pipe: that is no reason to stop serving.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

fn fail(sentence: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "hubbub: {sentence}");
    ExitCode::from(code)
}

/// Says that the server is there, and how to use it.
fn announce(format: LogFormat, config: &Config, address: SocketAddr) {
    let version = env!("CARGO_PKG_VERSION");
    let shards = config.shards;
    if format == LogFormat::Json {
        let (connections_max, descriptors_max) = (config.connections_max, config.descriptors_max);
        info!(version, shards, connections_max, descriptors_max, "listening on {address}");
        return;
    }
    let _ = io::stderr().write_all(banner(version, config, address).as_bytes());
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
