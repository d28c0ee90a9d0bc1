//! The page that chats, and what belongs to it: all of it is in the program.

use std::fmt::Write as _;
use std::sync::LazyLock;

use ring::digest::{SHA256, digest};

/// Bytes of a file's fingerprint.
const TAG_BYTES: usize = 12;

/// A file as browsers get it.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is asked for.
    pub(super) path: &'static str,
    /// What it is.
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
    /// By which a browser knows that it has this one already.
    pub(super) tag: String,
}

/// Where each file is asked for, and what is in it.
const EMBEDDED: &[(&str, &[u8])] = &[
    ("/", include_bytes!("../../web/index.html")),
    ("/backoff.js", include_bytes!("../../web/backoff.js")),
    ("/chat.js", include_bytes!("../../web/chat.js")),
    ("/claim.js", include_bytes!("../../web/claim.js")),
    ("/commands.js", include_bytes!("../../web/commands.js")),
    ("/composer.js", include_bytes!("../../web/composer.js")),
    ("/connection.js", include_bytes!("../../web/connection.js")),
    ("/dom.js", include_bytes!("../../web/dom.js")),
    ("/emoji.js", include_bytes!("../../web/emoji.js")),
    ("/favicon.svg", include_bytes!("../../web/favicon.svg")),
    ("/fold.js", include_bytes!("../../web/fold.js")),
    ("/lines.js", include_bytes!("../../web/lines.js")),
    ("/main.js", include_bytes!("../../web/main.js")),
    ("/notify.js", include_bytes!("../../web/notify.js")),
    ("/outbox.js", include_bytes!("../../web/outbox.js")),
    ("/pending.js", include_bytes!("../../web/pending.js")),
    ("/protocol.js", include_bytes!("../../web/protocol.js")),
    ("/resume.js", include_bytes!("../../web/resume.js")),
    ("/room.js", include_bytes!("../../web/room.js")),
    ("/rooms.js", include_bytes!("../../web/rooms.js")),
    ("/shell.js", include_bytes!("../../web/shell.js")),
    ("/sidebar.js", include_bytes!("../../web/sidebar.js")),
    ("/store.js", include_bytes!("../../web/store.js")),
    ("/style.css", include_bytes!("../../web/style.css")),
    ("/tab.js", include_bytes!("../../web/tab.js")),
    ("/text.js", include_bytes!("../../web/text.js")),
];

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let file = |&(path, bytes)| File { path, kind: kind(path), bytes, tag: tag(bytes) };
    EMBEDDED.iter().map(file).collect()
});

/// The file that is asked for by this path.
pub(super) fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

fn tag(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let mut tag = "\"".to_owned();
    for byte in &digest.as_ref()[..TAG_BYTES] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}
