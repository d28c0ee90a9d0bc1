//! What a client makes of the bytes it reads: lines, whatever its wire class, so that all of them
//! can be held against the same truth.

use std::collections::HashMap;

use serde_json::Value;

use crate::proto::Wire;

/// One client's reading.
#[derive(Debug)]
pub(super) struct Reader {
    wire: Wire,
    /// A frame that has not come to its end.
    partial: Vec<u8>,
    /// What has been read, in lines.
    pub(super) lines: Vec<u8>,
    /// Rooms it is in, and the last event of each, where that is told.
    rooms: HashMap<String, u64>,
    /// The rooms that it has come into up to now.
    entered: Vec<String>,
    /// Of each room, who is in it as its events tell: of those who have come or gone since it came.
    present: HashMap<String, HashMap<String, bool>>,
    /// Every join and leave is told.
    pub(super) hears_all: bool,
    /// What takes over from its session.
    pub(super) resume: String,
    /// What it was told of the past.
    pub(super) pasts: Vec<Told>,
    /// Questions whether it is there that it has not answered.
    pub(super) pings: usize,
    /// Bytes it has read.
    pub(super) bytes: usize,
    /// It was told that nothing more comes.
    pub(super) ended: bool,
}

/// What was said in a room before somebody came in, as they were told.
#[derive(Debug)]
pub(super) struct Told {
    /// The room.
    pub(super) room: String,
    /// Which of the client's stays in it began with that.
    pub(super) stay: usize,
    /// The numbers of the messages, and the messages.
    pub(super) messages: Vec<(u64, String)>,
}

impl Reader {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            partial: vec![],
            lines: vec![],
            rooms: HashMap::new(),
            entered: vec![],
            present: HashMap::new(),
            hears_all: false,
            resume: String::new(),
            pasts: vec![],
            pings: 0,
            bytes: 0,
            ended: false,
        }
    }

    pub(super) fn read(&mut self, bytes: impl ExactSizeIterator<Item = u8>) {
        self.bytes += bytes.len();
        if self.wire == Wire::Line {
            self.lines.extend(bytes);
            return;
        }
        if self.wire == Wire::Telnet {
            self.lines.extend(bytes.filter(|&byte| byte != b'\r'));
            return;
        }
        self.partial.extend(bytes);
        while let Some((opcode, payload)) = self.next_frame() {
            assert!(!self.ended, "nothing comes after the end");
            match opcode {
                0x81 => self.text(str::from_utf8(&payload).expect("texts are UTF-8")),
                0x88 => self.ended = true,
                0x89 => self.pings += 1,
                0x8a => assert_eq!(payload, *b"there?"),
                other => panic!("a frame of type {other:x}"),
            }
        }
    }

    /// The next whole frame: its first byte and its payload.
    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let &[first, length, ..] = self.partial.as_slice() else { return None };
        let (header, length) = match length {
            126 => (4, u16::from_be_bytes(self.partial.get(2..4)?.try_into().unwrap()).into()),
            127 => panic!("nothing here is as long"),
            short => (2, usize::from(short)),
        };
        let payload = self.partial.get(header..header + length)?.to_vec();
        self.partial.drain(..header + length);
        Some((first, payload))
    }

    fn text(&mut self, text: &str) {
        if self.wire == Wire::WebLine {
            self.line(text);
        } else {
            let it: Value = serde_json::from_str(text).expect("texts are JSON");
            self.object(&it);
        }
    }

    fn line(&mut self, line: &str) {
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
    }

    fn object(&mut self, it: &Value) {
        let [kind, room, name, said, old, new] = ["type", "room", "name", "text", "old", "new"]
            .map(|key| it[key].as_str().unwrap_or(""));
        let line = match kind {
            "entered" => {
                self.entered.push(room.to_ascii_lowercase());
                let known = self.rooms.insert(room.to_owned(), it["seq"].as_u64().unwrap());
                assert_eq!(known, None, "it was not in {room}");
                format!("You joined {room}")
            }
            "history" => return self.history(it),
            "left" => {
                self.rooms.remove(room).expect("it was in the room");
                self.present.remove(room);
                format!("You left {room}")
            }
            "gap" => {
                self.present.remove(room);
                self.hears_all = false;
                let missed = it["missed"].as_u64().unwrap();
                *self.rooms.get_mut(room).expect("a room it is in") += missed;
                format!("Server is very busy and dropped {missed} messages, sorry!")
            }
            "welcome" => {
                it["resume"].as_str().expect("a token").clone_into(&mut self.resume);
                format!("You are {name}")
            }
            "named" => format!("You are {name}"),
            "resumed" => format!("You are back, {name}"),
            "message" => self.event(it, format!("{name}: {said}")),
            "join" => {
                self.saw(room, name, true);
                self.event(it, format!("{name} joined"))
            }
            "leave" => {
                self.saw(room, name, false);
                self.event(it, format!("{name} left"))
            }
            "rename" => {
                self.saw(room, old, false);
                self.saw(room, new, true);
                self.event(it, format!("{old} is now {new}"))
            }
            "tally" => self.event(it, format!("{} joined, {} left", it["joined"], it["left"])),
            "rooms" => {
                let rooms = it["rooms"].as_array().unwrap().iter();
                let sizes =
                    rooms.map(|room| format!("{} ({})", text(&room["room"]), room["users"]));
                list("Rooms", sizes, it)
            }
            "users" => {
                self.check_users(room, it);
                list("Users", it["users"].as_array().unwrap().iter().map(text), it)
            }
            "error" => format!("Server: {said}"),
            "bye" => said.to_owned(),
            _ => panic!("{kind} is nothing that is sent"),
        };
        self.line(&line);
    }

    fn saw(&mut self, room: &str, name: &str, is_there: bool) {
        let present = self.present.entry(room.to_owned()).or_default();
        present.insert(name.to_owned(), is_there);
    }

    /// A list agrees with what was told of who has come and gone.
    fn check_users(&self, room: &str, it: &Value) {
        let users: Vec<String> = it["users"].as_array().unwrap().iter().map(text).collect();
        let is_whole = it["more"] == 0 && it["missing"] == 0;
        if let Some(present) = self.present.get(room).filter(|_| is_whole && self.hears_all) {
            for (name, is_there) in present {
                assert_eq!(users.contains(name), *is_there, "{name} in {room}: {users:?}");
            }
        }
    }

    /// The next event of a room, of which none is left out.
    fn event(&mut self, it: &Value, line: String) -> String {
        let last = self.rooms.get_mut(&text(&it["room"])).expect("an event of a room it is in");
        *last += 1;
        assert_eq!(it["seq"], *last, "the next event");
        line
    }

    fn history(&mut self, it: &Value) {
        let message = |it: &Value| {
            let line = format!("{}: {}", text(&it["name"]), text(&it["text"]));
            (it["seq"].as_u64().unwrap(), line)
        };
        let messages = it["messages"].as_array().unwrap().iter().map(message).collect();
        let room = text(&it["room"]).to_ascii_lowercase();
        let stays = self.entered.iter().filter(|it| **it == room).count();
        self.pasts.push(Told { room, stay: stays - 1, messages });
    }
}

fn text(it: &Value) -> String {
    it.as_str().expect("a text").to_owned()
}

fn list(title: &str, entries: impl Iterator<Item = String>, it: &Value) -> String {
    let entries: Vec<String> = entries.collect();
    let more = match it["more"].as_u64().unwrap() {
        0 => String::new(),
        more => format!(", … and {more} more"),
    };
    format!("{title} - {}{more}", entries.join(", "))
}
