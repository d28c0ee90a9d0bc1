//! What somebody who has got hold of a proxy may send as its header.
#![no_main]

use hubbub::net::proxy::source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    if source(header).is_some() {
        let known = header.starts_with(b"PROXY ") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
        assert!(known, "taken for a header: {header:?}");
    }
});
