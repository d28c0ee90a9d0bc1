//! What a run does: a flat list of settings, the same in a built-in scenario, a file and flags.

use std::fmt;
use std::num::IntErrorKind;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use crate::dialect::{DIALECTS, Dialect};

/// Built-in scenarios, by name: the files under `scenarios/`.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("bots", include_str!("../scenarios/bots.toml")),
    ("churn", include_str!("../scenarios/churn.toml")),
    ("connect-storm", include_str!("../scenarios/connect-storm.toml")),
    ("cross-shard", include_str!("../scenarios/cross-shard.toml")),
    ("fanout", include_str!("../scenarios/fanout.toml")),
    ("idle-herd", include_str!("../scenarios/idle-herd.toml")),
    ("join-storm", include_str!("../scenarios/join-storm.toml")),
    ("many-rooms", include_str!("../scenarios/many-rooms.toml")),
    ("mixed", include_str!("../scenarios/mixed.toml")),
    ("pairs", include_str!("../scenarios/pairs.toml")),
    ("reconnect-herd", include_str!("../scenarios/reconnect-herd.toml")),
    ("same-shard", include_str!("../scenarios/same-shard.toml")),
    ("slow-consumers", include_str!("../scenarios/slow-consumers.toml")),
    ("soak", include_str!("../scenarios/soak.toml")),
];

/// How members are spread over rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sizes {
    /// As many in each.
    Even,
    /// A few large rooms and many small ones, see `zipf_exponent`.
    Zipf,
}

/// On which shards the members of a room are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Wherever the server put them.
    Any,
    /// All on the shard where their room is at home.
    SameShard,
    /// None on that shard.
    CrossShard,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// At even intervals, whatever the server does.
    Constant,
    /// At random intervals, independent of each other, whatever the server does.
    Poisson,
    /// When earlier ones have come back: `window` on their way from each sender.
    Window,
}

/// What messages say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// A header to measure and check by, then filling.
    Measured,
    /// Sentences, for people to read; nothing is measured.
    Chatter,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// What the server speaks.
    pub dialect: Dialect,
    /// Whether it is spoken within TLS; the server's certificate is not looked at.
    #[serde(default)]
    pub tls: bool,
    /// Clients connected at a time.
    pub connections: u32,
    /// Rooms they are spread over; 0 leaves them where they start.
    pub rooms: u32,
    /// See [`Sizes`].
    pub sizes: Sizes,
    /// With [`Sizes::Zipf`]: room n has a share of `1 / n^exponent`.
    pub zipf_exponent: f64,
    /// See [`Placement`].
    pub placement: Placement,
    /// Members of each room that send; 0 for all of them.
    pub senders_per_room: u32,
    /// See [`Arrivals`].
    pub arrivals: Arrivals,
    /// Messages sent a second, by all senders together.
    pub rate: f64,
    /// With [`Arrivals::Window`]: messages of one sender on their way.
    pub window: u32,
    /// Messages that are due at the same moment, on average; 1 for one at a time.
    pub burst: f64,
    /// Bytes of a message's text.
    pub message_bytes: u32,
    /// See [`Text`].
    pub text: Text,
    /// New connections a second while connecting; 0 for as many as can be.
    pub connects_per_second: f64,
    /// Clients that leave and are replaced, a second.
    pub churn_per_second: f64,
    /// Members that go to another room, a second.
    pub joins_per_second: f64,
    /// Clients that take another name, a second.
    pub renames_per_second: f64,
    /// The part of the receivers that reads slowly.
    pub slow_share: f64,
    /// What a slow receiver reads, in bytes a second; 0 for nothing.
    pub slow_bytes_per_second: u32,
    /// Times during the measurement at which all connections break at once and come back.
    pub herds: u32,
    /// Seconds before anything counts.
    pub warm_up_seconds: f64,
    /// Seconds that count.
    pub measure_seconds: f64,
    /// Seconds that what is on its way may take to arrive.
    pub drain_seconds_max: f64,
    /// Whether a lost message fails the run; what a slow receiver is told it missed never does.
    pub lossless: bool,
    /// Decides everything that is random.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "custom".to_owned(),
            description: String::new(),
            dialect: Dialect::Hubbub,
            tls: false,
            connections: 1_000,
            rooms: 1,
            sizes: Sizes::Even,
            zipf_exponent: 1.0,
            placement: Placement::Any,
            senders_per_room: 1,
            arrivals: Arrivals::Poisson,
            rate: 100.0,
            window: 1,
            burst: 1.0,
            message_bytes: 100,
            text: Text::Measured,
            connects_per_second: 0.0,
            churn_per_second: 0.0,
            joins_per_second: 0.0,
            renames_per_second: 0.0,
            slow_share: 0.0,
            slow_bytes_per_second: 0,
            herds: 0,
            warm_up_seconds: 1.0,
            measure_seconds: 10.0,
            drain_seconds_max: 10.0,
            lossless: true,
            seed: 1,
        }
    }
}

/// A value for a setting, from a file or a flag.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A whole number.
    Integer(i64),
    /// Any number.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// Words.
    Text(String),
}

/// What is wrong with a scenario, and on which line of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none for what is wrong as a whole or came from a flag.
    pub line: Option<usize>,
    /// What, and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// The names of all settings, as files and flags spell them.
pub const KEYS: &[&str] = &[
    "name",
    "description",
    "dialect",
    "tls",
    "connections",
    "rooms",
    "sizes",
    "zipf_exponent",
    "placement",
    "senders_per_room",
    "arrivals",
    "rate",
    "window",
    "burst",
    "message_bytes",
    "text",
    "connects_per_second",
    "churn_per_second",
    "joins_per_second",
    "renames_per_second",
    "slow_share",
    "slow_bytes_per_second",
    "herds",
    "warm_up_seconds",
    "measure_seconds",
    "drain_seconds_max",
    "lossless",
    "seed",
];

/// Settings that may be any without another load.
const SAME_LOAD: &[&str] = &["description", "seed"];

/// The shortest text that has room for a header.
pub const MESSAGE_BYTES_MIN: u32 = 64;

impl Scenario {
    /// The built-in scenario called `name`.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        Some(Self::parse(text).expect("built-in scenarios are valid"))
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let line_of = |at: usize| Some(text[..at].matches('\n').count() + 1);
        let table = DeTable::parse(text).map_err(|e| {
            let line = e.span().and_then(|span| line_of(span.start));
            vec![Problem { line, what: e.message().to_owned() }]
        })?;
        let mut scenario = Self::default();
        let mut problems = vec![];
        for (key, value) in table.get_ref() {
            let set = setting(value.get_ref()).and_then(|v| scenario.set(key.get_ref(), &v));
            if let Err(what) = set {
                problems.push(Problem { line: line_of(key.span().start), what });
            }
        }
        problems.extend(scenario.contradictions());
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        if problems.is_empty() { Ok(scenario) } else { Err(problems) }
    }

    /// Whether anyone comes to a room after the beginning.
    #[must_use]
    pub fn has_newcomers(&self) -> bool {
        self.churn_per_second > 0.0 || self.joins_per_second > 0.0 || self.herds > 0
    }

    /// The settings that are others than in the built-in scenario of this name, if there is one:
    /// its description does not tell of them.
    ///
    /// # Panics
    /// Never: settings are plain values.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        let Some(built_in) = Self::built_in(&self.name) else { return vec![] };
        let table = |of: &Self| toml::Table::try_from(of).expect("settings are plain values");
        let before = table(&built_in);
        let changed = table(self).into_iter().filter(|(key, value)| {
            !SAME_LOAD.contains(&key.as_str()) && before.get(key) != Some(value)
        });
        changed.map(|(key, value)| format!("{key} = {value}")).collect()
    }

    /// What does not go together.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Problem> {
        let mut problems = vec![];
        let mut wrong = |is_wrong: bool, what: &str| {
            if is_wrong {
                problems.push(Problem { line: None, what: what.to_owned() });
            }
        };
        wrong(
            self.rooms > self.connections,
            "there are more `rooms` than `connections`: lower one or raise the other",
        );
        wrong(
            self.joins_per_second > 0.0 && self.rooms < 2,
            "with `joins_per_second`, who goes to another room needs one: two `rooms` or more",
        );
        wrong(
            self.text == Text::Measured && self.message_bytes < MESSAGE_BYTES_MIN,
            "`message_bytes` must be 64 or more, to have room for a header",
        );
        wrong(
            self.rooms == 0 && self.placement != Placement::Any,
            "`placement` needs `rooms`: what is to be placed is their members",
        );
        wrong(
            self.placement != Placement::Any && self.has_newcomers(),
            "`placement` is of those who are there from the beginning: it cannot be had with \
             `churn_per_second`, `joins_per_second` or `herds`",
        );
        wrong(
            !self.dialect.is_hubbub() && !self.is_plain(),
            "in dialects that are not Hubbub's, measured messages are said in `rooms` by those who \
             stay: `placement`, churn, joins, renames, herds and chatter are not for them",
        );
        problems
    }

    /// Whether all that happens is that clients come, go to a room, and say measured messages.
    fn is_plain(&self) -> bool {
        let happenings = [self.churn_per_second, self.joins_per_second, self.renames_per_second];
        self.rooms > 0
            && self.herds == 0
            && self.placement == Placement::Any
            && self.text == Text::Measured
            && happenings == [0.0; 3]
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// What is wrong with either, and what would be right.
    pub fn set(&mut self, key: &str, value: &Setting) -> Result<(), String> {
        let wrong = |expected: &str| format!("`{key}` must be {expected}");
        match key {
            "name" => self.name = value.text().ok_or_else(|| wrong("a text"))?,
            "description" => self.description = value.text().ok_or_else(|| wrong("a text"))?,
            "dialect" => self.dialect = value.choice(key, DIALECTS)?,
            "tls" => self.tls = value.boolean().ok_or_else(|| wrong("true or false"))?,
            "connections" => self.connections = value.count(key, 1, 1_000_000)?,
            "rooms" => self.rooms = value.count(key, 0, 1_000_000)?,
            "sizes" => self.sizes = value.choice(key, SIZES)?,
            "zipf_exponent" => self.zipf_exponent = value.number(key, 0.0, 5.0)?,
            "placement" => self.placement = value.choice(key, PLACEMENTS)?,
            "senders_per_room" => self.senders_per_room = value.count(key, 0, 1_000_000)?,
            "arrivals" => self.arrivals = value.choice(key, ARRIVALS)?,
            "rate" => self.rate = value.number(key, 0.0, 1e8)?,
            "window" => self.window = value.count(key, 1, 65_536)?,
            "burst" => self.burst = value.number(key, 1.0, 1e4)?,
            "message_bytes" => self.message_bytes = value.count(key, 1, 400)?,
            "text" => self.text = value.choice(key, TEXTS)?,
            "connects_per_second" => self.connects_per_second = value.number(key, 0.0, 1e6)?,
            "churn_per_second" => self.churn_per_second = value.number(key, 0.0, 1e5)?,
            "joins_per_second" => self.joins_per_second = value.number(key, 0.0, 1e5)?,
            "renames_per_second" => self.renames_per_second = value.number(key, 0.0, 1e5)?,
            "slow_share" => self.slow_share = value.number(key, 0.0, 1.0)?,
            "slow_bytes_per_second" => {
                self.slow_bytes_per_second = value.count(key, 0, u32::MAX)?;
            }
            "herds" => self.herds = value.count(key, 0, 100)?,
            "warm_up_seconds" => self.warm_up_seconds = value.number(key, 0.0, 3600.0)?,
            "measure_seconds" => self.measure_seconds = value.number(key, 0.1, 86_400.0)?,
            "drain_seconds_max" => self.drain_seconds_max = value.number(key, 0.0, 3600.0)?,
            "lossless" => self.lossless = value.boolean().ok_or_else(|| wrong("true or false"))?,
            "seed" => self.seed = u64::from(value.count(key, 0, u32::MAX)?),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

const SIZES: &[(&str, Sizes)] = &[("even", Sizes::Even), ("zipf", Sizes::Zipf)];
const PLACEMENTS: &[(&str, Placement)] = &[
    ("any", Placement::Any),
    ("same-shard", Placement::SameShard),
    ("cross-shard", Placement::CrossShard),
];
const ARRIVALS: &[(&str, Arrivals)] = &[
    ("constant", Arrivals::Constant),
    ("poisson", Arrivals::Poisson),
    ("window", Arrivals::Window),
];
const TEXTS: &[(&str, Text)] = &[("measured", Text::Measured), ("chatter", Text::Chatter)];

/// What to say about a key there is not: the most similar one, if any is.
fn unknown(key: &str) -> String {
    let shown = key.escape_debug();
    let shared = |known: &str| known.chars().zip(key.chars()).take_while(|(a, b)| a == b).count();
    match KEYS.iter().max_by_key(|known| shared(known)).filter(|known| shared(known) >= 3) {
        Some(known) => format!("there is no setting `{shown}`; did you mean `{known}`?"),
        None => format!("there is no setting `{shown}`; there are {}", KEYS.join(", ")),
    }
}

fn setting(value: &DeValue<'_>) -> Result<Setting, String> {
    match value {
        DeValue::Integer(i) => {
            i64::from_str_radix(i.as_str(), i.radix()).map(Setting::Integer).map_err(|error| {
                let wrong = match error.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "too large a",
                    _ => "no",
                };
                format!("{} is {wrong} number", i.as_str().escape_debug())
            })
        }
        DeValue::Float(f) => f
            .as_str()
            .parse()
            .map(Setting::Float)
            .map_err(|_| format!("{} is no number", f.as_str().escape_debug())),
        DeValue::Boolean(b) => Ok(Setting::Boolean(*b)),
        DeValue::String(text) => Ok(Setting::Text(text.clone().into_owned())),
        _ => Err("settings are numbers, texts, true or false".to_owned()),
    }
}

impl Setting {
    /// What a flag's text means: a number, true, false, or itself.
    #[must_use]
    pub fn guess(text: &str) -> Self {
        if let Ok(integer) = text.replace('_', "").parse() {
            return Self::Integer(integer);
        }
        match (text, text.parse()) {
            ("true", _) => Self::Boolean(true),
            ("false", _) => Self::Boolean(false),
            (_, Ok(float)) => Self::Float(float),
            _ => Self::Text(text.to_owned()),
        }
    }

    fn text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.clone()) } else { None }
    }

    fn boolean(&self) -> Option<bool> {
        if let Self::Boolean(boolean) = self { Some(*boolean) } else { None }
    }

    fn count(&self, key: &str, min: u32, max: u32) -> Result<u32, String> {
        match self {
            Self::Integer(i) => u32::try_from(*i).ok().filter(|n| (min..=max).contains(n)),
            _ => None,
        }
        .ok_or_else(|| format!("`{key}` must be a whole number from {min} to {max}"))
    }

    fn number(&self, key: &str, min: f64, max: f64) -> Result<f64, String> {
        match self {
            Self::Integer(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            _ => None,
        }
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| format!("`{key}` must be a number from {min} to {max}"))
    }

    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T, String> {
        let found = match self {
            Self::Text(text) => choices.iter().find(|(name, _)| name == text),
            _ => None,
        };
        found.map(|&(_, choice)| choice).ok_or_else(|| {
            let names: Vec<String> =
                choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!("`{key}` must be one of {}", names.join(", "))
        })
    }
}
