//! Debian's Prometheus against a live server under load: what the dashboard and the alerts ask for
//! is there, and moves.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::admin::{Admin, families};
use common::program::Program;
use common::server::free_port;
use common::{Client, Server, at_the_end, eventually};
use serde_json::Value;

/// How often it scrapes, in seconds: often, so that rates are soon known.
const SCRAPE_SECONDS: u32 = 1;

/// Metrics that grow under a load of people who talk.
const MOVING: &[&str] = &[
    "hubbub_messages_received_total",
    "hubbub_messages_delivered_total",
    "hubbub_reads_total",
    "hubbub_read_bytes_total",
    "hubbub_writes_total",
    "hubbub_written_bytes_total",
    "hubbub_parcels_total",
    "hubbub_parcel_messages_total",
    "hubbub_bell_rings_total",
    "hubbub_turn_seconds_bucket",
    "hubbub_turn_seconds_count",
    "hubbub_turn_seconds_sum",
    "hubbub_connections_opened_total",
    "hubbub_connections_closed_total",
    "process_cpu_seconds_total",
];

/// A Prometheus that scrapes one server, and knows the alerts.
struct Prometheus {
    http: Admin,
    _process: Program,
}

impl Prometheus {
    fn start(scraped: Admin) -> Self {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/prometheus");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus");
        // Of an earlier run, if there was one.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder of our own");
        let config = fs::read_to_string(docs.join("prometheus.yml")).expect("the example");
        let config = config
            .replace("127.0.0.1:9469", &scraped.addr.to_string())
            .replace("15s", &format!("{SCRAPE_SECONDS}s"))
            .replace("alerts.yml", docs.join("alerts.yml").to_str().expect("a path of ours"));
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).expect("a file of our own");
        let http = Admin { addr: ([127, 0, 0, 1], free_port()).into() };
        let flag = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        let mut command = Command::new("prometheus");
        command
            .arg(flag("config.file", file))
            .arg(flag("storage.tsdb.path", folder.join("data")))
            .arg(format!("--web.listen-address={}", http.addr));
        let process = Program::start(&mut command);
        eventually("Prometheus is up", || {
            std::net::TcpStream::connect(http.addr).is_ok() && http.get("/-/ready").status == 200
        });
        Self { http, _process: process }
    }

    /// What it answers to `path`, which must be a success.
    fn ask(&self, path: &str) -> Value {
        let answer = self.http.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The value of each series that `expression` comes to.
    fn query(&self, expression: &str) -> Vec<f64> {
        let data = self.ask(&format!("/api/v1/query?query={}", percent_encoded(expression)));
        let value = |sample: &Value| sample["value"][1].as_str()?.parse().ok();
        let samples = data["result"].as_array().expect("a vector");
        samples.iter().map(|it| value(it).expect("a number")).collect()
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Every expression of the dashboard, as Grafana would ask for it.
fn dashboard_expressions() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana/hubbub.json");
    let dashboard = fs::read_to_string(path).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let annotations = dashboard["annotations"]["list"].as_array().expect("annotations");
    let expressions = targets.chain(annotations).filter_map(|it| it["expr"].as_str());
    let filled = |expression: &str| {
        let expression = expression.replace("$__rate_interval", "30s");
        expression.replace("$instance", ".*")
    };
    expressions.map(filled).collect()
}

/// People on all shards who talk, come and go until it is `over`.
fn load(server: &Server, over: &AtomicBool) {
    let mut people: Vec<Client> = (0..8).map(|_| Client::greeted(server)).collect();
    while !over.load(Ordering::Relaxed) {
        Client::greeted(server).vanish();
        for speaker in 0..people.len() {
            let line = people[speaker].say_something();
            people.iter_mut().for_each(|it| drop(it.skip_to(&line)));
        }
    }
}

#[test]
fn every_metric_is_scraped_and_moves_and_every_expression_is_understood() {
    let (server, admin) = Admin::start(2, &[]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| load(&server, &over));
        let _over = at_the_end(|| over.store(true, Ordering::Relaxed));
        let prometheus = Prometheus::start(admin);
        eventually("it is scraped", || prometheus.query("up{job=\"hubbub\"}") == [1.0]);
        for (name, kind) in families(&admin.get("/metrics").body) {
            let series = if kind == "histogram" { format!("{name}_bucket") } else { name };
            eventually(&format!("{series} is there"), || !prometheus.query(&series).is_empty());
        }
        for name in MOVING {
            let growth = format!("sum(rate({name}[10s]))");
            eventually(&format!("{name} moves"), || {
                prometheus.query(&growth).first().is_some_and(|&rate| rate > 0.0)
            });
        }
        let expressions = dashboard_expressions();
        assert!(expressions.len() > 40, "only {} expressions", expressions.len());
        // Those that ask only for what should not be have nothing to show.
        for expression in expressions {
            let has_samples = !prometheus.query(&expression).is_empty();
            assert!(has_samples || expression.contains(" > 0"), "{expression} shows nothing");
        }
        let rules = prometheus.ask("/api/v1/rules");
        let groups = rules["groups"].as_array().expect("groups");
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
        let names: BTreeSet<&str> =
            rules.clone().filter_map(|rule| rule["name"].as_str()).collect();
        assert!(names.len() > 12, "{names:?}");
        assert!(rules.clone().all(|rule| rule["health"] != "err"), "{groups:#?}");
        let pages = prometheus.query("ALERTS{severity=\"page\",alertstate=\"firing\"}");
        assert!(pages.is_empty(), "nothing is wrong with this server");
    });
}
