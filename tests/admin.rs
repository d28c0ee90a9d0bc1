//! The operator's port as an operator meets it: what it tells, that it is true, and what becomes of
//! those who ask for something else. Abuse of it is in `faults_process.rs`.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::admin::{ADMIN, Admin, Metrics, families};
use common::program::Program;
use common::server::{Setup, free_port};
use common::{Client, Server, eventually, people};

/// Every word of a text that looks like the name of a metric of ours, or of a process.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let ours = words.filter(|word| word.starts_with("hubbub_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_is_there() {
    let (_server, admin) = Admin::start(2, &[]);
    let exported = families(&admin.get("/metrics").body);
    let rows = document("metrics.md");
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented = rows.filter(|(name, _)| !names(name).is_empty());
    let documented = documented.map(|(name, rest)| {
        (name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned())
    });
    assert_eq!(exported, documented.collect());
}

#[test]
fn dashboard_and_alerts_name_only_metrics_that_are_there() {
    let (_server, admin) = Admin::start(1, &[]);
    let exported = families(&admin.get("/metrics").body);
    for file in ["grafana/hubbub.json", "prometheus/alerts.yml"] {
        let named = names(&document(file));
        assert!(named.len() > 10, "{file} names {named:?}");
        for name in named {
            let bare = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
            let is_there = [Some(name.as_str()), bare].into_iter().flatten();
            assert!(
                is_there.clone().any(|it| exported.contains_key(it)),
                "{file} has {name}, which is not exported"
            );
        }
    }
}

#[test]
fn the_metrics_are_what_prometheus_expects() {
    let (server, admin) = Admin::start(2, &[]);
    let _clients = people(&server, ["amy", "bob"]);
    let answer = admin.get("/metrics");
    assert!(answer.head.contains("text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    let mut promtool = Program::start(Command::new("promtool").args(["check", "metrics"]));
    answer.body.lines().for_each(|line| promtool.type_line(line));
    let ended = promtool.ended();
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn no_label_grows_with_what_clients_do() {
    let (server, admin) = Admin::start(2, &[]);
    let series = || admin.get("/metrics").body.lines().count();
    let before = series();
    let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
    for room in ["one", "two", "three"] {
        amy.join(room);
    }
    bob.skip_to("amy left");
    let page = admin.get("/metrics").body + &admin.get("/").body;
    for secret in ["amy", "bob", "three", &server.addr.to_string(), &amy.addr().to_string()] {
        assert!(!page.contains(secret), "{secret} is to be seen");
    }
    assert_eq!(series(), before);
}

/// Waits until the sum of a metric's series that have this in their labels is as it should be.
fn comes_to(admin: Admin, name: &str, label: &str, is_right: impl Fn(f64) -> bool) {
    let sum = |metrics: &Metrics| metrics.sum_with(name, label);
    eventually(&format!("{name} {label}"), || is_right(sum(&admin.metrics())));
}

#[test]
fn what_is_counted_is_what_happened() {
    for shards in [1, 2] {
        let (server, admin) = Admin::start(shards, &[]);
        let is = |name: &str, number: f64| comes_to(admin, name, "", |it| it == number);
        let [mut amy, mut bob] = people(&server, ["amy", "bob"]);
        is("hubbub_connections", 2.0);
        is("hubbub_names", 2.0);
        is("hubbub_rooms", 1.0);
        is("hubbub_connections_opened_total", 2.0);
        let before = admin.metrics();
        for _ in 0..10 {
            let line = amy.say_something();
            amy.expect(&line);
            bob.expect(&line);
        }
        is("hubbub_messages_received_total", 10.0);
        let delivered = before.sum("hubbub_messages_delivered_total") + 20.0;
        is("hubbub_messages_delivered_total", delivered);
        for grown in [
            "hubbub_reads_total",
            "hubbub_read_bytes_total",
            "hubbub_writes_total",
            "hubbub_written_bytes_total",
            "hubbub_turn_seconds_count",
            "hubbub_turn_seconds_sum",
        ] {
            comes_to(admin, grown, "", |it| it > before.sum(grown));
        }
        let between: &[_] = &["hubbub_parcels_total", "hubbub_parcel_messages_total"];
        for name in between.iter().chain(&["hubbub_bell_rings_total"]) {
            comes_to(admin, name, "", |it| (it > 0.0) == (shards > 1));
        }
        let metrics = admin.metrics();
        let all_turns = metrics.sum_with("hubbub_turn_seconds_bucket", r#"le="+Inf""#);
        assert!(all_turns <= admin.metrics().sum("hubbub_turn_seconds_count"));
        bob.join("den");
        is("hubbub_rooms", 2.0);
        drop((amy, bob));
        is("hubbub_connections", 0.0);
        is("hubbub_names", 0.0);
        is("hubbub_rooms", 0.0);
        is("hubbub_outbox_bytes", 0.0);
    }
}

#[test]
fn every_client_that_goes_is_counted_by_the_reason() {
    let args = ["--stall-seconds", "1", "--feed-bytes-max", "65536"];
    let (server, admin) = Admin::start(2, &args);
    let closed = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        comes_to(admin, "hubbub_connections_closed_total", &label, |it| it == 1.0);
    };
    let mut quitter = Client::greeted(&server);
    quitter.send("/quit");
    closed("quit");
    let mut ender = Client::greeted(&server);
    ender.half_close();
    closed("end-of-input");
    Client::greeted(&server).vanish();
    closed("hang-up");
    let mut babbler = Client::greeted(&server);
    babbler.send_bytes(b"\xfe\n\xfe\n\xfe\n");
    closed("bad-input");
    let mut talker = Client::named(&server, "talker");
    let mut sloth = Client::connect_narrowly(&server);
    sloth.expect_help_and_name();
    // While the sloth reads nothing, its room keeps for it what it can, and the rest is missed.
    let text = "x".repeat(390);
    eventually("the sloth is sent away as slow", || {
        talker.send_bytes(format!("{text}\n").repeat(100).as_bytes());
        (0..100).for_each(|_| drop(talker.skip_to(&format!("talker: {text}"))));
        let slow = r#"reason="slow""#;
        admin.metrics().sum_with("hubbub_connections_closed_total", slow) == 1.0
    });
    drop(sloth);
}

#[test]
fn whoever_is_turned_away_is_counted_by_the_reason() {
    let (server, admin) = Admin::start(2, &["--connections-max", "1"]);
    let _first = Client::greeted(&server);
    Client::connect(&server).expect("Server is full, please try again later");
    let away = "hubbub_connections_turned_away_total";
    admin.wait_for_turned_away("full", 1);
    assert_eq!(admin.metrics().sum(away), 1.0);
    assert_eq!(admin.metrics().sum("hubbub_connections_max"), 1.0);
}

#[test]
fn slow_readers_show_in_gaps_memory_and_what_is_taken_back() {
    let args = ["--memory-max", "16M", "--feed-bytes-max", "25165824"];
    let (server, admin) = Admin::start(1, &[&args[..], &["--message-chars-max", "16384"]].concat());
    let mut talker = Client::named(&server, "talker");
    let mut sloth = Client::connect_narrowly(&server);
    let name = sloth.expect_help_and_name();
    talker.skip_to(&format!("{name} joined"));
    let text = "x".repeat(16_000);
    let mut peak = [0.0_f64; 3];
    let gauges = ["hubbub_feed_bytes", "hubbub_held_bytes", "hubbub_memory_max_bytes"];
    eventually("memory is taken back", || {
        talker.send_bytes(format!("{text}\n").repeat(50).as_bytes());
        (0..50).for_each(|_| drop(talker.skip_to(&format!("talker: {text}"))));
        let metrics = admin.metrics();
        for (peak, gauge) in peak.iter_mut().zip(gauges) {
            *peak = peak.max(metrics.sum(gauge));
        }
        metrics.sum("hubbub_memory_relieved_bytes_total") > 0.0
    });
    let [feeds, held, max] = peak;
    assert_eq!(max, 16_777_216.0);
    assert!(feeds > max / 4.0 && held >= feeds, "feeds {feeds}, all {held}");
    // Whoever reads again is told what is missing.
    while !sloth.read_line().contains(" dropped ") {}
    comes_to(admin, "hubbub_gaps_total", "", |it| it == 1.0);
    comes_to(admin, "hubbub_messages_missed_total", "", |it| it > 100.0);
}

#[test]
fn who_asks_for_too_much_shows_in_rests_and_outboxes() {
    let args = ["--exempt", "none", "--messages-burst", "20"];
    let (server, admin) = Admin::start(1, &args);
    let mut asker = Client::connect_narrowly(&server);
    asker.send_bytes("/rooms\n".repeat(20).as_bytes());
    comes_to(admin, "hubbub_rests_total", "", |it| it > 0.0);
    let (server, admin) = Admin::start(1, &[]);
    let mut asker = Client::connect_narrowly(&server);
    eventually("answers are left unread", || {
        asker.send_bytes("/help\n".repeat(200).as_bytes());
        admin.metrics().sum("hubbub_outbox_bytes") > 0.0
    });
}

#[test]
fn lines_of_many_that_leave_together_show_in_pauses_and_spared_writes() {
    let (server, admin) = Admin::start(1, &[]);
    let mut talkers: Vec<Client> = (0..20).map(|_| Client::greeted(&server)).collect();
    eventually("a pause and spared writes", || {
        for talker in &mut talkers {
            talker.send_bytes("hello\n".repeat(20).as_bytes());
        }
        for talker in &mut talkers {
            let line = talker.say_something();
            talker.skip_to(&line);
        }
        let metrics = admin.metrics();
        ["hubbub_pauses_total", "hubbub_writes_spared_total"].iter().all(|it| metrics.sum(it) > 0.0)
    });
}

#[test]
fn log_lines_that_are_lost_are_counted() {
    let admin = Admin { addr: ([127, 0, 0, 1], free_port()).into() };
    let addr = admin.addr.to_string();
    let args = ["--admin", &addr];
    let setup = Setup { port: free_port(), args: &args, ..Setup::default() };
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let _server = Server::start_unheard(&setup, full.into());
    comes_to(admin, "hubbub_log_lines_lost_total", "", |it| it > 0.0);
}

#[test]
fn the_process_is_told_of_as_the_system_counts_it() {
    let (server, admin) = Admin::start(2, &[]);
    let metrics = admin.metrics();
    let open = metrics.sum("process_open_fds");
    let clients: Vec<Client> = (0..20).map(|_| Client::greeted(&server)).collect();
    comes_to(admin, "process_open_fds", "", |it| it == open + 20.0);
    assert_eq!(metrics.sum("process_max_fds"), common::vitals::descriptors_max(server.pid()));
    let rss = common::vitals::resident_bytes(server.pid()) as f64;
    comes_to(admin, "process_resident_memory_bytes", "", |it| (it / rss - 1.0).abs() < 0.2);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs_f64();
    let age = now - metrics.sum("process_start_time_seconds");
    assert!((-2.0..60.0).contains(&age), "{age} s old");
    comes_to(admin, "process_cpu_seconds_total", "", |it| it > 0.0);
    assert_eq!(metrics.sum_with("hubbub_build_info", env!("CARGO_PKG_VERSION")), 1.0);
    drop(clients);
}

#[test]
fn a_server_that_drains_is_healthy_and_not_ready() {
    let (server, admin) = Admin::start(2, &["--drain-seconds", "3600"]);
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = admin.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (200, body));
    }
    // Somebody who is owed more than the system keeps for them holds up the end.
    let mut talker = Client::named(&server, "talker");
    let mut sloth = Client::connect_narrowly(&server);
    sloth.expect_help_and_name();
    let line = format!("{}\n", "x".repeat(390));
    eventually("the sloth is owed something", || {
        talker.send_bytes(line.repeat(100).as_bytes());
        (0..100).for_each(|_| drop(talker.skip_to(&format!("talker: {}", line.trim_end()))));
        admin.metrics().sum("hubbub_feed_bytes") > 100_000.0
    });
    server.signal("TERM");
    eventually("it is not ready any more", || admin.get("/readyz").status == 503);
    assert!(admin.get("/readyz").body.starts_with("draining: "));
    assert_eq!(admin.get("/healthz").status, 200);
    assert_eq!(admin.metrics().sum("hubbub_draining"), 1.0);
    comes_to(admin, "hubbub_connections_closed_total", r#"reason="drain""#, |it| it > 0.0);
    assert!(server.is_running());
}

#[test]
fn the_status_page_shows_how_it_is() {
    let (server, admin) = Admin::start(2, &[]);
    let _people = people(&server, ["amy", "bob"]);
    eventually("the page has two clients", || {
        let page = admin.get("/").body;
        page.contains("clients</span><b>2</b>") && page.contains(">ready<")
    });
    let answer = admin.get("/");
    assert!(answer.head.contains("text/html; charset=utf-8"), "{}", answer.head);
    assert!(!answer.body.contains("<script"), "the page works without");
    assert!(answer.body.ends_with("</html>"));
}

#[test]
fn whatever_else_is_asked_for_is_refused() {
    let (_server, admin) = Admin::start(1, &[]);
    assert_eq!(admin.get("/nothing").status, 404);
    assert_eq!(admin.get("/metrics/").status, 404);
    assert_eq!(admin.get("/metrics?anything").status, 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"] {
        let target = if method == "CONNECT" { "here:1" } else { "/metrics" };
        let answer = admin.ask(&format!("{method} {target} HTTP/1.0\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: GET, HEAD"), "{}", answer.head);
    }
    // A body that comes with it is read by nobody, and the answer arrives all the same.
    let body = "x".repeat(100_000);
    let request =
        format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{body}");
    assert_eq!(admin.ask(&request).status, 405);
    assert_eq!(admin.ask(&format!("GET / HTTP/1.1\r\nX: {body}\r\n\r\n")).status, 431);
    let many = "X: y\r\n".repeat(1000);
    assert_eq!(admin.ask(&format!("GET / HTTP/1.1\r\n{many}\r\n")).status, 431);
    assert_eq!(admin.ask("hello\r\n\r\n").status, 400);
    let head = admin.ask("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn a_port_that_is_taken_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let addr = taken.local_addr().expect("it is bound").to_string();
    let ended = Program::hubbub(&["-p", "0", "--admin", &addr], &[]);
    assert_eq!(ended.status.code(), Some(1));
    for part in [&addr, "already in use", "--admin"] {
        assert!(ended.stderr.contains(part), "{part:?} is missing in {:?}", ended.stderr);
    }
}

#[test]
fn there_is_no_port_unless_it_is_asked_for() {
    let server = Server::start(1, &[]);
    assert_eq!(server.stop().0, Some(0));
    assert!(!server.stderr.all().iter().any(|line| line.contains("admin")));
    // But a variable will do.
    let variables = [("HUBBUB_ADMIN", ADMIN[1])];
    let server = Server::start_as(&Setup { variables: &variables, ..Setup::default() });
    assert_eq!(Admin::of(&server).get("/readyz").status, 200);
}

#[test]
fn the_alerts_do_what_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/prometheus");
    for args in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let mut promtool = Command::new("promtool");
        let output = promtool.args(args).current_dir(&folder).stdin(Stdio::null()).output();
        let output = output.expect("`cargo xtask test packages` installs promtool");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
    }
}
