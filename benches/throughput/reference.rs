//! The servers that are built into this bench: it starts itself again for each of them.
//!
//! A reference stands in for the server, so that the same generator can start and stop it: it takes
//! the server's flags, says where it listens, and tells what it has counted when it is asked to
//! end.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use hubbub::net::{ListenOptions, Listener};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Subject;
use crate::{floor, tutorial};

/// The flag that makes the bench a reference.
pub(crate) const FLAG: &str = "--reference";

/// Messages that clients said.
pub(crate) static SAID: AtomicU64 = AtomicU64::new(0);

/// Messages handed to members.
pub(crate) static DELIVERIES: AtomicU64 = AtomicU64::new(0);

/// Write calls made for them.
pub(crate) static WRITES: AtomicU64 = AtomicU64::new(0);

/// Counts; they are read once, at the end, so no order is needed.
pub(crate) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

/// Be a reference server: the server's flags, and which reference.
#[derive(Debug, Parser)]
pub(crate) struct Flags {
    /// Which.
    #[arg(long)]
    reference: Subject,
    /// Where to listen.
    #[arg(long)]
    ip: Ipv4Addr,
    /// 0 for any port that is free.
    #[arg(long)]
    port: u16,
    /// A reference knows of no shards.
    #[arg(long = "shards")]
    _shards: u16,
}

/// Serves until the process is asked to end.
pub(crate) fn play(flags: &Flags) -> io::Result<()> {
    tell_at_the_end();
    // The queue of the standard library's is too short for a crowd: who finds it full tries again a
    // second later.
    let options = ListenOptions { vanish_wait: Duration::from_secs(60), unix_mode: 0 };
    let listener = Listener::open(&SocketAddr::from((flags.ip, flags.port)).into(), options)?;
    let listener = TcpListener::from(listener.as_fd().try_clone_to_owned()?);
    eprintln!("{} listening on {}", flags.reference.name(), listener.local_addr()?);
    match flags.reference {
        Subject::Hubbub => Err(io::Error::other("hubbub has a program of its own")),
        Subject::FloorEach => floor::serve(listener, floor::Flush::EachLine),
        Subject::FloorCoalesced => floor::serve(listener, floor::Flush::EachTurn),
        Subject::Tutorial => tutorial::serve(listener),
    }
}

/// Ends this process when it is asked to, after a line of counters like those of the server.
fn tell_at_the_end() {
    thread::spawn(|| {
        let waited = runtime::Builder::new_current_thread().enable_all().build().and_then(|it| {
            it.block_on(async {
                signal(SignalKind::terminate())?.recv().await;
                Ok(())
            })
        });
        let [said, deliveries, writes] =
            [&SAID, &DELIVERIES, &WRITES].map(|counter| counter.load(Ordering::Relaxed));
        // Whoever started us may be gone.
        let _ =
            writeln!(io::stderr(), "shard=0 said={said} deliveries={deliveries} writes={writes}");
        process::exit(i32::from(waited.is_err()));
    });
}
