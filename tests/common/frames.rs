//! A client of WebSockets that sends whatever it is told to, and reads frame by frame.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::admin::Admin;
use super::web::{converse, opening};

/// What every frame of ours is masked with.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text, always whole.
    Text(String),
    /// A question for whether we are there.
    Ping(Vec<u8>),
    /// What we have asked, back.
    Pong(Vec<u8>),
    /// The last one, with a code and a reason.
    Close(u16, String),
}

/// One conversation.
pub struct Framed {
    stream: TcpStream,
}

impl Framed {
    /// Opens a conversation in lines, or in what `protocol` is.
    pub fn open(door: Admin, protocol: Option<&str>) -> Self {
        let (answer, stream) = converse(door, &opening(&[("Sec-WebSocket-Protocol", protocol)]));
        assert_eq!(answer.status, 101, "{answer:?}");
        Self::over(stream)
    }

    /// One that is open.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// Sends these bytes. It is no matter if the server has heard enough.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next frame; nothing at the end.
    pub fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).ok()?;
        assert_eq!(head[1] & 0x80, 0, "servers have no masks");
        let mut length = usize::from(head[1]);
        if length >= 126 {
            let mut long = vec![0; if length == 126 { 2 } else { 8 }];
            self.stream.read_exact(&mut long).expect("a length");
            length = long.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
        }
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).expect("a payload");
        Some(match head[0] {
            0x81 => Frame::Text(String::from_utf8(payload).expect("UTF-8")),
            0x89 => Frame::Ping(payload),
            0x8a => Frame::Pong(payload),
            0x88 => {
                let reason = String::from_utf8(payload[2..].to_vec()).expect("UTF-8");
                Frame::Close(u16::from_be_bytes([payload[0], payload[1]]), reason)
            }
            first => panic!("a frame that begins with {first:#x}"),
        })
    }

    /// The next text.
    pub fn text(&mut self) -> String {
        match self.read() {
            Some(Frame::Text(text)) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// Reads until this text has come.
    pub fn skip_to(&mut self, text: &str) {
        while self.text() != text {}
    }

    /// The socket underneath.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// A frame with this first byte.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
        longer => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(longer as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A whole text.
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x81, text)
}

/// The end, with this code.
pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x88, [&code.to_be_bytes(), reason.as_ref()].concat())
}
