//! Lists that every shard contributes to: asked of all, put together here, answered in time with
//! what has come.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::model::{Limits, Moment, Name, Reply, ReqId, RoomSize};

/// The parts of a list.
#[derive(Debug)]
pub enum List {
    /// Rooms of the server.
    Rooms(Vec<RoomSize>),
    /// Members of a room.
    Users {
        /// The room.
        room: Name,
        /// Its members.
        names: Vec<Name>,
    },
}

/// A list that is being put together.
#[derive(Debug)]
pub struct Gather {
    /// Which question the answers must be to.
    pub req: ReqId,
    /// When to make do with what has come.
    pub deadline: Moment,
    /// Shards that answer.
    expected: u16,
    /// Shards that have answered.
    answered: u16,
    /// Entries there are, in what has been answered.
    total: u32,
    list: List,
}

impl Gather {
    /// Waits for the answers of `shards` shards, unless fewer are [expected](Self::expect).
    #[must_use]
    pub fn new(req: ReqId, deadline: Moment, shards: u16, list: List) -> Self {
        Self { req, deadline, expected: shards, answered: 0, total: 0, list }
    }

    /// Takes in a shard's rooms, of which it has `total`.
    pub fn add_rooms(&mut self, rooms: &[RoomSize], total: u32) {
        if let List::Rooms(all) = &mut self.list {
            all.extend_from_slice(rooms);
            self.total += total;
            self.answered += 1;
        }
    }

    /// Takes in a shard's members, of which it has `total`.
    pub fn add_users(&mut self, names: &[Name], total: u32) {
        if let List::Users { names: all, .. } = &mut self.list {
            all.extend_from_slice(names);
            self.total += total;
            self.answered += 1;
        }
    }

    /// So many shards answer.
    pub fn expect(&mut self, shards: u16) {
        self.expected = shards;
    }

    /// Something is missing though all have answered.
    pub fn is_incomplete(&mut self) {
        self.expected = self.expected.max(self.answered + 1);
    }

    fn users(&mut self) -> Option<&mut Vec<Name>> {
        match &mut self.list {
            List::Users { names, .. } => Some(names),
            List::Rooms(_) => None,
        }
    }

    /// Another member has come since.
    pub fn add_user(&mut self, name: Name) {
        if let Some(names) = self.users()
            && !names.contains(&name)
        {
            names.push(name);
            self.total += 1;
        }
    }

    /// A member has gone since.
    pub fn remove_user(&mut self, name: &Name) {
        if let Some(names) = self.users() {
            names.retain(|it| it != name);
            self.total = self.total.saturating_sub(1);
        }
    }

    /// A member has another name since.
    pub fn rename_user(&mut self, old: &Name, new: Name) {
        let listed = self.users().and_then(|names| names.iter_mut().find(|name| *name == old));
        if let Some(name) = listed {
            *name = new;
        }
    }

    /// Bytes of memory that the list has.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.list {
            List::Rooms(rooms) => rooms.capacity() * size_of::<RoomSize>(),
            List::Users { names, .. } => names.capacity() * size_of::<Name>(),
        }
    }

    /// Whether every shard has answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.answered >= self.expected
    }

    /// Hands the list to `tell` as it stands: sorted and cut.
    pub fn finish(mut self, limits: &Limits, tell: impl FnOnce(&Reply<'_>)) {
        let (total, missing) = (self.total, self.expected.saturating_sub(self.answered));
        let more = |shown: usize| total.saturating_sub(u32::try_from(shown).unwrap_or(u32::MAX));
        match &mut self.list {
            List::Rooms(rooms) => {
                cut_rooms(rooms, limits);
                tell(&Reply::Rooms { rooms, more: more(rooms.len()), missing });
            }
            List::Users { room, names } => {
                cut_users(names, limits);
                tell(&Reply::Users { room, names, more: more(names.len()), missing });
            }
        }
    }
}

/// A shard's contribution: the first of its members of a room by name, and how many it has.
#[must_use]
pub fn contribute_users(mut names: Vec<Name>, limits: &Limits) -> (Arc<[Name]>, u32) {
    let total = u32::try_from(names.len()).unwrap_or(u32::MAX);
    cut_users(&mut names, limits);
    (names.into(), total)
}

/// Largest first, then by name, at most as many as a list may have.
fn cut_rooms(rooms: &mut Vec<RoomSize>, limits: &Limits) {
    cut(rooms, limits, |a, b| b.members.cmp(&a.members).then_with(|| a.name.cmp_folded(&b.name)));
}

/// By name, at most as many as a list may have.
fn cut_users(names: &mut Vec<Name>, limits: &Limits) {
    cut(names, limits, Name::cmp_folded);
}

fn cut<T>(entries: &mut Vec<T>, limits: &Limits, order: impl Fn(&T, &T) -> Ordering) {
    let max = limits.list_entries_max;
    if entries.len() > max {
        entries.select_nth_unstable_by(max, &order);
        entries.truncate(max);
    }
    entries.sort_unstable_by(order);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, members: u32) -> RoomSize {
        RoomSize { name: Name::new(name).unwrap(), members }
    }

    fn limits(list_entries_max: usize) -> Limits {
        Limits { list_entries_max, ..Limits::default() }
    }

    #[test]
    fn parts_of_all_shards_make_one_list() {
        let mut gather = Gather::new(ReqId(1), Moment(0), 2, List::Rooms(vec![]));
        gather.add_rooms(&[room("bb", 1), room("main", 9)], 2);
        assert!(!gather.is_complete());
        gather.add_rooms(&[room("Aa", 1), room("cc", 3)], 5);
        assert!(gather.is_complete());
        gather.finish(&limits(3), |reply| {
            let rooms = [room("main", 9), room("cc", 3), room("Aa", 1)];
            assert_eq!(*reply, Reply::Rooms { rooms: &rooms, more: 4, missing: 0 });
        });
    }

    #[test]
    fn what_is_missing_at_the_deadline_is_said() {
        let name = |n: &str| Name::new(n).unwrap();
        let list = List::Users { room: name("den"), names: vec![] };
        let mut gather = Gather::new(ReqId(1), Moment(0), 3, list);
        gather.add_users(&[name("bob"), name("Ann")], 2);
        gather.finish(&limits(10), |reply| {
            let names = [name("Ann"), name("bob")];
            let room = &name("den");
            assert_eq!(*reply, Reply::Users { room, names: &names, more: 0, missing: 2 });
        });
    }

    #[test]
    fn a_contribution_has_the_first_and_counts_the_rest() {
        let names = (10..60).map(|n| Name::new(&format!("n{n}")).unwrap()).collect();
        let (first, total) = contribute_users(names, &limits(2));
        assert_eq!((first.len(), total), (2, 50));
        assert_eq!(first[1].as_str(), "n11");
    }
}
