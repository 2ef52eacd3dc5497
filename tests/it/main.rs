//! The integration tests, in one binary because each links all of DataFusion.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it is")]

mod amperity;
mod artifacts;
mod bad_input;
mod canaries;
mod check;
mod check_command;
mod check_output;
mod cli;
mod crash;
mod delivery;
mod documents;
mod edges;
mod endurance;
mod explain_command;
mod faults;
mod faulty_rows;
mod freshness;
mod functions;
mod history;
mod leaks;
mod ledger;
mod owners;
mod payloads;
mod queries;
mod readiness;
mod receiver;
mod resolve;
mod resume;
mod sandbox;
mod server;
mod sources;
mod storage;
mod trace;
mod trust;
mod volume;
mod wire;
