//! Whether the server should be sent clients, and whether it should be started anew.

use crate::board::Board;

/// How long a shard may be stuck before starting anew is better than waiting. Long, because all
/// clients lose their connections by it, those of other shards too.
const STUCK_SECONDS_MAX: u64 = 60;

/// Whether clients are welcome; if not, why. A server that is full, or short of memory, is ready
/// nevertheless: it says so to those who come, and another server would be another chat.
pub(super) fn readiness(board: &Board) -> Result<&'static str, String> {
    if board.is_draining() {
        return Err("draining: clients are seen off, and nobody is let in".to_owned());
    }
    no_shard_stuck_for(board, 1).map(|()| "ready")
}

/// Whether the server works; if not, why. One that drains does: it is about to end by itself.
pub(super) fn health(board: &Board) -> Result<&'static str, String> {
    no_shard_stuck_for(board, STUCK_SECONDS_MAX).map(|()| "ok")
}

fn no_shard_stuck_for(board: &Board, seconds_max: u64) -> Result<(), String> {
    match board.stuck().find(|&(_, seconds)| seconds >= seconds_max) {
        Some((shard, seconds)) => Err(format!("shard {shard} has been stuck for {seconds} s")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readiness and health of a server of two shards that have been stuck so long.
    fn told(stuck: [u64; 2], draining: bool) -> [bool; 2] {
        let board = Board::new(2);
        board.show_stuck(stuck.into_iter());
        if draining {
            board.show_drain();
        }
        [readiness(&board).is_ok(), health(&board).is_ok()]
    }

    #[test]
    fn a_stall_keeps_clients_away_at_once_and_has_it_started_anew_if_it_lasts() {
        assert_eq!(told([0, 0], false), [true, true]);
        assert_eq!(told([0, 1], false), [false, true]);
        assert_eq!(told([59, 0], false), [false, true]);
        assert_eq!(told([60, 0], false), [false, false]);
        assert_eq!(told([0, 0], true), [false, true], "nobody is to end a drain");
    }
}
