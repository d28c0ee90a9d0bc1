//! Layer 0: the vocabulary. Data only: no IO, no clock, no async. Every other module speaks in
//! these words.

mod allowance;
mod close;
mod command;
mod event;
mod foreign;
mod ids;
mod limits;
mod message;
mod moment;
mod name;
pub mod past;
mod reply;
mod resume;

pub use allowance::{Allowance, Spent};
pub use close::{CloseReason, Ending};
pub use command::Command;
pub use event::{Event, SharedEvent};
pub use foreign::{Foreign, Signposts};
pub use ids::{ReqId, SessionId, ShardId, Slot, Ticket};
pub use limits::Limits;
pub use message::{RoomSize, ShardMsg};
pub use moment::{Moment, Origin};
pub use name::{InvalidName, Key, NAME_CHARS_MAX, NAME_CHARS_MIN, Name};
pub use past::{Past, Said, Since, Stamp};
pub use reply::{Refusal, Reply, TelnetAnswer};
pub use resume::{ResumeKey, ResumeRequest};
