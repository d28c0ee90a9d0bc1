//! The least a chat server can do: an epoll loop that copies every line to every member.
//!
//! No unique names, no limits, no checks, no announcements. Each room has a run of rendered bytes
//! and each member a position in it, so that a member whose socket is full is simply served later.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem;

use memchr::memchr;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::reference::{DELIVERIES, SAID, WRITES, add};

/// When a line is written to the members of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// At once: one write per delivery.
    EachLine,
    /// When all readable sockets have been read: one write per member, however many lines.
    EachTurn,
}

const LISTENER: Token = Token(usize::MAX);
const MAIN: &[u8] = b"main";
const SCRATCH_BYTES: usize = 64 * 1024;

/// More than there are clients: a turn takes in all that is ready, so that its writes are large.
const EVENTS_PER_TURN_MAX: usize = 4096;

/// Bytes all members have read are forgotten when there are this many, if nobody lags before.
const FORGET_BYTES: usize = 1024 * 1024;

struct Member {
    stream: TcpStream,
    /// The unfinished line at the end of what it has sent so far. Apart from the read buffer,
    /// which all share: most of the time it is empty and costs nothing.
    tail: Vec<u8>,
    room: usize,
    /// Its place among the room's members, so that going costs no search.
    place: usize,
    /// How far into the room's bytes, counted from its beginning, this member has been served.
    cursor: u64,
    /// The socket was full: wait until it is writable again.
    lagging: bool,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    /// What some member may not have been served yet.
    log: Vec<u8>,
    /// The position of the first byte of `log`.
    base: u64,
    dirty: bool,
}

impl Room {
    fn head(&self) -> u64 {
        self.base + self.log.len() as u64
    }
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    members: Slab<Member>,
    rooms: Vec<Room>,
    room_ids: HashMap<Vec<u8>, usize>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    flush: Flush,
}

/// Serves whoever connects to this listener until the process ends.
pub(crate) fn serve(listener: std::net::TcpListener, flush: Flush) -> io::Result<()> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::from_std(listener);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut floor = Floor {
        poll,
        listener,
        members: Slab::new(),
        rooms: Vec::new(),
        room_ids: HashMap::new(),
        dirty: Vec::new(),
        scratch: vec![0; SCRATCH_BYTES],
        flush,
    };
    let mut events = Events::with_capacity(EVENTS_PER_TURN_MAX);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            let key = event.token().0;
            if event.token() == LISTENER {
                floor.accept()?;
                continue;
            }
            if event.is_writable() {
                floor.resume(key);
            }
            if event.is_readable() {
                floor.receive(key);
            }
        }
        for room in mem::take(&mut floor.dirty) {
            floor.flush_room(room);
        }
    }
}

impl Floor {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let entry = self.members.vacant_entry();
            let key = entry.key();
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(key), interest)?;
            // A fresh socket has room for a greeting; if its peer is gone, reading will say so.
            let _ = stream.write(format!("You are user{key:08}\nYou joined main\n").as_bytes());
            let (tail, lagging) = (vec![], false);
            entry.insert(Member { stream, tail, room: 0, place: 0, cursor: 0, lagging });
            self.enter(key, MAIN);
        }
    }

    fn enter(&mut self, key: usize, name: &[u8]) {
        let room = match self.room_ids.get(name) {
            Some(&room) => room,
            None => {
                self.rooms.push(Room::default());
                self.room_ids.insert(name.to_vec(), self.rooms.len() - 1);
                self.rooms.len() - 1
            }
        };
        let member = &mut self.members[key];
        (member.room, member.place) = (room, self.rooms[room].members.len());
        self.rooms[room].members.push(key);
        member.cursor = self.rooms[room].head();
    }

    fn leave(&mut self, key: usize) {
        let Member { room, place, .. } = self.members[key];
        let members = &mut self.rooms[room].members;
        members.swap_remove(place);
        if let Some(&moved) = members.get(place) {
            self.members[moved].place = place;
        }
    }

    fn receive(&mut self, key: usize) {
        let mut scratch = mem::take(&mut self.scratch);
        while let Some(member) = self.members.get_mut(key) {
            let kept = member.tail.len();
            scratch[..kept].copy_from_slice(&member.tail);
            let filled = match member.stream.read(&mut scratch[kept..]) {
                Ok(read @ 1..) => kept + read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => {
                    self.leave(key);
                    self.members.remove(key);
                    break;
                }
            };
            let mut at = 0;
            while let Some(length) = memchr(b'\n', &scratch[at..filled]) {
                self.line(key, &scratch[at..at + length]);
                at += length + 1;
            }
            let tail = &mut self.members[key].tail;
            tail.clear();
            tail.extend_from_slice(&scratch[at..filled]);
            if filled < scratch.len() {
                break;
            }
        }
        self.scratch = scratch;
    }

    fn line(&mut self, key: usize, line: &[u8]) {
        if let Some(name) = line.strip_prefix(b"/join ") {
            self.leave(key);
            self.enter(key, name);
            let reply = [b"You joined ", name, b"\n"].concat();
            let _ = self.members[key].stream.write(&reply);
            return;
        }
        let id = self.members[key].room;
        let room = &mut self.rooms[id];
        write!(room.log, "user{key:08}: ").expect("a Vec takes every byte");
        room.log.extend_from_slice(line);
        room.log.push(b'\n');
        add(&SAID, 1);
        add(&DELIVERIES, room.members.len());
        if self.flush == Flush::EachLine {
            self.flush_room(id);
        } else if !mem::replace(&mut room.dirty, true) {
            self.dirty.push(id);
        }
    }

    fn flush_room(&mut self, id: usize) {
        let room = &mut self.rooms[id];
        room.dirty = false;
        let mut served_by_all = room.head();
        for &key in &room.members {
            let member = &mut self.members[key];
            if !member.lagging {
                serve_member(member, room);
            }
            served_by_all = served_by_all.min(member.cursor);
        }
        if served_by_all == room.head() {
            room.base = served_by_all;
            room.log.clear();
        } else if served_by_all - room.base >= FORGET_BYTES as u64 {
            room.log.drain(..(served_by_all - room.base) as usize);
            room.base = served_by_all;
        }
    }

    fn resume(&mut self, key: usize) {
        if let Some(member) = self.members.get_mut(key).filter(|member| member.lagging) {
            serve_member(member, &self.rooms[member.room]);
        }
    }
}

/// Writes what this member has not been served yet, as far as its socket takes it.
fn serve_member(member: &mut Member, room: &Room) {
    let pending = &room.log[(member.cursor - room.base) as usize..];
    if pending.is_empty() {
        return;
    }
    add(&WRITES, 1);
    match member.stream.write(pending) {
        Ok(written) => {
            member.cursor += written as u64;
            member.lagging = written < pending.len();
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => member.lagging = true,
        // The peer is gone, which the next read will find; until then nobody waits for it.
        Err(_) => member.cursor = room.head(),
    }
}
