//! The server as a service: what it tells its manager, and when.

mod common;

use std::time::Duration;

use common::manager::Manager;
use common::server::Setup;
use common::{Client, PATIENCE, Server};

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
