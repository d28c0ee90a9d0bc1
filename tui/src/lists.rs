//! Who is in our room, and which rooms there are.

use std::collections::BTreeMap;

use crate::lines::List;

/// How many names, and how many rooms, are kept; beyond that they are only counted.
const ENTRIES_MAX: usize = 1_000;

/// Who is in our room, by name.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// By the folded name, because case does not tell names apart.
    names: BTreeMap<String, String>,
    /// How many there are besides.
    more: usize,
}

impl Users {
    /// Only we ourselves, as far as we know.
    pub(crate) fn only(name: Option<&str>) -> Self {
        let mut users = Self::default();
        if let Some(name) = name {
            users.join(name);
        }
        users
    }

    /// What the server tells.
    pub(crate) fn told(list: &List<&str>) -> Self {
        let mut users = Self { names: BTreeMap::new(), more: list.more as usize };
        for name in &list.entries {
            users.join(name);
        }
        users
    }

    /// Somebody came.
    pub(crate) fn join(&mut self, name: &str) {
        let folded = name.to_lowercase();
        if self.names.contains_key(&folded) {
            return;
        }
        if self.names.len() < ENTRIES_MAX {
            self.names.insert(folded, name.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// Somebody went.
    pub(crate) fn leave(&mut self, name: &str) {
        if self.names.remove(&name.to_lowercase()).is_none() {
            self.more = self.more.saturating_sub(1);
        }
    }

    /// Somebody has another name.
    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        // One who was only counted still is.
        if self.names.remove(&old.to_lowercase()).is_some() {
            self.names.insert(new.to_lowercase(), new.to_owned());
        }
    }

    /// How many there are in all.
    pub(crate) fn count(&self) -> usize {
        self.names.len() + self.more
    }

    /// Those whose names we know, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }
}

/// The rooms there are, in the server's order.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    rooms: Vec<(String, u32)>,
    /// How many there are besides.
    more: usize,
}

impl Rooms {
    /// What the server tells.
    pub(crate) fn told(list: &List<(&str, u32)>) -> Self {
        let known = list.entries.iter().take(ENTRIES_MAX);
        let rooms: Vec<_> = known.map(|&(room, members)| (room.to_owned(), members)).collect();
        let more = list.more as usize + list.entries.len() - rooms.len();
        Self { rooms, more }
    }

    /// We are in this room, so there is one.
    pub(crate) fn enter(&mut self, room: &str) {
        if !self.rooms.iter().any(|(known, _)| known.eq_ignore_ascii_case(room)) {
            self.rooms.insert(0, (room.to_owned(), 1));
        }
    }

    /// How many there are in all.
    pub(crate) fn count(&self) -> usize {
        self.rooms.len() + self.more
    }

    /// Those that we know, with how many were in each when the server told.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.rooms.iter().map(|(room, members)| (room.as_str(), *members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(users: &Users) -> Vec<&str> {
        users.names().collect()
    }

    #[test]
    fn users_come_go_and_are_renamed_whatever_the_case() {
        let mut users = Users::told(&List { entries: vec!["bob", "Amy"], more: 2 });
        users.join("BOB");
        users.join("eve");
        assert_eq!((names(&users), users.count()), (vec!["Amy", "bob", "eve"], 5));
        users.leave("amy");
        users.rename("Bob", "zoe");
        users.leave("somebody");
        users.rename("stranger", "strange");
        assert_eq!((names(&users), users.count()), (vec!["eve", "zoe"], 3));
    }

    #[test]
    fn a_crowd_is_counted() {
        let mut users = Users::only(Some("me"));
        for number in 0..2 * ENTRIES_MAX {
            users.join(&format!("guest{number}"));
        }
        assert_eq!((users.names().count(), users.count()), (ENTRIES_MAX, 2 * ENTRIES_MAX + 1));
    }

    #[test]
    fn our_room_is_among_the_rooms() {
        let mut rooms = Rooms::told(&List { entries: vec![("main", 3)], more: 1 });
        rooms.enter("MAIN");
        rooms.enter("den");
        assert_eq!(rooms.iter().collect::<Vec<_>>(), [("den", 1), ("main", 3)]);
        assert_eq!(rooms.count(), 3);
    }
}
