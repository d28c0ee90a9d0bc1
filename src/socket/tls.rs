//! A socket that speaks TLS.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use crate::socket::scratch::{SEAL_BYTES_MAX, Scratch};
use crate::socket::session::Session;
use crate::socket::{Brought, would_block};

/// A connection whose handshake is over. Idle, it holds no bytes.
///
/// A text that has been encrypted has to be sent: what the kernel does not take of it is kept here,
/// of one record at most, and nothing else is taken before it has left.
#[derive(Debug)]
pub struct Tls<S> {
    stream: S,
    session: Session,
    /// Text that came together with the end of the handshake.
    early: Vec<u8>,
    unsent: Vec<u8>,
    /// The other side has been told that there is no more, or will be by what is not sent yet.
    ended: bool,
    /// Bytes for which it is in the account.
    pub(super) counted: usize,
}

impl<S: Read + Write> Tls<S> {
    /// A connection over `stream` on which both sides have come to terms, and `early` has been said
    /// already.
    pub fn new(stream: S, session: Session, early: Vec<u8>) -> Self {
        Self { stream, session, early, unsent: vec![], ended: false, counted: 0 }
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(super) fn has_input(&self) -> bool {
        !self.early.is_empty() || self.session.has_ended() || self.session.has_failed()
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.early.len() + self.session.partial().len() + self.unsent.len()
    }

    pub(super) fn read(&mut self, into: &mut [u8], scratch: &mut Scratch) -> io::Result<Brought> {
        scratch.prepare();
        let brought = self.receive(into, &mut scratch.incoming);
        scratch.settle(self.held_bytes(), &mut self.counted);
        brought
    }

    fn receive(&mut self, into: &mut [u8], incoming: &mut [u8]) -> io::Result<Brought> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            into[..early.len()].copy_from_slice(&early);
            return Ok(Brought::Bytes { count: early.len(), taken: early.len(), more: true });
        }
        if self.session.has_failed() {
            return Err(ErrorKind::InvalidData.into());
        }
        if self.session.has_ended() {
            return Ok(Brought::End);
        }
        let kept = self.session.partial().len();
        let room = incoming.len() - kept;
        if room == 0 {
            // A message in more pieces than one needs.
            return Err(ErrorKind::InvalidData.into());
        }
        let taken = match self.stream.read(&mut incoming[kept..])? {
            // Cut off: it was not the other side who said that there is no more.
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => count,
        };
        incoming[..kept].copy_from_slice(self.session.partial());
        let more = taken == room;
        let mut filled = 0;
        self.session.open(&mut incoming[..kept + taken], &mut self.unsent, |text| {
            into[filled..filled + text.len()].copy_from_slice(text);
            filled += text.len();
        });
        // It may have to wait; and if it cannot be sent at all, reading will tell.
        let _ = self.send_unsent();
        let more = more || self.session.has_ended() || self.session.has_failed();
        Ok(Brought::Bytes { count: filled, taken, more })
    }

    pub(super) fn write(&mut self, bytes: &[u8], scratch: &mut Scratch) -> io::Result<usize> {
        scratch.prepare();
        let mut taken = 0;
        for text in bytes.chunks(SEAL_BYTES_MAX) {
            if !self.unsent.is_empty() {
                break;
            }
            self.seal_and_send(text, &mut scratch.outgoing)?;
            taken += text.len();
        }
        scratch.settle(self.held_bytes(), &mut self.counted);
        if taken > 0 { Ok(taken) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    pub(super) fn write_parts(
        &mut self,
        parts: &[IoSlice<'_>],
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        let mut gathered = std::mem::take(&mut scratch.gathered);
        let mut rest = parts.iter().flat_map(|part| part.chunks(SEAL_BYTES_MAX / 4)).peekable();
        let mut taken = Err(ErrorKind::WouldBlock.into());
        while rest.peek().is_some() && self.unsent.is_empty() {
            gathered.clear();
            while let Some(piece) =
                rest.next_if(|piece| gathered.len() + piece.len() <= SEAL_BYTES_MAX)
            {
                gathered.extend_from_slice(piece);
            }
            match self.write(&gathered, scratch) {
                Ok(count) => taken = Ok(taken.unwrap_or(0) + count),
                Err(error) => {
                    taken = Err(error);
                    break;
                }
            }
        }
        scratch.gathered = gathered;
        taken
    }

    fn seal_and_send(&mut self, text: &[u8], outgoing: &mut [u8]) -> io::Result<()> {
        let sealed = self.session.seal(text, outgoing)?;
        let sent = send(&mut self.stream, &outgoing[..sealed])?;
        self.unsent.extend_from_slice(&outgoing[sent..sealed]);
        Ok(())
    }

    pub(super) fn flush(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        let sent = self.send_unsent();
        scratch.settle(self.held_bytes(), &mut self.counted);
        sent
    }

    fn send_unsent(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let sent = send(&mut self.stream, &self.unsent)?;
        if sent < self.unsent.len() {
            self.unsent.drain(..sent);
            return Err(ErrorKind::WouldBlock.into());
        }
        self.unsent = vec![];
        Ok(())
    }

    pub(super) fn end(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        scratch.prepare();
        if !std::mem::replace(&mut self.ended, true) {
            let sealed = self.session.seal_end(&mut scratch.outgoing)?;
            self.unsent.extend_from_slice(&scratch.outgoing[..sealed]);
        }
        self.flush(scratch)
    }
}

/// Writes once: how much of `bytes` was taken.
fn send(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Err(e) if would_block(&e) => return Ok(0),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}
