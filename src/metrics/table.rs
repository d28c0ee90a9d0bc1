//! What the operator sees of a shard. A number is named, explained and read in one line here and
//! nowhere else; `docs/metrics.md` says what to make of it.

use crate::metrics::Snapshot;

/// A number of each shard.
#[derive(Debug)]
pub struct Metric {
    /// Its name; that of one that only grows goes on with `_total`.
    pub name: &'static str,
    /// One sentence on what it is.
    pub help: &'static str,
    /// Whether it only grows.
    pub grows: bool,
    /// The number.
    pub read: fn(&Snapshot) -> u64,
}

/// One that only grows.
const fn counter(name: &'static str, help: &'static str, read: fn(&Snapshot) -> u64) -> Metric {
    Metric { name, help, grows: true, read }
}

/// One that also falls.
const fn gauge(name: &'static str, help: &'static str, read: fn(&Snapshot) -> u64) -> Metric {
    Metric { name, help, grows: false, read }
}

/// Every number of a shard, but for those that are told by reason and the times of its turns.
pub const METRICS: &[Metric] = &[
    gauge("hubbub_connections", "Clients that are connected.", |it| it.stock.sessions),
    gauge("hubbub_rooms", "Rooms whose order this shard decides.", |it| it.stock.rooms),
    gauge("hubbub_names", "Names of clients that this shard keeps.", |it| it.stock.names),
    gauge("hubbub_feed_bytes", "Memory of what rooms keep to be read.", |it| it.stock.feed_bytes),
    gauge("hubbub_outbox_bytes", "Private replies left unread.", |it| it.stock.owed_bytes),
    gauge("hubbub_held_bytes", "All memory on the account of clients and rooms.", |it| {
        it.stock.held_bytes
    }),
    gauge("hubbub_mailbox_depth", "Parcels that wait to be handled.", |it| it.stock.mail),
    counter("hubbub_connections_opened", "Clients that were let in.", |it| it.core.opened),
    counter(
        "hubbub_probes",
        "Connections to a port for lines that closed within 250 ms without having sent a line.",
        |it| it.core.probes,
    ),
    counter("hubbub_messages_received", "Messages said by clients.", |it| it.core.said),
    counter(
        "hubbub_messages_delivered",
        "Messages and notices of rooms, once for each member.",
        |it| it.core.deliveries,
    ),
    counter("hubbub_messages_missed", "Those that members were told they missed.", |it| {
        it.core.missed
    }),
    counter("hubbub_gaps", "Times a member was told that it missed some.", |it| it.core.gaps),
    counter(
        "hubbub_rests",
        "Times a client was read no further for a while, as it asked for too much.",
        |it| it.core.rests,
    ),
    counter("hubbub_memory_relieved_bytes", "Memory taken back because all had too much.", |it| {
        it.core.relieved
    }),
    counter("hubbub_reads", "Reads from sockets that brought something.", |it| it.net.reads),
    counter("hubbub_read_bytes", "What they brought.", |it| it.net.bytes_read),
    counter("hubbub_writes", "Writes to sockets.", |it| it.net.writes),
    counter("hubbub_written_bytes", "What they took.", |it| it.net.bytes_written),
    counter("hubbub_writes_spared", "Writes not needed because messages left together.", |it| {
        it.spared_writes
    }),
    counter("hubbub_pauses", "Times the shard waited for more before it wrote.", |it| it.pauses),
    counter("hubbub_parcels", "Parcels to other shards.", |it| it.mesh.parcels),
    counter("hubbub_parcel_messages", "Messages in them.", |it| it.mesh.messages),
    counter("hubbub_bell_rings", "Other shards woken for them.", |it| it.mesh.rings),
    counter(
        "hubbub_credit_stalls",
        "Turns that read no client because a shard could not keep up.",
        |it| it.mesh.strained,
    ),
];
