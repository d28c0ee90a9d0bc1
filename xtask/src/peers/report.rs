//! What came of a sitting: a table on the terminal, the same with all that belongs to it as a page,
//! everything as JSON, and a picture.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::figures::{Group, Run, Spread};
use super::server::Peer;
use super::table::{Table, grouped, short};
use super::workload::{Kind, Workload};
use super::{Sitting, load, picture};
use crate::programs::answer;
use crate::reports::{self, commit, read};

/// Everything there is to tell.
pub(crate) struct Report {
    runs: Vec<Run>,
    workloads: Vec<&'static Workload>,
    servers: Vec<Told>,
    /// What a run of each workload is asked for, of the first server.
    loads: Vec<String>,
    /// When, where, and of what.
    about: Vec<(&'static str, String)>,
}

/// A server, as it is told of.
struct Told {
    peer: &'static Peer,
    version: String,
}

impl Report {
    /// Of everything that was measured.
    pub(crate) fn of(sitting: &Sitting, runs: Vec<Run>) -> Self {
        let told = |&peer: &&'static Peer| Told { peer, version: peer.version(&sitting.places) };
        let load = |&workload: &&'static Workload| {
            let words = load::arguments(sitting, sitting.peers[0], workload);
            format!("loadgen {} --address … --pid …", words.join(" "))
        };
        let said = |program: &str, words: &[&str]| {
            answer(Command::new(program).args(words)).unwrap_or_default().trim().to_owned()
        };
        let cpu = read(Path::new("/proc/cpuinfo")).unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let about = vec![
            ("date", said("date", &["-u", "+%F %H:%M"])),
            ("commit", commit().unwrap_or_default()),
            ("rounds", sitting.options.rounds.to_string()),
            ("seconds_measured", sitting.options.timing().measure.to_string()),
            ("cpu", cpu.trim_start_matches(['\t', ' ', ':']).to_owned()),
            ("kernel", said("uname", &["-sr"])),
        ];
        Self {
            runs,
            workloads: sitting.workloads.clone(),
            servers: sitting.peers.iter().map(told).collect(),
            loads: sitting.workloads.iter().map(load).collect(),
            about,
        }
    }

    /// How many runs failed.
    pub(crate) fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.outcome.is_err()).count()
    }

    /// For the terminal.
    pub(crate) fn text(&self) -> String {
        let tables: Vec<String> = self.tables().iter().map(Table::text).collect();
        format!("{}\n{}\n", tables.join("\n"), NOTES.join("\n"))
    }

    /// Writes all files into `out`, which is new.
    pub(crate) fn write(&self, out: &Path) -> Result<(), String> {
        let files = [
            ("peers.json", format!("{:#}\n", self.json())),
            ("peers.md", self.markdown()),
            ("peers.svg", picture::draw(&self.bars())),
        ];
        reports::write(out, &files)
    }

    fn groups(&self, workload: &Workload) -> impl Iterator<Item = Group<'_>> {
        self.servers.iter().map(move |told| Group::of(&self.runs, told.peer, workload))
    }

    /// What is said by messages, and what it costs to have clients.
    fn tables(&self) -> Vec<Table> {
        let (mut spoken, mut idle) = (vec![], vec![]);
        for workload in &self.workloads {
            for (at, group) in self.groups(workload).enumerate() {
                let title = if at == 0 { workload.title } else { "" }.to_owned();
                let name = group.peer.name.to_owned();
                let name = if group.is_generator_bound() { name + " *" } else { name };
                let (rows, columns) = match workload.kind {
                    Kind::Idle => (&mut idle, IDLE),
                    Kind::Closed | Kind::Open => (&mut spoken, SPOKEN),
                };
                let cell = |&(_, key, show): &Column| match group.spread(key) {
                    // That is what it was allowed, and not what it can do.
                    Some(_) if key == PACED && group.peer.connects_per_second > 0 => "–".into(),
                    spread => spread.map_or("–".into(), show),
                };
                rows.push([title, name].into_iter().chain(columns.iter().map(cell)).collect());
            }
        }
        let table = |columns: &[Column], rows| {
            let heads = columns.iter().map(|column| column.0);
            Table { head: ["workload", "server"].into_iter().chain(heads).collect(), rows }
        };
        let tables = [table(SPOKEN, spoken), table(IDLE, idle)];
        tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }

    fn markdown(&self) -> String {
        let list = |lines: Vec<String>| lines.join("\n") + "\n";
        let about = self.about.iter().map(|(key, value)| format!("- {key}: {value}")).collect();
        let tables: Vec<String> = self.tables().iter().map(Table::markdown).collect();
        let servers = self.servers.iter().map(|told| {
            format!("- {}: {}; `{}`", told.peer.name, told.version, told.peer.command_line())
        });
        let loads = self.loads.iter().map(|line| format!("- `{line}`")).collect();
        format!(
            "# Hubbub beside other servers\n\n{}\n![Deliveries per second](peers.svg)\n\n{}\n{}\n\n\
             ## Servers\n\nEach is started anew for every run, with the configuration in \
             `benches/peers`.\n\n{}\n## Loads\n\nEach with the server's `--dialect`; here it is \
             that of the first.\n\n{}",
            list(about),
            tables.join("\n"),
            NOTES.join("\n"),
            list(servers.collect()),
            list(loads),
        )
    }

    fn json(&self) -> Value {
        let about: Value =
            self.about.iter().map(|(key, it)| ((*key).to_owned(), json!(it))).collect();
        let servers: Vec<Value> = self
            .servers
            .iter()
            .map(|told| {
                json!({ "name": told.peer.name, "version": told.version,
                        "dialect": told.peer.dialect, "command": told.peer.command_line() })
            })
            .collect();
        let mut spreads = vec![];
        for workload in &self.workloads {
            for group in self.groups(workload) {
                spreads.push(json!({ "workload": workload.name, "server": group.peer.name,
                                     "figures": group.json() }));
            }
        }
        let runs: Vec<Value> = self.runs.iter().map(Run::json).collect();
        json!({ "about": about, "servers": servers, "loads": self.loads, "spreads": spreads,
                "runs": runs })
    }

    /// What the picture shows: how fast each server was when it was driven as hard as it goes.
    fn bars(&self) -> Vec<picture::Panel> {
        let closed = self.workloads.iter().filter(|workload| workload.kind == Kind::Closed);
        let panel = |workload: &&'static Workload| picture::Panel {
            title: workload.title,
            bars: self
                .groups(workload)
                .filter_map(|group| Some((group.peer.name, group.spread("deliveries_per_second")?)))
                .collect(),
        };
        closed.map(panel).collect()
    }
}

/// A column: its head, the figure's name, and how the figure is shown.
type Column = (&'static str, &'static str, fn(Spread) -> String);

const SPOKEN: &[Column] = &[
    ("deliveries/s", "deliveries_per_second", range),
    ("user ns", "user_ns", middle),
    ("system ns", "system_ns", middle),
    ("p50 µs", "p50_us", middle),
    ("p99 µs", "p99_us", range),
    ("p99.9 µs", "p99_9_us", middle),
    ("lost", "lost", worst),
    ("missed", "missed", worst),
    ("server", "server_cores", percent),
    ("generator", "generator_cores", percent),
];

/// The figure that a server's pace decides.
const PACED: &str = "connects_per_second";

const IDLE: &[Column] = &[
    ("RSS bytes a connection", "rss_bytes_per_connection", range),
    ("connections/s", PACED, range),
    ("joins/s", "joins_per_second", range),
];

/// What to know when reading the tables.
const NOTES: &[&str] = &[
    "Medians of all rounds, least and most in brackets. User and system: the server's CPU time for",
    "each delivery. Server, generator: how busy their cores were. With `*` the generator was the",
    "limit in a round at least. Over IRC nobody gets back what they say themselves: a message to",
    "ten is nine deliveries there, and has come back when the next one in the room has it. Idle",
    "clients come all at once, and whoever finds the queue at a server's door full tries again",
    "after a second, then three; to ngircd, whose queue holds ten, they come at a measured pace.",
    "Hubbub keeps a room's last 50 messages, as it does by default; hubbub-no-history keeps none,",
    "as none of the others do.",
];

fn middle(spread: Spread) -> String {
    short(spread.median)
}

fn range(spread: Spread) -> String {
    let median = grouped(spread.median);
    if spread.min == spread.max {
        return median;
    }
    format!("{median} ({}–{})", grouped(spread.min), grouped(spread.max))
}

fn worst(spread: Spread) -> String {
    grouped(spread.max)
}

fn percent(spread: Spread) -> String {
    format!("{:.0} %", 100.0 * spread.median)
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Figures, tests::report};
    use super::super::server::PEERS;
    use super::super::workload::WORKLOADS;
    use super::*;

    fn sample() -> Report {
        let workloads: Vec<_> =
            [WORKLOADS.first(), WORKLOADS.last()].into_iter().flatten().collect();
        let mut runs = vec![];
        for (round, rate) in [(1, 1000.0), (2, 3000.0), (3, 2000.0)] {
            for peer in &PEERS[..2] {
                for &workload in &workloads {
                    let outcome = match (peer.name, round) {
                        ("hubbub-websocket", 3) => Err("it ended".to_owned()),
                        _ => Figures::of(&report(rate, 0.95)).ok_or_else(String::new),
                    };
                    runs.push(Run { workload, peer, round, outcome });
                }
            }
        }
        Report {
            runs,
            workloads,
            servers: PEERS[..2].iter().map(|peer| Told { peer, version: "1".into() }).collect(),
            loads: vec!["loadgen fanout".into()],
            about: vec![("commit", "abc1234".into())],
        }
    }

    #[test]
    fn tables_have_medians_and_spreads_of_what_did_not_fail() {
        let report = sample();
        let [spoken, idle] = &report.tables()[..] else { panic!("two tables") };
        assert_eq!(
            spoken.rows[0][..3],
            ["1 × 1 000, 64 in flight", "hubbub *", "2 000 (1 000–3 000)"]
        );
        assert_eq!(spoken.rows[1][..3], ["", "hubbub-websocket *", "2 000 (1 000–3 000)"]);
        assert_eq!(spoken.rows[0][3..8], ["40", "80", "5.0", "9", "–"]);
        assert_eq!(idle.rows[0][2], "244");
        assert_eq!(report.failed(), 2);
    }

    #[test]
    fn everything_is_in_the_files() {
        let report = sample();
        let json = report.json();
        assert_eq!(json["runs"].as_array().expect("runs").len(), 12);
        assert_eq!(json["runs"][10]["failed"], "it ended");
        assert_eq!(json["spreads"][0]["figures"]["deliveries_per_second"]["max"], 3000.0);
        assert_eq!(json["about"]["commit"], "abc1234");
        let page = report.markdown();
        for part in ["abc1234", "| hubbub * |", "loadgen fanout", "--shards 1", "peers.svg"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let picture = picture::draw(&report.bars());
        assert!(
            picture.contains("1 × 1 000, 64 in flight") && picture.contains("hubbub-websocket")
        );
    }
}
