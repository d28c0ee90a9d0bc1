//! What is made of what was read. The arithmetic is explained in `docs/operations.md`.

use super::seen::Seen;
use super::{Check, Demands, Verdict};
use crate::machine::{MEMORY_PARTS, own_descriptors};
use crate::net::BACKLOG;

/// Bytes an idle client takes of ours, measured.
const CLIENT_BYTES: u64 = 320;
/// The same with TLS, after a crowd has come at once.
const TLS_CLIENT_BYTES: u64 = 8_500;
/// Bytes the kernel takes for the socket of an idle client, measured.
const SOCKET_BYTES: u64 = 5 << 10;
/// Pages that what is on its way to a client takes at least, and as much again.
const PAGES_PER_CLIENT: u64 = 2;
/// How long the kernel keeps track of a connection that is over.
const TRACKED_SECONDS: u64 = 120;
/// Ports that connections can be made from, at most.
const PORTS_MAX: u64 = 65_535 - 1024 + 1;

/// The numbers that demands come to.
struct Needed {
    clients: u64,
    shards: u64,
    descriptors: u64,
    client_bytes: u64,
}

/// Judges `seen` by what `demands` need of it.
pub(super) fn all(demands: &Demands, seen: &Seen) -> Vec<Check> {
    let shards = demands.shards.map_or(seen.cores.unwrap_or(1), u64::from);
    let own = own_descriptors(u16::try_from(shards).unwrap_or(u16::MAX));
    let possible = seen.descriptors.map_or(0, |(_, hard)| hard.saturating_sub(own));
    let clients = demands.clients.map_or(possible.min(u32::MAX.into()), u64::from);
    let client_bytes = if demands.tls { TLS_CLIENT_BYTES } else { CLIENT_BYTES };
    let needed = Needed { clients, shards, descriptors: clients + own, client_bytes };
    let backlog = BACKLOG.unsigned_abs().into();
    let tracked = clients + u64::from(demands.connects_per_second) * TRACKED_SECONDS;
    let pages = clients * PAGES_PER_CLIENT;
    let mut checks = vec![
        descriptors(&needed, seen),
        sysctl("open files", "fs.file-max", seen.file_max, needed.descriptors),
        sysctl("accept queue", "net.core.somaxconn", seen.somaxconn, backlog),
        sysctl("half-open queue", "net.ipv4.tcp_max_syn_backlog", seen.syn_backlog, backlog),
        ports(demands, &needed, seen),
        buffers(seen.tcp_pages_max, pages),
        memory(&needed, seen),
        share(demands, &needed, seen),
        cores(&needed, seen),
    ];
    if seen.conntrack_max.is_some() {
        let key = "net.netfilter.nf_conntrack_max";
        checks.push(sysctl("conntrack table", key, seen.conntrack_max, tracked));
    }
    checks
}

fn check(
    what: &'static str,
    seen: Option<u64>,
    wanted: u64,
    is_enough: bool,
    how: String,
) -> Check {
    let verdict = match seen {
        None => Verdict::CannotTell("the system does not say".to_owned()),
        Some(_) if is_enough => Verdict::Ok,
        Some(_) => Verdict::Change(how),
    };
    let seen = seen.map_or("?".to_owned(), |it| it.to_string());
    Check { what, seen, wanted: wanted.to_string(), verdict }
}

fn sysctl(what: &'static str, key: &str, seen: Option<u64>, wanted: u64) -> Check {
    let is_enough = seen.is_some_and(|it| it >= wanted);
    let mut check = check(what, seen, wanted, is_enough, format!("sysctl -w {key}={wanted}"));
    check.seen = format!("{key} = {}", check.seen);
    check
}

/// The soft limit does not matter: the server raises it to the hard one.
fn descriptors(needed: &Needed, seen: &Seen) -> Check {
    let wanted = needed.descriptors;
    let hard = seen.descriptors.map(|(_, hard)| hard);
    let raise = match seen.nr_open {
        Some(nr_open) if nr_open < wanted => format!("sysctl -w fs.nr_open={wanted}, and then "),
        _ => String::new(),
    };
    let how =
        format!("{raise}LimitNOFILE={wanted} in the systemd unit, or `ulimit -n {wanted}` as root");
    let is_enough = hard.is_some_and(|it| it >= wanted);
    let mut check = check("descriptors", hard, wanted, is_enough, how);
    if let Some((soft, hard)) = seen.descriptors {
        check.seen = match soft {
            _ if soft == hard => format!("hard limit {hard}"),
            _ => format!("hard limit {hard}, to which the soft one of {soft} is raised"),
        };
    }
    check.wanted = format!("{wanted} for {} clients", needed.clients);
    check
}

/// A proxy or a load generator on this machine makes each connection from a port of its own; so
/// many from one address.
fn ports(demands: &Demands, needed: &Needed, seen: &Seen) -> Check {
    let count = seen.ports.map(|(first, last)| (last + 1).saturating_sub(first));
    let wanted = needed.clients.min(PORTS_MAX);
    let is_enough = !demands.proxies || count.is_some_and(|it| it >= wanted);
    let how = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"".to_owned();
    let mut check = check("port range", count, wanted, is_enough, how);
    if let Some((first, last)) = seen.ports {
        check.seen = format!("{} ports, {first} to {last}", check.seen);
    }
    let addresses = needed.clients.div_ceil(PORTS_MAX);
    check.wanted = if demands.proxies {
        format!("{wanted} on the machine of a proxy, which needs {addresses} addresses")
    } else {
        "nothing, as clients come without a proxy".to_owned()
    };
    check
}

fn buffers(seen: Option<u64>, wanted: u64) -> Check {
    let (low, pressure) = (wanted / 2, wanted / 4 * 3);
    let how = format!("sysctl -w net.ipv4.tcp_mem=\"{low} {pressure} {wanted}\"");
    let mut check = check("socket buffers", seen, wanted, seen.is_some_and(|it| it >= wanted), how);
    check.seen = format!("net.ipv4.tcp_mem allows {} pages", check.seen);
    check.wanted = format!("{wanted}, {PAGES_PER_CLIENT} a client");
    check
}

fn memory(needed: &Needed, seen: &Seen) -> Check {
    let each = needed.client_bytes + SOCKET_BYTES;
    let wanted = needed.clients * each;
    let how = format!(
        "MemoryMax={} in the systemd unit where it is lower; or more memory, or fewer clients",
        mib(wanted)
    );
    let is_enough = seen.memory.is_some_and(|it| it >= wanted);
    let mut check = check("memory", seen.memory, wanted, is_enough, how);
    check.seen = seen.memory.map_or(check.seen, mib);
    check.wanted = format!("{}, {each} bytes an idle client", mib(wanted));
    check
}

/// From 80 % on of what clients may take, nobody new is let in.
fn share(demands: &Demands, needed: &Needed, seen: &Seen) -> Check {
    let share = demands.memory_max.or(seen.memory.map(|bytes| bytes / MEMORY_PARTS));
    let wanted = needed.clients * needed.client_bytes * 5 / 4;
    let is_enough = share.is_some_and(|it| it >= wanted);
    let how = format!("--memory-max {}", mib(wanted));
    let mut check = check("memory-max", share, wanted, is_enough, how);
    check.seen = share.map_or(check.seen, mib);
    check.wanted = format!("{}, of which clients fill 80 %", mib(wanted));
    check
}

fn cores(needed: &Needed, seen: &Seen) -> Check {
    let is_enough = seen.cores.is_some_and(|cores| cores >= needed.shards);
    let how = format!("--shards {}", seen.cores.unwrap_or(1));
    let mut check = check("cores", seen.cores, needed.shards, is_enough, how);
    check.seen = format!("{} that this process may run on", check.seen);
    check.wanted = format!("one for each of {} shards", needed.shards);
    check
}

/// As it can be written in settings and units.
fn mib(bytes: u64) -> String {
    format!("{}M", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMANDS: Demands = Demands {
        clients: Some(10_000),
        shards: Some(2),
        connects_per_second: 1000,
        tls: false,
        proxies: false,
        memory_max: None,
        certificates: None,
    };

    /// Everything is just as much as 10 000 clients need.
    fn machine() -> Seen {
        Seen {
            descriptors: Some((1024, 10_080)),
            nr_open: Some(10_080),
            file_max: Some(10_080),
            somaxconn: Some(4096),
            syn_backlog: Some(4096),
            ports: Some((55_536, 65_535)),
            conntrack_max: Some(130_000),
            tcp_pages_max: Some(20_000),
            memory: Some(10_000 * (320 + 5_120)),
            cores: Some(2),
        }
    }

    fn changes(demands: Demands, seen: &Seen) -> Vec<(&'static str, String)> {
        let change = |check: Check| match check.verdict {
            Verdict::Change(how) => Some((check.what, how)),
            _ => None,
        };
        all(&demands, seen).into_iter().filter_map(change).collect()
    }

    #[test]
    fn what_is_enough_needs_no_change() {
        assert_eq!(changes(DEMANDS, &machine()), []);
        assert_eq!(changes(Demands { proxies: true, ..DEMANDS }, &machine()), []);
        let unsaid = Demands { clients: None, shards: None, ..DEMANDS };
        assert_eq!(changes(unsaid, &machine()), [], "as many as there are descriptors for");
    }

    #[test]
    fn what_is_too_little_is_told_with_the_command_that_changes_it() {
        type Worsen = fn(&mut Seen, &mut Demands);
        let table: [(Worsen, &str, &str); 12] = [
            (|it, _| it.descriptors = Some((9, 10_079)), "descriptors", "LimitNOFILE=10080 "),
            (
                |it, _| (it.descriptors, it.nr_open) = (Some((9, 9)), Some(9)),
                "descriptors",
                "sysctl -w fs.nr_open=10080, and then LimitNOFILE=10080 ",
            ),
            (|it, _| it.file_max = Some(10_079), "open files", "sysctl -w fs.file-max=10080"),
            (|it, _| it.somaxconn = Some(128), "accept queue", "net.core.somaxconn=4096"),
            (|it, _| it.syn_backlog = Some(128), "half-open queue", "tcp_max_syn_backlog=4096"),
            (
                |it, asked| (it.ports, asked.proxies) = (Some((55_537, 65_535)), true),
                "port range",
                "net.ipv4.ip_local_port_range=\"1024 65535\"",
            ),
            (
                |it, _| it.conntrack_max = Some(129_999),
                "conntrack table",
                "nf_conntrack_max=130000",
            ),
            (
                |it, _| it.tcp_pages_max = Some(19_999),
                "socket buffers",
                "net.ipv4.tcp_mem=\"10000 15000 20000\"",
            ),
            (|it, _| it.memory = Some(50_000_000), "memory", "MemoryMax=52M"),
            (|_, asked| asked.memory_max = Some(3 << 20), "memory-max", "--memory-max 4M"),
            (|it, _| it.cores = Some(1), "cores", "--shards 1"),
            (|_, asked| asked.tls = true, "memory", "MemoryMax=130M"),
        ];
        for (worsen, what, how) in table {
            let (mut seen, mut demands) = (machine(), DEMANDS);
            worsen(&mut seen, &mut demands);
            let changes = changes(demands.clone(), &seen);
            let (found, told) = changes.first().unwrap_or_else(|| panic!("nothing for {what}"));
            assert_eq!(*found, what);
            assert!(told.contains(how), "{how:?} is not in {told:?}");
            assert!(changes.len() == 1 || demands.tls, "{changes:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_neither_good_nor_bad() {
        for check in all(&DEMANDS, &Seen::default()) {
            let is_known = check.what == "port range" && check.verdict == Verdict::Ok;
            assert!(is_known || matches!(check.verdict, Verdict::CannotTell(_)), "{check}");
        }
    }

    #[test]
    fn a_proxy_needs_an_address_for_each_range_of_ports() {
        let demands = Demands { clients: Some(1_000_000), proxies: true, ..DEMANDS };
        let checks = all(&demands, &machine());
        let ports = checks.iter().find(|it| it.what == "port range").expect("it is checked");
        assert!(ports.to_string().contains("needs 16 addresses"), "{ports}");
    }
}
