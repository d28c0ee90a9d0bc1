//! What is asked of every server.

/// One shape of load: a closed loop, each sender keeping `window` messages on their way.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// The name `--only` looks at.
    pub(crate) name: String,
    /// How many rooms there are.
    pub(crate) rooms: usize,
    /// How many members each room has.
    pub(crate) members: usize,
    /// How many of each room's members talk.
    pub(crate) senders: usize,
    /// How many of its own messages a sender may wait for.
    pub(crate) window: usize,
}

impl Workload {
    /// Every workload whose name contains `only`, in the order of the report.
    pub(crate) fn all(only: &str) -> Vec<Self> {
        let mut all = Vec::new();
        for (rooms, members) in [(1, 1_000), (200, 10), (500, 2)] {
            for window in [1, 16, 64] {
                let name = format!("{rooms}x{members}-w{window}");
                all.push(Self { name, rooms, members, senders: 1, window });
            }
        }
        let (rooms, members) = (200, 10);
        let name = format!("{rooms}x{members}-all");
        all.push(Self { name, rooms, members, senders: members, window: 1 });
        all.retain(|workload| workload.name.contains(only));
        all
    }

    /// How many connections the load needs.
    pub(crate) fn clients(&self) -> usize {
        self.rooms * self.members
    }

    /// The first client of the room `client` is in; the members of a room have adjacent numbers.
    pub(crate) fn first_in_room(&self, client: usize) -> usize {
        client - client % self.members
    }

    /// Whether this client talks: the first `senders` of a room do.
    pub(crate) fn talks(&self, client: usize) -> bool {
        client % self.members < self.senders
    }

    /// The name of the room this client joins.
    pub(crate) fn room_name(&self, client: usize) -> String {
        format!("room{:04}", client / self.members)
    }

    /// The load in words, as the head of its block in the table.
    pub(crate) fn describe(&self) -> String {
        let Self { name, rooms, members, senders, window } = self;
        let talking = if senders == members { "all" } else { "1" };
        format!("{name}: {rooms} × {members} members, {talking} sending, {window} in flight each")
    }
}
