//! A network of one's own, in which packets can be made to vanish.
//!
//! Some peers never say goodbye: a cable is pulled, a phone enters a tunnel, a firewall forgets a
//! connection. Both ends still hold it open (it is *half-open*), and no proxy can play that, as the
//! proxy's own system would go on acknowledging. So the server and its clients run in a network
//! namespace, which has a loopback device and a packet filter to itself, and the filter drops
//! everything that one connection receives, on both sides, from a moment the test chooses. Packets
//! are dropped as they come in, so neither side is told, as it would be about those it sends.
//!
//! A second namespace and a pair of virtual devices between both would add nothing to this: TCP
//! knows of no difference between them and loopback.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns` keeps its namespaces.
const FOLDER: &str = "/run/netns";

/// A network namespace; it goes when this value does.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with its loopback device up and a filter that lets everything pass.
    ///
    /// This takes root. Who is not root is told how to do without these tests.
    pub fn make() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "only root can make a network namespace: run the tests as root, or leave out those \
             that need one with `cargo test -- --skip f07_ --skip f32_`"
        );
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("hubbub-{}-{number}", std::process::id()) };
        run(&["ip", "netns", "add", &namespace.name]);
        namespace.run(&["ip", "link", "set", "lo", "up"]);
        namespace.run(&["nft", "add", "table", "ip", "cut"]);
        let hook = "{ type filter hook input priority 0 ; }";
        namespace.run(&["nft", "add", "chain", "ip", "cut", "input", hook]);
        namespace
    }

    /// What to put before a program that is to run inside; it becomes that program.
    pub fn wrapper(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Does something inside, in a thread of its own. Sockets made there stay there.
    pub fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let folder = File::open(format!("{FOLDER}/{}", self.name)).expect("our namespace");
            move_into_link_name_space(folder.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter it");
            action()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// From now on, nothing that is sent from or to the socket at this address arrives.
    pub fn cut(&self, peer: SocketAddr) {
        let port = peer.port().to_string();
        for side in ["sport", "dport"] {
            let rule = ["nft", "add", "rule", "ip", "cut", "input", "tcp", side, &port, "drop"];
            self.run(&rule);
        }
    }

    /// Makes the kernel keep no more than so many bytes of what a socket has to send or has
    /// received, where it lets that grow to megabytes otherwise. For sockets made from now on.
    pub fn narrow(&self, bytes: u32) {
        for way in ["rmem", "wmem"] {
            let file = format!("/proc/sys/net/ipv4/tcp_{way}");
            self.run(&["sh", "-c", &format!("echo 4096 {bytes} {bytes} > {file}")]);
        }
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.run(&["nft", "flush", "chain", "ip", "cut", "input"]);
    }

    /// Runs a program inside, which must succeed.
    fn run(&self, words: &[&str]) {
        run(&[&self.wrapper(), words].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Fails only when making it has failed.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// Runs a program, which must succeed.
fn run(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|error| {
        panic!("{words:?}: {error}; `cargo xtask test packages` installs it")
    });
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {}: {told}", output.status);
}
