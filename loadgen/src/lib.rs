//! A load generator for chat: what a server does to messages, measured from the outside.
//!
//! | module | what it is |
//! |---|---|
//! | [`scenario`] | the settings of a run: built in, from a file, from flags |
//! | [`plan`], [`schedule`] | who sits where; when each message is due, whatever the server does |
//! | [`run`] | a run from ramp to teardown: it leads, a [`crew`] does the work |
//! | [`crew`], [`worker`] | threads, here or elsewhere; each a loop around one readiness set |
//! | [`dialect`], [`frames`] | what servers speak, Hubbub and others; over WebSocket |
//! | [`message`], [`ledger`] | what messages say about themselves; who should have got what |
//! | [`result`](mod@result) | what a run found out; everything below is made from it |
//! | [`guard`] | whether it says anything of the server, and what promises were broken |
//! | [`report`] | for people and programs: terminal, page, plots, JSON, HDR histograms |
//! | [`series`], [`compare`], [`statistics`] | several runs; whether two sets of them differ |
//! | [`spawn`], [`capture`], [`seconds`] | a server to measure; what processes use |
//! | [`address`], [`cores`], [`words`] | where servers and cores are; what servers say themselves |
//!
//! Rules of the house: latency counts from when a message was *due*, and schedules are made before
//! the run and never move. Every delivery is accounted for. A thread shares nothing with others but
//! a few atomics; its clients have no task, no codec and no buffer, only what is left of a line.
//! Distributions are added, never averaged. A run in which the generator may have been the limit
//! says so, everywhere.

pub mod address;
pub mod capture;
pub mod compare;
pub mod cores;
pub mod crew;
pub mod dialect;
pub mod frames;
pub mod guard;
pub mod ledger;
pub mod message;
pub mod plan;
pub mod report;
pub mod result;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod seconds;
pub mod series;
pub mod spawn;
pub mod statistics;
pub mod words;
pub mod worker;
