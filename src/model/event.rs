//! What happens in a room, as every member learns of it.

use std::sync::Arc;

use super::Name;

/// One entry of a room's log, borrowed from wherever it happens to be: the form it is rendered
/// from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A member said something.
    Said {
        /// Who.
        author: &'a Name,
        /// What: one line, cleaned of control characters.
        text: &'a str,
    },
    /// A user came in.
    Joined(&'a Name),
    /// A member went away.
    Left(&'a Name),
    /// A member has a new name.
    Renamed {
        /// The name until now.
        old: &'a Name,
        /// The name from now on.
        new: &'a Name,
    },
    /// In a big room: how many came and went since the last such event.
    Tally {
        /// Users who came in.
        joined: u32,
        /// Members who went away.
        left: u32,
    },
}

/// An [`Event`] that can travel between shards; the text is shared, never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedEvent {
    /// See [`Event::Said`].
    Said {
        /// Who.
        author: Name,
        /// What.
        text: Arc<str>,
    },
    /// See [`Event::Joined`].
    Joined(Name),
    /// See [`Event::Left`].
    Left(Name),
    /// See [`Event::Renamed`].
    Renamed {
        /// The name until now.
        old: Name,
        /// The name from now on.
        new: Name,
    },
    /// See [`Event::Tally`].
    Tally {
        /// Users who came in.
        joined: u32,
        /// Members who went away.
        left: u32,
    },
}

impl Event<'_> {
    /// A copy that can travel.
    #[must_use]
    pub fn share(&self) -> SharedEvent {
        match *self {
            Event::Said { author, text } => {
                SharedEvent::Said { author: author.clone(), text: Arc::from(text) }
            }
            Event::Joined(name) => SharedEvent::Joined(name.clone()),
            Event::Left(name) => SharedEvent::Left(name.clone()),
            Event::Renamed { old, new } => {
                SharedEvent::Renamed { old: old.clone(), new: new.clone() }
            }
            Event::Tally { joined, left } => SharedEvent::Tally { joined, left },
        }
    }
}

impl SharedEvent {
    /// The event, borrowed.
    #[must_use]
    pub fn as_event(&self) -> Event<'_> {
        match self {
            Self::Said { author, text } => Event::Said { author, text },
            Self::Joined(name) => Event::Joined(name),
            Self::Left(name) => Event::Left(name),
            Self::Renamed { old, new } => Event::Renamed { old, new },
            Self::Tally { joined, left } => Event::Tally { joined: *joined, left: *left },
        }
    }
}
