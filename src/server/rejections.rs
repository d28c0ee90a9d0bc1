//! The log of rejected connections: for each reason and network at most one line a second, so that
//! the loudest address hides no other from whoever reads the log (fail2ban does), in a table with a
//! hard bound, so that many addresses cannot fill disk or memory. What a line leaves out is
//! counted.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ahash::RandomState;
use ipnet::IpNet;
use tracing::warn;

use crate::board::Board;
use crate::model::CloseReason;
use crate::net::{CUSTOMER_BITS, Shown, network};

/// A reason and network is logged once in that time, at most.
const WINDOW: Duration = Duration::from_secs(1);
/// Pairs of a reason and a network that are told apart within [`WINDOW`]; so also the log lines a
/// second. Rejections of further ones are only counted, with a line a second for all of them.
const ENTRIES_MAX: usize = 1024;

/// What is rate limited on its own.
type Key = (CloseReason, IpNet);

/// Rejections of one [`Key`] within its window.
#[derive(Debug)]
struct Entry {
    /// Where the last of them came from.
    from: SocketAddr,
    /// Those that no line has told of.
    suppressed: u64,
}

/// A log line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A connection from there was rejected, and so many before it that no line has told of.
    Rejected { reason: CloseReason, from: SocketAddr, suppressed: u64 },
    /// The table was full, and so many were rejected that it has no entry for.
    Overflow { suppressed: u64 },
}

/// Counts rejected connections, and logs them.
#[derive(Debug)]
pub(super) struct Rejections {
    board: Board,
    /// Whether the log may only show which network an address is in.
    masked: bool,
    window: Window,
}

impl Rejections {
    /// None yet. They are counted on `board`, and addresses are logged `masked` or whole.
    pub(super) fn new(board: Board, masked: bool) -> Self {
        Self { board, masked, window: Window::default() }
    }

    /// A connection `from` there was rejected.
    pub(super) fn record(&mut self, reason: CloseReason, from: SocketAddr) {
        self.board.count_away(reason);
        let network = Shown { from, masked: self.masked }.network();
        let key = (reason, network.unwrap_or_else(|| customer(from)));
        for line in self.window.record(key, from, Instant::now()) {
            self.log(&line);
        }
    }

    /// Logs what was suppressed in windows that are over. To be called about once a second.
    pub(super) fn tick(&mut self) {
        for line in self.window.expire(Instant::now()) {
            self.log(&line);
        }
    }

    /// Logs all that was suppressed, as the server stops.
    pub(super) fn finish(&mut self) {
        for line in self.window.finish() {
            self.log(&line);
        }
    }

    fn log(&self, line: &Line) {
        match *line {
            Line::Rejected { reason, from, suppressed } => {
                let so_far = self.board.turned_away(reason);
                let from = Shown { from, masked: self.masked };
                let reason = reason.label();
                warn!(reason, %from, so_far, suppressed, "connections are turned away");
            }
            Line::Overflow { suppressed } => {
                warn!(suppressed, "connections from too many networks to list are turned away");
            }
        }
    }
}

/// The network of an address that its owner cannot leave.
fn customer(from: SocketAddr) -> IpNet {
    network(from.ip(), CUSTOMER_BITS)
}

/// Which lines there are. Knows no clock.
#[derive(Debug, Default)]
struct Window {
    entries: HashMap<Key, Entry, RandomState>,
    /// Each entry, and when it was logged; the oldest first.
    order: VecDeque<(Instant, Key)>,
    /// Rejections that the table had no room for.
    overflowed: u64,
    /// When that was last logged.
    overflow_logged: Option<Instant>,
}

impl Window {
    /// Takes note of a rejection. The lines to log for it, and for windows that are over.
    fn record(&mut self, key: Key, from: SocketAddr, now: Instant) -> Vec<Line> {
        let mut lines = self.expire(now);
        if let Some(entry) = self.entries.get_mut(&key) {
            *entry = Entry { from, suppressed: entry.suppressed + 1 };
        } else if self.entries.len() < ENTRIES_MAX {
            self.entries.insert(key, Entry { from, suppressed: 0 });
            self.order.push_back((now, key));
            lines.push(Line::Rejected { reason: key.0, from, suppressed: 0 });
        } else {
            self.overflowed += 1;
        }
        lines
    }

    /// Ends the windows that are over: an entry that has suppressed something is logged, and begins
    /// another; one that has not is forgotten.
    fn expire(&mut self, now: Instant) -> Vec<Line> {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        let mut lines = vec![];
        while let Some((_, key)) = self.order.pop_front_if(|(at, _)| is_over(*at)) {
            let suppressed = self.entries.get_mut(&key).filter(|entry| entry.suppressed > 0);
            if let Some(Entry { from, suppressed }) = suppressed {
                // This line is about the last of them.
                let others = std::mem::take(suppressed) - 1;
                lines.push(Line::Rejected { reason: key.0, from: *from, suppressed: others });
                self.order.push_back((now, key));
            } else {
                self.entries.remove(&key);
            }
        }
        if self.overflowed > 0 && self.overflow_logged.is_none_or(is_over) {
            self.overflow_logged = Some(now);
            lines.push(Line::Overflow { suppressed: std::mem::take(&mut self.overflowed) });
        }
        lines
    }

    /// Ends all windows.
    fn finish(&mut self) -> Vec<Line> {
        self.overflow_logged = None;
        let last = self.order.back().map(|(at, _)| *at + WINDOW);
        last.map(|at| self.expire(at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: CloseReason = CloseReason::AddressFull;
    const STEP: Duration = Duration::from_millis(100);

    fn from(n: u16) -> SocketAddr {
        let [high, low] = n.to_be_bytes();
        SocketAddr::from(([192, 0, high, low], 4711))
    }

    fn rejected(window: &mut Window, n: u16, now: Instant) -> Vec<Line> {
        window.record((FULL, customer(from(n))), from(n), now)
    }

    fn line(n: u16, suppressed: u64) -> Line {
        Line::Rejected { reason: FULL, from: from(n), suppressed }
    }

    #[test]
    fn the_loudest_address_hides_no_other() {
        let (mut window, now) = (Window::default(), Instant::now());
        assert_eq!(rejected(&mut window, 1, now), [line(1, 0)]);
        for _ in 0..1_000 {
            assert_eq!(rejected(&mut window, 1, now), []);
        }
        assert_eq!(rejected(&mut window, 2, now), [line(2, 0)]);
        let other = (CloseReason::BadRequest, customer(from(1)));
        assert_eq!(window.record(other, from(1), now).len(), 1, "another reason");
    }

    #[test]
    fn what_was_suppressed_is_logged_once_its_second_is_over() {
        let (mut window, start) = (Window::default(), Instant::now());
        rejected(&mut window, 1, start);
        rejected(&mut window, 2, start);
        for step in 1..=4 {
            rejected(&mut window, 1, start + STEP * step);
        }
        assert_eq!(window.expire(start + WINDOW - STEP), []);
        assert_eq!(window.expire(start + WINDOW), [line(1, 3)], "one line, and three left out");
        assert_eq!(window.entries.len(), 1, "an address that is silent is forgotten");
        assert_eq!(window.expire(start + WINDOW * 2), []);
        assert!(window.entries.is_empty() && window.order.is_empty());
    }

    #[test]
    fn no_number_of_addresses_makes_more_entries_or_lines_than_there_may_be() {
        let (mut window, start) = (Window::default(), Instant::now());
        let lines: Vec<Line> =
            (0..u16::MAX).flat_map(|n| rejected(&mut window, n, start)).collect();
        let listed = lines.iter().filter(|line| matches!(line, Line::Rejected { .. })).count();
        let [told, untold] = [lines.len() - listed, window.overflowed as usize];
        assert_eq!((listed, told), (ENTRIES_MAX, 1));
        assert_eq!(untold, usize::from(u16::MAX) - ENTRIES_MAX - 1, "one of them was told");
        assert_eq!((window.entries.len(), window.order.len()), (ENTRIES_MAX, ENTRIES_MAX));
        let lines = rejected(&mut window, 7, start + WINDOW);
        assert_eq!(lines, [Line::Overflow { suppressed: untold as u64 }, line(7, 0)]);
    }

    #[test]
    fn the_end_leaves_nothing_untold() {
        let (mut window, now) = (Window::default(), Instant::now());
        assert_eq!(window.finish(), []);
        for _ in 0..3 {
            rejected(&mut window, 1, now);
        }
        assert_eq!(window.finish(), [line(1, 1)]);
    }
}
