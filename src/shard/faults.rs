//! Commands that make the server fail on purpose, so that tests can see how it takes it. Only there
//! when it was built with the feature `fault-injection`, which is for tests alone.
//!
//! `/fault-panic` panics while its connection is handled, `/fault-loop` in the shard's own loop,
//! `/fault-drain` there too, but not before the server goes down. `/fault-block-N` keeps the shard
//! busy for N seconds, `/fault-log-N` logs N lines; these two are then answered like any command
//! that nobody knows.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use tracing::info;

use crate::model::Command;

thread_local! {
    /// When this shard's loop is to panic.
    static LOOP_PANICS: Cell<When> = const { Cell::new(When::Never) };
}

#[derive(Clone, Copy, PartialEq)]
enum When {
    Never,
    Draining,
    Now,
}

/// Does what `command` says, if it asks for a fault.
pub(super) fn obey(command: &Command<'_>) {
    let Command::Unknown(word) = command else { return };
    let Some(fault) = word.strip_prefix("/fault-") else { return };
    let (fault, count) = fault.split_once('-').unwrap_or((fault, "0"));
    let count: u64 = count.parse().unwrap_or(0);
    match fault {
        "panic" => panic!("somebody asked for it"),
        "loop" => LOOP_PANICS.set(When::Now),
        "drain" => LOOP_PANICS.set(When::Draining),
        "block" => thread::sleep(Duration::from_secs(count)),
        "log" => (0..count).for_each(|line| info!(line, "somebody asked for it")),
        _ => {}
    }
}

/// Panics if that was asked for.
pub(super) fn strike_loop(draining: bool) {
    let when = LOOP_PANICS.get();
    assert!(when == When::Never || when == When::Draining && !draining, "somebody asked for it");
}
