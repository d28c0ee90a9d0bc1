//! Layer 5: what a service manager is told, in the protocol of sd_notify(3). Nobody is told
//! anything where nobody has asked, by `NOTIFY_SOCKET`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;

use crate::net::ListenAddress;

/// When a server that was not well is looked at again: a moment's weakness is not to cost it the
/// whole of the time that the manager waits.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Tells the service manager how the server is.
#[derive(Debug)]
pub struct Notify {
    manager: Option<UnixDatagram>,
    /// When it wants to hear that the server is well, if it does.
    wellness: Option<Interval>,
}

impl Notify {
    /// As the environment asks for it. To be called in the runtime that will tell.
    #[must_use]
    pub fn from_env() -> Self {
        let manager = env::var_os("NOTIFY_SOCKET").and_then(|address| {
            connect(&address)
                .inspect_err(|error| {
                    warn!(%error, ?address, "cannot tell the service manager how we are");
                })
                .ok()
        });
        let wellness = manager.as_ref().and_then(|_| watchdog_wait_max()).map(|wait_max| {
            // As sd_watchdog_enabled(3) has it.
            let mut ticks = interval(wait_max / 2);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self { manager, wellness }
    }

    /// The server serves, at `address`.
    pub fn ready(&self, address: &ListenAddress) {
        self.tell(&format!("READY=1\nSTATUS=Serving on {address}\n"));
    }

    /// The settings are being read again; [`Notify::reloaded`] ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}\n"));
    }

    /// The server serves again, with new settings or, if those were no `good`, with the old ones.
    pub fn reloaded(&self, good: bool) {
        let status = if good {
            "Serving, settings were read again"
        } else {
            "Serving with the settings it had, as the new ones are no good: see the log"
        };
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// The server sees its clients off.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Seeing clients off\n");
    }

    /// Waits until it is time to say that the server is well; for ever if nobody wants to hear it.
    pub async fn wellness_is_due(&mut self) {
        match &mut self.wellness {
            Some(ticks) => ticks.tick().await,
            None => std::future::pending().await,
        };
    }

    /// Says that the server is well if it is, and asks for a better moment if it is not.
    pub fn well(&mut self, is_well: bool) {
        if is_well {
            self.tell("WATCHDOG=1\n");
        } else if let Some(ticks) = &mut self.wellness {
            ticks.reset_after(LOOK_AGAIN_AFTER);
        }
    }

    fn tell(&self, what: &str) {
        let Some(manager) = &self.manager else { return };
        if let Err(error) = manager.send(what.as_bytes()) {
            warn!(%error, "the service manager does not hear how we are");
        }
    }
}

/// A manager that is slow to listen must not make the server wait, so the socket never does.
fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        _ => socket.connect(address)?,
    }
    Ok(socket)
}

/// How long the manager waits for a sign of life before it starts the server anew.
fn watchdog_wait_max() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    // One that is meant for another process has been inherited by mistake.
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
    number("WATCHDOG_USEC").filter(|&us| is_ours && us > 0).map(Duration::from_micros)
}
