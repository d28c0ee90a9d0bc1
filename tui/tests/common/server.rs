//! The server, and a client of it that is not the one under test.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use super::{PATIENCE, hubbub};

/// A server that lives as long as this.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where it listens for TLS.
    pub tls: Option<SocketAddr>,
}

impl Server {
    /// Starts one on this port, 0 for any, and waits until it says where it listens.
    pub fn start(port: u16, args: &[&str]) -> Self {
        let mut command = Command::new(hubbub());
        command.args(["--shards", "1", "--no-pin", "--port", &port.to_string()]);
        // The limits hold for the client under test as for anybody on the internet.
        command.args(["--exempt", "none"]).args(args);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (tell, told) = mpsc::channel();
        // Reads to the end, so that the server never waits for a full pipe.
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)))
        });
        let (mut addr, mut tls) = (None, None);
        loop {
            let line = told.recv_timeout(PATIENCE).expect("the server says where it listens");
            addr = addr.or_else(|| address_after(&line, "listening on "));
            tls = tls.or_else(|| address_after(&line, "openssl s_client -quiet -connect "));
            if line.trim_start().starts_with("stop ") {
                break;
            }
        }
        Self { child, addr: addr.expect("an address"), tls }
    }

    /// Stops it, and sees that it has stopped.
    pub fn stop(mut self) {
        let line = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &line]).status().expect("a shell");
        assert!(self.child.wait().expect("it is ours").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_after(line: &str, before: &str) -> Option<SocketAddr> {
    line.split_once(before)?.1.split_whitespace().next()?.parse().ok()
}

/// Somebody else in the chat.
pub struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    /// Comes in and takes this name.
    pub fn named(addr: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option of our own socket");
        let lines = BufReader::new(stream.try_clone().expect("another descriptor"));
        let mut client = Self { stream, lines };
        client.send(&format!("/name {name}"));
        client.wait_for(&format!("is now {name}"));
        client
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        writeln!(self.stream, "{line}").expect("it is connected");
    }

    /// Reads until a line has this in it.
    pub fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let bytes = self.lines.read_line(&mut line).expect("a line");
            assert!(bytes > 0, "the end, before {text:?}");
        }
    }
}
