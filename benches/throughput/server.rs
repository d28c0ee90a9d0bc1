//! The servers that are measured, each in a process of its own.

use std::env;
use std::io;
use std::process::Command;

use crate::cli::{Cli, Subject};
use crate::counters;
use crate::support::process::{Process, hubbub};

/// A running server.
pub(crate) struct Server {
    process: Process,
    subject: Subject,
}

impl Server {
    /// Starts it on these CPUs and a free port, and returns when it accepts connections.
    pub(crate) fn start(subject: Subject, cli: &Cli, cpus: &[usize]) -> io::Result<Self> {
        let command = |port: u16| {
            let Some(role) = subject.role() else {
                return Ok(hubbub(&cli.server_path()?, cli.shards, port));
            };
            let mut command = Command::new(env::current_exe()?);
            command.args(["--role", role.name(), "--port", &port.to_string()]);
            Ok(command)
        };
        Ok(Self { process: Process::start(command, cpus)?, subject })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.process.port()
    }

    /// The process that serves.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it in the way it likes best and returns the messages per write it has counted, if any.
    pub(crate) fn stop(self) -> io::Result<Option<f64>> {
        if self.subject == Subject::Hubbub {
            self.process.terminate()?;
        }
        Ok(counters::messages_per_write(&self.process.finish()?))
    }

    /// The end of its log, to explain a failure.
    pub(crate) fn last_words(&self) -> String {
        self.process.last_words()
    }
}
