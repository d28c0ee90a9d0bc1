//! What the servers have to do.

/// A load, the same for all servers.
#[derive(Debug, PartialEq)]
pub(crate) struct Workload {
    /// What it is called on the command line and in JSON.
    pub(crate) name: &'static str,
    /// What it is called in tables.
    pub(crate) title: &'static str,
    /// What is measured.
    pub(crate) kind: Kind,
    /// Clients, in a full and in a quick run.
    pub(crate) connections: [u32; 2],
    /// Rooms they are spread over evenly, ten to a room where nobody speaks.
    members: u32,
    /// Settings of the scenario beside these.
    settings: &'static [&'static str],
}

/// What is measured of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// How fast it goes when messages follow those that have come back.
    Closed,
    /// How long messages take at a rate that is given.
    Open,
    /// What it costs to have clients who say nothing.
    Idle,
}

const fn closed(
    name: &'static str,
    title: &'static str,
    [rooms, members]: [u32; 2],
    settings: &'static [&'static str],
) -> Workload {
    let connections = [rooms * members; 2];
    Workload { name, title, kind: Kind::Closed, connections, members, settings }
}

/// All of them, in the order of the tables.
pub(crate) const WORKLOADS: &[Workload] = &[
    closed("1x1000-w64", "1 × 1 000, 64 in flight", [1, 1000], &["window=64"]),
    closed("200x10-w16", "200 × 10, 16 in flight", [200, 10], &["window=16"]),
    closed("500x2-w16", "500 × 2, 16 in flight", [500, 2], &["window=16"]),
    closed(
        "200x10-all-w1",
        "200 × 10, all sending, 1 in flight",
        [200, 10],
        &["window=1", "senders_per_room=0"],
    ),
    closed("200x10-w1", "200 × 10, 1 in flight", [200, 10], &["window=1"]),
    closed("500x2-w1", "500 × 2, 1 in flight", [500, 2], &["window=1"]),
    Workload {
        name: "200x10-open",
        title: "200 × 10, 10 000 messages/s",
        kind: Kind::Open,
        connections: [2_000; 2],
        members: 10,
        settings: &["rate=10000"],
    },
    Workload {
        name: "500x2-open",
        title: "500 × 2, 10 000 messages/s",
        kind: Kind::Open,
        connections: [1_000; 2],
        members: 2,
        settings: &["rate=10000"],
    },
    Workload {
        name: "idle",
        title: "nobody speaks, 10 to a room",
        kind: Kind::Idle,
        connections: [10_000, 2_000],
        members: 10,
        settings: &["rate=0"],
    },
];

impl Workload {
    /// Its settings for the load generator.
    pub(crate) fn settings(&self, quick: bool) -> Vec<String> {
        let connections = self.connections[usize::from(quick)];
        let rooms = connections / self.members;
        let arrivals = if self.kind == Kind::Closed { "window" } else { "poisson" };
        let common = [
            format!("name={}", self.name),
            format!("connections={connections}"),
            format!("rooms={rooms}"),
            format!("arrivals={arrivals}"),
        ];
        common.into_iter().chain(self.settings.iter().map(|&it| it.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_spread_clients_over_rooms() {
        let settings = |name: &str, quick| {
            let workload = WORKLOADS.iter().find(|it| it.name == name).expect("it is there");
            workload.settings(quick).join(" ")
        };
        assert_eq!(
            settings("500x2-w16", true),
            "name=500x2-w16 connections=1000 rooms=500 arrivals=window window=16"
        );
        assert_eq!(
            settings("idle", false),
            "name=idle connections=10000 rooms=1000 arrivals=poisson rate=0"
        );
        assert!(settings("idle", true).contains("connections=2000 rooms=200 "));
    }
}
