//! Layer 2: the ways between shards. Knows how messages travel, never what they mean.
//!
//! Every shard has one mailbox: an unbounded channel that is only ever asked without waiting, kept
//! short by [`credit`], with a [`bell`] for when the shard sleeps. All messages of a turn for one
//! destination travel as one [`Parcel`].

pub mod bell;
pub mod credit;
mod mailbox;

pub use mailbox::{Address, Mail, Mailbox, Newcomer, Parcel, mesh};

/// What bells and mailboxes are made of; those of the models in tests are loom's and shuttle's.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};

    pub(super) use crossbeam_channel::{Receiver, Sender, unbounded};
    pub(super) use futures::task::AtomicWaker;
}
