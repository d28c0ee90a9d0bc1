//! A bad network in a box: a TCP proxy that mistreats what passes through it.
//!
//! A test puts it between a client and the server:
//!
//! ```text
//! client ──▸ proxy ──▸ server        `upstream` says what happens on this way
//!        ◂──       ◂──               `downstream` on that one
//! ```
//!
//! Each way has its own [`Faults`], drawn from a seed: the same seed cuts the same stream into the
//! same pieces and holds each for the same time, so a test that fails fails again. What is *not*
//! the same is how the system interleaves the two ways and what it has merged before we read.
//!
//! What it can do, and what that shows:
//!
//! - **pieces** of at most so many bytes, down to one: a decoder that takes a read for a line, or
//!   cuts a character in two, is found out;
//! - **delay and jitter**: each piece is held before it goes on, and what comes behind it waits. A
//!   byte is late by a delay at least; TCP's order is kept, as on a real network;
//! - **rate**: a slow line. The proxy reads no faster than it writes, so its sender feels it;
//! - **an accident** after so many bytes: a *stall* (nothing passes any more and nobody is told, as
//!   when a cable is pulled), a *half-close* (the end of input, though the other way goes on) or a
//!   *reset* of both sides.
//!
//! It runs on threads of its own, two for each connection: bad networks are few in a test, and
//! blocking reads are easy to follow. For loss below TCP, which no proxy can make, see
//! [`Namespace`](super::namespace::Namespace).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// Bytes read at once where no smaller pieces are asked for.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// How often a stalled way looks whether the proxy is gone.
const STALL_LOOK: Duration = Duration::from_millis(10);

/// What happens to the bytes that go one way.
#[derive(Clone, Copy)]
pub struct Faults {
    /// How long each piece is held.
    pub delay: Duration,
    /// How much longer, at most: each piece draws its own.
    pub jitter: Duration,
    /// The largest piece, in bytes: each piece draws its own size up to here.
    pub piece_bytes_max: usize,
    /// Bytes a second, if that is limited.
    pub rate: Option<u32>,
    /// What happens after so many bytes, if anything does.
    pub accident: Option<(usize, Accident)>,
}

/// How a way ends before its time.
#[derive(Clone, Copy, PartialEq)]
pub enum Accident {
    /// Nothing passes any more, and nobody is told.
    Stall,
    /// The receiver is told that there is no more.
    HalfClose,
    /// Both sides are told that the connection is broken.
    Reset,
}

/// A network without faults.
pub const GOOD: Faults = Faults {
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
    piece_bytes_max: PIECE_BYTES_MAX,
    rate: None,
    accident: None,
};

/// A proxy in front of one server. When it is dropped, so is every connection through it.
pub struct Proxy {
    /// Where clients connect.
    pub addr: SocketAddr,
    /// Those that still carry something; they are held by the threads that do.
    links: Arc<Mutex<Vec<Weak<Link>>>>,
}

/// The two sockets of one connection.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// The connection is over for both, and nothing more may be said.
    cut: AtomicBool,
}

impl Proxy {
    /// Stands in front of `server`. All that is random comes from `seed`.
    pub fn start(server: SocketAddr, seed: u64, upstream: Faults, downstream: Faults) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
        let addr = listener.local_addr().expect("it is bound");
        let links = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::downgrade(&links);
        thread::spawn(move || {
            for (client, number) in listener.incoming().zip(0..) {
                let Some(links) = kept.upgrade() else { return };
                // A client that finds no server is closed, as a server that is gone would be.
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
                    continue;
                };
                let link = Arc::new(Link { client, server, cut: AtomicBool::new(false) });
                links.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&link));
                link.run(Dice(seed ^ number), upstream, downstream);
            }
        });
        Self { addr, links }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let links = std::mem::take(&mut self.links);
        for link in links.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let Some(link) = link.upgrade() else { continue };
            link.cut.store(true, Ordering::Relaxed);
            for side in [&link.client, &link.server] {
                let _ = side.shutdown(Shutdown::Both);
            }
        }
        drop(links);
        // Wakes the listener's thread, which finds that nobody needs it any more.
        let _ = TcpStream::connect(self.addr);
    }
}

impl Link {
    /// Carries both ways, each in a thread of its own.
    fn run(self: Arc<Self>, mut dice: Dice, upstream: Faults, downstream: Faults) {
        for side in [&self.client, &self.server] {
            side.set_nodelay(true).expect("an option of our own socket");
        }
        for (faults, up) in [(upstream, true), (downstream, false)] {
            let (link, dice) = (Arc::clone(&self), Dice(dice.roll()));
            thread::spawn(move || {
                let (from, to) =
                    if up { (&link.client, &link.server) } else { (&link.server, &link.client) };
                link.carry(from, to, faults, dice);
            });
        }
    }

    /// Carries bytes one way until they end, or an accident happens.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream, faults: Faults, mut dice: Dice) {
        let mut left = faults.accident.map_or(usize::MAX, |(after, _)| after);
        let mut piece = vec![0; faults.piece_bytes_max];
        while left > 0 {
            let wanted = dice.up_to(faults.piece_bytes_max as u64).max(1) as usize;
            let Ok(count @ 1..) = from.read(&mut piece[..wanted.min(left)]) else { break };
            thread::sleep(faults.held(count, &mut dice));
            if to.write_all(&piece[..count]).is_err() {
                break;
            }
            left -= count;
        }
        match faults.accident {
            Some((_, Accident::Stall)) if left == 0 => {
                // Both sockets stay open, and what arrives stays unread.
                while !self.cut.load(Ordering::Relaxed) {
                    thread::sleep(STALL_LOOK);
                }
            }
            Some((_, Accident::Reset)) if left == 0 => self.reset(),
            _ if self.cut.load(Ordering::Relaxed) => {}
            _ => drop(to.shutdown(Shutdown::Write)),
        }
    }

    /// Makes the end of both sockets a reset, and has both ways end.
    fn reset(&self) {
        self.cut.store(true, Ordering::Relaxed);
        for side in [&self.client, &self.server] {
            // What is closed with no time to linger is reset, once nobody holds it.
            let _ = SockRef::from(side).set_linger(Some(Duration::ZERO));
            let _ = side.shutdown(Shutdown::Read);
        }
    }
}

impl Faults {
    /// How long a piece of so many bytes is held.
    fn held(&self, bytes: usize, dice: &mut Dice) -> Duration {
        let jitter = Duration::from_nanos(dice.up_to(self.jitter.as_nanos() as u64));
        let rate = self
            .rate
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / f64::from(rate)));
        self.delay + jitter + rate
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.roll() % most.saturating_add(1).max(1)
    }
}
