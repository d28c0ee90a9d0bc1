//! The beginning of a connection: its first line, and the log's first word of it.

use std::net::SocketAddr;
use std::ops::Range;

use super::Connections;
use crate::model::Slot;
use crate::proto::Opening;

impl Connections {
    /// Whether no line has arrived from the client of the connection in `slot`.
    #[inline]
    #[must_use]
    pub fn awaits_first_line(&self, slot: Slot) -> bool {
        matches!(&self.table[slot as usize], Some(it) if it.awaits_first_line)
    }

    /// What `input`, a part of the buffer that is the first of the connection in `slot`, begins
    /// with, and whether its client speaks telnet. After a line, or another protocol, this is not
    /// to be asked again.
    #[cold]
    pub fn opening(&mut self, slot: Slot, input: Range<usize>) -> (Opening, bool) {
        let connection = self.table[slot as usize].as_mut().expect("a connection that is read");
        let opening = connection.decoder.opening(&self.buffer[input], &self.limits);
        connection.awaits_first_line = matches!(opening, Opening::Unfinished | Opening::Undecided);
        (opening, connection.decoder.speaks_telnet())
    }

    /// The session of the connection in `slot` counts from now on: tells the log.
    pub fn announce(&mut self, slot: Slot) {
        if let Some(Some(connection)) = self.table.get_mut(slot as usize)
            && !std::mem::replace(&mut connection.announced, true)
        {
            self.visitors.announce(slot, connection.ticket, connection.socket.stream());
        }
    }

    /// The address and port at which the client of the connection in `slot` reaches us.
    #[must_use]
    pub fn local_addr(&self, slot: Slot) -> Option<SocketAddr> {
        self.table[slot as usize].as_ref()?.socket.stream().local_addr()
    }
}
