//! How a game ends: everyone behaves, all comes to rest, and the server goes down.

use std::collections::VecDeque;
use std::time::Duration;

use super::client::{Ask, Client};
use super::world::World;
use crate::core::Core;
use crate::model::CloseReason;

/// Rounds in which everything must have come to rest once clients behave.
const ROUNDS_MAX: u32 = 2_000;

impl World {
    /// Everyone behaves and nothing new is asked, until nothing more happens.
    pub(super) fn come_to_rest(&mut self) {
        for client in 0..self.clients.len() {
            self.clients[client].stalled = false;
            if self.clients[client].vanished && self.clients[client].closed.is_none() {
                self.tell_vanished(client);
                self.after_step();
            }
        }
        self.rest();
        self.check_at_rest();
        self.check_lists();
    }

    fn rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let before: usize = self.clients.iter().map(|c| c.seen.len()).sum();
            for client in 0..self.clients.len() {
                self.read_client(client, usize::MAX);
                if self.clients[client].is_connected() {
                    self.serve_client(client);
                }
            }
            for shard in 0..self.cores.len() {
                self.flush(shard);
                self.deliver();
                self.after_step();
            }
            let after: usize = self.clients.iter().map(|c| c.seen.len()).sum();
            if before == after && self.is_quiet() {
                if self.cores.iter().all(|core| core.next_deadline().is_none()) {
                    if self.draining || self.has_served_all() {
                        return;
                    }
                    continue;
                }
                self.now = self.now.after(Duration::from_secs(10));
                for shard in 0..self.cores.len() {
                    self.tick_core(shard);
                }
            }
        }
        panic!("nothing came to rest");
    }

    /// Whether nothing more happens before time passes.
    fn is_quiet(&self) -> bool {
        self.ways.values().all(VecDeque::is_empty)
            && self.cores.iter().all(|core| !core.is_dirty())
            && self.clients.iter().all(Client::has_read_all)
    }

    fn has_served_all(&self) -> bool {
        self.clients.iter().all(|c| !c.is_connected() || c.asks.is_empty())
    }

    /// The server goes down, and everyone is told after all else.
    pub(super) fn go_down(&mut self) {
        let connected: Vec<usize> =
            (0..self.clients.len()).filter(|&c| self.clients[c].is_connected()).collect();
        for &client in &connected {
            self.said += 1;
            let ask = Ask::Say(format!("last words {}", self.said));
            self.clients[client].asks.push_back(ask);
            self.serve_client(client);
        }
        self.draining = true;
        for shard in 0..self.cores.len() {
            self.cores[shard].handle_drain(self.now);
            self.after_step();
        }
        self.rest();
        assert!(self.cores.iter().all(Core::is_drained), "everyone is seen off");
        for client in connected {
            let client = &self.clients[client];
            assert_eq!(client.closed, Some(CloseReason::Drain));
            assert!(client.seen.ends_with(b"Server is shutting down, bye!\n"), "told last");
            let seen = String::from_utf8_lossy(&client.seen);
            let heard = seen.contains("last words") || seen.contains("dropped");
            let spoke = client.asks.is_empty() && !client.many_rooms;
            assert!(heard || !spoke, "what was said before the end is heard");
        }
        self.check_views();
    }

    /// `/rooms` tells what the oracle knows.
    fn check_lists(&mut self) {
        let Some(client) = self.any() else { return };
        let before = self.clients[client].seen.len();
        self.clients[client].asks.push_back(Ask::Rooms);
        self.rest();
        let answer = String::from_utf8_lossy(&self.clients[client].seen[before..]).into_owned();
        let mut rooms: Vec<_> = self.oracle.members().into_iter().collect();
        rooms.sort_by_key(|(key, members)| (std::cmp::Reverse(*members), key.clone()));
        let more = rooms.len().saturating_sub(self.limits.list_entries_max);
        rooms.truncate(self.limits.list_entries_max);
        let list: Vec<String> =
            rooms.iter().map(|(key, members)| format!("{} ({members})", key.as_str())).collect();
        let mut expected = format!("Rooms - {}", list.join(", "));
        if more > 0 {
            expected += &format!(", … and {more} more");
        }
        let list = answer.lines().find(|line| line.starts_with("Rooms - "));
        let list = list.unwrap_or_else(|| panic!("no list in {answer:?}"));
        assert_eq!(list.to_ascii_lowercase(), expected.to_ascii_lowercase());
    }
}
