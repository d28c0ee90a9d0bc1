//! Connections that have not come to terms with us about TLS. Each has a place of its own until it
//! has, or its time is up; only then does it take one on a shard.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::server::ServerConfig;

use crate::model::CloseReason;
use crate::net::places::{Places, Turn, Turns};
use crate::net::{Waiting, WatchedStream};
use crate::proto::begins_proxy_header;
use crate::socket::{READ_ROOM, Session, Socket, Stream, Tls};

/// How long a client may take to come to terms.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes that a client may send before it has come to terms: several times what one needs.
const HANDSHAKE_BYTES_MAX: usize = READ_ROOM;
/// Bytes read at once.
const READ_BYTES_MAX: usize = 4 << 10;
/// How long whoever is turned away may take to close its side.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// What every handshake begins with.
const HANDSHAKE_RECORD: u8 = 0x16;

/// How a handshake ended.
#[derive(Debug)]
pub struct Settled {
    /// Where the client comes from.
    pub from: SocketAddr,
    /// The connection, and what it counts under until it has a shard; or why there is none; nothing
    /// where the client has closed it without having sent a byte, as health checks do.
    pub outcome: Result<Option<(Socket, Waiting)>, CloseReason>,
}

/// All handshakes under way.
#[derive(Debug)]
pub struct Handshakes {
    places: Places<Settled>,
    /// What clients are told who do not speak TLS.
    hint: Arc<[u8]>,
}

/// One handshake.
struct Handshake {
    stream: WatchedStream,
    session: Session,
    /// Text that has come with the end of the handshake.
    early: Vec<u8>,
    received: usize,
    /// The first byte that was received.
    first: Option<u8>,
    /// It began a PROXY header, which its address is not to send.
    has_proxy_header: bool,
}

impl Handshakes {
    /// For a server of `clients_max`. They share their `turn` with whoever else has it. A client
    /// that does not speak TLS is told `hint`.
    #[must_use]
    pub fn new(clients_max: u32, turn: Turn, hint: &[u8]) -> Self {
        Self { places: Places::for_clients(clients_max, turn), hint: hint.into() }
    }

    /// The server has at most `clients_max` from now on.
    pub fn change_clients_max(&mut self, clients_max: u32) {
        self.places.change_clients_max(clients_max);
    }

    /// How many are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.places.under_way()
    }

    /// Whether there are places for newcomers, or some that can be had.
    pub fn has_room(&mut self) -> bool {
        self.places.has_room()
    }

    /// Begins one with a client that has been let in, as `config` says. Whether there was a place
    /// for it.
    pub fn begin(
        &mut self,
        stream: Stream,
        (from, waiting): (SocketAddr, Waiting),
        config: Arc<ServerConfig>,
    ) -> bool {
        let settled = move |outcome| Settled { from, outcome };
        let hint = Arc::clone(&self.hint);
        let work = |turns| async move {
            let socket = secure(stream, config, &turns, &hint).await;
            settled(socket.map(|it| it.map(|socket| (socket, waiting))))
        };
        self.places.begin(work, settled(Err(CloseReason::BadHandshake)))
    }

    /// Ends all of them.
    pub fn end(&mut self) {
        self.places.end();
    }

    /// Waits for the next that is over, for ever while there is none.
    pub async fn next(&mut self) -> Settled {
        self.places.next().await
    }
}

/// Comes to terms with a client, in time; one that does not speak TLS is told `hint`. Nothing if
/// the client closes the connection without having sent a byte.
///
/// # Errors
/// Why it has not.
pub async fn secure(
    stream: Stream,
    config: Arc<ServerConfig>,
    turns: &Turns,
    hint: &[u8],
) -> Result<Option<Socket>, CloseReason> {
    let mut handshake = Handshake::new(stream, config).map_err(|_| CloseReason::BadHandshake)?;
    let end = tokio::time::timeout(HANDSHAKE_WAIT_MAX, handshake.run(turns)).await;
    let is_in_time = end.is_ok();
    match end {
        Ok(Ok(())) => Ok(Some(handshake.into_socket())),
        Ok(Err(_)) if handshake.first.is_none() => Ok(None),
        Ok(Err(_)) if handshake.has_proxy_header => Err(CloseReason::UnannouncedProxyHeader),
        _ if handshake.is_plain(is_in_time) => {
            let _ = tokio::time::timeout(LINGER_MAX, handshake.turn_away(hint)).await;
            Err(CloseReason::NoTls)
        }
        _ => Err(CloseReason::BadHandshake),
    }
}

impl Handshake {
    fn new(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let stream = WatchedStream::new(stream)?;
        let session = Session::new(config).map_err(io::Error::other)?;
        Ok(Self {
            stream,
            session,
            early: vec![],
            received: 0,
            first: None,
            has_proxy_header: false,
        })
    }

    async fn run(&mut self, turns: &Turns) -> io::Result<()> {
        while self.session.is_handshaking() {
            let mut incoming = self.receive().await?;
            if self.first != Some(HANDSHAKE_RECORD) {
                self.has_proxy_header = begins_proxy_header(&incoming);
                return Err(ErrorKind::InvalidData.into());
            }
            let (session, early) = (&mut self.session, &mut self.early);
            let mut answers = vec![];
            let open =
                || session.open(&mut incoming, &mut answers, |text| early.extend_from_slice(text));
            turns.take(open).await;
            self.send(&answers).await?;
            if self.session.has_failed()
                || self.session.has_ended() && self.session.is_handshaking()
            {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    /// What has been received and not been used, with something more at its end.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let kept = self.session.partial().len();
        let room = READ_BYTES_MAX.min(HANDSHAKE_BYTES_MAX - self.received);
        if room == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
        let partial = self.session.partial();
        // There is no buffer while it waits.
        let receive = |stream: &mut Stream| {
            let mut incoming = partial.to_vec();
            incoming.resize(kept + room, 0);
            let count = stream.read(&mut incoming[kept..])?;
            incoming.truncate(kept + count);
            Ok(incoming)
        };
        let incoming = self.stream.when_readable(receive).await?;
        if incoming.len() == kept {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received += incoming.len() - kept;
        self.first = self.first.or(incoming.first().copied());
        Ok(incoming)
    }

    async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.stream.when_writable(|stream| stream.write(bytes)).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Whether the client seems not to know that this is TLS: it sends something else, or waits
    /// until its time is up.
    fn is_plain(&self, is_in_time: bool) -> bool {
        self.first.map_or(!is_in_time, |first| first != HANDSHAKE_RECORD)
    }

    /// Tells the client something that is not TLS, and waits until it has closed its side: closing
    /// with input unread would have the kernel throw away what the client has not read.
    async fn turn_away(&mut self, line: &[u8]) -> io::Result<()> {
        self.send(line).await?;
        self.stream.when_writable(|stream| stream.shutdown(Shutdown::Write)).await?;
        let mut discard = |stream: &mut Stream| stream.read(&mut [0; READ_BYTES_MAX]);
        while self.stream.when_readable(&mut discard).await? > 0 {}
        Ok(())
    }

    fn into_socket(self) -> Socket {
        Socket::Tls(Box::new(Tls::new(self.stream.into_stream(), self.session, self.early)))
    }
}
