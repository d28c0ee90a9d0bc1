//! What is answered to each request.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::files::{File, file};
use super::host::Refusal;
use super::site::Rules;
use super::upgrade::{Agreement, agree};
use super::{Question, Visitor, forwarded, status_of};
use crate::model::CloseReason;
use crate::net::{Cost, Waiting};
use crate::proto::{Wire, rejection_line};

/// Requests on a connection.
const REQUESTS_MAX: u32 = 32;
/// How long a request through a proxy may wait until it is admitted, while so many come.
const ADMISSION_WAIT_MAX: Duration = Duration::from_secs(5);

const PLAIN: &str = "text/plain; charset=utf-8";

/// The page loads its own files and talks to where it came from, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// What goes with every answer that is one.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

type Answer = Response<Full<Bytes>>;

/// What a visit has come to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Both sides speak this from here on.
    Chat {
        /// What is spoken.
        wire: Wire,
        /// Where the client comes from.
        from: SocketAddr,
        /// What it is counted under.
        waiting: Waiting,
    },
    /// It may not chat.
    Refused(CloseReason),
}

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct Office<'a> {
    rules: &'a Rules,
    /// The proxy whose connection it is, if it is one's.
    proxy: Option<SocketAddr>,
    questions: mpsc::Sender<Question>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where the last request came from.
    from: SocketAddr,
    /// What the client is counted under, if it is known by its connection.
    waiting: Option<Waiting>,
    requests: u32,
    outcome: Option<Outcome>,
}

/// What a request is to be answered with, if it is admitted.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Where it comes from; or why its proxy does not say.
    client: Result<SocketAddr, &'static str>,
    answer: Result<Granted, Refusal>,
}

#[derive(Debug)]
enum Granted {
    Page(Answer),
    Chat(Agreement),
}

impl<'a> Office<'a> {
    pub(super) fn new(
        rules: &'a Rules,
        visitor: Visitor,
        questions: mpsc::Sender<Question>,
    ) -> Self {
        let (from, waiting, proxy) = match visitor {
            Visitor::Client(from, waiting) => (from, Some(waiting), None),
            Visitor::Proxy(proxy) => (proxy, None, Some(proxy)),
        };
        let state = Mutex::new(State { from, waiting, requests: 0, outcome: None });
        Self { rules, proxy, questions, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the last request came from.
    pub(super) fn from(&self) -> SocketAddr {
        self.state().from
    }

    /// What the visit has come to; the first time it is asked.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.state().outcome.take()
    }

    /// What `request` is to be answered with.
    pub(super) fn prepare(&self, request: &Request<impl Body>) -> Prepared {
        let client = match self.proxy {
            Some(_) => forwarded::client(request.headers(), &self.rules.proxies),
            None => Ok(self.from()),
        };
        Prepared { client, answer: self.judge(request) }
    }

    /// The answer to a request, once it is admitted.
    pub(super) async fn answer(&self, Prepared { client, answer }: Prepared) -> Answer {
        if let Some(proxy) = self.proxy {
            self.state().from = client.unwrap_or(proxy);
        }
        let mut answer = match answer {
            Err(refusal) => self.refuse(&refusal),
            Ok(granted) => match (self.admit(client, &granted).await, granted) {
                (Err(reason), _) => rejection(reason),
                (Ok(waiting), Granted::Chat(agreement)) => return self.open(&agreement, waiting),
                (Ok(_), Granted::Page(page)) => page,
            },
        };
        let headers = answer.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let mut state = self.state();
        state.requests += 1;
        if state.requests >= REQUESTS_MAX {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// What a client is counted under that asks for this; nothing if its connection was admitted,
    /// and goes on being one.
    async fn admit(
        &self,
        client: Result<SocketAddr, &'static str>,
        granted: &Granted,
    ) -> Result<Option<Waiting>, CloseReason> {
        let is_chat = matches!(granted, Granted::Chat(_));
        let Some(proxy) = self.proxy else {
            return Ok(if is_chat { self.state().waiting.take() } else { None });
        };
        let cost = if is_chat { Cost::Connection } else { Cost::Request };
        let (answer, answered) = oneshot::channel();
        let question = Question { proxy, client, cost, answer };
        let asked = async {
            self.questions.send(question).await.ok()?;
            answered.await.ok()
        };
        match timeout(ADMISSION_WAIT_MAX, asked).await {
            Ok(Some(admitted)) => admitted.map(Some),
            // So many come that it is not this one's turn for long, or the server stops.
            _ => Err(CloseReason::Full),
        }
    }

    /// What a client is to have that asks this.
    fn judge(&self, request: &Request<impl Body>) -> Result<Granted, Refusal> {
        let host = self.rules.host_of(request)?;
        let path = request.uri().path();
        if path != "/ws" || !is_asking(request) {
            return Ok(Granted::Page(page(path, request)));
        }
        // A proxy may tell another port than browsers know.
        let any_port = self.proxy.is_some();
        agree(request, (host.as_ref(), any_port), &self.rules.origins).map(Granted::Chat)
    }

    fn open(&self, agreement: &Agreement, waiting: Option<Waiting>) -> Answer {
        let mut state = self.state();
        let (wire, from) = (agreement.wire, state.from);
        state.outcome = waiting.map(|waiting| Outcome::Chat { wire, from, waiting });
        let mut answer = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, &agreement.accept);
        if let Some(name) = agreement.named {
            answer = answer.header(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        answer.body(Full::default()).expect("headers of ours")
    }

    fn refuse(&self, refusal: &Refusal) -> Answer {
        self.state().outcome = Some(Outcome::Refused(refusal.reason));
        let mut answer = plain(refusal.status, &refusal.line);
        let headers = answer.headers_mut();
        // What a connection comes to is decided once, and a proxy may have others for it.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if refusal.status == StatusCode::UPGRADE_REQUIRED {
            headers.append(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        answer
    }
}

fn page(path: &str, request: &Request<impl Body>) -> Answer {
    if !is_asking(request) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD are all there is");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match file(path) {
        Some(file) => contents(file, request),
        None => plain(StatusCode::NOT_FOUND, "there is nothing here: the chat is at /"),
    }
}

/// The answer to a client that is not admitted.
fn rejection(reason: CloseReason) -> Answer {
    let (status, seconds) = status_of(reason);
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, PLAIN);
    let answer = answer.header(header::RETRY_AFTER, seconds).header(header::CONNECTION, "close");
    answer.body(rejection_line(reason).into()).expect("headers of ours")
}

fn is_asking(request: &Request<impl Body>) -> bool {
    [Method::GET, Method::HEAD].contains(request.method())
}

fn contents(file: &'static File, request: &Request<impl Body>) -> Answer {
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    let tags = known.iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(','));
    let is_known = tags.map(str::trim).any(|tag| tag == "*" || tag.ends_with(&file.tag));
    let answer = Response::builder().header(header::ETAG, &file.tag);
    let answer = if is_known {
        answer.status(StatusCode::NOT_MODIFIED).body(Full::default())
    } else {
        let bytes = Bytes::from_static(file.bytes);
        answer.header(header::CONTENT_TYPE, file.kind).body(Full::new(bytes))
    };
    answer.expect("headers of ours")
}

fn plain(status: StatusCode, line: &str) -> Answer {
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, PLAIN);
    answer.body(format!("{line}\n").into()).expect("headers of ours")
}
