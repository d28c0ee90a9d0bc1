//! Connections that we have closed and their clients have not: closing them for good at once would
//! make the kernel throw away what the client has not read.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::model::{Moment, Ticket};
use crate::socket::{Scratch, Socket};

/// Reads of a connection's input, all thrown away, before others get a turn.
const READS_MAX: usize = 4;
/// How long a client may take to close its side, or to read some of what has not been sent yet.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// A connection that has been closed by us.
#[derive(Debug)]
struct Lingerer {
    socket: Socket,
    ticket: Ticket,
    until: Moment,
    /// The client has been sent all that it was to get.
    is_told: bool,
    /// The client will send no more.
    has_ended: bool,
    /// What had not been sent when its time last began.
    unsent_bytes: usize,
}

/// Those of one shard, by key: closed for good when the client has closed too, or when time is up.
/// Whoever is no longer here is returned as its ticket.
#[derive(Debug)]
pub(super) struct Lingering {
    table: Slab<Lingerer>,
    /// When to look whose time is up; the places of those who have gone may be others' by then.
    deadlines: VecDeque<(Moment, usize)>,
    /// The token of the one with key 0.
    first_token: usize,
}

impl Lingerer {
    /// Has the kernel tell of what is next, and again of what it has told already.
    fn watch(&mut self, token: Token, registry: &Registry) -> bool {
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if self.is_told { Interest::READABLE } else { both };
        registry.reregister(self.socket.stream_mut(), token, interest).is_ok()
    }

    /// Sends what is to be sent, as far as that is possible now. Whether it will be.
    fn tell(&mut self, scratch: &mut Scratch) -> bool {
        if !self.is_told {
            match self.socket.end(scratch) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                ended => {
                    self.is_told = true;
                    return ended.is_ok();
                }
            }
        }
        true
    }
}

impl Lingering {
    /// Nobody, whose tokens begin with this one.
    pub(super) fn new(first_token: usize) -> Self {
        Self { table: Slab::new(), deadlines: VecDeque::new(), first_token }
    }

    /// The key of the connection with this token, if it is one of ours.
    pub(super) fn key(&self, token: Token) -> Option<usize> {
        token.0.checked_sub(self.first_token)
    }

    /// Says to the client that there is no more, and keeps the connection, which is in `registry`,
    /// until the client has closed it, too: `has_ended` if it already has. The connection's key,
    /// from now on to be offered to [`Lingering::drain`]; or its ticket if it is gone already.
    pub(super) fn add(
        &mut self,
        (socket, ticket): (Socket, Ticket),
        has_ended: bool,
        registry: &Registry,
        scratch: &mut Scratch,
        now: Moment,
    ) -> Result<usize, Ticket> {
        let until = now.after(LINGER_MAX);
        let mut lingerer =
            Lingerer { socket, ticket, until, is_told: false, has_ended, unsent_bytes: 0 };
        let entry = self.table.vacant_entry();
        let key = entry.key();
        let token = Token(self.first_token + key);
        let stays = lingerer.tell(scratch)
            && !(lingerer.is_told && has_ended)
            && lingerer.watch(token, registry);
        if !stays {
            scratch.release(&mut lingerer.socket);
            return Err(ticket);
        }
        lingerer.unsent_bytes = lingerer.socket.unsent_bytes();
        entry.insert(lingerer);
        self.deadlines.push_back((until, key));
        Ok(key)
    }

    /// Sends what the client is still to get, throws away what it has sent, by way of `buffer`, and
    /// forgets the connection at its end.
    pub(super) fn drain(
        &mut self,
        key: usize,
        registry: &Registry,
        scratch: &mut Scratch,
        buffer: &mut [u8],
    ) -> Option<Ticket> {
        let lingerer = self.table.get_mut(key)?;
        if !lingerer.tell(scratch) {
            return Some(self.remove(key, scratch));
        }
        let mut reads = 0;
        while !lingerer.has_ended && reads < READS_MAX {
            reads += 1;
            match lingerer.socket.discard(buffer) {
                Ok(count) if count > 0 => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                Ok(_) => lingerer.has_ended = true,
                Err(_) => return Some(self.remove(key, scratch)),
            }
        }
        if lingerer.has_ended {
            return lingerer.is_told.then(|| self.remove(key, scratch));
        }
        // There is more than one turn's share: have the kernel tell again.
        let token = Token(self.first_token + key);
        let stays = lingerer.watch(token, registry);
        (!stays).then(|| self.remove(key, scratch))
    }

    fn remove(&mut self, key: usize, scratch: &mut Scratch) -> Ticket {
        let mut lingerer = self.table.remove(key);
        scratch.release(&mut lingerer.socket);
        lingerer.ticket
    }

    /// Closes the next one whose time is up.
    pub(super) fn expire(&mut self, scratch: &mut Scratch, now: Moment) -> Option<Ticket> {
        while let Some((_, key)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let Some(lingerer) = self.table.get_mut(key).filter(|it| it.until <= now) else {
                continue;
            };
            let unsent_bytes = lingerer.socket.unsent_bytes();
            if unsent_bytes >= lingerer.unsent_bytes {
                return Some(self.remove(key, scratch));
            }
            // It reads.
            (lingerer.unsent_bytes, lingerer.until) = (unsent_bytes, now.after(LINGER_MAX));
            self.deadlines.push_back((lingerer.until, key));
        }
        None
    }

    /// When [`Lingering::expire`] next has something to do.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.front().map(|&(deadline, _)| deadline)
    }

    /// Whether there is nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
