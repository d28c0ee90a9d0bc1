//! The `hubbub` server. See the crate's documentation for how it is built, and `hubbub --help` for
//! how it is used.

use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;

use clap::CommandFactory as _;
use hubbub::activation::Inherited;
use hubbub::cli::{Command, Demands};
use hubbub::config::{Args, Config, LogFormat, Settings, Unusable, demands};
use hubbub::logging::{self, Log};
use hubbub::machine::Machine;
use hubbub::net::{Certificates, ListenAddress, Listener};
use hubbub::reload::Reload;
use hubbub::server::{self, Addresses, AdminPort, Doors, End, Findings, cores_of_shards};
use tracing::{info, warn};

const EXIT_UNUSABLE_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let settings = match Settings::read(env::args_os()) {
        Ok(settings) => settings,
        Err(Unusable::Flags(error)) => error.exit(),
        Err(unusable) => return refuse(&unusable.to_string()),
    };
    let is_serving = {
        let Args { command, print_config, check_config, .. } = &settings.args;
        command.is_none() && !print_config && !check_config
    };
    if !is_serving {
        settings.warnings.iter().for_each(|warning| tell(warning));
    }
    if let Some(command) = &settings.args.command {
        return run(command, &demands(&settings.args));
    }
    if settings.args.print_config {
        return say(&settings.to_file());
    }
    let config = match Config::new(&settings.args, Machine::look()) {
        Ok(config) => config,
        Err(sentence) => return refuse(&sentence),
    };
    if settings.args.check_config {
        return check(&config);
    }
    // Before there is a second thread.
    let inherited = match Inherited::from_env() {
        Ok(inherited) => inherited,
        Err(sentence) => return refuse(&sentence),
    };
    let log = logging::start(settings.args.log_format, &settings.args.log_level);
    settings.warnings.iter().for_each(|warning| warn!("{warning}"));
    match serve(settings, &config, inherited, &log) {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Cut | End::Failed) => ExitCode::FAILURE,
        Err(sentence) => {
            log.print(&format!("hubbub: {sentence}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked for instead of serving.
fn run(command: &Command, demands: &Demands) -> ExitCode {
    match command.run(demands, Args::command()) {
        Ok((text, status)) => match say(&text) {
            ExitCode::SUCCESS => status,
            failure => failure,
        },
        Err(sentence) => {
            let _ = writeln!(io::stderr(), "hubbub: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn serve(
    settings: Settings,
    config: &Config,
    inherited: Inherited,
    log: &Log,
) -> Result<End, String> {
    let (doors, no_http) = open(config, inherited, log)?;
    let addresses = doors.addresses();
    let format = settings.args.log_format;
    let reload = Reload::new(settings, Arc::clone(log.level()));
    let announce = || announce(format, config, (&addresses, no_http.as_deref()), log);
    server::run(config, doors, reload, announce).map_err(|e| format!("cannot serve: {e}"))
}

/// Opens all doors; and why there is none for browsers, if that is not as anybody has asked for.
fn open(
    config: &Config,
    inherited: Inherited,
    log: &Log,
) -> Result<(Doors, Option<String>), String> {
    let certificates = config.certificates.as_ref().map(Certificates::load).transpose()?;
    let tls = "give --tls-listen, --tls-cert and --tls-key for it, too";
    let tls = door(config.tls.as_ref(), ("--tls-listen", tls), config, inherited.tls)?;
    let plain = listen(&config.address, ["--ip", "--port"], config, inherited.plain)?;
    let https = "give --https, --tls-cert and --tls-key for it, too";
    let https = door(config.https.as_ref(), ("--https", https), config, inherited.https)?;
    let may_fail = !config.http_is_asked_for && inherited.http.is_none();
    let http = ("--http", "leave --http off out");
    let (http, no_http) = match door(config.http.as_ref(), http, config, inherited.http) {
        Err(why) if may_fail => (None, Some(why)),
        http => (http?, None),
    };
    let admin = config.admin.as_ref();
    let admin = admin.map(|address| listen(address, ["--admin"; 2], config, None)).transpose()?;
    let admin = admin.map(|listener| AdminPort { listener, lost: Arc::clone(log.lost()) });
    Ok((Doors { plain, tls, http, https, certificates, admin }, no_http))
}

/// The socket of a door that need not be there: at `address` if a flag says so. What to do if the
/// service manager has one, and no flag says so.
fn door(
    address: Option<&ListenAddress>,
    (flag, what_to_do): (&str, &str),
    config: &Config,
    inherited: Option<OwnedFd>,
) -> Result<Option<Listener>, String> {
    match address {
        Some(address) => listen(address, [flag; 2], config, inherited).map(Some),
        None if inherited.is_none() => Ok(None),
        None => Err(format!("the service manager has a socket for {flag}: {what_to_do}")),
    }
}

/// The socket that was inherited, or else a new one at `address`.
fn listen(
    address: &ListenAddress,
    flags: [&str; 2],
    config: &Config,
    inherited: Option<OwnedFd>,
) -> Result<Listener, String> {
    if let Some(listener) = inherited {
        return Listener::adopt(listener, config.listen)
            .map_err(|error| format!("cannot use the service manager's socket: {error}"));
    }
    Listener::open(address, config.listen)
        .map_err(|error| server::explain_listen_error(&error, address, flags))
}

/// Says whether a server would start with `config`.
fn check(config: &Config) -> ExitCode {
    let Findings { problems, notes } = server::try_start(config);
    notes.iter().for_each(|note| tell(&format!("note: {note}")));
    if problems.is_empty() { say("all settings are good\n") } else { refuse(&problems.join("\n")) }
}

/// Answers what was asked for instead of a server.
fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says why there will be no server, a line for each reason.
fn refuse(why: &str) -> ExitCode {
    tell(why);
    ExitCode::from(EXIT_UNUSABLE_ARGUMENTS)
}

/// Says something about what was asked for, a line for each line of it.
fn tell(what: &str) {
    let lines: String = what.lines().map(|line| format!("hubbub: {line}\n")).collect();
    // Whether anybody reads it or not, there is no more to do.
    let _ = io::stderr().write_all(lines.as_bytes());
}

/// Says that the server is there, and how to use it.
fn announce(
    format: LogFormat,
    config: &Config,
    (doors, no_http): (&Addresses, Option<&str>),
    log: &Log,
) {
    let version = env!("CARGO_PKG_VERSION");
    let shards = config.shards;
    if format == LogFormat::Json {
        let (connections_max, descriptors_max) = (config.connections_max, config.descriptors_max);
        let more = [&doors.tls, &doors.http, &doors.https, &doors.admin];
        let more = more.map(|it| it.as_ref().map(ToString::to_string));
        let (tls, http, https, admin) = more.into();
        let address = &doors.plain;
        info!(
            version,
            shards,
            connections_max,
            descriptors_max,
            tls,
            http,
            https,
            admin,
            "listening on {address}"
        );
        if let Some(why) = no_http {
            warn!("no page for browsers: {why}");
        }
        return;
    }
    log.print(&banner(version, config, doors, no_http));
}

fn banner(version: &str, config: &Config, doors: &Addresses, no_http: Option<&str>) -> String {
    let (shards, limits) = (config.shards, &config.limits);
    let cores: Vec<String> =
        cores_of_shards(config).into_iter().flatten().map(|core| core.id.to_string()).collect();
    let cores = match cores.len() {
        0 => "not pinned to cores".to_owned(),
        1 => format!("pinned to core {}", cores[0]),
        _ => format!("pinned to cores {}", cores.join(", ")),
    };
    let plural = if shards == 1 { "" } else { "s" };
    let mut text = String::new();
    let _ = writeln!(text, "hubbub {version} listening on {}", doors.plain);
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
    text.push_str(&ways(doors, no_http));
    let _ = writeln!(text, "  stop     Ctrl-C, or kill -TERM {}", std::process::id());
    text
}

/// How to reach the server, a line for each way.
fn ways(doors: &Addresses, no_http: Option<&str>) -> String {
    let url = |scheme: &str, address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => format!("{scheme}://{}/", reachable(*address)),
        ListenAddress::Unix(path) => {
            format!("curl --unix-socket {} {scheme}://localhost/", path.display())
        }
    };
    let plain = match &doors.plain {
        ListenAddress::Tcp(address) => {
            let address = reachable(*address);
            format!("nc {} {}", address.ip(), address.port())
        }
        ListenAddress::Unix(path) => format!("nc -U {}", path.display()),
    };
    let tls = doors.tls.as_ref().map(|address| match address {
        ListenAddress::Tcp(address) => format!("-connect {}", reachable(*address)),
        ListenAddress::Unix(path) => format!("-unix {}", path.display()),
    });
    let rows = [
        ("connect", Some(plain)),
        ("tls", tls.map(|way| format!("openssl s_client -quiet {way}"))),
        ("browser", doors.http.as_ref().map(|address| url("http", address))),
        ("browser", doors.https.as_ref().map(|address| url("https", address))),
        ("browser", no_http.map(|why| format!("none: {why}"))),
        ("admin", doors.admin.as_ref().map(|address| url("http", address))),
    ];
    let rows = rows.into_iter().filter_map(|(what, how)| Some((what, how?)));
    rows.map(|(what, how)| format!("  {what:<8} {how}\n")).collect()
}

/// Where to connect to what listens at `address`, from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
