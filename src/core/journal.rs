//! What homes decide, written down where it is decided: the truth the simulation holds clients'
//! views against.

use crate::model::{Event, Key, Name, SessionId, Stamp};
use crate::proto::Wire;

/// One decision of a room's home.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// The room was made.
    Founded(Key),
    /// An event got its place in the room's order; the line members read.
    Event(Key, u64, String),
    /// A session came in after event `seq`.
    Entered(Key, SessionId, u64),
    /// A session went; `seq` is the last event it sees.
    Left(Key, SessionId, u64),
}

/// `event` as members read it, without the line end.
pub(crate) fn line(event: &Event<'_>) -> String {
    let room = Name::new("any").expect("a valid name");
    let mut bytes = vec![];
    Wire::Line.render_event(&room, Stamp::default(), event, &mut bytes);
    bytes.pop();
    String::from_utf8(bytes).expect("lines are UTF-8")
}
