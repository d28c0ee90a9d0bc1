#![doc = include_str!("ARCHITECTURE.md")]

// In layer order: each module may use only those before it. `tests/tidy.rs` sees to it.
pub mod model;

pub mod metrics;

pub mod proto;

pub mod socket;

pub mod core;
pub mod mesh;

pub mod board;
pub mod net;
pub mod watchdog;

pub mod http;
pub mod shard;

pub mod machine;

pub mod activation;
pub mod cli;
pub mod config;
pub mod logging;
pub mod notify;
pub mod reload;
pub mod signals;

pub mod admin;

pub mod server;

#[cfg(any(test, feature = "simulation"))]
#[path = "tests/sim/mod.rs"]
pub mod sim;
#[cfg(test)]
mod tests;
