//! `--check-config`, beyond what settings say by themselves: whether a start would succeed now. It
//! opens what a start opens, and lets go of it again.

use std::io;
use std::path::Path;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};

use super::explain_listen_error;
use crate::config::Config;
use crate::net::{Certificates, ListenAddress, Listener, unix_seconds};

/// The program's name, as the system has it.
const PROGRAM: &str = "hubbub";

/// What a start would meet with.
#[derive(Debug, Default)]
pub struct Findings {
    /// What would keep it from serving.
    pub problems: Vec<String>,
    /// What would not, and is worth knowing.
    pub notes: Vec<String>,
}

/// Who has a port.
enum Holder {
    /// This very check: two settings name it.
    Us,
    /// A server of this kind, which may be the one whose settings are checked.
    Hubbub(i32),
    /// A program of this name.
    Other(String, i32),
    /// The system does not say.
    Unknown,
}

/// Tries what a start with `config` would do.
#[must_use]
pub fn try_start(config: &Config) -> Findings {
    let mut findings = Findings::default();
    if let Some(files) = &config.certificates {
        match Certificates::inspect(files) {
            Ok(facts) => findings.notes.extend(
                facts
                    .untimely(unix_seconds())
                    .map(|why| format!("the certificate in {} {why}", files.cert.display())),
            ),
            Err(why) => findings.problems.push(why),
        }
    }
    let doors = [
        (Some(&config.address), ["--ip", "--port"]),
        (config.tls.as_ref(), ["--tls-listen"; 2]),
        (config.https.as_ref(), ["--https"; 2]),
        (config.http.as_ref(), ["--http"; 2]),
        (config.admin.as_ref(), ["--admin"; 2]),
    ];
    // All at once, as a server has them.
    let mut listeners: Vec<Listener> = vec![];
    for (address, flags) in doors {
        let Some(address) = address else { continue };
        match Listener::open(address, config.listen) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                let is_needed = flags[0] != "--http" || config.http_is_asked_for;
                findings.add(&error, address, flags, is_needed);
            }
        }
    }
    findings
}

impl Findings {
    /// The server could not listen at `address`, which these flags decide.
    fn add(
        &mut self,
        error: &io::Error,
        address: &ListenAddress,
        flags: [&str; 2],
        is_needed: bool,
    ) {
        let sentence = explain_listen_error(error, address, flags);
        if error.kind() != io::ErrorKind::AddrInUse {
            self.problems.push(sentence);
            return;
        }
        match holder(address) {
            Holder::Hubbub(pid) => self.notes.push(format!(
                "{address} is in use by hubbub, process {pid}: right for a reload of that one"
            )),
            _ if !is_needed => {
                self.notes.push(format!("{sentence}; a start would do without the page there"));
            }
            Holder::Us => {
                self.problems.push(format!("{sentence}: another of these settings has it"));
            }
            Holder::Other(name, pid) => {
                self.problems.push(format!("{sentence}: {name}, process {pid}, has it"));
            }
            Holder::Unknown => self.notes.push(format!(
                "{address} is in use by a process of another user: right only if that is the \
                 hubbub which is to be reloaded"
            )),
        }
    }
}

/// The process that listens at `address`: whoever has the socket's inode among its descriptors.
fn holder(address: &ListenAddress) -> Holder {
    let inodes = match address {
        ListenAddress::Tcp(address) => inodes_at_port(address.port()),
        ListenAddress::Unix(path) => inodes_at_path(path),
    };
    let has = |process: &Process| {
        let descriptors = process.fd().into_iter().flatten().flatten();
        let mut targets = descriptors.map(|it| it.target);
        targets.any(|it| matches!(it, FDTarget::Socket(inode) if inodes.contains(&inode)))
    };
    let found = all_processes().into_iter().flatten().flatten().find(has);
    let Some(process) = found else { return Holder::Unknown };
    let name = process.stat().map(|it| it.comm).unwrap_or_default();
    match process.pid {
        pid if i64::from(pid) == i64::from(std::process::id()) => Holder::Us,
        pid if name == PROGRAM => Holder::Hubbub(pid),
        pid => Holder::Other(name, pid),
    }
}

fn inodes_at_port(port: u16) -> Vec<u64> {
    let entries = procfs::net::tcp().into_iter().chain(procfs::net::tcp6()).flatten();
    let is_listening = |it: &TcpNetEntry| it.state == TcpState::Listen;
    let there = entries.filter(|it| it.local_address.port() == port && is_listening(it));
    there.map(|it| it.inode).collect()
}

fn inodes_at_path(path: &Path) -> Vec<u64> {
    let entries = procfs::net::unix().into_iter().flatten();
    entries.filter(|it| it.path.as_deref() == Some(path)).map(|it| it.inode).collect()
}
