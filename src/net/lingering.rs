//! Connections that we have closed and their clients have not: closing them for good at once would
//! make the kernel throw away what the client has not read.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::model::{Moment, Ticket};

/// Reads of a connection's input, all thrown away, before others get a turn.
const READS_MAX: usize = 4;
/// How long a client may take to close its side.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A connection that has been closed by us.
#[derive(Debug)]
struct Lingerer {
    stream: TcpStream,
    ticket: Ticket,
    until: Moment,
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
    /// until the client has closed it, too. Its key, from now on to be offered to
    /// [`Lingering::drain`]; or its ticket if it is gone already.
    pub(super) fn add(
        &mut self,
        (mut stream, ticket): (TcpStream, Ticket),
        registry: &Registry,
        now: Moment,
    ) -> Result<usize, Ticket> {
        let entry = self.table.vacant_entry();
        let key = entry.key();
        let token = Token(self.first_token + key);
        if stream.shutdown(Shutdown::Write).is_err()
            || registry.reregister(&mut stream, token, Interest::READABLE).is_err()
        {
            return Err(ticket);
        }
        let until = now.after(WAIT_MAX);
        entry.insert(Lingerer { stream, ticket, until });
        self.deadlines.push_back((until, key));
        Ok(key)
    }

    /// Throws away what the client has sent, by way of `buffer`, and forgets the connection at its
    /// end.
    pub(super) fn drain(
        &mut self,
        key: usize,
        registry: &Registry,
        buffer: &mut [u8],
    ) -> Option<Ticket> {
        let stream = &mut self.table.get_mut(key)?.stream;
        let mut ended = false;
        for _ in 0..READS_MAX {
            match stream.read(buffer) {
                Ok(count) if count > 0 => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                _ => {
                    ended = true;
                    break;
                }
            }
        }
        // There is more than one turn's share: have the kernel tell again.
        let token = Token(self.first_token + key);
        let gone = ended || registry.reregister(stream, token, Interest::READABLE).is_err();
        gone.then(|| self.table.remove(key).ticket)
    }

    /// Closes the next one whose time is up.
    pub(super) fn expire(&mut self, now: Moment) -> Option<Ticket> {
        while let Some((_, key)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            if self.table.get(key).is_some_and(|lingerer| lingerer.until <= now) {
                return Some(self.table.remove(key).ticket);
            }
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
