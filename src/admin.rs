//! Layer 5: the operator's port. Metrics, health and a status page, over HTTP, from a thread of its
//! own that reads what shards have put up on the [`Board`], and touches nothing of the chat.
//!
//! Whatever is done to it stays here: so many connections, one request on each, one deadline for
//! all of it, and the thread runs when nobody else wants the core.

mod health;
mod metrics;
mod page;
mod recent;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use rustix::process::setpriority_process;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};
use tracing::warn;

use crate::board::Board;
use crate::http::{Channel, Desk, Site};
use crate::logging::LostLines;
use crate::model::CloseReason;
use crate::net::{Listener, WatchedListener};
use crate::socket::{Socket, Stream};
use recent::Recent;

/// Connections at a time. When there is one more, the oldest goes: whoever keeps all of them busy
/// keeps nobody out who asks and leaves.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may take for all it wants. There is one request on each, so this is for
/// requests that are sent slowly and answers that are read slowly.
const VISIT_MAX: Duration = Duration::from_secs(5);
/// Bytes of a request.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Headers in it.
const HEADERS_MAX: usize = 64;
/// The thread's priority, as `nice` has it: the lowest, so that shards get the core first.
const NICENESS: i32 = 19;
/// How long to wait when no connection can be accepted, for want of descriptors for example.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// The status page has styles of its own, and loads nothing.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// What there is to tell.
#[derive(Debug)]
pub struct Facts {
    /// What shards and server have put up.
    pub board: Board,
    /// The lines that the log has lost.
    pub lost: Arc<LostLines>,
    /// When the server started.
    pub started: Instant,
    /// What is answered to.
    pub site: Site,
    /// Where clients are counted that are refused.
    pub refuse: mpsc::Sender<(SocketAddr, CloseReason)>,
}

/// All that answers are made of.
#[derive(Debug)]
struct Office {
    facts: Arc<Facts>,
    recent: Mutex<Recent>,
    desk: Desk,
}

/// A page and what it is.
type Page = (StatusCode, &'static str, String);

/// Tells the operator `facts`, until the process ends.
///
/// # Errors
/// When the operating system does not give us what that needs.
pub fn start(listener: Listener, facts: Facts) -> io::Result<()> {
    if let Some(address) = listener.address().tcp().filter(|it| !it.ip().is_loopback()) {
        warn!(%address, "--admin is open to other machines, and asks nobody for a password");
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("admin".to_owned()).spawn(move || {
        // For this thread alone. If it is refused, the deadline and the limits still hold.
        let _ = setpriority_process(None, NICENESS);
        if let Err(error) = runtime.block_on(serve(listener, Arc::new(facts))) {
            warn!(%error, "there is no operator's port any more");
        }
    })?;
    Ok(())
}

async fn serve(listener: Listener, facts: Arc<Facts>) -> io::Result<()> {
    let listener = WatchedListener::new(listener)?;
    let office = Arc::new(Office { facts, recent: Mutex::default(), desk: Desk::default() });
    let mut samples = interval(recent::SAMPLE_EVERY);
    let mut visits: VecDeque<JoinHandle<_>> = VecDeque::with_capacity(CONNECTIONS_MAX);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = samples.tick() => {
                office.recent().sample(&office.facts.board);
                continue;
            }
        };
        let Ok((stream, from)) = accepted else {
            sleep(ACCEPT_WAIT).await;
            continue;
        };
        visits.retain(|visit| !visit.is_finished());
        if visits.len() == CONNECTIONS_MAX
            && let Some(oldest) = visits.pop_front()
        {
            oldest.abort();
            // Its descriptor is held until it has noticed.
            let _ = oldest.await;
        }
        let visit = timeout(VISIT_MAX, visit(stream, from, Arc::clone(&office)));
        visits.push_back(tokio::spawn(visit));
    }
}

/// Answers the one request of a connection.
async fn visit(stream: Stream, from: SocketAddr, office: Arc<Office>) {
    let socket = Socket::Plain(stream);
    let Ok(mut channel) = Channel::new(socket, office.desk.clone()) else { return };
    let service = service_fn(|request| ready(Ok::<_, Infallible>(office.answer(&request, from))));
    let mut http = http1::Builder::new();
    http.keep_alive(false).max_header_size(REQUEST_BYTES_MAX).max_headers(HEADERS_MAX);
    // A client that sends no more still reads its answer.
    http.half_close(true);
    // A request that is none has been answered as far as it can be.
    let _ = http.serve_connection(&mut channel, service).await;
    let _ = channel.end().await;
}

impl Office {
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request<Incoming>, from: SocketAddr) -> Response<String> {
        let is_asking = [Method::GET, Method::HEAD].contains(request.method());
        let (status, kind, body) = match self.facts.site.rules().host_of(request) {
            Err(refusal) => {
                let _ = self.facts.refuse.try_send((from, refusal.reason));
                plain(refusal.status, &refusal.line)
            }
            Ok(_) if is_asking => self.page(request.uri().path()),
            Ok(_) => {
                plain(StatusCode::METHOD_NOT_ALLOWED, "there is nothing but GET and HEAD here")
            }
        };
        Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, kind)
            .header(header::ALLOW, "GET, HEAD")
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
            .body(body)
            .expect("headers of ours")
    }

    fn page(&self, path: &str) -> Page {
        let facts = &self.facts;
        match path {
            "/" => {
                let html = page::render(facts, &self.recent());
                (StatusCode::OK, "text/html; charset=utf-8", html)
            }
            "/metrics" => (StatusCode::OK, metrics::CONTENT_TYPE, metrics::encode(facts)),
            "/healthz" => told(health::health(&facts.board)),
            "/readyz" => told(health::readiness(&facts.board)),
            _ => plain(StatusCode::NOT_FOUND, "here are /, /metrics, /healthz and /readyz"),
        }
    }
}

fn told(told: Result<&str, String>) -> Page {
    match told {
        Ok(line) => plain(StatusCode::OK, line),
        Err(line) => plain(StatusCode::SERVICE_UNAVAILABLE, &line),
    }
}

fn plain(status: StatusCode, line: &str) -> Page {
    (status, "text/plain; charset=utf-8", format!("{line}\n"))
}
