//! Unix sockets in place of ports.

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use common::frames::{self, Framed};
use common::program::Program;
use common::server::Setup;
use common::tls;
use common::web::{converse_on, opening, rest};
use common::wire::{Wire, unix};
use common::{Client, Server, introduced};

/// A folder for sockets, which goes with this value.
struct Folder(PathBuf);

impl Folder {
    /// Its name is short: that of a socket has 107 bytes at most.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hubbub-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What a setting calls the socket of this name.
    fn address(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(ip: &str, args: &[&str]) -> Server {
    Server::start_as(&Setup { ip, args, ..Setup::default() })
}

fn client(path: &Path) -> Client {
    Client::over(Wire::Plain(unix(path)))
}

fn greeted(path: &Path) -> Client {
    let mut client = client(path);
    client.expect_help_and_name();
    client.expect("You joined main");
    client
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket())
}

/// Whether the server has said how it is reached, and where its clients came from.
fn check_ways(folder: &Folder, log: &str) {
    let way = |what: &str, how: &str, name: &str| {
        format!("  {what:<8} {how} {}", folder.path(name).display())
    };
    for way in [
        way("connect", "nc -U", "lines"),
        way("tls", "openssl s_client -quiet -unix", "tls"),
        way("browser", "curl --unix-socket", "http") + " http://localhost/",
        way("browser", "curl --unix-socket", "https") + " https://localhost/",
        way("admin", "curl --unix-socket", "admin") + " http://localhost/",
    ] {
        assert!(log.contains(&way), "{way:?} is not in {log}");
    }
    assert!(log.contains("from=127.0.0.1:0"), "{log}");
}

#[test]
fn lines_tls_pages_and_metrics_all_come_over_unix_sockets() {
    let folder = Folder::new("all");
    let [lines, tls, http, https, admin] =
        ["lines", "tls", "http", "https", "admin"].map(|name| folder.address(name));
    let [cert, key] = tls::pair();
    let server = Server::start_as(&Setup {
        shards: 2,
        ip: &lines,
        args: &[
            &["--tls-listen", &tls, "--tls-cert", &cert, "--tls-key", &key],
            &["--http", &http, "--https", &https, "--admin", &admin][..],
        ]
        .concat(),
        ..Setup::default()
    });
    let trust = tls::trusting(&tls::cert_file());
    let secure = |name: &str| {
        Wire::secure(unix(&folder.path(name)), &trust, b"")
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let mut ann = introduced(client(&folder.path("lines")), "ann", &mut []);
    let mut ben = introduced(Client::over(secure("tls")), "ben", &mut []);
    let (answer, stream) = converse_on(unix(&folder.path("http")), &opening(&[("Host", None)]));
    assert_eq!(answer.status, 400, "{answer:?}");
    drop(stream);
    let local = [("Host", Some("localhost")), ("Origin", Some("http://localhost"))];
    let (answer, stream) = converse_on(unix(&folder.path("http")), &opening(&local));
    assert_eq!(answer.status, 101, "{answer:?}");
    let mut cat = Framed::over(stream);
    cat.skip_to("You joined main");
    cat.send(&frames::text("hello"));
    for client in [&mut ann, &mut ben] {
        client.skip_until(|line| line.ends_with(": hello"));
    }
    ben.send("hello, too");
    ann.skip_to("ben: hello, too");
    cat.skip_to("ben: hello, too");

    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut page = secure("https");
    page.write_all(request.as_bytes()).expect("it reads");
    assert_eq!(common::web::head(&mut page).status, 200);
    let mut metrics = unix(&folder.path("admin"));
    let request = request.replace("GET /", "GET /metrics");
    metrics.write_all(request.as_bytes()).expect("it reads");
    let metrics = rest(&mut metrics);
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    assert!(metrics.contains("\nhubbub_build_info{"), "{metrics}");

    assert_eq!(server.stop().0, Some(0));
    check_ways(&folder, &server.stderr.all().join("\n"));
    let left: Vec<_> = fs::read_dir(&folder.0).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn who_may_connect_is_a_setting() {
    for (args, mode) in [(&[][..], 0o660), (&["--unix-mode", "600"], 0o600)] {
        let folder = Folder::new(&format!("mode-{mode:o}"));
        let server = start(&folder.address("s"), args);
        let metadata = fs::metadata(folder.path("s")).expect("the socket");
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{args:?}");
        greeted(&folder.path("s")).say_something();
        drop(server);
    }
}

#[test]
fn the_file_of_a_dead_server_is_replaced_and_that_of_a_live_one_is_not() {
    let folder = Folder::new("stale");
    let (address, path) = (folder.address("s"), folder.path("s"));
    // It has no chance to take its file away.
    drop(start(&address, &[]));
    assert!(is_socket(&path), "there is nothing to replace");
    let server = start(&address, &[]);
    let mut first = greeted(&path);

    let second = Program::hubbub(&["--http", "off", "--ip", &address], &[]);
    assert_eq!(second.status.code(), Some(1), "{}", second.stderr);
    let sentence = format!(
        "hubbub: cannot listen on {address}: the address is already in use; stop what listens \
         there, or choose another path with --ip"
    );
    assert_eq!(second.stderr, sentence);
    first.say_something();
    greeted(&path).say_something();
    assert_eq!(server.stop().0, Some(0));
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let folder = Folder::new("file");
    let (address, path) = (folder.address("diary"), folder.path("diary"));
    fs::write(&path, "dear diary").expect("a file");
    for flag in ["--ip", "--admin", "--http"] {
        let ended = Program::hubbub(&["--port", "0", flag, &address], &[("HUBBUB_HTTP", "off")]);
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("there is a file that is no socket"), "{}", ended.stderr);
        assert!(ended.stderr.contains(flag), "{}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(&path).expect("the file"), "dear diary");
}

#[test]
fn a_server_takes_away_no_file_but_its_own() {
    let folder = Folder::new("own");
    let (address, path) = (folder.address("s"), folder.path("s"));
    let first = start(&address, &[]);
    fs::remove_file(&path).expect("its file");
    let _second = start(&address, &[]);
    assert_eq!(first.stop().0, Some(0));
    greeted(&path).say_something();
}

#[test]
fn a_folder_that_is_not_there_is_named_with_what_to_do() {
    let folder = Folder::new("none");
    let address = format!("unix:{}/deeper/s", folder.0.display());
    let ended = Program::hubbub(&["--http", "off", "--ip", &address], &[]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("make its folder"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);

    let long = format!("unix:/{}", "x".repeat(108));
    let ended = Program::hubbub(&["--http", "off", "--ip", &long], &[]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("choose another path with --ip"), "{}", ended.stderr);

    for (flag, value) in [
        ("--ip", "unix:here"),
        ("--admin", "unix:"),
        ("--unix-mode", "rw"),
        ("--unix-mode", "1777"),
    ] {
        let ended = Program::hubbub(&[flag, value], &[]);
        assert_eq!(ended.status.code(), Some(2), "{flag} {value}: {}", ended.stderr);
        assert!(ended.stderr.contains(flag), "{}", ended.stderr);
    }
}

#[test]
fn limits_hold_for_who_comes_over_a_unix_socket_as_for_the_machine_itself() {
    let folder = Folder::new("limits");
    let path = folder.path("s");
    let args = ["--exempt", "none", "--address-connections-max", "2", "--proxies", "127.0.0.1"];
    let _server = start(&folder.address("s"), &args);
    // A proxy says who comes, and the limit is for that address.
    let from = |client: &str| {
        let mut stream = unix(&path);
        let header = format!("PROXY TCP4 {client} 192.0.2.1 40000 42069\r\n");
        stream.write_all(header.as_bytes()).expect("it reads");
        Client::over(Wire::Plain(stream))
    };
    let mut there = [from("192.0.2.7"), from("192.0.2.7"), from("192.0.2.8")];
    for client in &mut there {
        client.skip_to("You joined main");
    }
    let rejected = from("192.0.2.7").read_line();
    assert!(rejected.contains("too many"), "{rejected}");
}

#[test]
fn a_check_finds_what_a_start_would_and_leaves_nothing_behind() {
    let folder = Folder::new("check");
    let (address, path) = (folder.address("s"), folder.path("s"));
    let check = |ip: &str| Program::hubbub(&["--http", "off", "--ip", ip, "--check-config"], &[]);
    let good = check(&address);
    assert_eq!((good.status.code(), good.stdout.as_str()), (Some(0), "all settings are good"));
    assert!(!path.exists());

    let server = start(&address, &[]);
    let reload = check(&address);
    assert_eq!(reload.status.code(), Some(0), "{}", reload.stderr);
    let note = format!("is in use by hubbub, process {}", server.pid());
    assert!(reload.stderr.contains(&note), "{}", reload.stderr);
    greeted(&path).say_something();
    drop(server);

    let other = folder.path("other");
    let _other = UnixListener::bind(&other).expect("a socket");
    let taken = check(&folder.address("other"));
    assert_eq!(taken.status.code(), Some(2), "{}", taken.stderr);
    assert!(taken.stderr.contains("already in use"), "{}", taken.stderr);
    assert!(taken.stderr.contains(&format!("process {}", std::process::id())), "{}", taken.stderr);
}

#[test]
fn a_file_of_settings_has_them_too() {
    let folder = Folder::new("settings");
    let file = folder.path("hubbub.toml");
    let address = folder.address("s");
    for (mode, expected) in [("600", 0o600), ("\"600\"", 0o600), ("0o600", 0o600)] {
        fs::write(&file, format!("ip = \"{address}\"\nunix-mode = {mode}\n")).expect("a file");
        let file = file.to_str().expect("a path of ours is text");
        let printed = Program::hubbub(&["--config", file, "--print-config"], &[]).stdout;
        assert!(printed.contains(&format!("ip = \"{address}\"\n")), "{printed}");
        let again = folder.path("again.toml");
        fs::write(&again, printed).expect("a file");
        let mut command = common::server::hubbub();
        command.args(["--http", "off", "--config"]).arg(again);
        let server = Program::start(&mut command);
        common::eventually("it listens", || is_socket(&folder.path("s")));
        let mode = fs::metadata(folder.path("s")).expect("the socket").permissions().mode();
        drop(server);
        assert_eq!(mode & 0o777, expected);
    }
}
