//! How a request for a page becomes a conversation: the opening of a WebSocket (RFC 6455, 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Body;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, StatusCode, Version};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::host::{Host, Refusal};
use super::origin::{AllowedOrigin, Origin};
use crate::model::CloseReason;
use crate::proto::Wire;

/// What every answer is made with, of the key that was sent.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// The names of what can be spoken.
const PROTOCOLS: [(&str, Wire); 2] =
    [("hubbub.v1.json", Wire::WebJson), ("hubbub.v1.line", Wire::WebLine)];

/// What both sides have agreed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    /// What is spoken from here on.
    pub(super) wire: Wire,
    /// Its name, if the client has named any.
    pub(super) named: Option<&'static str>,
    /// What proves that we know what we do.
    pub(super) accept: String,
}

/// What a client asks for that comes from a page of the `host` that it asks, of an origin in
/// `allowed`, or from no page. With `any_port`, a host without a port has lost it on the way.
pub(super) fn agree(
    request: &Request<impl Body>,
    (host, any_port): (Option<&Host>, bool),
    allowed: &[AllowedOrigin],
) -> Result<Agreement, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET
        || request.version() != Version::HTTP_11
        || !request.body().is_end_stream()
        || !has_token(headers, CONNECTION, "upgrade")
        || !has_token(headers, UPGRADE, "websocket")
    {
        return Err(Refusal::bad_request(
            "this is a WebSocket: open it as one, by GET and HTTP/1.1; / is a page",
        ));
    }
    if only(headers, SEC_WEBSOCKET_VERSION) != Some("13") {
        let status = StatusCode::UPGRADE_REQUIRED;
        let line = "the WebSocket must be of version 13, as RFC 6455 has it".to_owned();
        return Err(Refusal { status, reason: CloseReason::BadRequest, line });
    }
    let accept = only(headers, SEC_WEBSOCKET_KEY).and_then(accept);
    let accept = accept
        .ok_or_else(|| Refusal::bad_request("Sec-WebSocket-Key must be 16 bytes in base64"))?;
    let host = host
        .ok_or_else(|| Refusal::bad_request("there must be one Host, as it is in the address"))?;
    if headers.contains_key(ORIGIN) {
        let origin = only(headers, ORIGIN).and_then(|origin| origin.parse::<Origin>().ok());
        let is_allowed = |it: &Origin| allowed.iter().any(|rule| rule.contains(it));
        if !origin.is_some_and(|it| it.is_of(host, any_port) || is_allowed(&it)) {
            return Err(Refusal {
                status: StatusCode::FORBIDDEN,
                reason: CloseReason::BadOrigin,
                line: "pages from elsewhere may not chat here: open the page of this address, or \
                       have the operator name its origin with --allow-origin; behind a proxy, \
                       have it pass on Host with its port, and name the proxy with --proxies"
                    .to_owned(),
            });
        }
    }
    let named = protocol(headers)?;
    let wire = named.map_or(Wire::WebLine, |(_, wire)| wire);
    Ok(Agreement { wire, named: named.map(|(name, _)| name), accept })
}

/// The first that is known of those the client names, if it names any.
fn protocol(headers: &HeaderMap) -> Result<Option<(&'static str, Wire)>, Refusal> {
    let mut named = tokens(headers, SEC_WEBSOCKET_PROTOCOL).peekable();
    if named.peek().is_none() {
        return Ok(None);
    }
    let known = named.find_map(|name| PROTOCOLS.into_iter().find(|(it, _)| *it == name));
    match known {
        Some(protocol) => Ok(Some(protocol)),
        None => Err(Refusal::bad_request(
            "of the subprotocols, hubbub.v1.json and hubbub.v1.line are known here",
        )),
    }
}

/// What to answer to a `key`, if it is one.
fn accept(key: &str) -> Option<String> {
    STANDARD.decode(key).ok().filter(|bytes| bytes.len() == KEY_BYTES)?;
    Some(STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, [key, SALT].concat().as_bytes())))
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value.trim())
}

/// The parts of a list, however many headers it is in.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}
