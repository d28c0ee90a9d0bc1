//! The server as a service: what it tells its manager, and when.

mod common;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use common::admin::Admin;
use common::manager::Manager;
use common::program::Program;
use common::server::{Setup, free_port};
use common::wire::unix;
use common::{Client, PATIENCE, Server, eventually};

/// A server that tells `manager` how it is.
fn start(manager: &Manager, args: &[&str], variables: &[(&str, &str)]) -> Server {
    let variables = [&[("NOTIFY_SOCKET", manager.address())], variables].concat();
    Server::start_as(&Setup { args, variables: &variables, ..Setup::default() })
}

#[test]
fn the_manager_is_told_of_each_change_in_a_service_s_life_in_order() {
    let manager = Manager::new("life");
    let server = start(&manager, &[], &[]);
    let said = manager.expect();
    assert_eq!(said, ["READY=1".to_owned(), format!("STATUS=Serving on {}", server.addr)]);
    let mut client = Client::greeted(&server);
    client.say_something();

    server.signal("HUP");
    let said = manager.expect();
    assert_eq!(said[0], "RELOADING=1");
    let time = said[1].strip_prefix("MONOTONIC_USEC=").expect("the time of a reload is told");
    assert!(time.parse::<u64>().is_ok_and(|us| us > 0), "{said:?}");
    assert_eq!(manager.expect(), ["READY=1", "STATUS=Serving, settings were read again"]);

    server.signal("TERM");
    assert_eq!(manager.expect(), ["STOPPING=1", "STATUS=Seeing clients off"]);
    client.skip_to("Server is shutting down, bye!");
    assert_eq!(server.ended_within(PATIENCE).code(), Some(0));
    manager.falls_silent_for(Duration::from_millis(1));
}

#[test]
fn a_reload_that_comes_to_nothing_is_over_too() {
    let manager = Manager::new("bad-reload");
    let file = std::env::temp_dir().join(format!("hubbub-{}-bad.toml", std::process::id()));
    std::fs::write(&file, "").expect("a file in the temporary directory");
    let server = start(&manager, &["--config", file.to_str().expect("UTF-8")], &[]);
    assert_eq!(manager.expect()[0], "READY=1");
    std::fs::write(&file, "nonsense").expect("the file");
    server.signal("HUP");
    assert_eq!(manager.expect()[0], "RELOADING=1");
    let said = manager.expect();
    assert_eq!(said[0], "READY=1");
    assert!(said[1].contains("settings it had"), "{said:?}");
    std::fs::remove_file(&file).expect("the file");
}

#[test]
fn signs_of_life_are_given_while_it_serves_and_while_it_stops() {
    let manager = Manager::new("watchdog");
    let server = start(&manager, &["--drain-seconds", "60"], &[("WATCHDOG_USEC", "100000")]);
    assert_eq!(manager.expect()[0], "READY=1");
    (0..3).for_each(|_| assert_eq!(manager.expect(), ["WATCHDOG=1"]));
    let client = Client::greeted(&server);
    server.signal("TERM");
    while manager.expect()[0] != "STOPPING=1" {}
    // This one does not read on and close, so the end takes its time.
    assert_eq!(manager.expect(), ["WATCHDOG=1"]);
    drop(client);
}

#[test]
fn no_sign_of_life_is_given_for_another_process() {
    let manager = Manager::new("other");
    let variables = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let server = start(&manager, &[], &variables);
    assert_eq!(manager.expect()[0], "READY=1");
    Client::greeted(&server).say_something();
    server.signal("TERM");
    assert_eq!(manager.expect()[0], "STOPPING=1");
}

/// Opens a socket for each name at a port or path of its own, waits until somebody connects to the
/// first, and becomes the server, which it gives them.
const ACTIVATE: &str = r#"
import os, select, socket, sys
pairs, program = sys.argv[1].split(","), sys.argv[2:]
def listen(place):
    if place.startswith("/"):
        it = socket.socket(socket.AF_UNIX)
        it.bind(place)
        it.listen(9)
        return it
    return socket.create_server(("127.0.0.1", int(place)), backlog=9)
sockets = [listen(it.split("=")[1]) for it in pairs]
select.select(sockets[:1], [], [])
copies = [os.dup(it.fileno()) for it in sockets]
for number, copy in enumerate(copies):
    os.dup2(copy, 3 + number)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_FDNAMES"] = ":".join(it.split("=")[0] for it in pairs)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(program[0], program)
"#;

/// Connects as soon as anybody listens there.
fn connect_early(port: u16) -> thread::JoinHandle<TcpStream> {
    thread::spawn(move || {
        let mut stream = None;
        eventually("somebody listens", || {
            stream = TcpStream::connect(("127.0.0.1", port)).ok();
            stream.is_some()
        });
        stream.expect("it has connected")
    })
}

/// Reads until this client is told that it is in.
fn expect_greeting(stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    assert!(lines.any(|line| line == "You joined main"), "the server closed the connection");
}

#[test]
fn a_client_who_came_to_the_manager_s_socket_before_the_server_is_served() {
    for name in ["hubbub", "hubbub.socket", ""] {
        let port = free_port();
        let pairs = format!("{name}={port}");
        let early = connect_early(port);
        let wrapper = ["python3", "-c", ACTIVATE, &pairs];
        // Port 0 of the flags is not looked at.
        let server = Server::start_as(&Setup { wrapper: &wrapper, ..Setup::default() });
        assert_eq!(server.addr, SocketAddr::from(([127, 0, 0, 1], port)));
        expect_greeting(early.join().expect("it has connected"));
        Client::greeted(&server).say_something();
        assert_eq!(server.stop().0, Some(0));
    }
}

#[test]
fn the_manager_s_socket_may_be_a_file_which_stays_the_manager_s() {
    let path = std::env::temp_dir().join(format!("hubbub-manager-{}", std::process::id()));
    let ip = format!("unix:{}", path.display());
    let pairs = format!("hubbub={}", path.display());
    let early = thread::spawn({
        let path = path.clone();
        move || {
            eventually("somebody listens", || UnixStream::connect(&path).is_ok());
            unix(&path)
        }
    });
    let wrapper = ["python3", "-c", ACTIVATE, &pairs];
    // The path of the flag is not looked at: somebody listens there.
    let server = Server::start_as(&Setup { wrapper: &wrapper, ip: &ip, ..Setup::default() });
    expect_greeting(early.join().expect("it has connected"));
    expect_greeting(unix(&path));
    assert_eq!(server.stop().0, Some(0));
    assert!(path.exists(), "the manager's file is gone");
    let _ = std::fs::remove_file(path);
}

#[test]
fn browsers_come_to_the_manager_s_socket_that_is_named_for_them() {
    let [port, http] = [free_port(), free_port()];
    let pairs = format!("hubbub={port},hubbub-http={http}");
    let early = connect_early(port);
    let wrapper = ["python3", "-c", ACTIVATE, &pairs];
    let args = ["--http", "127.0.0.1:0"];
    let server = Server::start_as(&Setup { wrapper: &wrapper, args: &args, ..Setup::default() });
    let addr = common::web::address(&server, "http");
    assert_eq!(addr, SocketAddr::from(([127, 0, 0, 1], http)));
    assert_eq!(Admin { addr }.get("/").status, 200);
    drop(early.join());
}

#[test]
fn sockets_that_nobody_can_use_are_refused_in_a_sentence() {
    for (names, code, words) in [
        (["hubbub", "other"], 2, "hubbub-tls"),
        (["hubbub", "hubbub-tls"], 1, "--tls-listen"),
        (["hubbub", "hubbub-http"], 1, "--http off"),
        (["hubbub", "hubbub-https"], 1, "--https"),
    ] {
        let ports = [free_port(), free_port()];
        let pairs = names.iter().zip(ports).map(|(name, port)| format!("{name}={port}"));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        let early = connect_early(ports[0]);
        let mut command = std::process::Command::new("python3");
        command.args(["-c", ACTIVATE, &pairs, env!("CARGO_BIN_EXE_hubbub"), "--no-pin"]);
        command.args(["--http", "off"]);
        let ended = Program::start(&mut command).ended();
        assert_eq!(ended.status.code(), Some(code), "{names:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{names:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{names:?}: {}", ended.stderr);
        drop(early.join());
    }
}
