//! What arrived, counted.

use std::io;

use hdrhistogram::Histogram;

use crate::message::Text;

/// Where several messages travel together, latency is taken from one in so many of them: a prime,
/// so that every place within a batch gets its turn.
pub(crate) const SAMPLE_EVERY: u32 = 17;

/// Latencies beyond a minute are counted as a minute.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Counts since the load began, and latencies since [`Tally::record_latency`].
pub(crate) struct Tally {
    /// Messages that arrived where they should, each counted once for every member.
    pub(crate) deliveries: u64,
    /// Reads that brought something, to estimate how much a server puts into one write.
    pub(crate) reads: u64,
    /// Lines that are no messages: greetings, announcements, notices.
    pub(crate) other_lines: u64,
    /// Messages skipped in the order of one sender at one receiver, when their successor came.
    pub(crate) gaps: u64,
    /// Messages that came after their successors, or twice.
    pub(crate) reordered: u64,
    /// Messages that came to a member of another room; they are no deliveries.
    pub(crate) misrouted: u64,
    /// Nanoseconds from the sender's write to the receiver's read.
    pub(crate) latency: Histogram<u64>,
    /// Latency of every message, not only of one in [`SAMPLE_EVERY`].
    every_message: bool,
    recording: bool,
}

impl Tally {
    /// Starts at zero. With one message in flight every latency counts, with more a sample.
    pub(crate) fn new(window: usize) -> io::Result<Self> {
        Ok(Self {
            deliveries: 0,
            reads: 0,
            other_lines: 0,
            gaps: 0,
            reordered: 0,
            misrouted: 0,
            latency: Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).map_err(io::Error::other)?,
            every_message: window == 1,
            recording: false,
        })
    }

    /// Which share of the messages latency is taken from: one in this many.
    pub(crate) fn sampled_one_in(&self) -> u32 {
        if self.every_message { 1 } else { SAMPLE_EVERY }
    }

    /// Latencies count from now on, or no longer.
    pub(crate) fn record_latency(&mut self, recording: bool) {
        self.recording = recording;
    }

    /// Counts one message at one receiver. `next` holds the sequence number expected from each
    /// sender of the receiver's room, the first of which is client number `first`.
    pub(crate) fn deliver(&mut self, text: Text<'_>, next: &mut [u32], first: u32, now_ns: u64) {
        let place = text.sender().wrapping_sub(first) as usize;
        let Some(next) = next.get_mut(place) else {
            self.misrouted += 1;
            return;
        };
        self.deliveries += 1;
        let sequence = text.sequence();
        if sequence < *next {
            self.reordered += 1;
        } else {
            self.gaps += u64::from(sequence - *next);
            *next = sequence.wrapping_add(1);
        }
        if self.recording && (self.every_message || sequence.is_multiple_of(SAMPLE_EVERY)) {
            self.latency.saturating_record(now_ns.saturating_sub(text.sent_ns()));
        }
    }
}
