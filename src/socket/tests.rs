//! TLS over a stream in memory that takes and gives as little as a test says, with rustls' own
//! client at its other end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::scratch::SEAL_BYTES_MAX;
use super::{Brought, READ_ROOM, Scratch, Session, Tls};

/// What is on its way to us, and from us, and how much more of that is taken.
#[derive(Debug, Default)]
struct Pipe {
    incoming: VecDeque<u8>,
    is_cut: bool,
    outgoing: VecDeque<u8>,
    room: usize,
}

#[derive(Clone, Debug, Default)]
struct Stream(Rc<RefCell<Pipe>>);

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.incoming.is_empty() && !pipe.is_cut {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.incoming.read(into)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let count = bytes.len().min(pipe.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.room -= count;
        pipe.outgoing.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both ends of a connection, and what has been said and heard on it.
struct Pair {
    stream: Stream,
    us: Tls<Stream>,
    scratch: Scratch,
    client: ClientConnection,
    /// What the client has encrypted and not sent.
    unsent: VecDeque<u8>,
    said: usize,
    heard: usize,
    client_said: usize,
    client_heard: usize,
}

/// Byte number `at` of what either side says.
fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

fn bytes(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(byte).collect()
}

fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], PrivatePkcs8KeyDer::from(key).into());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server.unwrap()), Arc::new(client))
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let (server, client) = configs(version);
        let name = "localhost".try_into().unwrap();
        let mut client = ClientConnection::new(client, name).unwrap();
        let mut session = Session::new(server).unwrap();
        while session.is_handshaking() || client.is_handshaking() {
            let mut incoming = session.partial().to_vec();
            while client.wants_write() {
                client.write_tls(&mut incoming).unwrap();
            }
            let mut answers = vec![];
            session.open(&mut incoming, &mut answers, |_| unreachable!("nothing was said"));
            client.read_tls(&mut answers.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        let (stream, scratch) = (Stream::default(), Scratch::default());
        Self {
            us: Tls::new(stream.clone(), session, vec![]),
            stream,
            scratch,
            client,
            unsent: VecDeque::new(),
            said: 0,
            heard: 0,
            client_said: 0,
            client_heard: 0,
        }
    }

    /// The client says something, which its socket has yet to send.
    fn client_says(&mut self, count: usize) {
        let text = bytes(self.client_said, count);
        self.client_said += self.client.writer().write(&text).unwrap();
        self.collect();
    }

    fn collect(&mut self) {
        while self.client.wants_write() {
            let mut sealed = vec![];
            self.client.write_tls(&mut sealed).unwrap();
            self.unsent.extend(sealed);
        }
    }

    /// The network brings us so many bytes more.
    fn bring(&mut self, count: usize) {
        let count = count.min(self.unsent.len());
        self.stream.0.borrow_mut().incoming.extend(self.unsent.drain(..count));
    }

    /// The network takes so many bytes more, and the client gets what it has taken before.
    fn take(&mut self, count: usize) {
        let mut pipe = self.stream.0.borrow_mut();
        pipe.room += count;
        let mut sealed: Vec<u8> = pipe.outgoing.drain(..).collect();
        let mut sealed = sealed.as_mut_slice() as &[u8];
        drop(pipe);
        while !sealed.is_empty() {
            self.client.read_tls(&mut sealed).unwrap();
            self.client.process_new_packets().unwrap();
            let mut text = vec![];
            match self.client.reader().read_to_end(&mut text) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                read => drop(read.unwrap()),
            }
            assert_eq!(text, bytes(self.client_heard, text.len()), "from {}", self.client_heard);
            self.client_heard += text.len();
        }
    }

    /// We say as much of that as is taken.
    fn say(&mut self, count: usize, parts: usize) {
        let text = bytes(self.said, count);
        let blocked_before = self.us.unsent_bytes() > 0;
        let taken = if parts == 0 {
            self.us.write(&text, &mut self.scratch)
        } else {
            let parts: Vec<IoSlice<'_>> =
                text.chunks(count.div_ceil(parts).max(1)).map(IoSlice::new).collect();
            self.us.write_parts(&parts, &mut self.scratch)
        };
        let taken = match taken {
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            taken => taken.unwrap(),
        };
        assert!(taken == 0 || !blocked_before, "it was not sent before what was taken earlier");
        let is_blocked = self.us.unsent_bytes() > 0;
        assert!(taken == count || is_blocked, "nobody would say that the rest can be written");
        self.said += taken;
        self.check_account();
    }

    fn read(&mut self) -> io::Result<Brought> {
        let mut into = vec![0; READ_ROOM];
        let brought = self.us.read(&mut into, &mut self.scratch);
        if let Ok(Brought::Bytes { count, .. }) = brought {
            assert_eq!(&into[..count], bytes(self.heard, count), "from {}", self.heard);
            self.heard += count;
        }
        self.check_account();
        brought
    }

    fn check_account(&self) {
        assert_eq!(self.scratch.held_bytes(), self.us.held_bytes());
        assert!(self.us.unsent_bytes() <= SEAL_BYTES_MAX + (1 << 10), "more than a record");
    }

    /// Everything that was said arrives.
    fn finish(&mut self) {
        while self.client_heard < self.said
            || !self.unsent.is_empty()
            || !self.stream.0.borrow().incoming.is_empty()
        {
            self.bring(usize::MAX);
            match self.read() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                brought => drop(brought.unwrap()),
            }
            self.take(1 << 20);
            let _ = self.us.flush(&mut self.scratch);
        }
    }
}

/// Something that happens on a connection.
#[derive(Clone, Debug)]
enum Step {
    ClientSays(usize),
    Bring(usize),
    Read,
    Say(usize, usize),
    Take(usize),
    Flush,
    ChangeKeys,
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![0..40_usize, 0..2_000_usize, 0..50_000_usize];
    prop_oneof![
        size().prop_map(Step::ClientSays),
        size().prop_map(Step::Bring),
        Just(Step::Read),
        Just(Step::Read),
        (size(), 0..4_usize).prop_map(|(count, parts)| Step::Say(count, parts)),
        size().prop_map(Step::Take),
        Just(Step::Flush),
        Just(Step::ChangeKeys),
    ]
}

fn every_byte_arrives_once(version: &'static SupportedProtocolVersion, steps: Vec<Step>) {
    let mut pair = Pair::new(version);
    for step in steps {
        match step {
            Step::ClientSays(count) => pair.client_says(count),
            Step::Bring(count) => pair.bring(count),
            Step::Read => drop(pair.read()),
            Step::Say(count, parts) => pair.say(count, parts),
            Step::Take(count) => pair.take(count),
            Step::Flush => drop(pair.us.flush(&mut pair.scratch)),
            Step::ChangeKeys => {
                // There is no such thing in TLS 1.2.
                let _ = pair.client.refresh_traffic_keys();
                pair.collect();
            }
        }
    }
    pair.finish();
    assert_eq!((pair.heard, pair.client_heard), (pair.client_said, pair.said));
    assert_eq!(pair.us.held_bytes(), 0, "idle, it holds something");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_byte_arrives_once_and_in_order_with_tls_1_3(steps in vec(step(), 0..60)) {
        every_byte_arrives_once(&TLS13, steps);
    }

    #[test]
    fn every_byte_arrives_once_and_in_order_with_tls_1_2(steps in vec(step(), 0..60)) {
        every_byte_arrives_once(&TLS12, steps);
    }
}

#[test]
fn an_end_is_behind_all_that_was_said_and_is_no_end_of_ours() {
    for version in [&TLS13, &TLS12] {
        let mut pair = Pair::new(version);
        pair.client_says(100);
        pair.client.send_close_notify();
        pair.collect();
        pair.bring(usize::MAX);
        assert!(matches!(pair.read(), Ok(Brought::Bytes { count: 100, more: true, .. })));
        assert_eq!(pair.read().unwrap(), Brought::End);
        pair.take(1 << 20);
        pair.say(50_000, 0);
        pair.us.end(&mut pair.scratch).unwrap();
        pair.take(0);
        assert_eq!(pair.client_heard, 50_000);
        let is_told = pair.client.process_new_packets().unwrap().peer_has_closed();
        assert!(is_told, "the client cannot tell this end from a cut");
    }
}

#[test]
fn a_cut_is_no_end() {
    let mut pair = Pair::new(&TLS13);
    pair.client_says(100);
    pair.bring(50);
    assert!(matches!(pair.read(), Ok(Brought::Bytes { count: 0, more: false, .. })));
    pair.stream.0.borrow_mut().is_cut = true;
    assert_eq!(pair.read().unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn what_comes_before_junk_is_heard_and_the_client_is_told_what_is_wrong() {
    for version in [&TLS13, &TLS12] {
        let mut pair = Pair::new(version);
        pair.client_says(100);
        pair.unsent.extend(b"\x17\x03\x03\x00\x20 this is not what we agreed on ..");
        pair.bring(usize::MAX);
        pair.stream.0.borrow_mut().room = 1 << 20;
        assert!(matches!(pair.read(), Ok(Brought::Bytes { count: 100, more: true, .. })));
        let refused = pair.us.write(b"hello", &mut pair.scratch);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(pair.read().unwrap_err().kind(), ErrorKind::InvalidData);
        let alert: Vec<u8> = pair.stream.0.borrow_mut().outgoing.drain(..).collect();
        pair.client.read_tls(&mut alert.as_slice()).unwrap();
        let told = pair.client.process_new_packets().unwrap_err();
        assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
    }
}

#[test]
fn an_end_waits_for_what_the_socket_has_not_taken() {
    let mut pair = Pair::new(&TLS13);
    pair.take(100);
    pair.say(1_000, 0);
    assert_eq!(pair.us.end(&mut pair.scratch).unwrap_err().kind(), ErrorKind::WouldBlock);
    pair.take(500);
    assert_eq!(pair.us.end(&mut pair.scratch).unwrap_err().kind(), ErrorKind::WouldBlock);
    pair.take(5_000);
    pair.us.end(&mut pair.scratch).unwrap();
    pair.take(0);
    assert_eq!(pair.client_heard, 1_000);
    assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
    assert_eq!(pair.scratch.held_bytes(), 0);
}
