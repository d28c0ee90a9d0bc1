//! Who is in which room, and who speaks.

use hubbub::core::placement::home_of;
use hubbub::model::{Name, ShardId};

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

/// The rooms of a run and their free seats.
#[derive(Debug)]
pub struct Plan {
    run: u16,
    placement: Placement,
    shards: u16,
    /// Everyone stays in the lobby, which is the only room.
    lobby: bool,
    /// For each room: seats, those taken, and the number of its first sender.
    rooms: Vec<Room>,
    /// Rooms that may have free seats start here.
    next: usize,
    senders: u32,
}

#[derive(Clone, Copy, Debug)]
struct Room {
    size: u32,
    taken: u32,
    speaking: u32,
    first_sender: u32,
}

impl Plan {
    /// The rooms of `scenario` on a server of `shards` shards; `run` tells them from other runs'.
    #[must_use]
    pub fn new(scenario: &Scenario, run: u16, shards: u16) -> Self {
        let sizes = match scenario.rooms {
            0 => vec![scenario.connections],
            _ => sizes(scenario),
        };
        let mut senders = 0;
        let rooms = sizes
            .into_iter()
            .map(|size| {
                let wanted = scenario.senders_per_room;
                let speaking = if wanted == 0 { size } else { wanted.min(size) };
                let first_sender = senders;
                senders += speaking;
                Room { size, taken: 0, speaking, first_sender }
            })
            .collect();
        Self {
            run,
            placement: scenario.placement,
            shards,
            lobby: scenario.rooms == 0,
            rooms,
            next: 0,
            senders,
        }
    }

    /// Everyone who speaks.
    #[must_use]
    pub fn senders(&self) -> u32 {
        self.senders
    }

    /// How many rooms there are.
    #[must_use]
    pub fn rooms(&self) -> u32 {
        u32::try_from(self.rooms.len()).expect("a count of rooms")
    }

    /// A seat for a client who has been given `name` by the server; none when there is no room that
    /// it may go to. When all such rooms are full, one of them takes one more: shards have clients
    /// alike, but not rooms.
    pub fn seat(&mut self, name: &str) -> Option<Seat> {
        let shard = Name::new(name).ok().map(|name| home_of(&name.key(), self.shards))?;
        let fits = |room: usize| match self.placement {
            Placement::Any => true,
            Placement::SameShard => self.home(room) == shard,
            Placement::CrossShard => self.home(room) != shard,
        };
        let open = |room: &usize| self.rooms[*room].taken < self.rooms[*room].size;
        let index = (self.next..self.rooms.len()).filter(open).find(|&room| fits(room));
        let index = index.or_else(|| {
            (0..self.rooms.len()).filter(|&room| fits(room)).min_by_key(|&r| self.rooms[r].taken)
        })?;
        while self.rooms.get(self.next).is_some_and(|room| room.taken >= room.size) {
            self.next += 1;
        }
        let room = &mut self.rooms[index];
        let sender = (room.taken < room.speaking).then_some(room.first_sender + room.taken);
        room.taken += 1;
        let number = u32::try_from(index).expect("a count of rooms");
        Some(Seat { room: if self.lobby { LOBBY } else { number }, sender })
    }

    fn home(&self, room: usize) -> ShardId {
        let name = room_name(self.run, u32::try_from(room).expect("a count of rooms"));
        let name = Name::new(&name).expect("room names are valid");
        home_of(&name.key(), self.shards)
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

    #[test]
    fn the_first_in_a_room_speak() {
        let scenario = Scenario { senders_per_room: 2, ..scenario(6, 2, Sizes::Even) };
        let mut plan = Plan::new(&scenario, 1, 1);
        assert_eq!(plan.senders(), 4);
        let seats: Vec<Seat> = (0..6).map(|_| plan.seat("bob").unwrap()).collect();
        let senders: Vec<Option<u32>> = seats.iter().map(|seat| seat.sender).collect();
        assert_eq!(senders, [Some(0), Some(1), None, Some(2), Some(3), None]);
        assert_eq!(plan.seat("bob").unwrap().sender, None, "one more than there are seats");
    }

    #[test]
    fn members_are_placed_by_their_rooms_home() {
        for (placement, same) in [(Placement::SameShard, true), (Placement::CrossShard, false)] {
            let scenario = Scenario { placement, ..scenario(100, 20, Sizes::Even) };
            let mut plan = Plan::new(&scenario, 1, 2);
            for n in 0..100 {
                let name = format!("user{n}");
                let seat = plan.seat(&name).unwrap();
                let shard = home_of(&Name::new(&name).unwrap().key(), 2);
                assert_eq!(plan.home(seat.room as usize) == shard, same);
            }
        }
    }
}
