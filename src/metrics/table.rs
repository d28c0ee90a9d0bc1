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
    gauge(
        "hubbub_feed_bytes",
        "Memory that holds messages of rooms until slow members have read them, in bytes.",
        |it| it.stock.feed_bytes,
    ),
    gauge(
        "hubbub_outbox_bytes",
        "Private replies that clients have not read yet, in bytes.",
        |it| it.stock.owed_bytes,
    ),
    gauge(
        "hubbub_held_bytes",
        "Memory held for clients and rooms, as it counts against --memory-max, in bytes.",
        |it| it.stock.held_bytes,
    ),
    gauge(
        "hubbub_mailbox_depth",
        "Parcels of messages from other shards that wait to be handled by this one.",
        |it| it.stock.mail,
    ),
    counter("hubbub_connections_opened", "Clients that were let in.", |it| it.core.opened),
    counter(
        "hubbub_probes",
        "Connections to a port for lines that closed within 250 ms without having sent a line.",
        |it| it.core.probes,
    ),
    counter("hubbub_messages_received", "Chat messages said by clients.", |it| it.core.said),
    counter(
        "hubbub_messages_delivered",
        "Chat messages and notices of rooms written to members, once for each member.",
        |it| it.core.deliveries,
    ),
    counter(
        "hubbub_messages_missed",
        "Chat messages and notices that members read too slowly to get, and were told so.",
        |it| it.core.missed,
    ),
    counter(
        "hubbub_gaps",
        "Times a member was told that it missed messages, as it read too slowly.",
        |it| it.core.gaps,
    ),
    counter(
        "hubbub_rests",
        "Times a client was throttled: its input was left unread, as it exceeded its rate limit.",
        |it| it.core.rests,
    ),
    counter(
        "hubbub_memory_relieved_bytes",
        "Memory taken back from its largest holders over 90 % of --memory-max, in bytes.",
        |it| it.core.relieved,
    ),
    counter("hubbub_reads", "Reads from client sockets that brought something.", |it| it.net.reads),
    counter(
        "hubbub_read_bytes",
        "Bytes read from client sockets, with what is around text in frames and TLS records.",
        |it| it.net.bytes_read,
    ),
    counter("hubbub_writes", "Writes to client sockets.", |it| it.net.writes),
    counter("hubbub_written_bytes", "Bytes written to client sockets.", |it| it.net.bytes_written),
    counter(
        "hubbub_writes_spared",
        "Writes to client sockets not needed because several messages left in one.",
        |it| it.spared_writes,
    ),
    counter(
        "hubbub_pauses",
        "Times the shard waited 200 us for more messages before it wrote any.",
        |it| it.pauses,
    ),
    counter("hubbub_parcels", "Parcels of messages sent to other shards.", |it| it.mesh.parcels),
    counter("hubbub_parcel_messages", "Messages sent to other shards, in parcels.", |it| {
        it.mesh.messages
    }),
    counter(
        "hubbub_bell_rings",
        "Times another shard slept and was woken for a parcel from this one.",
        |it| it.mesh.rings,
    ),
    counter(
        "hubbub_credit_stalls",
        "Turns that read no client because some shard could not keep up with this one.",
        |it| it.mesh.strained,
    ),
];
