//! What all TLS sockets of a thread share, so that none of them has it for itself.

use crate::socket::{RECORD_WIRE_BYTES_MAX, Socket};

/// Bytes that are encrypted at once: the longest text of one record.
pub(super) const SEAL_BYTES_MAX: usize = 16 << 10;
/// What encrypting that may add: what a record has around its text, and a change of keys before it.
const SEAL_BYTES_SPARE: usize = 1 << 10;

/// What TLS costs a connection that is idle, in bytes: measured, and rounded up (see `results/`).
const SESSION_BYTES: usize = 4 << 10;

/// What frames cost a connection, in bytes: an idle one as measured and rounded up (see
/// `results/`), and two payloads of pings, one that is arriving and one that waits to be answered.
const FRAMES_BYTES: usize = 512;

/// Room to work in, and an account of what sockets keep from one call to the next. Takes no memory
/// before the first TLS socket needs it.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Input as it has arrived.
    pub(super) incoming: Box<[u8]>,
    /// What is to be encrypted, where it comes from several places.
    pub(super) gathered: Vec<u8>,
    /// Output as it is sent.
    pub(super) outgoing: Box<[u8]>,
    held_bytes: usize,
}

impl Scratch {
    pub(super) fn prepare(&mut self) {
        if self.incoming.is_empty() {
            self.incoming = vec![0; RECORD_WIRE_BYTES_MAX].into();
            self.outgoing = vec![0; SEAL_BYTES_MAX + SEAL_BYTES_SPARE].into();
        }
    }

    /// Bytes that sockets keep: what TLS itself needs, parts of records that have arrived, and
    /// ciphertext that the kernel did not take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes a socket from elsewhere into the account. It is in no other any more.
    pub fn adopt(&mut self, socket: &mut Socket) {
        match socket {
            Socket::Plain(_) => {}
            Socket::Tls(tls) => {
                tls.counted = 0;
                self.held_bytes += SESSION_BYTES;
                self.settle(tls.held_bytes(), &mut tls.counted);
            }
            Socket::Framed(framed) => {
                self.held_bytes += FRAMES_BYTES;
                self.adopt(&mut framed.inner);
            }
        }
    }

    /// Takes a socket that goes out of it.
    pub fn release(&mut self, socket: &mut Socket) {
        match socket {
            Socket::Plain(_) => {}
            Socket::Tls(tls) => {
                self.settle(0, &mut tls.counted);
                self.held_bytes -= SESSION_BYTES;
            }
            Socket::Framed(framed) => {
                self.release(&mut framed.inner);
                self.held_bytes -= FRAMES_BYTES;
            }
        }
    }

    /// A socket that was `counted` with so many bytes holds so many now.
    pub(super) fn settle(&mut self, held: usize, counted: &mut usize) {
        self.held_bytes = self.held_bytes - *counted + held;
        *counted = held;
    }
}
