//! Mailboxes: the sending side is shared by all, the receiving side is moved to its shard, once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use super::sync::{Receiver, Sender, unbounded};
use crate::mesh::bell::Bell;
use crate::mesh::credit::Slip;
use crate::model::{Limits, ShardId, ShardMsg, Ticket};
use crate::proto::Wire;
use crate::socket::Socket;

/// All that one shard has for another at the end of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The shard that sends it.
    pub from: ShardId,
    /// See [`Slip`].
    pub slip: Slip,
    /// The messages, in order.
    pub messages: Vec<ShardMsg>,
}

/// A connection that has been let in, and not yet been given a session.
#[derive(Debug)]
pub struct Newcomer {
    /// The connection.
    pub socket: Socket,
    /// What it is counted under.
    pub ticket: Ticket,
    /// Where it comes from.
    pub from: SocketAddr,
    /// What is spoken on it.
    pub wire: Wire,
}

/// What a mailbox can hold.
#[derive(Debug)]
pub enum Mail {
    /// From another shard.
    Parcel(Parcel),
    /// From the acceptor: connections that have been placed on this shard.
    Newcomers(Vec<Newcomer>),
    /// From the acceptor: so many clients are to be evicted, of those counted under this ticket.
    Evict(Ticket, u32),
    /// From the server: other limits hold from now on.
    Limits(Box<Limits>),
    /// From the server: it goes down.
    Drain,
}

/// Where to send things for one shard.
#[derive(Debug)]
pub struct Address {
    shard: ShardId,
    sender: Sender<Mail>,
    bell: Arc<Bell>,
}

/// One shard's mailbox.
#[derive(Debug)]
pub struct Mailbox {
    receiver: Receiver<Mail>,
    bell: Arc<Bell>,
}

/// A mailbox for each of `shards` shards, in order, and all their addresses.
#[must_use]
pub fn mesh(shards: u16) -> (Vec<Mailbox>, Arc<[Address]>) {
    let pair = |shard| {
        let (sender, receiver) = unbounded();
        let bell = Arc::new(Bell::default());
        let mailbox = Mailbox { receiver, bell: Arc::clone(&bell) };
        (mailbox, Address { shard, sender, bell })
    };
    let (mailboxes, addresses): (Vec<_>, Vec<_>) = ShardId::all(shards).map(pair).unzip();
    (mailboxes, addresses.into())
}

impl Address {
    /// The shard this leads to.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Whether the shard sleeps, and nobody has rung its bell since.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        !self.bell.has_rung()
    }

    /// Sends `mail` and wakes the shard if it sleeps; whether it did. Never waits. A shard that is
    /// gone gets nothing: then the server is going down.
    pub fn send(&self, mail: Mail) -> bool {
        self.sender.send(mail).is_ok() && self.bell.ring()
    }
}

impl Mailbox {
    /// The next piece of mail, if there is one.
    #[inline]
    #[must_use]
    pub fn take(&self) -> Option<Mail> {
        self.receiver.try_recv().ok()
    }

    /// Whether there is no mail.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// How many pieces of mail there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    /// See [`Bell::fall_asleep`].
    #[must_use]
    pub fn fall_asleep(&self, waker: &Waker) -> bool {
        self.bell.fall_asleep(waker, || self.receiver.is_empty())
    }

    /// See [`Bell::has_rung`].
    #[must_use]
    pub fn has_rung(&self) -> bool {
        self.bell.has_rung()
    }

    /// See [`Bell::wake_up`].
    pub fn wake_up(&self) {
        self.bell.wake_up();
    }
}
