//! The line class: UTF-8 lines ended by `\n` or `\r\n`, the dialect of a well-known tutorial. A
//! compatibility contract: its texts do not change.

mod decode;
mod opening;
mod render;
mod telnet;

pub(super) use decode::{Decoder, STRIKES_MAX, line_bytes_max};
pub use opening::{Opening, PROXY_V2_SIGNATURE};
pub(super) use opening::{answer, begins_proxy_header, opening};
pub(super) use render::{event, reply, telnet_event, telnet_reply};
