//! Who should have got what: every receiver's account of every sender, and what it comes to.

use std::collections::HashMap;
use std::ops::Range;

use ahash::RandomState;
use serde::{Deserialize, Serialize};

use crate::message::Header;
use crate::result::Messages;

/// Messages after which receivers of a room compare the order they saw.
const ORDER_EVERY: u64 = 256;
/// How often they do so, at most.
const ORDER_MARKS_MAX: usize = 64;
/// Moments that are kept of each sender. Who comes later than the last of them is not expected to
/// get anything of it.
const MOMENTS_MAX: usize = 1 << 22;

/// What each sender has sent, by room and sender.
pub type Sent = HashMap<(u32, u32), SentBy>;

/// What one sender has sent to its room.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SentBy {
    count: u32,
    /// When each message was sent, from the first on.
    moments: Vec<u64>,
}

/// What a receiver has seen of one sender in its present room.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    /// The first message that was expected when the first one came.
    first: u32,
    /// The one after the last that came.
    next: u32,
    /// Messages before `next` that have not come.
    holes: Vec<Range<u32>>,
}

/// What accounts come to when nothing is added any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Left {
    /// Senders, with the first message of each.
    firsts: Vec<(u32, u32)>,
    /// Messages that came.
    got: u64,
    /// Messages that did not, between those.
    holes: u64,
}

/// One receiver's accounts while it is in one room.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receiver {
    room: u32,
    /// When it had come in: it should get everything that is sent later. 0 if it was there before
    /// anything was sent.
    since_ns: u64,
    /// It was still there at the end.
    stayed: bool,
    /// It reads slowly.
    slow: bool,
    /// Its own sender, if the server does not give back what somebody says.
    except: Option<u32>,
    accounts: HashMap<u32, Account, RandomState>,
    /// What is left of the accounts when it has gone.
    left: Option<Left>,
    /// Whose message came last.
    latest: u32,
    seen: u64,
    order: u64,
    marks: Vec<u64>,
    /// Nothing came late or twice, so that its order can be compared with others'.
    in_order: bool,
    /// What the server says it missed.
    told_missed: u64,
}

impl SentBy {
    /// Notes a message, and when it was sent if somebody may come to the room later.
    pub fn add(&mut self, sent_ns: u64, has_newcomers: bool) {
        self.count += 1;
        if has_newcomers && self.moments.len() < MOMENTS_MAX {
            self.moments.push(sent_ns);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The first message that was sent after `since_ns`, for certain.
    fn first_after(&self, since_ns: u64) -> u32 {
        if since_ns == 0 {
            return 0;
        }
        match self.moments.partition_point(|sent_ns| *sent_ns <= since_ns) {
            at if at < self.moments.len() => u32::try_from(at).expect("less than the count"),
            _ => self.count,
        }
    }
}

impl Receiver {
    /// A receiver that has come into `room` at `since_ns`; 0 for before anything was sent.
    #[must_use]
    pub fn new(room: u32, since_ns: u64, slow: bool) -> Self {
        Self {
            room,
            since_ns,
            stayed: false,
            slow,
            except: None,
            accounts: HashMap::default(),
            left: None,
            latest: u32::MAX,
            seen: 0,
            order: 0,
            marks: vec![],
            in_order: true,
            told_missed: 0,
        }
    }

    /// Notes that it should get nothing from `sender`, which is its own.
    pub fn get_all_but(&mut self, sender: Option<u32>) {
        self.except = sender;
    }

    /// Takes in a message.
    pub fn message(&mut self, header: &Header, sums: &mut Messages) {
        if header.room != self.room {
            sums.misrouted += 1;
            return;
        }
        sums.delivered += 1;
        self.latest = header.sender;
        let first = if self.since_ns == 0 { 0 } else { header.sequence };
        let fresh = || Account { first, next: first, holes: vec![] };
        let account = self.accounts.entry(header.sender).or_insert_with(fresh);
        if account.message(header.sequence, sums) {
            self.note_order(header);
        } else {
            self.in_order = false;
        }
    }

    /// Takes in messages of the sender whose message came last, of which the first is the one that
    /// is expected next, and each other follows the one before it.
    pub fn expected_messages(&mut self, headers: &[Header], sums: &mut Messages) {
        let Some(account) = self.accounts.get_mut(&self.latest) else { return };
        let count = u32::try_from(headers.len()).expect("messages of one read");
        account.next += count;
        sums.delivered += u64::from(count);
        for header in headers {
            self.note_order(header);
        }
    }

    /// Whose message came last, and which of its messages is expected next.
    #[must_use]
    pub fn expects(&self) -> Option<(u32, u32)> {
        self.accounts.get(&self.latest).map(|account| (self.latest, account.next))
    }

    /// The room it is in.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room
    }

    /// The sender from which it should get nothing.
    #[must_use]
    pub fn except(&self) -> Option<u32> {
        self.except
    }

    /// Whether it was still there at the end, and kept up.
    #[must_use]
    pub fn kept_up(&self) -> bool {
        self.stayed && !self.slow
    }

    /// Takes in a notice that `count` messages were missed.
    pub fn told_missed(&mut self, count: u64, sums: &mut Messages) {
        self.told_missed += count;
        sums.gap_notices += 1;
        sums.missed += count;
        sums.missed_by_slow += if self.slow { count } else { 0 };
    }

    /// It, when everything has been sent and it is still there: it should have got all of it.
    #[must_use]
    pub fn stayed(self) -> Self {
        Self { stayed: true, ..self }
    }

    /// It, when it has gone: a long run has many of those, so little is kept.
    #[must_use]
    pub fn gone(self) -> Self {
        let firsts = self.accounts.iter().map(|(sender, account)| (*sender, account.first));
        let holes = self.accounts.values().map(Account::missing).sum();
        let left = Some(Left { firsts: firsts.collect(), got: self.got(), holes });
        Self { left, accounts: HashMap::default(), marks: vec![], ..self }
    }

    fn note_order(&mut self, header: &Header) {
        if self.marks.len() == ORDER_MARKS_MAX {
            return;
        }
        let id = u64::from(header.sender) << 32 | u64::from(header.sequence);
        self.order = (self.order ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        self.seen += 1;
        if self.seen.is_multiple_of(ORDER_EVERY) {
            self.marks.push(self.order);
        }
    }

    /// Messages it got, each counted once.
    fn got(&self) -> u64 {
        let got = |account: &Account| u64::from(account.next - account.first) - account.missing();
        let of_accounts: u64 = self.accounts.values().map(got).sum();
        self.left.as_ref().map_or(of_accounts, |left| left.got)
    }

    /// Messages that it should have got and did not. What it had not got when it left is not
    /// expected, but for what came before something that it got.
    fn missing(&self, sent: &HashMap<u32, &SentBy>) -> u64 {
        let before = |sender: &u32, first: u32| {
            let from = sent.get(sender).map_or(first, |sent| sent.first_after(self.since_ns));
            u64::from(first.saturating_sub(from))
        };
        if let Some(Left { firsts, holes, .. }) = &self.left {
            return firsts.iter().map(|(sender, first)| before(sender, *first)).sum::<u64>()
                + holes;
        }
        let after = |(sender, sent): (&u32, &&SentBy)| match self.accounts.get(sender) {
            Some(account) => u64::from(sent.count.saturating_sub(account.next)),
            None => u64::from(sent.count - sent.first_after(self.since_ns)),
        };
        let of_accounts =
            |(sender, account): (&u32, &Account)| before(sender, account.first) + account.missing();
        let others = sent.iter().filter(|(sender, _)| Some(**sender) != self.except);
        self.accounts.iter().map(of_accounts).sum::<u64>() + others.map(after).sum::<u64>()
    }
}

impl Account {
    /// Takes in a message; whether it came after all that came before.
    fn message(&mut self, sequence: u32, sums: &mut Messages) -> bool {
        if sequence >= self.next {
            if sequence > self.next {
                self.holes.push(self.next..sequence);
            }
            self.next = sequence + 1;
            return true;
        }
        sums.delivered -= 1;
        match self.holes.iter().position(|hole| hole.contains(&sequence)) {
            Some(at) => {
                let hole = self.holes.swap_remove(at);
                let (before, after) = (hole.start..sequence, sequence + 1..hole.end);
                self.holes.extend([before, after].into_iter().filter(|hole| !hole.is_empty()));
                sums.delivered += 1;
                sums.reordered += 1;
            }
            // To who came later it need not have come at all, but not in this order.
            None if sequence < self.first => sums.reordered += 1,
            None => sums.duplicated += 1,
        }
        false
    }

    fn missing(&self) -> u64 {
        self.holes.iter().map(|hole| u64::from(hole.end - hole.start)).sum()
    }
}

/// Holds every receiver's accounts against what was sent.
pub fn settle(receivers: &[Receiver], sent: &Sent, sums: &mut Messages) {
    let mut by_room: HashMap<u32, HashMap<u32, &SentBy>> = HashMap::new();
    for (&(room, sender), sent) in sent {
        by_room.entry(room).or_default().insert(sender, sent);
    }
    let nothing = HashMap::new();
    // For each room, the orders seen by receivers who missed nothing and should see the same.
    let mut orders: HashMap<(u32, Option<u32>), Vec<&[u64]>> = HashMap::new();
    for receiver in receivers {
        let missing = receiver.missing(by_room.get(&receiver.room).unwrap_or(&nothing));
        // What was announced is not lost; notices count messages to warm up, too.
        let lost = missing.saturating_sub(receiver.told_missed);
        sums.lost += lost;
        sums.expected += receiver.got() + lost;
        if missing == 0 && receiver.stayed && receiver.since_ns == 0 && receiver.in_order {
            let alike = (receiver.room, receiver.except);
            orders.entry(alike).or_default().push(&receiver.marks);
        }
    }
    sums.disagreements += orders.values().map(|orders| disagreements(orders)).sum::<u64>();
}

/// How many receivers saw their room in another order than most.
fn disagreements(orders: &[&[u64]]) -> u64 {
    let longest = orders.iter().map(|marks| marks.len()).max().unwrap_or(0);
    let odd = |mark: usize| {
        let mut votes: HashMap<u64, u64> = HashMap::new();
        for order in orders.iter().filter_map(|order| order.get(mark)) {
            *votes.entry(*order).or_default() += 1;
        }
        votes.values().sum::<u64>() - votes.values().max().copied().unwrap_or(0)
    };
    // Who disagrees once does so for ever.
    (0..longest).map(odd).find(|odd| *odd > 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sender: u32, sequence: u32) -> Header {
        Header { run: 1, sender, room: 3, warm_up: false, sequence, intended_ns: 0, sent_ns: 0 }
    }

    /// That this sender sent so many messages to room 3, at 1000, 1001 and so on.
    fn sent(sender: u32, count: u32) -> Sent {
        let mut by = SentBy::default();
        (0..u64::from(count)).for_each(|n| by.add(1000 + n, true));
        Sent::from([((3, sender), by)])
    }

    /// What it comes to when a receiver sees these sequences of sender 9, of ten sent.
    fn seen_by(mut receiver: Receiver, sequences: &[u32]) -> Messages {
        let mut sums = Messages::default();
        for &sequence in sequences {
            receiver.message(&header(9, sequence), &mut sums);
        }
        let receiver = if receiver.stayed { receiver } else { receiver.gone() };
        settle(&[receiver], &sent(9, 10), &mut sums);
        sums
    }

    fn staying(since_ns: u64) -> Receiver {
        Receiver { stayed: true, ..Receiver::new(3, since_ns, false) }
    }

    #[test]
    fn all_in_order_is_as_it_should_be() {
        let sums = seen_by(staying(0), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((sums.expected, sums.delivered), (10, 10));
        assert_eq!((sums.lost, sums.duplicated, sums.reordered), (0, 0, 0));
    }

    #[test]
    fn a_hole_and_a_missing_end_are_lost() {
        let sums = seen_by(staying(0), &[0, 1, 2, 4, 5, 6, 7]);
        assert_eq!((sums.expected, sums.delivered, sums.lost), (10, 7, 3));
        let nothing = seen_by(staying(0), &[]);
        assert_eq!((nothing.expected, nothing.lost), (10, 10));
    }

    #[test]
    fn a_late_message_is_out_of_order_and_a_second_one_a_duplicate() {
        let sums = seen_by(staying(0), &[0, 1, 3, 2, 4, 5, 5, 6, 7, 8, 9]);
        assert_eq!((sums.reordered, sums.duplicated, sums.lost), (1, 1, 0));
        assert_eq!(sums.delivered, 10);
    }

    #[test]
    fn a_message_of_another_room_is_misrouted() {
        let mut sums = Messages::default();
        Receiver::new(4, 0, false).message(&header(9, 0), &mut sums);
        assert_eq!((sums.misrouted, sums.delivered), (1, 0));
    }

    #[test]
    fn what_was_announced_as_missed_is_not_lost() {
        let mut sums = Messages::default();
        let mut receiver = Receiver { slow: true, ..staying(0) };
        receiver.message(&header(9, 0), &mut sums);
        receiver.told_missed(8, &mut sums);
        receiver.message(&header(9, 9), &mut sums);
        settle(&[receiver], &sent(9, 10), &mut sums);
        assert_eq!((sums.lost, sums.expected), (0, 2));
        assert_eq!((sums.gap_notices, sums.missed, sums.missed_by_slow), (1, 8, 8));
    }

    #[test]
    fn who_comes_later_should_get_what_is_sent_from_then_on() {
        // Message 3 was sent at that very moment: it may come, or not.
        let got_all = seen_by(staying(1003), &[4, 5, 6, 7, 8, 9]);
        assert_eq!((got_all.expected, got_all.lost), (6, 0));
        let got_more = seen_by(staying(1003), &[2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((got_more.expected, got_more.lost), (8, 0));
        let got_less = seen_by(staying(1003), &[6, 7, 8, 9]);
        assert_eq!((got_less.expected, got_less.lost), (6, 2));
        assert_eq!(seen_by(staying(1003), &[]).lost, 6);
        assert_eq!(seen_by(staying(2000), &[]).lost, 0);
    }

    #[test]
    fn newcomers_get_things_in_order_too() {
        let sums = seen_by(staying(1003), &[5, 4, 6, 7, 8, 9]);
        assert_eq!((sums.reordered, sums.lost), (1, 1));
    }

    #[test]
    fn who_leaves_should_have_got_what_came_before_what_it_got() {
        let left = seen_by(Receiver::new(3, 1003, false), &[5, 6, 8]);
        assert_eq!((left.expected, left.delivered, left.lost), (5, 3, 2));
        assert_eq!(seen_by(Receiver::new(3, 0, false), &[]).expected, 0);
    }

    #[test]
    fn who_gets_nothing_back_is_not_expected_to_and_is_not_compared_with_others() {
        let mut sums = Messages::default();
        let receivers = [Some(1), Some(2), None].map(|own| {
            let mut receiver = staying(0);
            receiver.get_all_but(own);
            for sequence in 0..256 {
                for sender in [1, 2].into_iter().filter(|sender| Some(*sender) != own) {
                    receiver.message(&header(sender, sequence), &mut sums);
                }
            }
            receiver
        });
        let sent: Sent = sent(1, 256).into_iter().chain(sent(2, 256)).collect();
        settle(&receivers, &sent, &mut sums);
        assert_eq!((sums.expected, sums.delivered, sums.lost), (1024, 1024, 0));
        assert_eq!(sums.disagreements, 0);
    }

    #[test]
    fn many_at_once_are_as_one_after_another() {
        let headers: Vec<Header> = (0..1000).map(|n| header(9, n)).collect();
        let (mut one, mut many) = (staying(0), staying(0));
        let (mut sums_of_one, mut sums_of_many) = (Messages::default(), Messages::default());
        headers.iter().for_each(|header| one.message(header, &mut sums_of_one));
        many.message(&headers[0], &mut sums_of_many);
        assert_eq!(many.expects(), Some((9, 1)));
        many.expected_messages(&headers[1..600], &mut sums_of_many);
        many.expected_messages(&headers[600..], &mut sums_of_many);
        assert_eq!(sums_of_one, sums_of_many);
        assert_eq!((one.got(), &one.marks), (many.got(), &many.marks));
        assert_eq!(one.marks.len(), 3);
    }

    #[test]
    fn two_receivers_that_see_two_senders_in_other_orders_disagree() {
        let mut sums = Messages::default();
        let receivers = [false, false, true].map(|swapped| {
            let mut receiver = staying(0);
            for sequence in 0..256 {
                let senders = if swapped && sequence == 100 { [2, 1] } else { [1, 2] };
                for sender in senders {
                    receiver.message(&header(sender, sequence), &mut sums);
                }
            }
            receiver
        });
        let sent = sent(1, 256).into_iter().chain(sent(2, 256)).collect();
        settle(&receivers, &sent, &mut sums);
        assert_eq!(sums.disagreements, 1);
    }
}
