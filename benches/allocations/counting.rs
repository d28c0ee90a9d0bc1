//! The system's allocator, with a tally.
#![allow(unsafe_code, reason = "an allocator has no safe interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static CALLS: AtomicU64 = AtomicU64::new(0);
static BLOCKS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static PEAK_BYTES: AtomicU64 = AtomicU64::new(0);

/// Counts, and has the system do the work.
pub(crate) struct Counting;

/// The tally at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Allocations and reallocations up to now.
    pub(crate) calls: u64,
    /// Allocations that have not been given back.
    pub(crate) blocks: u64,
    /// Bytes in them.
    pub(crate) bytes: u64,
    /// The most bytes there were at a time since the last [`forget_peak`].
    pub(crate) peak_bytes: u64,
}

/// The tally now.
pub(crate) fn tally() -> Tally {
    Tally {
        calls: CALLS.load(Relaxed),
        blocks: BLOCKS.load(Relaxed),
        bytes: BYTES.load(Relaxed),
        peak_bytes: PEAK_BYTES.load(Relaxed),
    }
}

/// From now on the peak is that of the time to come.
pub(crate) fn forget_peak() {
    PEAK_BYTES.store(BYTES.load(Relaxed), Relaxed);
}

fn took(bytes: usize) {
    CALLS.fetch_add(1, Relaxed);
    let held = BYTES.fetch_add(bytes as u64, Relaxed) + bytes as u64;
    PEAK_BYTES.fetch_max(held, Relaxed);
}

fn gave(bytes: usize) {
    BYTES.fetch_sub(bytes as u64, Relaxed);
}

// SAFETY: every request goes to the system's allocator as it came, and so does every answer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        BLOCKS.fetch_add(1, Relaxed);
        // SAFETY: what the caller promises us is what the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        gave(layout.size());
        BLOCKS.fetch_sub(1, Relaxed);
        // SAFETY: the block came from the system, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        BLOCKS.fetch_add(1, Relaxed);
        // SAFETY: what the caller promises us is what the system asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new block are there together if the system has to copy: the peak shows both.
        took(size);
        gave(layout.size());
        // SAFETY: the block came from the system, with this layout.
        unsafe { System.realloc(block, layout, size) }
    }
}
