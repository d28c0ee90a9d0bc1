//! Who comes in: from being accepted to a place on a shard, or to being turned away.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures::future::select_all;
use tracing::warn;

use super::Server;
use crate::core::placement::least_loaded;
use crate::http::{Question, Upgraded, Visited, Visitor};
use crate::mesh::{Mail, Newcomer};
use crate::model::{CloseReason, Moment, ShardId, Ticket};
use crate::net::{Acceptor, Arrival, Certificates, Cost, Heard, Port, Settled, Waiting, refuse};
use crate::proto::{Wire, rejection_line};
use crate::shard::is_short;
use crate::socket::Socket;

/// How often it is logged, at most, that a proxy does not say where a request comes from.
const UNSAID_WARN_EVERY: Duration = Duration::from_secs(60);

impl Server {
    /// Whether there is room for who comes to a port and has something to settle first.
    pub(super) fn has_room(&mut self, port: Port) -> bool {
        match port {
            Port::Plain => true,
            Port::Tls => self.handshakes.has_room(),
            Port::Http | Port::Https => self.visits.has_room(),
        }
    }

    /// Sees to connections that `acceptor` has accepted.
    pub(super) async fn welcome(&mut self, arrivals: Vec<Arrival>, acceptor: &mut Acceptor) {
        let direct = self.ask_proxies(arrivals);
        self.let_in(direct);
        let wait = self.pace_wait();
        if !wait.is_zero() {
            acceptor.rest(wait);
        }
        tokio::task::yield_now().await;
    }

    /// How long nobody more should come in, because so many came of late.
    pub(super) fn pace_wait(&self) -> Duration {
        Duration::from_millis(u64::from(self.admission.wait_ms(self.now())))
    }

    /// Sees to a connection of which a proxy has said what it will.
    pub(super) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Client(arrival) => self.let_in(vec![arrival]),
            Heard::Requests(arrival) => match self.find_room(arrival.from.ip(), 0, self.now()) {
                Ok(()) => {
                    let visitor = Visitor::Proxy(arrival.from);
                    self.begin_visit(arrival, visitor);
                }
                Err(reason) => self.turn_away(arrival, reason),
            },
            Heard::Nowhere(arrival) => self.turn_away(arrival, CloseReason::BadProxyHeader),
            Heard::Silence => {}
            Heard::Junk(proxy) => self.rejections.record(CloseReason::BadProxyHeader, proxy),
        }
    }

    /// Decides whether a request through a proxy is admitted.
    pub(super) fn decide(&mut self, Question { proxy, client, cost, answer }: Question) {
        let now = self.now();
        let from = client.unwrap_or(proxy);
        // Its own connection is one of those that have no shard yet.
        let admitted = self.find_room(from.ip(), 1, now).and_then(|()| match client {
            Ok(client) => self.admission.admit(client.ip(), cost, now),
            // Who hides behind a proxy may not have what is allowed to the proxy's machine.
            Err(_) => self.admission.admit_limited(proxy.ip(), cost, now),
        });
        if let Err(why) = client {
            self.warn_unsaid(proxy, why);
        }
        if let Err(reason) = admitted {
            self.rejections.record(reason, from);
        }
        // Its connection may be over, and what it was counted under is free again then.
        let _ = answer.send(admitted.map(|ticket| self.loads.wait(ticket)));
    }

    fn warn_unsaid(&mut self, proxy: SocketAddr, why: &str) {
        let now = Instant::now();
        if self.told_unsaid.is_none_or(|at| now.duration_since(at) >= UNSAID_WARN_EVERY) {
            self.told_unsaid = Some(now);
            warn!(%proxy, "a proxy does not say where a request comes from, its own address \
                  counts: {why}");
        }
    }

    /// Keeps connections from proxies until they have said where they come from; the others.
    fn ask_proxies(&mut self, arrivals: Vec<Arrival>) -> Vec<Arrival> {
        let mut direct = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            if !self.proxies.contain(arrival.from) {
                direct.push(arrival);
            } else if let Err(arrival) = self.proxies.ask(arrival) {
                self.turn_away(arrival, CloseReason::Full);
            }
        }
        direct
    }

    /// Places new connections on shards, those with TLS once their handshake is over.
    pub(super) fn let_in(&mut self, arrivals: Vec<Arrival>) {
        let mut batches: Vec<Vec<_>> = self.addresses.iter().map(|_| vec![]).collect();
        let now = self.now();
        for arrival in arrivals {
            match self.admit(arrival.from, now) {
                Ok(ticket) if arrival.port != Port::Plain => self.ask(arrival, ticket),
                Ok(ticket) => {
                    let shard = self.place(ticket);
                    batches[shard.index()].push(Newcomer {
                        socket: Socket::Plain(arrival.stream),
                        ticket,
                        from: arrival.from,
                        wire: Wire::Line,
                    });
                }
                Err(reason) => self.turn_away(arrival, reason),
            }
        }
        for (address, batch) in self.addresses.iter().zip(batches) {
            if !batch.is_empty() {
                address.send(Mail::Newcomers(batch));
            }
        }
    }

    /// Begins what a client that has been let in has to settle before it may chat.
    fn ask(&mut self, arrival: Arrival, ticket: Ticket) {
        let (from, waiting) = (arrival.from, self.loads.wait(ticket));
        let Some(certificates) = self.certificates.as_ref().filter(|_| arrival.port == Port::Tls)
        else {
            return self.begin_visit(arrival, Visitor::Client(from, waiting));
        };
        if !self.handshakes.begin(arrival.stream, (from, waiting), certificates.for_lines()) {
            self.rejections.record(CloseReason::Full, from);
        }
    }

    /// Begins a visit to the port for browsers.
    fn begin_visit(&mut self, Arrival { stream, from, port }: Arrival, visitor: Visitor) {
        let certificates = self.certificates.as_ref().filter(|_| port == Port::Https);
        let config = certificates.map(Certificates::for_http);
        if !self.visits.begin(stream, visitor, config) {
            self.rejections.record(CloseReason::Full, from);
        }
    }

    /// Sees to a connection whose handshake is over.
    pub(super) fn settle(&mut self, Settled { from, outcome }: Settled) {
        match outcome {
            Ok(Some((socket, waiting))) => {
                self.welcome_to_chat(socket, (from, waiting), Wire::Line);
            }
            Ok(None) => {}
            Err(reason) => self.rejections.record(reason, from),
        }
    }

    /// Sees to a connection that browsers use whose visit is over.
    pub(super) fn see_off(&mut self, Visited { from, outcome }: Visited) {
        match outcome {
            Ok(Some(Upgraded { from, waiting, socket, wire })) => {
                self.welcome_to_chat(socket, (from, waiting), wire);
            }
            Ok(None) => {}
            Err(reason) => self.rejections.record(reason, from),
        }
    }

    /// Places a connection that has settled what there was to settle.
    fn welcome_to_chat(
        &mut self,
        socket: Socket,
        (from, waiting): (SocketAddr, Waiting),
        wire: Wire,
    ) {
        let ticket = waiting.ticket();
        let shard = self.place(ticket);
        let newcomer = Newcomer { socket, ticket, from, wire };
        self.addresses[shard.index()].send(Mail::Newcomers(vec![newcomer]));
    }

    /// The shard for a connection: the one that has the fewest, of those that are not stuck.
    fn place(&mut self, ticket: Ticket) -> ShardId {
        let shard = least_loaded(self.loads.each().zip(self.watchdog.turning()));
        self.loads.came(shard, ticket);
        shard
    }

    fn admit(&mut self, from: SocketAddr, now: Moment) -> Result<Ticket, CloseReason> {
        self.find_room(from.ip(), 0, now)?;
        self.admission.admit(from.ip(), Cost::Connection, now)
    }

    /// Whether there is room for one connection more, of somebody at `address`, beside those that
    /// have no shard yet. So many of these are the one it is about. If there is none, others may
    /// have to make some for the next.
    fn find_room(
        &mut self,
        address: IpAddr,
        its_own: usize,
        now: Moment,
    ) -> Result<(), CloseReason> {
        let waiting =
            self.proxies.waiting() + self.handshakes.under_way() + self.visits.under_way();
        let waiting = u32::try_from(waiting.saturating_sub(its_own)).unwrap_or(u32::MAX);
        if self.loads.total() + waiting >= self.connections_max {
            self.make_room(address, now);
            Err(CloseReason::Full)
        } else if is_short(self.loads.held_bytes(), self.memory_bytes_max) {
            Err(CloseReason::Memory)
        } else {
            Ok(())
        }
    }

    /// Turns a connection away, with a word of why if its client would understand it. A handshake
    /// is too dear for whoever comes too often.
    fn turn_away(&mut self, Arrival { stream, from, port }: Arrival, reason: CloseReason) {
        let is_its_own_doing =
            matches!(reason, CloseReason::AddressFull | CloseReason::AddressFast);
        let config = self.certificates.as_ref().map(Certificates::for_http);
        let line = rejection_line(reason);
        match port {
            Port::Plain => refuse(stream, &line),
            Port::Http => self.visits.refuse(stream, (reason, &line), None),
            Port::Https if !is_its_own_doing => self.visits.refuse(stream, (reason, &line), config),
            Port::Https | Port::Tls => {}
        }
        self.rejections.record(reason, from);
    }
}

/// Waits for connections to any of the ports that are `open`; and who accepted them.
pub(super) async fn accept(open: Vec<&mut Acceptor>) -> (Vec<Arrival>, &mut Acceptor) {
    let each = open.into_iter().map(|it| Box::pin(async { (it.accept().await, it) }));
    select_all(each).await.0
}
