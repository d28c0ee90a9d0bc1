//! Real proxies in front of a server, with the examples of `docs/proxies.md` as they are there.

mod common;

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::admin::{ADMIN, Admin};
use common::frames::{self, Framed};
use common::program::Program;
use common::server::{Setup, free_port};
use common::web::{HTTP, address, converse, converse_on, opening};
use common::wire::{Wire, unix};
use common::{Client, PATIENCE, Server, eventually, introduced};

/// What all examples have in front of them.
const SERVER: [&str; 4] = ["--proxies", "127.0.0.1", "--exempt", "none"];
/// Where a client comes from, which no proxy does.
const CLIENT: &str = "127.0.0.7";

/// How a proxy reaches the server.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    Tcp,
    Unix,
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies.md");
    fs::read_to_string(page).expect("the page")
}

/// What `proxy` calls the sockets for browsers and for lines, in the page's table.
fn sockets_of(proxy: &str) -> [String; 2] {
    let page = page();
    let row = page.lines().find_map(|line| line.strip_prefix(&format!("| {proxy} | ")));
    let mut cells = row.expect("a row").split('|').map(|cell| cell.trim().trim_matches('`'));
    [(); 2].map(|()| cells.next().expect("a cell").to_owned())
}

/// The example in the page with this heading.
fn example(heading: &str) -> String {
    let page = page();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the section");
    let (_, block) = section.split_once("\n```").expect("an example");
    let (_, block) = block.split_once('\n').expect("its first line");
    block.split_once("\n```").expect("its end").0.to_owned() + "\n"
}

/// A server, and how to reach it in other ways than directly.
struct Behind {
    server: Server,
    admin: Admin,
    /// Where browsers come in directly, if that is over TCP.
    http: Option<SocketAddr>,
    /// Where browsers and lines come in at the proxy.
    browsers: u16,
    lines: u16,
    folder: PathBuf,
}

impl Behind {
    fn start(name: &str, over: Over) -> Self {
        // It is short enough for the path of a socket.
        let folder = std::env::temp_dir().join(format!(
            "hubbub-{name}-{}-{}",
            over as u8,
            std::process::id()
        ));
        fs::create_dir_all(&folder).expect("a folder");
        let [lines, http] = ["lines", "http"].map(|it| format!("unix:{}/{it}", folder.display()));
        let (ip, http) = match over {
            Over::Tcp => ("127.0.0.1", HTTP[1]),
            Over::Unix => (lines.as_str(), http.as_str()),
        };
        let args = [&SERVER, &[HTTP[0], http, HTTP[2], HTTP[3]][..], &ADMIN].concat();
        let server = Server::start_as(&Setup { shards: 2, ip, args: &args, ..Setup::default() });
        let http = (over == Over::Tcp).then(|| address(&server, "http"));
        let admin = Admin::of(&server);
        Self { server, admin, http, browsers: free_port(), lines: free_port(), folder }
    }

    /// An example of `proxy`, with our addresses in place of its own.
    fn adapt(&self, proxy: &str, example: &str) -> String {
        let [http, lines] = match self.http {
            Some(http) => [http, self.server.addr].map(|it| it.to_string()),
            None => sockets_of(proxy),
        };
        let [browsers, public] = [self.browsers, self.lines].map(|it| format!("127.0.0.1:{it}"));
        let mut adapted = example.to_owned();
        for (theirs, ours) in [
            ("127.0.0.1:8080", &http),
            ("127.0.0.1:42069", &lines),
            ("/run/hubbub", &self.folder.display().to_string()),
            ("listen 80;", &format!("listen {browsers};")),
            ("listen 4200;", &format!("listen {public};")),
            ("bind :80", &format!("bind {browsers}")),
            ("bind :4200", &format!("bind {public}")),
            (
                "chat.example {",
                &format!("http://chat.example:{} {{\n    bind 127.0.0.1", self.browsers),
            ),
        ] {
            adapted = adapted.replace(theirs, ours);
        }
        adapted
    }

    /// Writes a file for a proxy: where it is.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("a path of ours is text").to_owned()
    }

    /// Starts nginx with this within its configuration.
    fn nginx(&self, text: &str) -> Program {
        let folder = self.folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .concat();
        let text = text.replace("@temporary", &temporary);
        let file = self.write(
            "nginx.conf",
            &format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\n\
                 master_process off;\npid {folder}/pid;\nerror_log stderr warn;\n\
                 events {{ worker_connections 64; }}\n{text}"
            ),
        );
        Program::start(
            Command::new("nginx").args(["-e", "stderr", "-c", &file, "-p"]).arg(&self.folder),
        )
    }

    fn wait_for(&self, port: u16) {
        eventually("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// A member who comes directly, and not from where proxies are.
    fn member(&self, name: &str) -> Client {
        let client = match self.http {
            Some(_) => Client::connect_from("127.0.0.8", &self.server),
            None => {
                let mut stream = unix(&self.folder.join("lines"));
                let header = b"PROXY TCP4 127.0.0.8 127.0.0.1 40000 42069\r\n";
                stream.write_all(header).expect("it reads");
                Client::over(Wire::Plain(stream))
            }
        };
        introduced(client, name, &mut [])
    }

    /// The page and a chat through the proxy, by a page of this host and a port that is not usual.
    fn check_browsers(&self) {
        self.wait_for(self.browsers);
        let door = Admin { addr: ([127, 0, 0, 1], self.browsers).into() };
        let host = format!("chat.example:{}", self.browsers);
        let page =
            door.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(page.status, 200, "{page:?}");
        let mut amy = self.member("amy");
        let origin = format!("http://{host}");
        let headers = [
            ("Host", Some(host.as_str())),
            ("Origin", Some(&origin)),
            // What clients forge.
            ("X-Forwarded-For", Some("6.6.6.6")),
            ("Forwarded", Some("for=6.6.6.6")),
        ];
        let stream = Client::stream_from(CLIENT, door.addr);
        let (answer, stream) = converse_on(stream, &opening(&headers));
        assert_eq!(answer.status, 101, "{answer:?}");
        let mut browser = Framed::over(stream);
        browser.skip_to("You joined main");
        browser.send(&frames::text("/name bob"));
        browser.send(&frames::text("hello from afar"));
        amy.skip_to("bob: hello from afar");
        amy.send("and to you");
        browser.skip_to("amy: and to you");
        self.check_log();
        let evil = [("Host", Some(host.as_str())), ("Origin", Some("http://evil.example"))];
        assert_eq!(converse(door, &opening(&evil)).0.status, 403);
        let strange = [("Host", Some("evil.example"))];
        let status = converse(door, &opening(&strange)).0.status;
        assert_ne!(status, 101, "DNS rebinding through the proxy");
    }

    /// Lines through the proxy, and a client that sends no more.
    fn check_lines(&self) {
        self.wait_for(self.lines);
        let mut ann = self.member("ann");
        let at = SocketAddr::from(([127, 0, 0, 1], self.lines));
        let mut far = Client::over(Wire::Plain(Client::stream_from(CLIENT, at)));
        far.send("/name ben");
        far.send("hello from afar");
        let mut lines = ann.skip_to("ben: hello from afar");
        far.send("/nonsense");
        far.half_close();
        far.skip_to("Unrecognized command /nonsense, try /help");
        while far.read_line_or_end().is_some() {}
        lines.extend(ann.skip_to("ben left"));
        let joined = lines.iter().filter(|line| line.ends_with(" joined")).count();
        assert_eq!(joined, 1, "a check is a client: {lines:?}");
        self.check_log();
    }

    fn check_log(&self) {
        let from = format!("from={CLIENT}:");
        let is_it =
            |line: &str| (line.contains("a client has come") && line.contains(&from)).then_some(());
        assert!(self.server.stderr.wait_for(is_it).is_some(), "the log has another address");
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn browsers_come_through_nginx() {
    for (lose_port, over) in [(false, Over::Tcp), (true, Over::Tcp), (false, Over::Unix)] {
        let behind = Behind::start("nginx", over);
        let example = behind.adapt("nginx", &example("nginx, for browsers"));
        let example = if lose_port { example.replace("$http_host", "$host") } else { example };
        let _nginx = behind.nginx(&format!("http {{\n@temporary access_log off;\n{example}}}\n"));
        behind.check_browsers();
    }
}

#[test]
fn lines_come_through_nginx() {
    for over in [Over::Tcp, Over::Unix] {
        let behind = Behind::start("nginx-stream", over);
        let _nginx = behind.nginx(&behind.adapt("nginx", &example("nginx, for lines")));
        behind.check_lines();
    }
}

#[test]
fn browsers_and_lines_come_through_haproxy_and_its_checks_are_no_clients() {
    for over in [Over::Tcp, Over::Unix] {
        let behind = Behind::start("haproxy", over);
        let example = behind.adapt("HAProxy", &example("HAProxy")).replace("2s", "50ms");
        let file = behind.write("haproxy.cfg", &example);
        let _haproxy = Program::start(Command::new("haproxy").args(["-db", "-f", &file]));
        behind.check_browsers();
        behind.check_lines();
        let admin = behind.admin;
        let away = |reason: &str| {
            let label = format!("reason=\"{reason}\"");
            admin.metrics().sum_with("hubbub_connections_turned_away_total", &label)
        };
        assert_eq!((away("bad-proxy-header"), away("bad-request")), (0.0, 0.0));
    }
}

#[test]
fn browsers_come_through_caddy() {
    for over in [Over::Tcp, Over::Unix] {
        let behind = Behind::start("caddy", over);
        let example = behind.adapt("Caddy", &example("Caddy"));
        let text = format!("{{\n    admin off\n    auto_https off\n}}\n{example}");
        let file = behind.write("Caddyfile", &text);
        let mut caddy = Command::new("caddy");
        caddy.args(["run", "--adapter", "caddyfile", "--config", &file]);
        for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            caddy.env(home, &behind.folder);
        }
        let _caddy = Program::start(&mut caddy);
        behind.check_browsers();
    }
}

/// Seconds of each time limit in `example` that is called one of `names`.
fn seconds(example: &str, names: &[&str]) -> Vec<u64> {
    let limit = |line: &str| {
        let rest = names.iter().find_map(|name| line.trim().strip_prefix(name))?;
        rest.trim().trim_end_matches(';').strip_suffix('s')?.parse().ok()
    };
    example.lines().filter_map(limit).collect()
}

#[test]
fn an_idle_browser_is_heard_of_before_any_proxy_loses_patience() {
    let settings = Program::hubbub(&["--print-config"], &[]).stdout;
    let ping = settings.lines().find_map(|line| line.strip_prefix("ping-seconds = "));
    let ping: u64 = ping.and_then(|it| it.parse().ok()).expect("a setting");
    let haproxy = seconds(&example("HAProxy"), &["timeout client", "timeout server"]);
    let nginx = seconds(&example("nginx, for browsers"), &["proxy_read_timeout"]);
    assert_eq!((haproxy.len(), nginx.len()), (2, 1));
    for limit in haproxy.into_iter().chain(nginx) {
        assert!(ping + PATIENCE.as_secs() / 2 <= limit, "pings each {ping} s, patience {limit} s");
    }
}
