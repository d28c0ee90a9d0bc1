//! A server that runs out of descriptors, and a system that fails to accept: it says so, goes on
//! serving, and takes new clients as soon as it can.

mod common;

use std::fs;
use std::path::Path;

use common::server::Setup;
use common::{Client, Server, eventually, people};

const FULL: &str = "Server is full, please try again later";

/// More clients than fit into 128 descriptors.
const CROWD: usize = 300;

#[test]
fn a_full_server_says_so_and_takes_others_when_some_have_left() {
    for shards in [1, 2] {
        let wrapper = ["sh", "-c", r#"ulimit -n 128 && exec "$0" "$@""#];
        let server = Server::start_as(&Setup { wrapper: &wrapper, shards, ..Setup::default() });
        let mut inside: Vec<Client> = Vec::new();
        for _ in 0..CROWD {
            inside.extend(try_to_enter(&server));
        }
        assert!((32..128).contains(&inside.len()), "{} were let in", inside.len());
        let mut witness = inside.pop().expect("there are some");
        said_and_heard(&mut witness);

        let leaving = inside.len().min(50);
        inside.truncate(inside.len() - leaving);
        for _ in 0..leaving {
            // A place is free once the server has closed the socket, which nobody is told.
            eventually("a place is free", || {
                let newcomer = try_to_enter(&server);
                let entered = newcomer.is_some();
                inside.extend(newcomer);
                entered
            });
        }
        said_and_heard(&mut witness);
    }
}

/// Connects, and returns the client if it is let in; if not, it must be told why.
fn try_to_enter(server: &Server) -> Option<Client> {
    let mut client = Client::connect(server);
    match client.read_line().as_str() {
        "Server commands" => Some(client),
        FULL => {
            client.closed();
            None
        }
        line => panic!("{line:?} is neither a welcome nor a refusal"),
    }
}

/// Proves that the server still serves this client.
fn said_and_heard(client: &mut Client) {
    client.send("/name witness");
    client.send("/nonsense");
    client.skip_to("Unrecognized command /nonsense, try /help");
}

#[test]
fn accepting_survives_a_system_without_buffers() {
    accepting_survives("ENOBUFS");
}

#[test]
fn accepting_survives_a_system_without_descriptors() {
    accepting_survives("EMFILE");
}

#[test]
fn accepting_survives_connections_that_vanish() {
    accepting_survives("ECONNABORTED");
}

/// Makes some calls fail, starting when the first clients are in, and checks that every client
/// gets in nevertheless.
fn accepting_survives(error: &str) {
    let trace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("accept-{error}.strace"));
    let trace = trace.to_str().expect("a path of ours is text");
    let injection = format!("inject=accept4:error={error}:when=3..6");
    // As the server's grandchild (`-D`), so that the process we know is the server.
    let strace = ["strace", "-D", "-f", "-qq", "-o", trace, "-e", "trace=accept4", "-e"];
    let wrapper = [&strace[..], &[&injection]].concat();
    let server = Server::start_as(&Setup { wrapper: &wrapper, shards: 2, ..Setup::default() });
    let names = ["amy", "bob", "eve", "joe", "kim", "leo", "max", "ned", "tim", "zoe"];
    let mut clients = people(&server, names);
    let line = clients[9].say_something();
    clients.iter_mut().for_each(|it| it.expect(&line));
    assert_eq!(server.stop().0, Some(0));
    eventually("the trace shows an injected error", || {
        fs::read_to_string(trace).is_ok_and(|calls| calls.contains("INJECTED"))
    });
}
