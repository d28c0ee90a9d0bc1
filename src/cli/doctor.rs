//! `hubbub doctor`: whether this machine allows what the settings ask for. What is read of it and
//! what is made of that are apart, so that the second can be tried with any machine.

mod certificates;
mod checks;
mod seen;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use seen::Seen;

use crate::net::CertificateFiles;

/// What `hubbub doctor` is to look at.
#[derive(Args, Clone, Debug)]
pub struct Doctor {
    /// File with the settings whose needs are to be looked at.
    #[arg(long, env = "HUBBUB_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Clients that there are to be [default: --connections-max, or as many as the descriptor limit
    /// allows].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    clients: Option<u32>,
}

/// What the settings need of a machine.
#[derive(Clone, Debug)]
pub struct Demands {
    /// Clients at a time, if that was said.
    pub clients: Option<u32>,
    /// Threads that serve them, if that was said.
    pub shards: Option<u16>,
    /// How many may come in a second.
    pub connects_per_second: u32,
    /// Whether they may come with TLS.
    pub tls: bool,
    /// Whether they come through proxies.
    pub proxies: bool,
    /// Bytes that they and rooms may take, if that was said.
    pub memory_max: Option<u64>,
    /// What clients that come with TLS are shown, if that was said.
    pub certificates: Option<CertificateFiles>,
}

/// What is to be done about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing.
    Ok,
    /// This.
    Change(String),
    /// Nobody knows, for this reason.
    CannotTell(String),
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Check {
    what: &'static str,
    seen: String,
    wanted: String,
    verdict: Verdict,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, seen, wanted, verdict } = self;
        let mark = match verdict {
            Verdict::Ok => "ok",
            Verdict::Change(_) => "change",
            Verdict::CannotTell(_) => "cannot tell",
        };
        write!(f, "{mark:<11}  {what:<16}  {seen}; wanted: {wanted}")?;
        match verdict {
            Verdict::Ok => Ok(()),
            Verdict::Change(how) => write!(f, "; do: {how}"),
            Verdict::CannotTell(why) => write!(f, "; {why}"),
        }
    }
}

impl Doctor {
    /// What there is to say, and whether all is well.
    pub(super) fn run(&self, demands: &Demands) -> (String, bool) {
        let clients = self.clients.or(demands.clients);
        let demands = Demands { clients, ..demands.clone() };
        let mut checks = checks::all(&demands, &Seen::read(Path::new("/")));
        checks.extend(demands.certificates.iter().flat_map(certificates::all));
        let is_well = !checks.iter().any(|it| matches!(it.verdict, Verdict::Change(_)));
        (checks.iter().map(|check| format!("{check}\n")).collect(), is_well)
    }
}
