//! Layer 4: one shard at work. The only place where core, mesh and net meet; the loop below is the
//! whole of it.

mod account;
mod coalescing;
#[cfg(feature = "fault-injection")]
mod faults;
mod opening;
mod post;
mod reading;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use tracing::warn;

use crate::board::Sheet;
use crate::core::Core;
use crate::core::sink::Sink;
use crate::mesh::credit::Credit;
use crate::mesh::{Address, Mail, Mailbox, Newcomer, Parcel};
use crate::metrics::{MeshCounters, Snapshot, Stock, TurnTimes};
use crate::model::{CloseReason, Limits, Moment, Origin, ShardId, ShardMsg, Slot};
use crate::net::{Connections, Loads};
use crate::watchdog::Pulse;
use account::Account;
pub use account::is_short;
use coalescing::Coalescing;
pub use opening::Ports;
pub use post::post;

/// Messages handled before clients get a turn.
const MAIL_PER_TURN_MAX: usize = 1024;
/// As many messages take as long as a new connection.
const MAIL_PER_NEWCOMER: usize = 16;
/// Messages on their way from one shard to another before input is left unread.
const CREDIT_MAX: u32 = 4096;

/// A shard and all it owns.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    core: Core,
    connections: Connections,
    mailbox: Mailbox,
    addresses: Arc<[Address]>,
    credit: Credit,
    /// Messages that have been taken from the mailbox and not yet handled, and who sent them.
    inbox: VecDeque<(ShardId, std::vec::IntoIter<ShardMsg>)>,
    draining: bool,
    /// The kernel may have more readiness events than it has told.
    more_events: bool,
    started: Instant,
    deadline: Pin<Box<Sleep>>,
    coalescing: Coalescing,
    account: Account,
    mesh_counters: MeshCounters,
    pulse: Pulse,
    sheet: Sheet,
    ports: Ports,
    turn_times: TurnTimes,
    turns: u64,
    pauses: u64,
}

/// What a shard is made from.
#[derive(Debug)]
pub struct Parts {
    /// Which of the shards.
    pub id: ShardId,
    /// Where its mail arrives.
    pub mailbox: Mailbox,
    /// Where all shards' mail goes, in order.
    pub addresses: Arc<[Address]>,
    /// What its sessions and rooms may cost.
    pub limits: Limits,
    /// Whether the log may only show which network a client is in.
    pub mask_addresses: bool,
    /// Where it counts its connections.
    pub loads: Loads,
    /// Where it counts its turns.
    pub pulse: Pulse,
    /// Where it puts up its counters.
    pub sheet: Sheet,
    /// Where else the server is reached.
    pub ports: Ports,
    /// The same for all shards.
    pub origin: Origin,
    /// When time began; the same for all shards.
    pub started: Instant,
}

impl Shard {
    /// A shard without connections. To be called in the runtime it will run in.
    ///
    /// # Errors
    /// When the operating system has no readiness set for it.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts {
            id,
            mailbox,
            addresses,
            limits,
            mask_addresses,
            loads,
            pulse,
            sheet,
            ports,
            origin,
            started,
        } = parts;
        let shards = u16::try_from(addresses.len()).expect("as many addresses as shards");
        Ok(Self {
            id,
            core: Core::new(id, shards, limits.clone(), origin),
            account: Account::new(id, limits.memory_bytes_max, loads.clone()),
            connections: Connections::new(id, limits, loads, mask_addresses)?,
            mailbox,
            addresses,
            credit: Credit::new(shards, CREDIT_MAX),
            inbox: VecDeque::new(),
            draining: false,
            more_events: false,
            started,
            deadline: Box::pin(tokio::time::sleep(Duration::ZERO)),
            coalescing: Coalescing::default(),
            mesh_counters: MeshCounters::default(),
            pulse,
            sheet,
            ports,
            turn_times: TurnTimes::default(),
            turns: 0,
            pauses: 0,
        })
    }

    /// Turn after turn, until the server has gone down and everyone is seen off. Meant to be the
    /// runtime's root future: waking that from another thread takes no lock.
    ///
    /// # Errors
    /// When the operating system no longer tells what is ready; the shard cannot go on then.
    pub async fn run(mut self) -> io::Result<Snapshot> {
        loop {
            let began = Instant::now();
            let now = Moment::default().after(began - self.started);
            self.turns += 1;
            self.pulse.begin_turn(self.turns);
            self.core.begin_turn(now);
            self.take_mail(now);
            self.serve_clients(now)?;
            #[cfg(feature = "fault-injection")]
            faults::strike_loop(self.draining);
            self.tick(now);
            self.post();
            if self.may_pause() {
                self.pauses += 1;
                // Whoever has ended is gone before a newcomer is given their slot.
                self.close_ended(now);
                self.turn_times.count(began.elapsed());
                // Nothing else runs on this thread, and no runtime has timers as fine as this.
                thread::sleep(coalescing::PAUSE);
                continue;
            }
            self.core.flush(&mut Sockets(&mut self.connections), now);
            self.settle_account(now);
            self.close_ended(now);
            self.turn_times.count(began.elapsed());
            self.sheet.put_up(&self.snapshot());
            if self.is_done() {
                return Ok(self.snapshot());
            }
            if self.has_work() {
                tokio::task::yield_now().await;
            } else {
                self.sleep().await?;
            }
        }
    }

    /// Whether the server goes down and nobody is left here, not even somebody who may not have
    /// read all that was written to them.
    fn is_done(&self) -> bool {
        self.core.is_drained()
            && self.core.destinations().next().is_none()
            && !self.connections.is_lingering()
    }

    /// Whether to see what else arrives before anything is written.
    fn may_pause(&mut self) -> bool {
        let spared = self.core.spared_writes();
        !self.core.is_pressed() && self.coalescing.pays(Instant::now(), spared)
    }

    /// Handles what other shards and the acceptor have sent.
    fn take_mail(&mut self, now: Moment) {
        let mut budget = MAIL_PER_TURN_MAX;
        while budget > 0 && !self.core.is_pressed() {
            if let Some((from, messages)) = self.inbox.front_mut() {
                let from = *from;
                match messages.next() {
                    Some(message) => {
                        self.core.handle_message(from, message, now);
                        self.credit.handled(from);
                        budget -= 1;
                    }
                    None => drop(self.inbox.pop_front()),
                }
                continue;
            }
            match self.mailbox.take() {
                Some(Mail::Parcel(Parcel { from, slip, messages })) => {
                    self.credit.received(from, slip);
                    self.core.begin_batch();
                    self.inbox.push_back((from, messages.into_iter()));
                }
                Some(Mail::Newcomers(newcomers)) => {
                    budget = budget.saturating_sub(newcomers.len() * MAIL_PER_NEWCOMER);
                    newcomers.into_iter().for_each(|newcomer| self.open(newcomer, now));
                }
                Some(Mail::Evict(network, count)) => {
                    let crowd = self.connections.within(network);
                    self.core.evict(crowd, count as usize, now);
                }
                Some(Mail::Limits(limits)) => self.change_limits(*limits, now),
                Some(Mail::Drain) => {
                    self.draining = true;
                    self.core.handle_drain(now);
                }
                None => break,
            }
        }
    }

    fn change_limits(&mut self, limits: Limits, now: Moment) {
        self.account.change_limit(limits.memory_bytes_max);
        self.connections.change_limits(limits.clone());
        self.core.change_limits(limits, now);
    }

    fn open(&mut self, newcomer: Newcomer, now: Moment) {
        let Newcomer { socket, ticket, from, wire } = newcomer;
        if self.draining {
            self.connections.decline(socket, ticket);
            return;
        }
        let slot = self.core.handle_open(wire, ticket.is_exempt(), now);
        if let Err(error) = self.connections.insert(slot, socket, (ticket, from), wire) {
            warn!(shard = %self.id, %error, "cannot watch a new connection, closing it");
            self.core.handle_close(slot, CloseReason::HangUp, now);
        }
    }

    fn tick(&mut self, now: Moment) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            let (connections, more_events) = (&self.connections, self.more_events);
            let unread = |slot| more_events || connections.has_unread(slot);
            self.core.handle_tick(now, &unread);
            self.connections.handle_tick(now);
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        [self.core.next_deadline(), self.connections.next_deadline()].into_iter().flatten().min()
    }

    /// Sends what this turn has for other shards: one parcel each, and one ring of the bell.
    fn post(&mut self) {
        let (from, addresses, counters) = (self.id, &self.addresses, &mut self.mesh_counters);
        let shards = addresses.iter().map(Address::shard);
        post(from, shards, &mut self.core, &mut self.credit, |to, slip, messages| {
            counters.parcels += 1;
            counters.messages += messages.len() as u64;
            let rings = addresses[to.index()].send(Mail::Parcel(Parcel { from, slip, messages }));
            counters.rings += u64::from(rings);
        });
    }

    /// Tells of sessions that have begun, and closes the connections of those that have ended.
    fn close_ended(&mut self, now: Moment) {
        while let Some(slot) = self.core.poll_registered() {
            self.connections.announce(slot);
        }
        while let Some((slot, reason)) = self.core.poll_closed() {
            self.connections.close(slot, reason, now);
        }
    }

    /// Tells what is held, and gives back some of it if all shards together hold too much.
    fn settle_account(&mut self, now: Moment) {
        let held = self.held_bytes();
        let too_much = self.account.settle(held);
        if too_much > 0 {
            warn!(shard = %self.id, held, too_much, "over the memory limit, evicting the largest");
            let connections: Vec<(Slot, usize)> = self.connections.holders().collect();
            let too_much = usize::try_from(too_much).unwrap_or(usize::MAX);
            self.core.reclaim(too_much, &connections, now);
        }
    }

    /// Bytes held for clients and rooms.
    fn held_bytes(&self) -> u64 {
        (self.core.held_bytes() + self.connections.held_bytes()) as u64
    }

    /// Whether there is something to do that neither the kernel nor the bell will tell of.
    fn has_work(&self) -> bool {
        let may_read = self.credit.may_read_clients();
        self.more_events
            || !self.inbox.is_empty()
            || self.core.is_dirty()
            || self.core.has_resumed()
            || self.core.destinations().next().is_some()
            || (may_read && self.connections.ready() > 0)
    }

    /// Waits for readiness, the bell or a deadline, whichever is first.
    async fn sleep(&mut self) -> io::Result<()> {
        let deadline = self.next_deadline();
        if let Some(Moment(at)) = deadline {
            let at = self.started + Duration::from_millis(at);
            if self.deadline.deadline().into_std() != at {
                self.deadline.as_mut().reset(at.into());
            }
        }
        let mut first = true;
        let woken = poll_fn(|cx| {
            // Each time, because a ring for an earlier sleep may come as late as now, and a waker
            // serves only once.
            if !self.mailbox.fall_asleep(cx.waker()) {
                return Poll::Ready(Ok(()));
            }
            self.poll_woken(cx, std::mem::take(&mut first), deadline.is_some())
        })
        .await;
        self.mailbox.wake_up();
        woken
    }

    fn poll_woken(
        &mut self,
        cx: &mut Context<'_>,
        first: bool,
        timed: bool,
    ) -> Poll<io::Result<()>> {
        // Whatever the kernel had to tell before this turn, the turn has asked for.
        if let Poll::Ready(ready) = self.connections.poll_readiness(cx, first) {
            return Poll::Ready(ready);
        }
        if self.mailbox.has_rung() || timed && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            core: self.core.counters,
            mesh: self.mesh_counters,
            net: self.connections.counters,
            stock: self.stock(),
            turn_times: self.turn_times,
            turns: self.turns,
            pauses: self.pauses,
            spared_writes: self.core.spared_writes(),
        }
    }

    /// Nothing of this is walked for: whoever has it keeps count.
    fn stock(&self) -> Stock {
        let core = &self.core;
        Stock {
            sessions: core.sessions().len() as u64,
            rooms: core.homes() as u64,
            names: core.names().len() as u64,
            feed_bytes: core.rooms().log_bytes() as u64,
            owed_bytes: core.sessions().owed_bytes() as u64,
            held_bytes: self.held_bytes(),
            mail: (self.mailbox.len() + self.inbox.len()) as u64,
            by_protocol: self.connections.by_protocol(),
        }
    }
}

/// The sockets as the core sees them.
struct Sockets<'a>(&'a mut Connections);

impl Sink for Sockets<'_> {
    #[inline]
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        self.0.write(slot, bytes)
    }

    fn write_parts(&mut self, slot: Slot, parts: &[IoSlice<'_>]) -> usize {
        self.0.write_parts(slot, parts)
    }
}
