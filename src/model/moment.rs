//! Time as the core sees it: handed in, never read.

use std::time::Duration;

/// Milliseconds since the server started, on a clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `wait` after this one; parts of a millisecond are dropped.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What tells one start of a server from every other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// Decides what is drawn: guests' names, the epochs of rooms.
    pub seed: u64,
    /// When it was, in milliseconds since 1970: what clients are told of time is counted from here,
    /// so it does not jump when the machine's clock is set.
    pub unix_ms: u64,
    /// What resume tokens are made with, which must be random.
    pub resume_secret: [u8; 32],
}
