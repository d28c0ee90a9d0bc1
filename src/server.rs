//! Layer 5: the process. Starts the shards, accepts and places connections, and sees the server
//! off.

mod doors;
mod eviction;
mod intake;
mod rejections;
mod trial;

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use core_affinity::CoreId;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::runtime;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::admin;
use crate::board::Board;
use crate::config::Config;
use crate::http::{Question, Rules, Site, Visits};
use crate::logging::LostLines;
use crate::mesh::{Address, Mail, mesh};
use crate::metrics::Snapshot;
use crate::model::{CloseReason, Moment, Origin, ShardId};
use crate::net::{
    Acceptor, Admission, Certificates, Handshakes, ListenAddress, Loads, Proxies, Turn,
    unix_seconds,
};
use crate::notify::Notify;
use crate::proto::rejection_line;
use crate::reload::Reload;
use crate::shard::{Parts, Ports, Shard};
use crate::signals::{Asked, Signals};
use crate::watchdog::Watchdog;
pub use doors::{Addresses, AdminPort, Doors, explain_listen_error};
use intake::accept;
use rejections::Rejections;
pub use trial::{Findings, try_start};

/// How long nobody is accepted for whom there is no place among the handshakes.
const NO_ROOM_WAIT: Duration = Duration::from_millis(10);
/// Refusals of the operator's port that wait to be counted; more are not.
const REFUSALS_MAX: usize = 64;
/// Requests through proxies that wait for an answer; others wait to be one of them.
const QUESTIONS_MAX: usize = 64;

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it was told to.
    Stopped,
    /// At once, because it was told twice.
    Cut,
    /// Because a shard died.
    Failed,
}

/// What a shard's thread has to say when it ends.
type Farewell = (ShardId, Option<Snapshot>);

/// A running server.
#[derive(Debug)]
struct Server {
    addresses: Arc<[Address]>,
    loads: Loads,
    board: Board,
    watchdog: Watchdog,
    notify: Notify,
    connections_max: u32,
    drain_wait_max: Duration,
    farewells: mpsc::UnboundedReceiver<Farewell>,
    /// Shards that have not ended.
    running: u16,
    memory_bytes_max: u64,
    admission: Admission,
    proxies: Proxies,
    /// What clients are shown who come through TLS, if they can.
    certificates: Option<Certificates>,
    handshakes: Handshakes,
    visits: Visits,
    /// What the HTTP ports answer to.
    site: Site,
    /// Clients that the operator's port has refused.
    refused: mpsc::Receiver<(SocketAddr, CloseReason)>,
    /// Requests through proxies that are to be admitted.
    questions: mpsc::Receiver<Question>,
    /// When it was last logged that a proxy does not say where a request comes from.
    told_unsaid: Option<Instant>,
    /// Nobody is evicted for newcomers before that.
    next_eviction: Moment,
    started: Instant,
    rejections: Rejections,
}

/// Serves clients who come through `doors` until a signal says to stop. Another has it `reload` its
/// settings. It is announced when it is ready for all of them.
///
/// # Errors
/// When the operating system does not give us what a server needs.
pub fn run(
    config: &Config,
    mut doors: Doors,
    reload: Reload,
    announce: impl FnOnce(),
) -> io::Result<End> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    let Addresses { plain, tls, http, https, .. } = doors.addresses();
    let tcp = |address: Option<ListenAddress>| address?.tcp();
    let ports = Ports { tls: tcp(tls), http: tcp(http), https: tcp(https) };
    let (refuse, refused) = mpsc::channel(REFUSALS_MAX);
    let server = Server::start(config, doors.certificates.take(), ports, refused)?;
    server.board.show_reload(true, now_unix());
    server.show_certificate();
    change_site(&server.site, config, server.certificates.as_ref());
    let signals = Signals::listen()?;
    let mut _admin_file = None;
    if let Some(AdminPort { mut listener, lost }) = doors.admin.take() {
        // Its thread ends with the process, and leaves nothing in order.
        _admin_file = listener.take_file();
        admin::start(listener, server.facts(lost, refuse))?;
    }
    announce();
    server.notify.ready(&plain);
    runtime.block_on(server.serve(doors, reload, signals))
}

/// Which core each shard is pinned to: the cores this process may use, in turn.
#[must_use]
pub fn cores_of_shards(config: &Config) -> Vec<Option<CoreId>> {
    let cores = if config.pin { core_affinity::get_core_ids().unwrap_or_default() } else { vec![] };
    let shards = usize::from(config.shards);
    if cores.is_empty() {
        return vec![None; shards];
    }
    cores.into_iter().cycle().map(Some).take(shards).collect()
}

impl Server {
    fn start(
        config: &Config,
        certificates: Option<Certificates>,
        ports: Ports,
        refused: mpsc::Receiver<(SocketAddr, CloseReason)>,
    ) -> io::Result<Self> {
        let (mailboxes, addresses) = mesh(config.shards);
        let loads = Loads::new(config.shards, config.addresses_max_ever());
        let watchdog = Watchdog::new(Arc::clone(&addresses));
        let board = Board::new(config.shards);
        board.show_limits(config.connections_max, config.limits.memory_bytes_max);
        let (say_farewell, farewells) = mpsc::unbounded_channel();
        let (origin, started, turn) = (origin()?, Instant::now(), Turn::default());
        let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
        let (site, not_tls) = (Site::default(), rejection_line(CloseReason::NoTls));
        let shards = ShardId::all(config.shards).zip(mailboxes).zip(cores_of_shards(config));
        for ((id, mailbox), core) in shards {
            let parts = Parts {
                id,
                mailbox,
                addresses: Arc::clone(&addresses),
                limits: config.limits.clone(),
                mask_addresses: config.mask_addresses,
                loads: loads.clone(),
                pulse: watchdog.pulse(id),
                sheet: board.sheet(id),
                ports,
                origin,
                started,
            };
            spawn_shard(parts, core, say_farewell.clone())?;
        }
        Ok(Self {
            addresses,
            rejections: Rejections::new(board.clone(), config.mask_addresses),
            board,
            watchdog,
            notify: Notify::from_env(),
            connections_max: config.connections_max,
            drain_wait_max: config.drain_wait_max,
            farewells,
            running: config.shards,
            memory_bytes_max: config.limits.memory_bytes_max,
            proxies: Proxies::new(config.proxies.clone()),
            certificates,
            handshakes: Handshakes::new(config.connections_max, turn.clone(), &not_tls),
            visits: Visits::new(config.connections_max, turn, site.clone(), ask),
            questions,
            told_unsaid: None,
            next_eviction: Moment::default(),
            site,
            refused,
            admission: Admission::new(config.admission.clone(), loads.clone()),
            loads,
            started,
        })
    }

    fn facts(
        &self,
        lost: Arc<LostLines>,
        refuse: mpsc::Sender<(SocketAddr, CloseReason)>,
    ) -> admin::Facts {
        let (board, site, started) = (self.board.clone(), self.site.clone(), self.started);
        admin::Facts { board, lost, started, site, refuse }
    }

    async fn serve(
        mut self,
        doors: Doors,
        mut reload: Reload,
        mut signals: Signals,
    ) -> io::Result<End> {
        let mut acceptors = doors.open()?;
        loop {
            // Each in its turn is asked first, so that none keeps the others waiting.
            acceptors.rotate_left(1);
            let all = acceptors.len();
            let open: Vec<&mut Acceptor> =
                acceptors.iter_mut().filter(|it| self.has_room(it.port())).collect();
            let has_room = open.len() == all;
            let wait = self.pace_wait();
            tokio::select! {
                (arrivals, acceptor) = accept(open) => self.welcome(arrivals, acceptor).await,
                asked = signals.next() => match asked {
                    Asked::Reload => self.reload(&mut reload),
                    Asked::Stop(signal) => {
                        info!(signal, "stopping: nobody new, and clients get what they are owed");
                        break;
                    }
                },
                // Their connections come at the pace of all others.
                heard = self.proxies.next(), if wait.is_zero() => self.hear(heard),
                Some(question) = self.questions.recv(), if wait.is_zero() => self.decide(question),
                () = tokio::time::sleep(wait), if !wait.is_zero() => {}
                settled = self.handshakes.next() => self.settle(settled),
                visited = self.visits.next() => self.see_off(visited),
                Some((from, reason)) = self.refused.recv() => self.rejections.record(reason, from),
                _ = self.farewells.recv() => return Ok(End::Failed),
                () = tokio::time::sleep(NO_ROOM_WAIT), if !has_room => {}
                () = self.watchdog.look() => {
                    self.board.show_stuck(self.watchdog.stuck_seconds());
                    self.rejections.tick();
                }
                () = self.notify.wellness_is_due() => self.tell_wellness(),
            }
        }
        self.rejections.finish();
        self.board.show_drain();
        self.notify.stopping();
        drop(acceptors);
        self.handshakes.end();
        self.visits.end();
        self.drain(&mut signals).await
    }

    /// Tells the service manager whether all shards turn.
    fn tell_wellness(&mut self) {
        let is_well = self.watchdog.turning().all(|turns| turns);
        self.notify.well(is_well);
    }

    /// Reads the settings again, and tells the service manager.
    fn reload(&mut self, reload: &mut Reload) {
        self.notify.reloading();
        let config = reload.read(self.certificates.as_mut());
        let good = config.is_some();
        if let Some(config) = config {
            self.change(config);
        }
        self.board.show_reload(good, now_unix());
        self.show_certificate();
        self.notify.reloaded(good);
    }

    /// Shows the operator until when the certificate in use is good.
    fn show_certificate(&self) {
        let expiry = self.certificates.as_ref().map_or(0, |it| it.facts().not_after);
        self.board.show_certificate_expiry(u64::try_from(expiry).unwrap_or(0));
    }

    /// Has all settings that can be changed hold from now on, for those who are here as for those
    /// who come.
    fn change(&mut self, config: Config) {
        change_site(&self.site, &config, self.certificates.as_ref());
        self.connections_max = config.connections_max;
        self.board.show_limits(config.connections_max, config.limits.memory_bytes_max);
        self.drain_wait_max = config.drain_wait_max;
        self.memory_bytes_max = config.limits.memory_bytes_max;
        self.admission.change_limits(config.admission, self.now());
        self.handshakes.change_clients_max(config.connections_max);
        self.visits.change_clients_max(config.connections_max);
        self.proxies.change(config.proxies);
        for address in self.addresses.iter() {
            address.send(Mail::Limits(Box::new(config.limits.clone())));
        }
    }

    fn now(&self) -> Moment {
        Moment::default().after(self.started.elapsed())
    }

    /// Has all shards see their clients off, and waits for them, up to a limit.
    async fn drain(&mut self, signals: &mut Signals) -> io::Result<End> {
        for address in self.addresses.iter() {
            address.send(Mail::Drain);
        }
        let too_late = tokio::time::sleep(self.drain_wait_max);
        tokio::pin!(too_late);
        while self.running > 0 {
            tokio::select! {
                Some((shard, snapshot)) = self.farewells.recv() => {
                    let Some(snapshot) = snapshot else { return Ok(End::Failed) };
                    self.running -= 1;
                    info!("shard={shard} {snapshot}");
                }
                Asked::Stop(signal) = signals.next() => {
                    warn!(signal, "told twice: stopping at once");
                    return Ok(End::Cut);
                }
                () = self.watchdog.look() => self.board.show_stuck(self.watchdog.stuck_seconds()),
                () = self.notify.wellness_is_due() => self.tell_wellness(),
                () = &mut too_late => {
                    let clients = self.loads.total();
                    warn!(clients, "time is up: closing connections that have not read everything");
                    return Ok(End::Stopped);
                }
            }
        }
        for reason in CloseReason::ALL {
            let count = self.board.turned_away(reason);
            if count > 0 {
                info!(reason = reason.label(), count, "connections were turned away");
            }
        }
        info!("stopped");
        Ok(End::Stopped)
    }
}

/// Has the HTTP ports answer to what `config` and the certificate in use name.
fn change_site(site: &Site, config: &Config, certificates: Option<&Certificates>) {
    let certified = certificates.map_or(&[][..], |it| &it.facts().names);
    let (hosts, origins) = (config.hosts.clone(), config.origins.clone());
    site.change(Rules { hosts, origins, proxies: config.proxies.clone() }, certified);
}

/// Starts the thread of a shard, which says farewell when it ends.
fn spawn_shard(
    parts: Parts,
    core: Option<CoreId>,
    say_farewell: mpsc::UnboundedSender<Farewell>,
) -> io::Result<()> {
    let id = parts.id;
    thread::Builder::new().name(format!("shard-{id}")).spawn(move || {
        let snapshot = catch_unwind(AssertUnwindSafe(|| run_shard(parts, core)));
        let snapshot = snapshot.unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        if let Err(error) = &snapshot {
            error!(shard = %id, %error, "a shard died");
        }
        // The receiver is gone when the server has been cut short.
        let _ = say_farewell.send((id, snapshot.ok()));
    })?;
    Ok(())
}

/// The body of a shard's thread.
fn run_shard(parts: Parts, core: Option<CoreId>) -> io::Result<Snapshot> {
    static REFUSED: Once = Once::new();
    if core.is_some_and(|core| !core_affinity::set_for_current(core)) {
        REFUSED.call_once(|| {
            warn!("cores refuse to have shards pinned: they float, as with --no-pin")
        });
    }
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build_local(runtime::LocalOptions::default())?;
    runtime.block_on(async { Shard::new(parts)?.run().await })
}

/// The time, in seconds since 1970.
fn now_unix() -> u64 {
    u64::try_from(unix_seconds()).unwrap_or(0)
}

/// Something that is different at every start.
fn origin() -> io::Result<Origin> {
    let seed = ahash::RandomState::new().hash_one(std::process::id());
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut resume_secret = [0; 32];
    let drawn = SystemRandom::new().fill(&mut resume_secret);
    drawn.map_err(|_| io::Error::other("no randomness for resume tokens"))?;
    let unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Ok(Origin { seed, unix_ms, resume_secret })
}
