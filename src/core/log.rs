//! The bytes of a feed: rendered frames, oldest first, numbered from 0 without a gap for as long as
//! the feed lives.

use std::collections::VecDeque;
use std::ops::Range;

use crate::model::Limits;

/// Buffers larger than this are given back to the allocator instead of being kept for the next log.
const SPARE_BYTES_MAX: usize = 64 << 10;
/// Bytes around the longest text in a frame: names, numbers, punctuation.
const FRAME_BYTES_SPARE: usize = 192;
/// Bytes of the index for each frame, when it has just grown.
const INDEX_BYTES_PER_FRAME: usize = 2 * size_of::<u64>();
/// Bytes kept in buffers for the next logs. An idle room then holds none, and a busy one never
/// waits for the allocator.
const SPARES_BYTES_MAX: usize = 8 << 20;

/// Buffers of logs that have become empty, for those that will need one next; and the account of
/// what all logs hold.
#[derive(Debug, Default)]
pub struct Spares {
    frames: Vec<Frames>,
    bytes: usize,
    held_bytes: usize,
}

/// Frames end to end, and where each ends.
#[derive(Debug, Default)]
struct Frames {
    bytes: Vec<u8>,
    /// The end of each frame that is kept, as [`Log`] counts bytes.
    ends: VecDeque<u64>,
}

/// How the capacity of a log is divided, so that all memory it holds stays within it.
#[derive(Debug)]
pub struct Shares {
    /// The buffer: three quarters.
    buffer_bytes: usize,
    /// What may be in it before the oldest goes: there is room for one more frame.
    bytes_max: usize,
    /// Frames there may be, by their number and by the quarter that the index has.
    frames_max: usize,
}

impl Shares {
    /// Those of a feed.
    #[inline]
    #[must_use]
    pub fn of_feed(limits: &Limits) -> Self {
        Self::new(limits, limits.feed_bytes_max, limits.feed_messages_max)
    }

    /// Those of a history.
    #[inline]
    #[must_use]
    pub fn of_history(limits: &Limits) -> Self {
        Self::new(limits, limits.history_bytes_max, limits.history_messages_max)
    }

    #[inline]
    fn new(limits: &Limits, capacity: usize, frames_max: usize) -> Self {
        let buffer_bytes = capacity / 4 * 3;
        let frame_bytes_max = limits.message_bytes_max() + FRAME_BYTES_SPARE;
        Self {
            buffer_bytes,
            bytes_max: buffer_bytes.saturating_sub(frame_bytes_max),
            frames_max: frames_max.min(capacity / 4 / INDEX_BYTES_PER_FRAME),
        }
    }
}

/// An append-only run of frames of which the oldest may be evicted. Empty, it owns no memory.
#[derive(Debug, Default)]
pub struct Log {
    frames: Frames,
    /// The number of the oldest frame that is kept.
    first: u64,
    /// Where the oldest frame that is kept starts, in bytes since the log began.
    start: u64,
    /// Where the buffer starts, in bytes since the log began; what is before `start` in it is
    /// evicted.
    base: u64,
    /// Bytes of memory that the account has it hold.
    counted: usize,
}

/// Where a write that stopped inside the log leaves its reader.
#[derive(Debug, PartialEq, Eq)]
pub struct Stop {
    /// The next frame to read from: always a frame boundary.
    pub cursor: u64,
    /// The rest of the frame before it, which was begun and has to be finished.
    pub rest: Range<usize>,
}

impl Log {
    /// The number of the next frame: a cursor that rests here has read everything.
    #[inline]
    #[must_use]
    pub fn head(&self) -> u64 {
        self.first + self.frames.ends.len() as u64
    }

    /// The number of the oldest frame that is kept.
    #[inline]
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Bytes appended since the log began.
    #[inline]
    #[must_use]
    pub fn end_bytes(&self) -> u64 {
        self.base + self.frames.bytes.len() as u64
    }

    /// Bytes of memory the log holds.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.frames.held_bytes()
    }

    /// Bytes of memory that the account has it hold.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn counted_bytes(&self) -> usize {
        self.counted
    }

    /// Appends the frame that `render` writes, then evicts the oldest frames that are over the
    /// limits.
    #[inline]
    pub fn append(
        &mut self,
        spares: &mut Spares,
        shares: &Shares,
        render: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.frames.bytes.capacity() == 0 {
            self.frames = spares.take();
            self.counted = self.frames.held_bytes();
        }
        self.make_room(shares);
        render(&mut self.frames.bytes);
        self.frames.ends.push_back(self.end_bytes());
        self.trim(shares);
    }

    /// Evicts the oldest frames that are over the limits, but for the last.
    #[inline]
    pub fn trim(&mut self, shares: &Shares) {
        let over = |frames: &Frames| {
            frames.bytes.len() > shares.bytes_max || frames.ends.len() > shares.frames_max
        };
        // Each move of what is kept makes room for an eighth of it, so that eviction costs a few
        // copied bytes for each byte appended, and only where somebody does not read.
        while over(&self.frames) && self.frames.ends.len() > 1 {
            self.evict(shares.bytes_max / 8);
        }
    }

    /// Has the account follow what the log holds.
    #[inline]
    pub fn recount(&mut self, spares: &mut Spares) {
        let held = self.frames.held_bytes();
        spares.held_bytes = spares.held_bytes + held - std::mem::replace(&mut self.counted, held);
    }

    /// From now on another account has what the log holds.
    #[cfg(test)]
    pub(crate) fn forget_account(&mut self) {
        self.counted = 0;
    }

    /// Sees that the buffer does not grow by doubling past its share.
    #[inline]
    fn make_room(&mut self, shares: &Shares) {
        let bytes = &mut self.frames.bytes;
        if bytes.len() >= shares.buffer_bytes / 2 && bytes.capacity() < shares.buffer_bytes {
            bytes.reserve_exact(shares.buffer_bytes - bytes.len());
        }
    }

    /// Evicts the oldest frame. Its bytes stay in the buffer until more than `dead_bytes_max` are
    /// of no use.
    fn evict(&mut self, dead_bytes_max: usize) {
        self.start = self.frames.ends.pop_front().expect("who evicts has frames");
        self.first += 1;
        if self.index(self.start) > dead_bytes_max {
            self.compact();
        }
    }

    /// Moves what is kept to where the buffer starts.
    fn compact(&mut self) {
        let dead = self.index(self.start);
        self.frames.bytes.drain(..dead);
        self.base = self.start;
    }

    fn index(&self, position: u64) -> usize {
        usize::try_from(position - self.base).expect("a position in the buffer")
    }

    /// Where frame `cursor` starts, in bytes since the log began.
    #[inline]
    fn position(&self, cursor: u64) -> u64 {
        match cursor - self.first {
            0 => self.start,
            n => self.frames.ends[usize::try_from(n - 1).expect("a frame in the buffer")],
        }
    }

    /// The bytes of the frames in `cursors`, of which the first must still be kept.
    #[inline]
    #[must_use]
    pub fn bytes(&self, cursors: Range<u64>) -> &[u8] {
        let (start, end) = (self.position(cursors.start), self.position(cursors.end));
        &self.frames.bytes[self.index(start)..self.index(end)]
    }

    /// Where a reader at `cursor` stands after it took `taken` bytes, fewer than there were.
    #[must_use]
    pub fn stop(&self, cursor: u64, taken: usize) -> Stop {
        let at = self.position(cursor) + taken as u64;
        if at == self.position(cursor) {
            let here = self.index(at);
            return Stop { cursor, rest: here..here };
        }
        let ended_before = self.frames.ends.partition_point(|&end| end < at);
        let end = self.frames.ends[ended_before];
        let cursor = self.first + ended_before as u64 + 1;
        Stop { cursor, rest: self.index(at)..self.index(end) }
    }

    /// The rest of a begun frame, see [`Stop`].
    #[must_use]
    pub fn rest(&self, stop: &Stop) -> &[u8] {
        &self.frames.bytes[stop.rest.clone()]
    }

    /// Evicts three quarters of the frames, the oldest, and gives back the memory; how much it was.
    pub fn shed(&mut self, spares: &mut Spares) -> usize {
        self.recount(spares);
        let before = self.counted;
        for _ in 0..self.frames.ends.len() / 4 * 3 {
            self.evict(usize::MAX);
        }
        self.shrink(spares);
        before - self.counted
    }

    /// Gives back the memory that is of no use for the frames that are kept.
    pub fn shrink(&mut self, spares: &mut Spares) {
        self.compact();
        self.frames.bytes.shrink_to_fit();
        self.frames.ends.shrink_to_fit();
        self.recount(spares);
    }

    /// Forgets all frames, which everyone has read, and hands the memory on.
    #[inline]
    pub fn release(&mut self, spares: &mut Spares) {
        self.recount(spares);
        self.counted = 0;
        (self.first, self.start) = (self.head(), self.end_bytes());
        self.base = self.start;
        spares.keep(std::mem::take(&mut self.frames));
    }
}

impl Spares {
    /// Bytes of memory that all logs hold, as last counted, and that are kept for the next.
    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Bytes of memory kept for the next logs.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn spare_bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what is kept for the next logs; how much it was.
    pub fn shed(&mut self) -> usize {
        self.frames.clear();
        self.held_bytes -= self.bytes;
        std::mem::take(&mut self.bytes)
    }

    #[inline]
    fn take(&mut self) -> Frames {
        let frames = self.frames.pop().unwrap_or_default();
        self.bytes -= frames.held_bytes();
        frames
    }

    #[inline]
    fn keep(&mut self, mut frames: Frames) {
        let bytes = frames.held_bytes();
        // A room that ends has mostly handed its memory on already.
        if bytes == 0 {
            return;
        }
        if bytes <= SPARE_BYTES_MAX && self.bytes + bytes <= SPARES_BYTES_MAX {
            frames.bytes.clear();
            frames.ends.clear();
            self.bytes += bytes;
            self.frames.push(frames);
        } else {
            self.held_bytes -= bytes;
        }
    }
}

impl Frames {
    #[inline]
    fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(bytes: usize, messages: usize) -> Limits {
        let feed =
            Limits { feed_bytes_max: bytes, feed_messages_max: messages, ..Limits::default() };
        Limits { message_chars_max: 10, ..feed }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append(usize),
        Read { reader: usize, bytes: usize },
        Release,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (1_usize..40).prop_map(Step::Append),
            6 => (0_usize..3, 0_usize..150)
                .prop_map(|(reader, bytes)| Step::Read { reader, bytes }),
            1 => Just(Step::Release),
        ];
        proptest::collection::vec(step, 0..120)
    }

    /// A reader of the naive model: what it has got, and the frame it is at.
    #[derive(Default)]
    struct Reader {
        cursor: u64,
        got: Vec<u8>,
        missed: Vec<Range<u64>>,
    }

    impl Reader {
        fn read(&mut self, log: &Log, bytes: usize) {
            if self.cursor < log.first() {
                self.missed.push(self.cursor..log.first());
                self.cursor = log.first();
            }
            let all = log.bytes(self.cursor..log.head());
            if bytes >= all.len() {
                self.got.extend_from_slice(all);
                self.cursor = log.head();
                return;
            }
            self.got.extend_from_slice(&all[..bytes]);
            let stop = log.stop(self.cursor, bytes);
            self.got.extend_from_slice(log.rest(&stop));
            self.cursor = stop.cursor;
        }
    }

    proptest! {
        /// Readers of any speed get every frame whole and in order, but for the ranges they are
        /// told they missed.
        #[test]
        fn readers_get_whole_frames_or_are_told(
            steps in steps(), bytes_max in 300_usize..900, messages_max in 1_usize..20,
        ) {
            let limits = limits(bytes_max, messages_max);
            let (mut log, mut spares) = (Log::default(), Spares::default());
            let mut frames: Vec<Vec<u8>> = vec![];
            let mut readers: [Reader; 3] = Default::default();
            for step in steps {
                match step {
                    Step::Append(len) => {
                        let frame = vec![b'a' + (frames.len() % 26) as u8; len];
                        let shares = Shares::of_feed(&limits);
                        log.append(&mut spares, &shares, |out| out.extend_from_slice(&frame));
                        frames.push(frame);
                        let kept: usize = frames[log.first() as usize..].iter().map(Vec::len).sum();
                        prop_assert!(kept <= bytes_max.max(len), "{} bytes kept", kept);
                        prop_assert!(log.head() - log.first() <= messages_max as u64);
                    }
                    Step::Read { reader, bytes } => readers[reader].read(&log, bytes),
                    Step::Release if readers.iter().all(|r| r.cursor == log.head()) => {
                        log.release(&mut spares);
                        prop_assert_eq!(log.held_bytes(), 0);
                    }
                    Step::Release => {}
                }
                prop_assert_eq!(log.head(), frames.len() as u64);
            }
            for reader in &mut readers {
                reader.read(&log, usize::MAX);
                let missed = |n: u64| reader.missed.iter().any(|range| range.contains(&n));
                let kept = (0..log.head()).filter(|&n| !missed(n));
                let expected: Vec<u8> = kept.flat_map(|n| frames[n as usize].clone()).collect();
                prop_assert_eq!(&reader.got, &expected);
            }
        }
    }

    #[test]
    fn memory_stays_within_the_limit_while_nobody_reads() {
        for (frame_bytes, capacity) in
            [(20, 1 << 20), (112, 1 << 20), (1_600, 1 << 20), (112, 32_768)]
        {
            let limits = Limits { feed_bytes_max: capacity, ..Limits::default() };
            let (mut log, mut spares) = (Log::default(), Spares::default());
            for _ in 0..5_000_000 / frame_bytes {
                log.append(&mut spares, &Shares::of_feed(&limits), |out| {
                    out.resize(out.len() + frame_bytes, b'x')
                });
                assert!(log.held_bytes() <= capacity, "{} of {capacity} bytes", log.held_bytes());
            }
            let kept = log.bytes(log.first()..log.head()).len();
            assert!(kept > capacity / 4, "only {kept} of {capacity} bytes kept");
        }
    }

    #[test]
    fn a_log_that_holds_nothing_leaves_nothing_behind() {
        let (mut spares, limits) = (Spares::default(), limits(1 << 16, 100));
        let mut log = Log::default();
        for _ in 0..100 {
            log.append(&mut spares, &Shares::of_feed(&limits), |bytes| bytes.push(b'x'));
            let held = log.held_bytes();
            log.release(&mut spares);
            // As a room that ends while it is idle.
            log.release(&mut spares);
            assert_eq!((spares.frames.len(), spares.spare_bytes()), (1, held));
        }
    }
}
