//! Crowds that do nothing.

use std::fs;
use std::io;

use crate::cli::Cli;
use crate::swarm::{Sources, Swarm};
use crate::{Cpus, with_server};

/// The server's memory at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Connections, all of them named and in a room.
    pub(crate) connections: usize,
    /// Resident set, in bytes.
    pub(crate) rss: u64,
    /// Its proportional share of that, in bytes.
    pub(crate) pss: u64,
    /// The part that belongs to no file, in bytes.
    pub(crate) anonymous: u64,
}

/// Measures the memory of one server, without connections and with more and more of them.
pub(crate) fn measure(cli: &Cli, cpus: &Cpus, sources: &mut Sources) -> io::Result<Vec<Memory>> {
    with_server(cli, cpus, |server| {
        let mut swarm = Swarm::new(server.port(), *cli.idle().last().unwrap_or(&1), sources)?;
        let mut connections = 1;
        let mut moments = vec![Memory::read(server.pid(), connections)?];
        for &wanted in cli.idle() {
            swarm.arrive(wanted - connections)?;
            swarm.settle()?;
            connections = wanted;
            eprintln!("{connections} idle");
            moments.push(Memory::read(server.pid(), connections)?);
        }
        Ok(moments)
    })
}

impl Memory {
    fn read(pid: u32, connections: usize) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let bytes = |key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("odd /proc/*/smaps_rollup"))
        };
        let (rss, pss, anonymous) = (bytes("Rss:")?, bytes("Pss:")?, bytes("Anonymous:")?);
        Ok(Self { connections, rss, pss, anonymous })
    }
}
