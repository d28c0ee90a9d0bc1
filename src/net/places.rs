//! Places for connections that have something to settle with us before anybody else hears of them.
//! Each has a task until it has settled it, or its time is up.
//!
//! Who floods us with such connections must not keep honest people out, nor take the processor
//! from those who chat. So there are so many places and no more, and when all are taken, the one
//! goes whose client has kept us waiting: honest clients answer in a blink. While no client has, it
//! is we who are slow, and newcomers wait in the kernel. And all of them take turns in what is work
//! for the processor, which rests for as long as it worked.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio::task::JoinSet;

/// Places, after which room is made for more.
const PLACES_MAX: u32 = 1024;
/// How many more there may be: those that were accepted together.
const PLACES_SPARE: usize = 64;
/// How many clients there may be for each place, so that these leave room for those.
const CLIENTS_PER_PLACE: u32 = 4;
/// How long a client may have kept us waiting, in all, when others need its place.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// What is owed in rest before it is worth a timer.
const REST_MIN: Duration = Duration::from_millis(1);

/// All that are settling something, each of which comes to a `T`.
#[derive(Debug)]
pub struct Places<T> {
    max: usize,
    tasks: JoinSet<T>,
    /// The oldest first. Some are over already.
    taken: VecDeque<Place>,
    started: Instant,
    turn: Turn,
}

/// A place, which ends when this is dropped.
#[derive(Debug)]
struct Place {
    end: oneshot::Sender<()>,
    waits_since: WaitsSince,
}

/// Since when we would have been waiting for a client had we done so without a break, in
/// milliseconds from some moment; [`FOR_US`] while it is waiting for us.
type WaitsSince = Arc<AtomicU64>;

const FOR_US: u64 = u64::MAX;

/// Whose turn it is to work, of all that share it, and for how much work no rest has been taken.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<Mutex<Duration>>);

/// The turns of who has a place.
#[derive(Debug)]
pub struct Turns {
    turn: Turn,
    started: Instant,
    waits_since: WaitsSince,
}

/// How many places fit a server of `clients_max`.
fn places_for(clients_max: u32) -> u32 {
    (clients_max / CLIENTS_PER_PLACE).clamp(1, PLACES_MAX)
}

impl<T: Send + 'static> Places<T> {
    /// As many as fit a server of `clients_max`; see [`Places::new`].
    #[must_use]
    pub fn for_clients(clients_max: u32, turn: Turn) -> Self {
        Self::new(places_for(clients_max), turn)
    }

    /// From now on there are as many as fit a server of `clients_max`; whoever has one keeps it.
    pub fn change_clients_max(&mut self, clients_max: u32) {
        self.max = places_for(clients_max) as usize;
    }

    /// So many, that share their `turn` with whoever else has it.
    #[must_use]
    pub fn new(max: u32, turn: Turn) -> Self {
        Self {
            max: max as usize,
            tasks: JoinSet::new(),
            taken: VecDeque::new(),
            started: Instant::now(),
            turn,
        }
    }

    /// How many have not come to an end.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are places for newcomers, or some that can be had: for as many as are accepted
    /// together.
    pub fn has_room(&mut self) -> bool {
        if !self.is_full() {
            return true;
        }
        // Those that came together last may have been more than there are places. If they did not
        // go, the next would find the spare ones taken.
        while self.taken.len() > self.max
            && let Some(place) = self.overdue()
        {
            drop(self.taken.remove(place));
        }
        self.overdue().is_some()
    }

    fn is_full(&mut self) -> bool {
        if self.taken.len() >= self.max {
            self.taken.retain(|place| !place.end.is_closed());
        }
        self.taken.len() >= self.max
    }

    /// The place of the oldest whose client has kept us waiting.
    fn overdue(&self) -> Option<usize> {
        let now = millis(self.started);
        let due = |place: &Place| {
            let since = place.waits_since.load(Ordering::Relaxed);
            since != FOR_US && since + ANSWER_WAIT_MAX.as_millis() as u64 <= now
        };
        self.taken.iter().position(due)
    }

    /// Begins `work`, which comes to `sent_away` if others need its place. Whether there was one.
    pub fn begin<F>(&mut self, work: impl FnOnce(Turns) -> F, sent_away: T) -> bool
    where
        F: Future<Output = T> + Send + 'static,
    {
        if self.is_full() {
            match self.overdue() {
                Some(place) => drop(self.taken.remove(place)),
                None if self.taken.len() >= self.max + PLACES_SPARE => return false,
                None => {}
            }
        }
        let (end, ended) = oneshot::channel();
        let waits_since = Arc::new(AtomicU64::new(millis(self.started)));
        self.taken.push_back(Place { end, waits_since: Arc::clone(&waits_since) });
        let work = work(Turns { turn: self.turn.clone(), started: self.started, waits_since });
        self.tasks.spawn(async move {
            tokio::select! {
                settled = work => settled,
                _ = ended => sent_away,
            }
        });
        true
    }

    /// Ends all of them.
    pub fn end(&mut self) {
        drop(std::mem::take(&mut self.tasks));
    }

    /// Waits for the next that is over, for ever while there is none.
    pub async fn next(&mut self) -> T {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(settled)) => return settled,
                // One that was ended with the runtime, and nobody will ask for.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Turn {
    /// Waits for it, and takes the rest that is owed.
    async fn wait(&self) -> MutexGuard<'_, Duration> {
        let mut owed = self.0.lock().await;
        if *owed >= REST_MIN {
            tokio::time::sleep(std::mem::take(&mut *owed)).await;
        }
        owed
    }
}

impl Turns {
    /// Does some work, when it is its turn. Whoever else waits for the processor gets it between
    /// two turns, and for as long as the work has taken in all.
    pub async fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let waited = self.is_for_us();
        let mut owed = self.turn.wait().await;
        let started = Instant::now();
        let done = work();
        *owed += started.elapsed();
        drop(owed);
        self.is_for_them(waited);
        tokio::task::yield_now().await;
        done
    }

    /// Does all of a work that waits for its client now and then, each step of it as
    /// [`Turns::take`] does.
    pub async fn pace<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let waited = self.is_for_us();
            let mut turn = Some(self.turn.wait().await);
            let step = poll_fn(|cx| {
                // Without a turn it has been woken to take another.
                let Some(mut owed) = turn.take() else { return Poll::Ready(None) };
                let started = Instant::now();
                let done = work.as_mut().poll(cx);
                *owed += started.elapsed();
                self.is_for_them(waited);
                done.map(Some)
            });
            if let Some(done) = step.await {
                return done;
            }
        }
    }

    /// From now on the client waits for us. For how many milliseconds we have waited for it.
    fn is_for_us(&self) -> u64 {
        millis(self.started).saturating_sub(self.waits_since.swap(FOR_US, Ordering::Relaxed))
    }

    /// From now on we wait for the client, as we have for so long before.
    fn is_for_them(&self, waited: u64) {
        self.waits_since.store(millis(self.started) - waited, Ordering::Relaxed);
    }
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// Fewer than there are spare places, as those that are accepted together.
    const BATCH: usize = 32;
    const MAX: u32 = 10;

    #[tokio::test]
    async fn whoever_is_accepted_because_there_is_room_gets_a_place() {
        let mut places = Places::<()>::new(MAX, Turn::default());
        places.started = Instant::now().checked_sub(2 * ANSWER_WAIT_MAX).expect("it is up longer");
        let mut refused = 0;
        // Each time, one more of those who wait has waited too long.
        for overdue in 0..100 {
            if places.has_room() {
                refused += (0..BATCH).filter(|_| !places.begin(|_| pending(), ())).count();
            }
            places.taken[overdue % MAX as usize].waits_since.store(0, Ordering::Relaxed);
        }
        assert_eq!(refused, 0);
    }
}
