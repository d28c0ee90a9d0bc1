//! Clients that speak JSON over a WebSocket.

use serde_json::{Value, json};

use super::admin::Admin;
use super::frames::{Frame, Framed, text};

/// The dialect that they speak.
pub const PROTOCOL: &str = "hubbub.v1.json";

/// A client that speaks JSON.
pub struct Talk {
    /// Its connection.
    pub framed: Framed,
    /// What the server calls it.
    pub name: String,
    /// What takes over from its session.
    pub resume: String,
    /// All that was said, by either side.
    pub said: Vec<Value>,
}

impl Talk {
    /// Somebody who is in no room.
    pub fn begin(door: Admin) -> Self {
        let framed = Framed::open(door, Some(PROTOCOL));
        let (name, resume) = (String::new(), String::new());
        let mut talk = Self { framed, name, resume, said: vec![] };
        let welcome = talk.next();
        assert_eq!(welcome["type"], "welcome");
        assert_eq!((&welcome["lobby"], &welcome["message_chars"]), (&json!("main"), &json!(400)));
        talk.name = welcome["name"].as_str().expect("a name").to_owned();
        talk.resume = welcome["resume"].as_str().expect("a token").to_owned();
        talk
    }

    /// Somebody who is in `main`, and has this name.
    pub fn in_main(door: Admin, name: &str) -> Self {
        let mut talk = Self::begin(door);
        talk.ask(json!({"type": "name", "name": name}));
        talk.expect(json!({"type": "named", "name": name}));
        talk.name = name.to_owned();
        talk.join("main");
        talk
    }

    /// Sends a request.
    pub fn ask(&mut self, request: Value) {
        self.framed.send(&text(request.to_string()));
        self.said.push(request);
    }

    /// Goes into a room; what it was told of its past.
    pub fn join(&mut self, room: &str) -> Value {
        self.ask(json!({"type": "join", "room": room}));
        self.entered(room)
    }

    /// Reads up to its entry into a room; what it was told of its past.
    pub fn entered(&mut self, room: &str) -> Value {
        let entered = self.skip_to("entered");
        let history = self.next();
        assert_eq!((&entered["room"], &history["room"]), (&json!(room), &json!(room)));
        assert_eq!((&history["type"], &history["epoch"]), (&json!("history"), &entered["epoch"]));
        history
    }

    /// Says something in a room.
    pub fn say(&mut self, room: &str, text: &str) {
        self.ask(json!({"type": "say", "room": room, "text": text}));
    }

    /// The next object that it is sent.
    pub fn next(&mut self) -> Value {
        loop {
            match self.framed.read() {
                Some(Frame::Text(text)) => {
                    let it: Value = serde_json::from_str(&text).expect("JSON");
                    self.said.push(it.clone());
                    return it;
                }
                Some(Frame::Ping(_)) => {}
                other => panic!("nothing is told: {other:?}"),
            }
        }
    }

    /// Reads up to an object of this type.
    pub fn skip_to(&mut self, kind: &str) -> Value {
        loop {
            let it = self.next();
            if it["type"] == kind {
                return it;
            }
        }
    }

    /// Reads the next object, which must be this one.
    pub fn expect(&mut self, told: Value) {
        assert_eq!(self.next(), told);
    }

    /// Asks for something that cannot be done, and is told so with this code.
    pub fn expect_error(&mut self, request: Value, code: &str) {
        self.ask(request);
        let error = self.next();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
    }
}
