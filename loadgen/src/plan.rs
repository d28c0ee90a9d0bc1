//! Who is in which room, and who speaks. Every thread has its own part of the seats, so that none
//! has to ask another.

use hubbub::core::placement::home_of;
use hubbub::model::{Name, ShardId};
use serde::{Deserialize, Serialize};

use crate::scenario::{Placement, Scenario, Sizes};

/// The room everyone starts in; its number in messages.
pub const LOBBY: u32 = 0xf_ffff;

/// Where a client goes, and what it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The room's number.
    pub room: u32,
    /// Which of the run's senders it is, if it is one.
    pub sender: Option<u32>,
}

/// Which of equal parts of a run this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its number, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// The rooms of a run, and the free seats in one part of it: all seats of all rooms, in a row, go
/// to the parts in turn.
#[derive(Debug)]
pub struct Plan {
    run: u16,
    placement: Placement,
    shards: u16,
    part: Part,
    /// Everyone stays in the lobby, which is the only room.
    lobby: bool,
    rooms: Vec<Room>,
    /// Rooms that may have free seats start here.
    next: usize,
    senders: u32,
}

#[derive(Clone, Copy, Debug)]
struct Room {
    size: u32,
    /// The first members speak.
    speaking: u32,
    first_sender: u32,
    /// Its first seat, counted through all rooms.
    first_seat: u32,
    /// Its next free seats of our part, one to speak from and one to listen: the end of their kind
    /// or beyond it if there is none left.
    to_speak: u32,
    to_listen: u32,
    /// Clients of our part in it, those beyond its seats too.
    taken: u32,
}

impl Plan {
    /// The seats in `part` of `scenario` on a server of `shards` shards; `run` tells its rooms from
    /// other runs'.
    #[must_use]
    pub fn new(scenario: &Scenario, run: u16, shards: u16, part: Part) -> Self {
        let sizes = match scenario.rooms {
            0 => vec![scenario.connections],
            _ => sizes(scenario),
        };
        let (mut senders, mut seats) = (0, 0);
        let rooms = sizes
            .into_iter()
            .map(|size| {
                let wanted = scenario.senders_per_room;
                let speaking = if wanted == 0 { size } else { wanted.min(size) };
                // The first seat from `from` on that is ours, counted through all rooms.
                let ours =
                    |from: u32| from + (part.of + part.index - (seats + from) % part.of) % part.of;
                let (to_speak, to_listen) = (ours(0), ours(speaking));
                let (first_sender, first_seat) = (senders, seats);
                senders += speaking;
                seats += size;
                Room { size, speaking, first_sender, first_seat, to_speak, to_listen, taken: 0 }
            })
            .collect();
        Self {
            run,
            placement: scenario.placement,
            shards,
            part,
            lobby: scenario.rooms == 0,
            rooms,
            next: 0,
            senders,
        }
    }

    /// Everyone who speaks, in all parts.
    #[must_use]
    pub fn senders(&self) -> u32 {
        self.senders
    }

    /// A room drawn by `random`: the larger it was meant to be, the more often.
    #[must_use]
    pub fn any_room(&self, random: u64) -> u32 {
        let seats = self.rooms.last().map_or(1, |room| room.first_seat + room.size);
        let seat = u32::try_from(random % u64::from(seats)).expect("less than the seats");
        let index = self.rooms.partition_point(|room| room.first_seat + room.size <= seat);
        u32::try_from(index).expect("a count of rooms")
    }

    /// A seat for a client who has been given `name` by the server; none when there is no room that
    /// it may go to. Who is slow speaks only where no seat is left to listen from. When all such
    /// rooms are full, one of them takes one more: shards have clients alike, but not rooms.
    pub fn seat(&mut self, name: &str, slow: bool) -> Option<Seat> {
        while self.rooms.get(self.next).is_some_and(Room::is_full) {
            self.next += 1;
        }
        let shard = Name::new(name).ok().map(|name| home_of(&name.key(), self.shards))?;
        let fits = |room: usize| match self.placement {
            Placement::Any => true,
            Placement::SameShard => self.home(room) == shard,
            Placement::CrossShard => self.home(room) != shard,
        };
        let open = |room: &usize| !self.rooms[*room].is_full();
        // Where not every room is open to everyone, seats to speak from go first: none is missing.
        let speak = |room: &usize| {
            let is_picky = self.placement != Placement::Any && !slow;
            is_picky && self.rooms[*room].to_speak < self.rooms[*room].speaking && fits(*room)
        };
        let rooms = || (self.next..self.rooms.len()).filter(open);
        let index = rooms().find(speak).or_else(|| rooms().find(|&room| fits(room)));
        let index = index.or_else(|| {
            (0..self.rooms.len()).filter(|&room| fits(room)).min_by_key(|&r| self.rooms[r].taken)
        })?;
        let number = u32::try_from(index).expect("a count of rooms");
        let sender = self.rooms[index].take(self.part.of, slow);
        Some(Seat { room: if self.lobby { LOBBY } else { number }, sender })
    }

    fn home(&self, room: usize) -> ShardId {
        let name = room_name(self.run, u32::try_from(room).expect("a count of rooms"));
        let name = Name::new(&name).expect("room names are valid");
        home_of(&name.key(), self.shards)
    }
}

impl Room {
    fn is_full(&self) -> bool {
        self.to_speak >= self.speaking && self.to_listen >= self.size
    }

    /// Takes a free seat, or one more than there are; the number of its sender if it is to speak.
    fn take(&mut self, parts: u32, slow: bool) -> Option<u32> {
        self.taken += 1;
        if self.to_listen < self.size && (slow || self.to_speak >= self.speaking) {
            self.to_listen += parts;
            return None;
        }
        let speaks = (self.to_speak < self.speaking).then_some(self.to_speak)?;
        self.to_speak += parts;
        Some(self.first_sender + speaks)
    }
}

/// What a room of a run is called.
#[must_use]
pub fn room_name(run: u16, room: u32) -> String {
    if room == LOBBY { "main".to_owned() } else { format!("lg{run:04x}-{room}") }
}

/// Members of each room: all connections are given out, every room has one at least.
fn sizes(scenario: &Scenario) -> Vec<u32> {
    let (rooms, all) = (scenario.rooms, scenario.connections);
    let weight = |room: u32| match scenario.sizes {
        Sizes::Even => 1.0,
        Sizes::Zipf => 1.0 / f64::from(room + 1).powf(scenario.zipf_exponent),
    };
    let total: f64 = (0..rooms).map(weight).sum();
    let free = f64::from(all - rooms);
    let mut sizes: Vec<u32> =
        (0..rooms).map(|room| 1 + (free * weight(room) / total) as u32).collect();
    let given: u32 = sizes.iter().sum();
    for room in 0..all - given {
        sizes[(room % rooms) as usize] += 1;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(connections: u32, rooms: u32, sizes: Sizes) -> Scenario {
        Scenario { connections, rooms, sizes, ..Scenario::default() }
    }

    #[test]
    fn all_connections_are_given_out_and_no_room_is_empty() {
        for (connections, rooms) in [(10, 10), (1_000, 7), (2_000, 200), (5, 1)] {
            for kind in [Sizes::Even, Sizes::Zipf] {
                let sizes = sizes(&scenario(connections, rooms, kind));
                assert_eq!(sizes.iter().sum::<u32>(), connections);
                assert!(sizes.iter().all(|&size| size > 0), "{sizes:?}");
            }
        }
        let sizes = sizes(&scenario(1_000, 10, Sizes::Zipf));
        assert!(sizes[0] > 3 * sizes[9], "{sizes:?}");
    }

    const WHOLE: Part = Part { index: 0, of: 1 };

    #[test]
    fn the_first_in_a_room_speak() {
        let scenario = Scenario { senders_per_room: 2, ..scenario(6, 2, Sizes::Even) };
        let mut plan = Plan::new(&scenario, 1, 1, WHOLE);
        assert_eq!(plan.senders(), 4);
        let seats: Vec<Seat> = (0..6).map(|_| plan.seat("bob", false).unwrap()).collect();
        let senders: Vec<Option<u32>> = seats.iter().map(|seat| seat.sender).collect();
        assert_eq!(senders, [Some(0), Some(1), None, Some(2), Some(3), None]);
        assert_eq!(plan.seat("bob", false).unwrap().sender, None, "one more than there are seats");
    }

    #[test]
    fn members_are_placed_by_their_rooms_home() {
        for (placement, same) in [(Placement::SameShard, true), (Placement::CrossShard, false)] {
            let scenario = Scenario { placement, ..scenario(100, 20, Sizes::Even) };
            let mut plan = Plan::new(&scenario, 1, 2, WHOLE);
            for n in 0..100 {
                let name = format!("user{n}");
                let seat = plan.seat(&name, false).unwrap();
                let shard = home_of(&Name::new(&name).unwrap().key(), 2);
                assert_eq!(plan.home(seat.room as usize) == shard, same);
            }
        }
    }

    #[test]
    fn parts_share_all_seats_and_each_is_given_once() {
        for (connections, rooms, parts) in [(100, 7, 3), (5, 5, 4), (1_000, 1, 2), (3, 1, 8)] {
            let scenario =
                Scenario { senders_per_room: 3, ..scenario(connections, rooms, Sizes::Zipf) };
            let seats_of = |part: Part| {
                let mut plan = Plan::new(&scenario, 1, 1, part);
                let mine = (0..connections).filter(|seat| seat % part.of == part.index);
                mine.map(|_| plan.seat("bob", false).unwrap()).collect::<Vec<_>>()
            };
            let mut apart: Vec<Seat> =
                (0..parts).flat_map(|index| seats_of(Part { index, of: parts })).collect();
            let mut whole = seats_of(WHOLE);
            apart.sort_by_key(|seat| (seat.room, seat.sender));
            whole.sort_by_key(|seat| (seat.room, seat.sender));
            assert_eq!(apart, whole);
        }
    }

    #[test]
    fn large_rooms_are_drawn_more_often() {
        let plan = Plan::new(&scenario(100, 4, Sizes::Zipf), 1, 1, WHOLE);
        let mut drawn = [0; 4];
        (0..100).for_each(|random| drawn[plan.any_room(random) as usize] += 1);
        let sizes: Vec<u32> = plan.rooms.iter().map(|room| room.size).collect();
        assert_eq!(drawn[..], sizes[..]);
    }

    #[test]
    fn who_is_slow_listens_if_anybody_does() {
        let scenario = Scenario { senders_per_room: 2, ..scenario(4, 1, Sizes::Even) };
        let mut plan = Plan::new(&scenario, 1, 1, WHOLE);
        let order = [true, false, true, true];
        let senders = order.map(|slow| plan.seat("bob", slow).unwrap().sender);
        assert_eq!(senders, [None, Some(0), None, Some(1)]);
    }
}
