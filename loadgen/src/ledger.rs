//! Who should have got what: every receiver's account of every sender, and what it comes to.

use std::collections::HashMap;
use std::ops::Range;

use crate::message::Header;
use crate::result::Messages;

/// Messages after which receivers of a room compare the order they saw.
const ORDER_EVERY: u64 = 256;
/// How often they do so, at most.
const ORDER_MARKS_MAX: usize = 64;

/// How many messages each sender has sent to each room.
pub type Sent = HashMap<(u32, u32), u32>;

/// What a receiver has seen of one sender in its present room.
#[derive(Clone, Debug, Default)]
struct Account {
    /// The first message that is expected.
    first: u32,
    /// The one after the last that came.
    next: u32,
    /// Messages before `next` that have not come.
    holes: Vec<Range<u32>>,
}

/// One receiver's accounts while it is in one room.
#[derive(Clone, Debug)]
pub struct Receiver {
    room: u32,
    /// It was there before anything was sent, so that everything is expected.
    from_start: bool,
    accounts: HashMap<u32, Account>,
    seen: u64,
    order: u64,
    marks: Vec<u64>,
    /// Nothing came late or twice, so that its order can be compared with others'.
    in_order: bool,
    /// What the server says it missed.
    told_missed: u64,
}

/// Sums over all receivers, and what is needed to compare them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The sums.
    pub sums: Messages,
    /// For each room, the orders seen by receivers who missed nothing.
    orders: HashMap<u32, Vec<Vec<u64>>>,
}

impl Receiver {
    /// A receiver that has just come into `room`.
    #[must_use]
    pub fn new(room: u32, from_start: bool) -> Self {
        Self {
            room,
            from_start,
            accounts: HashMap::new(),
            seen: 0,
            order: 0,
            marks: vec![],
            in_order: true,
            told_missed: 0,
        }
    }

    /// Takes in a message.
    pub fn message(&mut self, header: &Header, sums: &mut Messages) {
        if header.room != self.room {
            sums.misrouted += 1;
            return;
        }
        sums.delivered += 1;
        let first = if self.from_start { 0 } else { header.sequence };
        let account = self.accounts.entry(header.sender).or_insert_with(|| Account {
            first,
            next: first,
            holes: vec![],
        });
        if account.message(header.sequence, sums) {
            self.note_order(header);
        } else {
            self.in_order = false;
        }
    }

    /// Takes in `count` messages of `sender` from `sequence` on, which came one after another.
    pub fn run_of_messages(&mut self, header: &Header, count: u32, sums: &mut Messages) {
        self.message(header, sums);
        for n in 1..count {
            self.note_order(&Header { sequence: header.sequence + n, ..*header });
        }
        if let Some(account) = self.accounts.get_mut(&header.sender) {
            account.next += count - 1;
            sums.delivered += u64::from(count - 1);
        }
    }

    /// The next message expected from `sender`.
    #[must_use]
    pub fn expects(&self, sender: u32) -> Option<u32> {
        self.accounts.get(&sender).map(|account| account.next)
    }

    /// The room it is in.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room
    }

    /// Takes in a notice that `count` messages were missed.
    pub fn told_missed(&mut self, count: u64, sums: &mut Messages) {
        self.told_missed += count;
        sums.gap_notices += 1;
        sums.missed += count;
    }

    fn note_order(&mut self, header: &Header) {
        let id = u64::from(header.sender) << 32 | u64::from(header.sequence);
        self.order = (self.order ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        self.seen += 1;
        if self.seen.is_multiple_of(ORDER_EVERY) && self.marks.len() < ORDER_MARKS_MAX {
            self.marks.push(self.order);
        }
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
            None if sequence < self.first => sums.grey += 1,
            None => sums.duplicated += 1,
        }
        false
    }

    fn missing(&self) -> u64 {
        self.holes.iter().map(|hole| u64::from(hole.end - hole.start)).sum()
    }
}

impl Ledger {
    /// A receiver has left its room, or its connection is gone: what it had not got by then is not
    /// expected, but for what came after it.
    pub fn left(&mut self, receiver: &Receiver) {
        let missing: u64 = receiver.accounts.values().map(Account::missing).sum();
        self.book(receiver, missing, 0);
    }

    /// Everything has been sent, and a receiver is still there: it should have got all of it.
    pub fn stayed(&mut self, receiver: &Receiver, sent_to_room: &[(u32, u32)]) {
        let (mut missing, mut grey) = (0, 0);
        for &(sender, count) in sent_to_room {
            match receiver.accounts.get(&sender) {
                Some(account) => {
                    missing += account.missing() + u64::from(count.saturating_sub(account.next));
                }
                None if receiver.from_start => missing += u64::from(count),
                // Whether anything was sent after it came in is not known.
                None => grey += u64::from(count > 0),
            }
        }
        self.book(receiver, missing, grey);
        if missing == 0 && receiver.from_start && receiver.in_order {
            self.orders.entry(receiver.room).or_default().push(receiver.marks.clone());
        }
    }

    fn book(&mut self, receiver: &Receiver, missing: u64, grey: u64) {
        // Notices count everything that was missed, also who came and went.
        let lost = missing.saturating_sub(receiver.told_missed);
        self.sums.lost += lost;
        self.sums.grey += grey;
        let got: u64 = receiver
            .accounts
            .values()
            .map(|account| u64::from(account.next - account.first) - account.missing())
            .sum();
        self.sums.expected += got + lost;
    }

    /// Adds another part of the same run.
    pub fn merge(&mut self, other: Self) {
        let (a, b) = (&mut self.sums, other.sums);
        a.offered += b.offered;
        a.sent += b.sent;
        a.expected += b.expected;
        a.delivered += b.delivered;
        a.lost += b.lost;
        a.duplicated += b.duplicated;
        a.reordered += b.reordered;
        a.corrupted += b.corrupted;
        a.misrouted += b.misrouted;
        a.grey += b.grey;
        a.gap_notices += b.gap_notices;
        a.missed += b.missed;
        for (room, orders) in other.orders {
            self.orders.entry(room).or_default().extend(orders);
        }
    }

    /// Counts receivers that saw their room in another order than most.
    pub fn compare_orders(&mut self) {
        for orders in self.orders.values() {
            let Some(longest) = orders.iter().map(Vec::len).max() else { continue };
            for mark in 0..longest {
                let mut votes: HashMap<u64, u64> = HashMap::new();
                for order in orders.iter().filter_map(|order| order.get(mark)) {
                    *votes.entry(*order).or_default() += 1;
                }
                let all: u64 = votes.values().sum();
                let odd = all - votes.values().max().copied().unwrap_or(0);
                if odd > 0 {
                    self.sums.disagreements += odd;
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sender: u32, sequence: u32) -> Header {
        Header { run: 1, sender, room: 3, warm_up: false, sequence, intended_ns: 0, sent_ns: 0 }
    }

    /// The account of receivers who saw these sequences of sender 9, of ten sent.
    fn account(sequences: &[u32]) -> Messages {
        let mut ledger = Ledger::default();
        let mut receiver = Receiver::new(3, true);
        for &sequence in sequences {
            receiver.message(&header(9, sequence), &mut ledger.sums);
        }
        ledger.stayed(&receiver, &[(9, 10)]);
        ledger.sums
    }

    #[test]
    fn all_in_order_is_as_it_should_be() {
        let sums = account(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((sums.expected, sums.delivered), (10, 10));
        assert_eq!((sums.lost, sums.duplicated, sums.reordered), (0, 0, 0));
    }

    #[test]
    fn a_hole_and_a_missing_end_are_lost() {
        let sums = account(&[0, 1, 2, 4, 5, 6, 7]);
        assert_eq!((sums.expected, sums.delivered, sums.lost), (10, 7, 3));
        let nothing = account(&[]);
        assert_eq!((nothing.expected, nothing.lost), (10, 10));
    }

    #[test]
    fn a_late_message_is_out_of_order_and_a_second_one_a_duplicate() {
        let sums = account(&[0, 1, 3, 2, 4, 5, 5, 6, 7, 8, 9]);
        assert_eq!((sums.reordered, sums.duplicated, sums.lost), (1, 1, 0));
        assert_eq!(sums.delivered, 10);
    }

    #[test]
    fn a_message_of_another_room_is_misrouted() {
        let mut ledger = Ledger::default();
        let mut receiver = Receiver::new(4, true);
        receiver.message(&header(9, 0), &mut ledger.sums);
        assert_eq!((ledger.sums.misrouted, ledger.sums.delivered), (1, 0));
    }

    #[test]
    fn what_was_announced_as_missed_is_not_lost() {
        let mut ledger = Ledger::default();
        let mut receiver = Receiver::new(3, true);
        receiver.message(&header(9, 0), &mut ledger.sums);
        receiver.told_missed(8, &mut ledger.sums);
        receiver.message(&header(9, 9), &mut ledger.sums);
        ledger.stayed(&receiver, &[(9, 10)]);
        assert_eq!((ledger.sums.lost, ledger.sums.missed, ledger.sums.expected), (0, 8, 2));
    }

    #[test]
    fn who_comes_later_expects_what_follows_the_first_it_sees() {
        let mut ledger = Ledger::default();
        let mut receiver = Receiver::new(3, false);
        for sequence in [4, 5, 7] {
            receiver.message(&header(9, sequence), &mut ledger.sums);
        }
        ledger.left(&receiver);
        assert_eq!((ledger.sums.expected, ledger.sums.delivered, ledger.sums.lost), (4, 3, 1));
    }

    #[test]
    fn two_receivers_that_see_two_senders_in_other_orders_disagree() {
        let mut ledger = Ledger::default();
        let sent: Vec<(u32, u32)> = vec![(1, 256), (2, 256)];
        for swapped in [false, false, true] {
            let mut receiver = Receiver::new(3, true);
            for sequence in 0..256 {
                let senders = if swapped && sequence == 100 { [2, 1] } else { [1, 2] };
                for sender in senders {
                    receiver.message(&header(sender, sequence), &mut ledger.sums);
                }
            }
            ledger.stayed(&receiver, &sent);
        }
        ledger.compare_orders();
        assert_eq!(ledger.sums.disagreements, 1);
    }
}
