//! Layer 2: the ways between shards. Knows how messages travel, never what they mean.
//!
//! Every shard has one mailbox: an unbounded channel that is only ever asked without waiting, kept
//! short by [`credit`], with a [`bell`] for when the shard sleeps. All messages of a turn for one
//! destination travel as one [`Parcel`].

pub mod bell;
pub mod credit;
mod mailbox;

pub use mailbox::{Address, Mail, Mailbox, Parcel, mesh};

/// What the bell is made of; its model in the tests is made of loom's.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};

    pub(super) use futures::task::AtomicWaker;
}
