//! What is asked of the servers.

use loadgen::report::count;
use loadgen::scenario::{Arrivals, Scenario};

use crate::cli::Subject;

/// How long runs are, in seconds, and how many clients crowds have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Load before it is measured.
    pub(crate) warm_up: f64,
    /// Load that is measured.
    pub(crate) seconds: f64,
    /// What a crowd that has come is left to itself, so that everyone has been told of everyone.
    pub(crate) settle: f64,
    /// A small crowd and a large one.
    pub(crate) crowds: [u32; 2],
}

/// What is counted, and from where to where in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Deliveries, by senders who send as soon as an earlier message has come back.
    Saturated,
    /// Deliveries, by senders who send whatever the server does.
    Scheduled,
    /// Connections, until each has a name and is in `main`.
    Arrivals,
    /// Changes to a room, by everyone at once.
    JoinStorm,
}

/// Large rooms are told once a second who came, which is nothing beside a load as fast as can be,
/// and a good part of a light one.
const TOLD_SECONDS: f64 = 1.2;

/// Something that servers do.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The name `--only` looks at.
    pub(crate) name: String,
    /// The same in words.
    pub(crate) words: String,
    /// See [`Kind`].
    pub(crate) kind: Kind,
    /// The server's shards.
    pub(crate) shards: u16,
    /// The last shard is on the generator's core: only what the server's CPU time comes to means
    /// anything then.
    pub(crate) shares_cores: bool,
    /// The case whose rate is sent a part of, and which part.
    pub(crate) part_of: Option<(String, f64)>,
    /// The load, its rate left open if it is a part of another's.
    pub(crate) scenario: Scenario,
}

impl Case {
    /// What its figures are for each of.
    pub(crate) fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Saturated | Kind::Scheduled => "delivery",
            Kind::Arrivals => "connection",
            Kind::JoinStorm => "join",
        }
    }

    /// Members of each room.
    pub(crate) fn members(&self) -> f64 {
        f64::from(self.scenario.connections) / f64::from(self.scenario.rooms.max(1))
    }

    /// The load for a server that did so many deliveries a second in the case this is a part of.
    pub(crate) fn scenario_at(&self, saturated: Option<f64>) -> Result<Scenario, String> {
        let Some((other, part)) = &self.part_of else { return Ok(self.scenario.clone()) };
        let saturated = saturated.ok_or_else(|| format!("no rate in {other} to take a part of"))?;
        Ok(Scenario { rate: saturated / self.members() * part, ..self.scenario.clone() })
    }

    fn saturated(pace: &Pace, (rooms, members): (u32, u32), senders: u32, window: u32) -> Self {
        let ending = if senders == 0 { "all".to_owned() } else { format!("w{window}") };
        let scenario = Scenario {
            connections: rooms * members,
            rooms,
            senders_per_room: senders,
            arrivals: Arrivals::Window,
            window,
            warm_up_seconds: pace.warm_up,
            measure_seconds: pace.seconds,
            // The slowest reference works off full queues: late is not lost.
            drain_seconds_max: 15.0,
            ..Scenario::default()
        };
        Self {
            name: format!("{rooms}x{members}-{ending}"),
            words: format!("{}, {}", shape(&scenario), load(&scenario)),
            kind: Kind::Saturated,
            shards: 1,
            shares_cores: false,
            part_of: None,
            scenario,
        }
    }

    /// The same people, who send at a part of the rate at which they could.
    fn at_part(&self, part: f64, ending: &str, words: &str) -> Self {
        let warm_up_seconds = self.scenario.warm_up_seconds.max(TOLD_SECONDS);
        let arrivals = Arrivals::Poisson;
        let scenario = Scenario { arrivals, warm_up_seconds, ..self.scenario.clone() };
        Self {
            name: format!("{}-{ending}", self.name),
            words: format!("{}, {words} of {}", shape(&scenario), load(&scenario)),
            kind: Kind::Scheduled,
            part_of: Some((self.name.clone(), part)),
            scenario,
            ..self.clone()
        }
    }

    /// The same on one shard, on two that share the server's core, and on two with a core each.
    fn on_shards(&self) -> [Self; 3] {
        let layouts = [
            ("1shard", "1 shard", 1, false),
            ("2shards-1core", "2 shards, 1 core", 2, false),
            ("2shards", "2 shards, 2 cores", 2, true),
        ];
        layouts.map(|(ending, words, shards, shares_cores)| Self {
            name: format!("{}-{ending}", self.name),
            words: format!("{}, {words}", self.words),
            shards,
            shares_cores,
            ..self.clone()
        })
    }

    fn crowd(pace: &Pace, connections: u32, kind: Kind) -> Self {
        let (name, words, rooms) = match kind {
            Kind::JoinStorm => ("join-storm", "join one room at once", 1),
            _ => ("arrivals", "connect, are named, join main", 0),
        };
        Self {
            name: format!("{name}-{connections}"),
            words: format!("{} {words}", count(u64::from(connections))),
            kind,
            shards: 1,
            shares_cores: false,
            part_of: None,
            scenario: Scenario {
                connections,
                rooms,
                arrivals: Arrivals::Constant,
                rate: 0.0,
                warm_up_seconds: 0.0,
                measure_seconds: pace.settle,
                ..Scenario::default()
            },
        }
    }
}

/// Rooms and their members, in words.
fn shape(scenario: &Scenario) -> String {
    let [rooms, all] = [scenario.rooms, scenario.connections].map(u64::from);
    format!("{} × {}", count(rooms), count(all / rooms))
}

/// Who sends how much in a closed loop, in words.
fn load(scenario: &Scenario) -> String {
    match scenario.senders_per_room {
        0 => "everyone sending".to_owned(),
        _ => format!("{} in flight", scenario.window),
    }
}

/// Cases that take turns within each round.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The heading of this block and of those after it, until there is another one.
    pub(crate) heading: &'static str,
    /// What is done.
    pub(crate) cases: Vec<Case>,
    /// By whom.
    pub(crate) subjects: Vec<Subject>,
}

const SATURATED: &str = "as fast as they can (closed loop)";
const HALF: &str = "half of that, each server of its own, on a schedule (open loop)";
const ARRIVALS: &str = "a crowd connects";
const JOIN_STORM: &str = "a crowd changes its room";
const SHARDS: &str =
    "one shard, two on its core, and two of which one is on the generator's: CPU only";

/// Everything whose name contains `only`, in the order of the table, and what that needs.
pub(crate) fn plan(pace: &Pace, only: &str, servers: &[Subject]) -> Vec<Block> {
    let mut blocks = all(pace);
    let cases = || blocks.iter().flat_map(|block| &block.cases);
    let needed: Vec<String> = cases()
        .filter(|case| case.name.contains(only))
        .filter_map(|case| Some(case.part_of.as_ref()?.0.clone()))
        .collect();
    for block in &mut blocks {
        block.cases.retain(|case| case.name.contains(only) || needed.contains(&case.name));
        block.subjects = servers.iter().filter(|it| block.subjects.contains(it)).copied().collect();
    }
    blocks.retain(|block| !block.cases.is_empty() && !block.subjects.is_empty());
    blocks
}

fn all(pace: &Pace) -> Vec<Block> {
    use Subject::{FloorCoalesced, FloorEach, Hubbub, Tutorial};
    let block = |heading, cases, subjects: &[Subject]| Block {
        heading,
        cases,
        subjects: subjects.to_vec(),
    };
    let mut saturated = vec![];
    for shape in [(1, 1_000), (200, 10), (500, 2)] {
        saturated.extend([1, 16, 64].map(|window| Case::saturated(pace, shape, 1, window)));
    }
    saturated.push(Case::saturated(pace, (200, 10), 0, 1));
    let of =
        |name: &str| saturated.iter().find(|case| case.name == name).expect("a case of this name");
    let mut blocks = vec![];
    for case in &saturated {
        let subjects = [Hubbub, FloorEach, FloorCoalesced, Tutorial];
        blocks.push(block(SATURATED, vec![case.clone()], &subjects));
    }
    // Who writes each line by itself never catches up with whom it is compared.
    let three = [Hubbub, FloorCoalesced, Tutorial];
    for name in ["1x1000-w1", "200x10-w1", "500x2-w1", "200x10-all"] {
        blocks.push(block(HALF, vec![of(name).at_part(0.5, "half", "half")], &three));
    }
    for (heading, kind) in [(ARRIVALS, Kind::Arrivals), (JOIN_STORM, Kind::JoinStorm)] {
        let cases = pace.crowds.map(|connections| Case::crowd(pace, connections, kind));
        blocks.push(block(heading, cases.to_vec(), &three));
    }
    // Shards show what they cost where a delivery costs little, and where they sleep in between.
    for shape in ["1x1000", "200x10"] {
        let tenth = of(&format!("{shape}-w1")).at_part(0.1, "tenth", "a tenth");
        for case in [of(&format!("{shape}-w16")), &tenth] {
            blocks.push(block(SHARDS, case.on_shards().to_vec(), &[Hubbub]));
        }
    }
    blocks
}
