//! Layer 4: the door for browsers. Gives them the page that chats, and makes of a connection that
//! wants to chat itself one like any other, for a shard.
//!
//! Whatever is done to it stays here: each connection has a place, as handshakes have, turns at the
//! processor, so many requests of so many bytes, and one deadline for all of it.

mod channel;
mod files;
mod forwarded;
mod host;
mod office;
mod origin;
mod site;
mod upgrade;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use rustls::server::ServerConfig;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::model::CloseReason;
use crate::net::{Cost, Places, Turn, Turns, Waiting, secure};
use crate::proto::Wire;
use crate::socket::{READ_ROOM, Socket, Stream};
pub use channel::{Channel, Desk};
pub use host::{AllowedHost, Host, Refusal};
use office::{Office, Outcome};
pub use origin::{AllowedOrigin, Origin};
pub use site::{Rules, Site};

/// How long a connection may take for all it wants: requests that are sent slowly, answers that are
/// read slowly, and silence between them.
const VISIT_MAX: Duration = Duration::from_secs(10);
/// How long whoever has been answered may take to close its side.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// Bytes of a request without its body.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Headers in it.
const HEADERS_MAX: usize = 64;
/// Connections at a time that are told why they cannot be let in.
const REFUSALS_MAX: u32 = 32;

/// What is sent to who has not sent a request in time.
const TOO_LATE: &[u8] = b"the request did not come in time\n";
/// What is sent to who speaks plainly where TLS is spoken.
const NO_TLS: &[u8] = b"this port speaks TLS: the address begins with https://\n";

/// Whose connection it is.
#[derive(Debug)]
pub enum Visitor {
    /// A client's, which has been admitted.
    Client(SocketAddr, Waiting),
    /// A proxy's, on which each request says where it comes from, and is to be admitted.
    Proxy(SocketAddr),
}

/// What a request through a proxy is held up by until it is answered: whether it is admitted.
#[derive(Debug)]
pub struct Question {
    /// The proxy.
    pub proxy: SocketAddr,
    /// Where the request comes from; or why the proxy does not say.
    pub client: Result<SocketAddr, &'static str>,
    /// What is asked for.
    pub cost: Cost,
    /// Where to answer.
    pub answer: oneshot::Sender<Result<Waiting, CloseReason>>,
}

/// A connection that wants to chat.
#[derive(Debug)]
pub struct Upgraded {
    /// Where its client comes from.
    pub from: SocketAddr,
    /// What it is counted under until it has a shard.
    pub waiting: Waiting,
    /// The connection, with what has come on it behind the request.
    pub socket: Socket,
    /// What is spoken on it.
    pub wire: Wire,
}

/// How a visit ended.
#[derive(Debug)]
pub struct Visited {
    /// Where the client comes from.
    pub from: SocketAddr,
    /// The connection if it wants to chat, or why it may not.
    pub outcome: Result<Option<Upgraded>, CloseReason>,
}

/// All visits under way.
#[derive(Debug)]
pub struct Visits {
    places: Places<Visited>,
    refusals: Places<()>,
    desk: Desk,
    site: Site,
    questions: mpsc::Sender<Question>,
}

impl Visits {
    /// For a server of `clients_max`, with the rules of `site`. They share their `turn` with
    /// handshakes, and ask `questions`.
    #[must_use]
    pub fn new(
        clients_max: u32,
        turn: Turn,
        site: Site,
        questions: mpsc::Sender<Question>,
    ) -> Self {
        Self {
            places: Places::for_clients(clients_max, turn.clone()),
            refusals: Places::new(REFUSALS_MAX, turn),
            desk: Desk::default(),
            site,
            questions,
        }
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

    /// Begins one with a `visitor`, within TLS if there is a `config` for it. Whether there was a
    /// place for it.
    pub fn begin(
        &mut self,
        stream: Stream,
        visitor: Visitor,
        config: Option<Arc<ServerConfig>>,
    ) -> bool {
        let (Visitor::Client(from, _) | Visitor::Proxy(from)) = visitor;
        let visited = move |outcome| Visited { from, outcome };
        let questions = self.questions.clone();
        let (desk, rules) = (self.desk.clone(), self.site.rules());
        let work = |turns| async move {
            match enter(stream, config, &turns).await {
                Ok(Some(socket)) => {
                    let office = Office::new(&rules, visitor, questions);
                    visit(socket, office, desk, &turns).await
                }
                Ok(None) => visited(Ok(None)),
                Err(reason) => visited(Err(reason)),
            }
        };
        self.places.begin(work, visited(Err(CloseReason::BadRequest)))
    }

    /// Tells a client that it cannot be let in for this reason, which is this `line` in words; or
    /// hangs up at once if there are too many who are to be told.
    pub fn refuse(
        &mut self,
        stream: Stream,
        (reason, line): (CloseReason, &[u8]),
        config: Option<Arc<ServerConfig>>,
    ) {
        if !self.refusals.has_room() {
            return;
        }
        let (status, seconds) = status_of(reason);
        let answer = answer(&format!("{status}\r\nRetry-After: {seconds}"), line);
        let desk = self.desk.clone();
        let work = |turns: Turns| async move {
            let socket = enter(stream, config, &turns).await;
            if let Some(mut channel) =
                socket.ok().flatten().and_then(|it| Channel::new(it, desk).ok())
            {
                leave(&mut channel, &answer, &turns).await;
            }
        };
        self.refusals.begin(work, ());
    }

    /// Ends all of them.
    pub fn end(&mut self) {
        self.places.end();
        self.refusals.end();
    }

    /// Waits for the next that is over, for ever while there is none.
    pub async fn next(&mut self) -> Visited {
        loop {
            tokio::select! {
                visited = self.places.next() => return visited,
                () = self.refusals.next() => {}
            }
        }
    }
}

/// Has a client in, within TLS if there is a `config` for it; nothing if it goes without a word.
async fn enter(
    stream: Stream,
    config: Option<Arc<ServerConfig>>,
    turns: &Turns,
) -> Result<Option<Socket>, CloseReason> {
    match config {
        Some(config) => secure(stream, config, turns, &answer("400 Bad Request", NO_TLS)).await,
        None => Ok(Some(Socket::Plain(stream))),
    }
}

/// The status of an answer to a client that is not admitted for this reason, and after how many
/// seconds it may try again.
fn status_of(reason: CloseReason) -> (StatusCode, u32) {
    match reason {
        CloseReason::AddressFull | CloseReason::AddressFast => (StatusCode::TOO_MANY_REQUESTS, 60),
        _ => (StatusCode::SERVICE_UNAVAILABLE, 30),
    }
}

/// Answers a client until it wants to chat or nothing more, or its time is up.
async fn visit(socket: Socket, office: Office<'_>, desk: Desk, turns: &Turns) -> Visited {
    let outcome = match Channel::new(socket, desk) {
        Ok(channel) => converse(channel, &office, turns).await,
        Err(_) => Ok(None),
    };
    Visited { from: office.from(), outcome }
}

async fn converse(
    mut channel: Channel,
    office: &Office<'_>,
    turns: &Turns,
) -> Result<Option<Upgraded>, CloseReason> {
    let served = timeout(VISIT_MAX, turns.pace(serve(&mut channel, office))).await;
    let refused = match (&served, office.outcome()) {
        (Ok(Ok(read)), Some(Outcome::Chat { wire, from, waiting })) => {
            let (socket, early) = channel.into_socket(read);
            if early.len() > READ_ROOM {
                // Who talks so much before it has heard the answer is no client as there are any.
                return Err(CloseReason::BadRequest);
            }
            // An object in JSON may be spread over lines; a text of several lines is that many.
            let socket = socket.framed(&early, wire == Wire::WebJson);
            return Ok(Some(Upgraded { from, waiting, socket, wire }));
        }
        (_, Some(Outcome::Refused(reason))) => Some(reason),
        _ => None,
    };
    let is_late = served.is_err() && channel.is_unanswered();
    let is_none = served.is_ok_and(|it| it.is_err_and(|error| error.is_parse()));
    let last_words = if is_late { answer("408 Request Timeout", TOO_LATE) } else { vec![] };
    leave(&mut channel, &last_words, turns).await;
    match refused {
        Some(reason) => Err(reason),
        _ if is_late || is_none => Err(CloseReason::BadRequest),
        _ => Ok(None),
    }
}

/// Has hyper answer requests until there will be no more: what has come behind the last.
async fn serve(channel: &mut Channel, office: &Office<'_>) -> hyper::Result<Vec<u8>> {
    let service = service_fn(|request| {
        let answer = office.prepare(&request);
        Box::pin(async { Ok::<_, Infallible>(office.answer(answer).await) })
    });
    let mut http = http1::Builder::new();
    http.max_header_size(REQUEST_BYTES_MAX).max_headers(HEADERS_MAX);
    // There is one deadline, and it is not hyper's.
    http.max_buf_size(REQUEST_BYTES_MAX).header_read_timeout(None);
    // A client that sends no more still reads its answer.
    http.half_close(true);
    let mut connection = http.serve_connection(channel, service);
    poll_fn(|cx| connection.poll_without_shutdown(cx)).await?;
    Ok(connection.into_parts().read_buf.into())
}

/// Says what is left to be said, if there is time, and closes the connection in good order.
async fn leave(channel: &mut Channel, last_words: &[u8], turns: &Turns) {
    let leave = async {
        channel.say(last_words).await?;
        channel.end().await
    };
    // Whoever has not read it by then, or is gone, was told as well as can be.
    let _ = timeout(LINGER_MAX, turns.pace(leave)).await;
}

/// An answer to whatever has been asked, and the last one.
fn answer(status: &str, line: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n",
        line.len()
    );
    [head.as_bytes(), line].concat()
}
