//! What is answered to each request.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::files::{File, file};
use super::host::{Host, Refusal};
use super::site::Rules;
use super::upgrade::{Agreement, agree};
use crate::model::CloseReason;
use crate::proto::Wire;

/// Requests on a connection.
const REQUESTS_MAX: u32 = 32;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Both sides speak this from here on.
    Chat(Wire),
    /// It may not chat.
    Refused(CloseReason),
}

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct Office<'a> {
    rules: &'a Rules,
    asked: AtomicU32,
    outcome: OnceLock<Outcome>,
}

impl<'a> Office<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        Self { rules, asked: AtomicU32::new(0), outcome: OnceLock::new() }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.get().copied()
    }

    pub(super) fn answer(&self, request: &Request<impl Body>) -> Answer {
        let mut answer = match self.judge(request) {
            Ok(Some(agreement)) => return self.open(&agreement),
            Ok(None) => self.page(request.uri().path(), request),
            Err(refusal) => self.refuse(&refusal),
        };
        let headers = answer.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS_MAX {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// What a client is to have that wants to chat; nothing for one that wants a page.
    fn judge(&self, request: &Request<impl Body>) -> Result<Option<Agreement>, Refusal> {
        let host = Host::of(request)?;
        host.as_ref().map_or(Ok(()), |host| host.check(&self.rules.hosts))?;
        if request.uri().path() == "/ws" && is_asking(request) {
            return agree(request, host.as_ref(), &self.rules.origins).map(Some);
        }
        Ok(None)
    }

    fn page(&self, path: &str, request: &Request<impl Body>) -> Answer {
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

    fn open(&self, agreement: &Agreement) -> Answer {
        let _ = self.outcome.set(Outcome::Chat(agreement.wire));
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
        let _ = self.outcome.set(Outcome::Refused(refusal.reason));
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
