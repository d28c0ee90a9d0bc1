//! The servers, and how each is started.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Sitting;
use crate::programs::root;
use crate::reports::read;

/// The core all servers run on.
const CORE: &str = "0";
const START_TIME_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of a log is quoted.
const LAST_LINES: usize = 5;

/// A server that is measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Peer {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What it speaks, as `loadgen` calls it.
    pub(crate) dialect: &'static str,
    /// Its configuration under `benches/peers`, where `@PORT@` and `@FOLDER@` stand for a free port
    /// and a folder to run in.
    config: Option<&'static str>,
    /// How it is started: `@PORT@` is as above, `@CONFIG@` the configuration, and `@RELEASE@`,
    /// `@THROUGHPUT@` and `@PYTHON@` are what was built and installed for it.
    command: &'static [&'static str],
    /// How many clients a second may come at most; 0 for as many as can.
    pub(crate) connects_per_second: u32,
    /// How it tells its version, in the first line of what it says.
    version: &'static [&'static str],
}

/// All of them, ours first.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "hubbub",
        dialect: "hubbub",
        config: None,
        command: &[
            "@RELEASE@/hubbub",
            "--ip",
            "127.0.0.1",
            "--port",
            "@PORT@",
            // A room's last messages are kept for browsers, as they are by default.
            "--http",
            "127.0.0.1:0",
            "--history-messages",
            "50",
            "--shards",
            "1",
            "--no-pin",
        ],
        connects_per_second: 0,
        version: &["@RELEASE@/hubbub", "--version"],
    },
    Peer {
        name: "hubbub-websocket",
        dialect: "hubbub-websocket",
        config: None,
        command: &[
            "@RELEASE@/hubbub",
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            "--http",
            "127.0.0.1:@PORT@",
            "--history-messages",
            "50",
            "--shards",
            "1",
            "--no-pin",
        ],
        connects_per_second: 0,
        version: &["@RELEASE@/hubbub", "--version"],
    },
    Peer {
        name: "hubbub-no-history",
        dialect: "hubbub",
        config: None,
        command: &[
            "@RELEASE@/hubbub",
            "--ip",
            "127.0.0.1",
            "--port",
            "@PORT@",
            "--http",
            "off",
            "--shards",
            "1",
            "--no-pin",
        ],
        connects_per_second: 0,
        version: &["@RELEASE@/hubbub", "--version"],
    },
    Peer {
        name: "tutorial",
        dialect: "hubbub",
        config: None,
        command: &[
            "@THROUGHPUT@",
            "--reference",
            "tutorial",
            "--ip",
            "127.0.0.1",
            "--port",
            "@PORT@",
            "--shards",
            "1",
        ],
        connects_per_second: 0,
        version: &["echo", "of this repository, benches/throughput/tutorial.rs"],
    },
    Peer {
        name: "redis",
        dialect: "resp",
        config: Some("redis.conf"),
        command: &["redis-server", "@CONFIG@"],
        connects_per_second: 0,
        version: &["redis-server", "--version"],
    },
    Peer {
        name: "nats",
        dialect: "nats",
        config: Some("nats.conf"),
        command: &["nats-server", "--config", "@CONFIG@"],
        connects_per_second: 0,
        version: &["nats-server", "--version"],
    },
    Peer {
        name: "inspircd",
        dialect: "irc",
        config: Some("inspircd.conf"),
        command: &[
            "inspircd",
            "--config=@CONFIG@",
            "--nofork",
            "--nolog",
            "--nopid",
            // It refuses to run as root, and all of this is for one machine and some minutes.
            "--runasroot",
        ],
        connects_per_second: 0,
        version: &["inspircd", "--version"],
    },
    Peer {
        name: "ngircd",
        dialect: "irc",
        config: Some("ngircd.conf"),
        command: &["ngircd", "--nodaemon", "--config", "@CONFIG@"],
        // Ten may wait at its door: the kernel turns away most of a crowd, who try again after a
        // second, after three, after seven.
        connects_per_second: 2_000,
        version: &["ngircd", "--version"],
    },
    Peer {
        name: "uwebsockets",
        dialect: "websocket",
        config: None,
        command: &["@PYTHON@", "benches/peers/websocket.py", "@PORT@"],
        connects_per_second: 0,
        version: &[
            "@PYTHON@",
            "-c",
            "from importlib.metadata import version; print('socketify', version('socketify'))",
        ],
    },
];

/// Where things are that servers are started from.
#[derive(Debug)]
pub(crate) struct Places {
    /// Programs of this repository.
    pub(crate) release: PathBuf,
    /// The bench that can be the tutorial's server.
    pub(crate) throughput: PathBuf,
    /// A Python with the packages that servers need.
    pub(crate) python: PathBuf,
    /// For configurations, logs and whatever servers leave behind.
    pub(crate) folder: PathBuf,
}

impl Places {
    fn fill(&self, word: &str, port: &str, config: &str) -> String {
        let places = [
            ("@PORT@", port.to_owned()),
            ("@CONFIG@", config.to_owned()),
            ("@FOLDER@", self.folder.display().to_string()),
            ("@RELEASE@", self.release.display().to_string()),
            ("@THROUGHPUT@", self.throughput.display().to_string()),
            ("@PYTHON@", self.python.display().to_string()),
        ];
        places.iter().fold(word.to_owned(), |word, (name, place)| word.replace(name, place))
    }
}

impl Peer {
    /// What it says its version is.
    pub(crate) fn version(&self, places: &Places) -> String {
        let words: Vec<String> = self.version.iter().map(|it| places.fill(it, "", "")).collect();
        let said = Command::new(&words[0]).args(&words[1..]).output();
        let said = said.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        said.unwrap_or_default().lines().next().unwrap_or("unknown").to_owned()
    }

    /// Whether it is started by this program.
    pub(crate) fn is_started_by(&self, program: &str) -> bool {
        self.command[0] == program || (self.command[0] == "@PYTHON@" && program == "python3")
    }

    /// The command that starts it, for people to read.
    pub(crate) fn command_line(&self) -> String {
        let config = self.config.map(|it| format!("benches/peers/{it}")).unwrap_or_default();
        let short = [
            ("@CONFIG@", config.as_str()),
            ("@RELEASE@", "target/release"),
            ("@THROUGHPUT@", "throughput"),
            ("@PYTHON@", "python"),
            ("@PORT@", "PORT"),
        ];
        let line = format!("taskset --cpu-list {CORE} {}", self.command.join(" "));
        short.iter().fold(line, |line, (name, place)| line.replace(name, place))
    }
}

/// A running server, which never outlives its value here.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts it on a free port and returns when it accepts connections.
    pub(crate) fn start(peer: &Peer, sitting: &Sitting) -> Result<Self, String> {
        let cannot = |error| format!("cannot start {}: {error}", peer.name);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
        let address = free.map_err(cannot)?;
        let port = address.port().to_string();
        let config = sitting.scratch(peer.config.unwrap_or_default());
        if let Some(name) = peer.config {
            let text = read(&root().join("benches/peers").join(name))?;
            fs::write(&config, sitting.places.fill(&text, &port, "")).map_err(cannot)?;
        }
        let config = config.display().to_string();
        let log = sitting.scratch(&format!("{}.log", peer.name));
        let file = File::create(&log).map_err(cannot)?;
        let mut command = Command::new("sh");
        // As many descriptors as there may be: not every server raises its own limit.
        command.args(["-c", "ulimit -n $(ulimit -Hn) && exec taskset --cpu-list \"$@\"", "sh"]);
        command
            .arg(CORE)
            .args(peer.command.iter().map(|it| sitting.places.fill(it, &port, &config)));
        // What reports say of a server's settings is all that it has.
        for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        command.current_dir(root()).env("HUBBUB_LOG_LEVEL", "info");
        command.stdin(Stdio::null()).stdout(file.try_clone().map_err(cannot)?).stderr(file);
        // Ctrl-C is for us, who end it then.
        let child = command.process_group(0).spawn().map_err(cannot)?;
        let mut server = Self { child, address, log };
        server.wait_until_ready().map_err(|why| format!("{}: {why}", peer.name))?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process: what it was started by has become it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, which it should not.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = read(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIME_MAX;
        while TcpStream::connect(self.address).is_err() {
            if self.has_ended() {
                return Err(format!("it ended at once; it said:\n{}", self.last_words()));
            }
            if Instant::now() > deadline {
                return Err(format!("nobody listens at {} after 10 s", self.address));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

/// Whether an environment variable sets something of Hubbub's.
fn is_setting(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"HUBBUB_")
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is nothing in it that has to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages;

    #[test]
    fn names_are_distinct_and_every_configuration_is_committed_and_local() {
        for (index, peer) in PEERS.iter().enumerate() {
            assert!(PEERS[..index].iter().all(|other| other.name != peer.name), "{}", peer.name);
            let Some(config) = peer.config else { continue };
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../benches/peers");
            let text = read(&folder.join(config)).expect("it is committed");
            assert!(text.contains("@PORT@") && text.contains("127.0.0.1"), "{config}");
            assert!(peer.command_line().contains(config), "{}", peer.command_line());
        }
    }

    #[test]
    fn what_is_installed_is_for_those_who_are_started_by_it() {
        let peers = |program| {
            let started = PEERS.iter().filter(|peer| peer.is_started_by(program));
            started.map(|peer| peer.name).collect::<Vec<_>>()
        };
        assert_eq!(peers("python3"), ["uwebsockets"]);
        let each = packages::PEERS.iter().filter(|it| it.program != "python3");
        let started: Vec<&str> = each.flat_map(|it| peers(it.program)).collect();
        assert_eq!(started, ["redis", "nats", "inspircd", "ngircd"]);
    }

    #[test]
    fn placeholders_are_filled() {
        let places = Places {
            release: "/r".into(),
            throughput: "/t".into(),
            python: "/p".into(),
            folder: "/f".into(),
        };
        let words = ["@RELEASE@/hubbub @PORT@", "@CONFIG@", "@THROUGHPUT@ @PYTHON@ @FOLDER@"];
        let filled = words.map(|word| places.fill(word, "42", "/c"));
        assert_eq!(filled, ["/r/hubbub 42", "/c", "/t /p /f"]);
        for peer in PEERS {
            let words = peer.command.iter().chain(peer.version);
            let left = words.map(|word| places.fill(word, "42", "/c")).find(|it| it.contains('@'));
            assert_eq!(left, None, "{}", peer.name);
            assert!(!peer.command_line().contains('@'), "{}", peer.command_line());
        }
    }
}
