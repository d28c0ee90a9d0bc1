//! Why sessions end: every ending has a name, and is counted under it.

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client asked for it.
    Quit,
    /// The client will send no more.
    EndOfInput,
    /// The connection broke, or was reset.
    HangUp,
    /// Too many lines in a row were no UTF-8.
    BadInput,
    /// The server goes down.
    Drain,
}

impl CloseReason {
    /// Every reason, in the order of [`CloseReason::index`].
    pub const ALL: [Self; 5] =
        [Self::Quit, Self::EndOfInput, Self::HangUp, Self::BadInput, Self::Drain];

    /// The place of this reason in a table with one entry per reason.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The reason in logs and counters.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::EndOfInput => "end-of-input",
            Self::HangUp => "hang-up",
            Self::BadInput => "bad-input",
            Self::Drain => "drain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_reason_at_its_index() {
        for (i, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), i, "{}", reason.label());
        }
    }
}
