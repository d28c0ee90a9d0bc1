//! The TLS of one connection, without its socket: records to text, and text to records.
//!
//! It has no buffers but for a record that has not arrived whole. rustls has an interface with
//! buffers of its own, which keeps some 4 KiB for each connection, idle or not, and one without, in
//! which all is worked on where it is. This is the latter.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::server::{ServerConfig, ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};

/// How far the other side's part of the conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It has said that there is no more.
    Ended,
    /// It has sent what it should not.
    Failed,
}

/// A server's side of TLS.
pub struct Session {
    tls: UnbufferedServerConnection,
    /// What has arrived of a record that is not whole.
    partial: Vec<u8>,
    state: State,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Session {
    /// One that is to begin.
    ///
    /// # Errors
    /// When `config` is unusable.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let tls = UnbufferedServerConnection::new(config)?;
        Ok(Self { tls, partial: vec![], state: State::Open })
    }

    /// Whether both sides have not come to terms yet.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the other side has said that there is no more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether the other side has sent what it should not: nothing that it sends is looked at any
    /// more.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// What is to be in front of what [`Session::open`] is given next.
    #[must_use]
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Decrypts all whole records of `incoming`, which begins with [`Session::partial`], and keeps
    /// the rest. Appends what is to be answered to `answers`, and hands on each text.
    pub fn open(
        &mut self,
        incoming: &mut [u8],
        answers: &mut Vec<u8>,
        mut text: impl FnMut(&[u8]),
    ) {
        let mut start = 0;
        while self.state == State::Open {
            let status = self.tls.process_tls_records(&mut incoming[start..]);
            let mut used = status.discard;
            let mut is_all = false;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        text(record.payload);
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, answers),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.state = State::Ended,
                Ok(_) => is_all = true,
                Err(_) => self.state = State::Failed,
            }
            start += used;
            if is_all {
                break;
            }
        }
        // What is behind an end, or a failure, means nothing.
        let rest = if self.state == State::Open { &incoming[start..] } else { &[] };
        self.partial = rest.to_vec();
        if self.state == State::Failed {
            // What it had begun to say, and the alert behind that.
            while self.tls.wants_write()
                && let Ok(ConnectionState::EncodeTlsData(data)) =
                    self.tls.process_tls_records(&mut incoming[start..]).state
            {
                encode(data, answers);
            }
        }
    }

    /// Encrypts `text`, of at most one record, into `out`: how many bytes that is.
    ///
    /// # Errors
    /// When nothing can be sent any more.
    pub(super) fn seal(&mut self, text: &[u8], out: &mut [u8]) -> io::Result<usize> {
        self.seal_with(out, |traffic, out| traffic.encrypt(text, out))
    }

    /// As [`Session::seal`], for the word that there will be no more.
    ///
    /// # Errors
    /// The same.
    pub(super) fn seal_end(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.seal_with(out, |traffic, out| traffic.queue_close_notify(out))
    }

    fn seal_with(
        &mut self,
        out: &mut [u8],
        seal: impl FnOnce(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> io::Result<usize> {
        if self.state == State::Failed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        // rustls remembers where in the input it has stopped, so it wants to be shown it again.
        match self.tls.process_tls_records(&mut self.partial).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                seal(&mut traffic, out).map_err(|_| ErrorKind::InvalidData.into())
            }
            _ => Err(ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Appends what rustls has to say to the other side.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, answers: &mut Vec<u8>) {
    let filled = answers.len();
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        answers.resize(filled + needed.required_size, 0);
        data.encode(&mut answers[filled..]).expect("as much room as it said");
    }
}
