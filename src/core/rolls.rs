//! Lists of a room's members, each as of one place in the room's order. The home has every shard
//! with members answer at the same place, and the shard of the session that has asked follows who
//! comes and goes from there on, until all have answered: so the list agrees with what the session
//! has been told of joins and leaves up to that moment.

use std::collections::HashMap;

use ahash::RandomState;

use crate::core::gather::Gather;
use crate::core::memory::map_bytes;
use crate::core::room::RoomIndex;
use crate::model::{Event, Key, Name, SessionId};

/// Changes that are kept for one list. A list with more of them is told as incomplete.
const CHANGES_MAX: usize = 1024;

/// Who has come to a room, and gone, while a list is gathered.
#[derive(Debug)]
enum Change {
    Joined(Name),
    Left(Name),
    Renamed { old: Name, new: Name },
}

/// A list that is gathered.
#[derive(Debug)]
struct Roll {
    room: RoomIndex,
    session: SessionId,
    changes: Vec<Change>,
    is_whole: bool,
}

/// A session of this shard has another name than one of its rooms has been told.
#[derive(Debug)]
struct Renaming {
    room: RoomIndex,
    session: SessionId,
    /// The name that the room knows.
    known: Name,
    /// The name that it will know at last.
    name: Name,
}

/// All lists of members that sessions of a shard wait for, one each at most; and what is needed to
/// list its own members as their rooms know them.
#[derive(Debug, Default)]
pub(super) struct Rolls {
    rolls: Vec<Roll>,
    renamings: Vec<Renaming>,
    /// Sessions of this shard that are gone, and of which the room has not said so yet.
    departed: HashMap<(SessionId, Key), Name, RandomState>,
}

impl Rolls {
    /// Whether there are none.
    #[inline]
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.rolls.is_empty() && self.renamings.is_empty()
    }

    /// Bytes of memory for all of them, which are few at a time.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        let changes: usize = self.rolls.iter().map(|roll| roll.changes.capacity()).sum();
        self.rolls.capacity() * size_of::<Roll>()
            + self.renamings.capacity() * size_of::<Renaming>()
            + map_bytes(&self.departed)
            + changes * size_of::<Change>()
    }

    /// The members of `room` up to now are listed for `session`.
    pub(super) fn begin(&mut self, room: RoomIndex, session: SessionId) {
        self.rolls.retain(|roll| roll.session != session);
        self.rolls.push(Roll { room, session, changes: vec![], is_whole: true });
    }

    /// `session` has ended.
    pub(super) fn forget(&mut self, session: SessionId) {
        if !self.is_empty() {
            self.rolls.retain(|roll| roll.session != session);
            self.renamings.retain(|it| it.session != session);
        }
    }

    /// `session`, a member of `room`, has the name `new` from now on; the room is yet to be told.
    pub(super) fn rename(&mut self, room: RoomIndex, session: SessionId, [old, new]: [&Name; 2]) {
        let same = |it: &&mut Renaming| it.room == room && it.session == session;
        match self.renamings.iter_mut().find(same) {
            Some(renaming) => renaming.name = new.clone(),
            None => {
                let (known, name) = (old.clone(), new.clone());
                self.renamings.push(Renaming { room, session, known, name });
            }
        }
    }

    /// `session`, which `room` knows as `who`, is gone, and is still a member to `room`.
    pub(super) fn departs(&mut self, session: SessionId, room: Key, who: Name) {
        self.departed.insert((session, room), who);
    }

    /// Whether there is somebody who is gone without the room having said so.
    #[inline]
    pub(super) fn has_departed(&self) -> bool {
        !self.departed.is_empty()
    }

    /// `room` has been told of another name of somebody who may be gone.
    #[cold]
    pub(super) fn follow(&mut self, room: &Key, event: &Event<'_>) {
        if let Event::Renamed { old, new } = event {
            let theirs = self.departed.iter_mut().find(|((_, key), who)| key == room && who == old);
            if let Some((_, who)) = theirs {
                *who = (*new).clone();
            }
        }
    }

    /// `room` has said that `session` is no member any more.
    #[inline]
    pub(super) fn has_left(&mut self, session: SessionId, room: &Key) {
        if self.has_departed() {
            self.departed.remove(&(session, room.clone()));
        }
    }

    /// Members of `room` that are gone without it having said so.
    pub(super) fn departed(&self, room: &Key) -> impl Iterator<Item = &Name> {
        let theirs = self.departed.iter().filter(move |((_, key), _)| key == room);
        theirs.map(|(_, who)| who)
    }

    /// The name by which `room` knows its member `session`, if that is another than it has by now.
    pub(super) fn known_name(&self, room: RoomIndex, session: SessionId) -> Option<&Name> {
        let same = |it: &&Renaming| it.room == room && it.session == session;
        self.renamings.iter().find(same).map(|it| &it.known)
    }

    /// The next event of `room`.
    #[cold]
    pub(super) fn note(&mut self, room: RoomIndex, event: &Event<'_>) {
        if let Event::Renamed { old, new } = event {
            let told = |it: &mut Renaming| it.room == room && it.known == **old;
            if let Some(at) = self.renamings.iter_mut().position(told) {
                self.renamings[at].known = (*new).clone();
                if self.renamings[at].name == **new {
                    self.renamings.swap_remove(at);
                }
            }
        }
        for roll in self.rolls.iter_mut().filter(|roll| roll.room == room) {
            let change = match *event {
                Event::Joined(name) => Change::Joined(name.clone()),
                Event::Left(name) => Change::Left(name.clone()),
                Event::Renamed { old, new } => {
                    Change::Renamed { old: old.clone(), new: new.clone() }
                }
                Event::Said { .. } | Event::Tally { .. } => return,
            };
            if roll.changes.len() < CHANGES_MAX {
                roll.changes.push(change);
            } else {
                roll.is_whole = false;
            }
        }
    }

    /// Brings what was gathered for `session` up to date.
    pub(super) fn finish(&mut self, session: SessionId, gather: &mut Gather) {
        let Some(at) = self.rolls.iter().position(|roll| roll.session == session) else { return };
        let Roll { changes, is_whole, .. } = self.rolls.swap_remove(at);
        for change in changes {
            match change {
                Change::Joined(name) => gather.add_user(name),
                Change::Left(name) => gather.remove_user(&name),
                Change::Renamed { old, new } => gather.rename_user(&old, new),
            }
        }
        if !is_whole {
            gather.is_incomplete();
        }
    }
}
