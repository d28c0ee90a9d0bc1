//! A load generator for chat: what a server does to messages, measured from the outside.

pub mod capture;
pub mod compare;
pub mod crew;
pub mod dialect;
pub mod guard;
pub mod ledger;
pub mod message;
pub mod plan;
pub mod report;
pub mod result;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod search;
pub mod seconds;
pub mod spawn;
pub mod statistics;
pub mod worker;
