//! The integration tests, in one binary because each links all of DataFusion.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it is")]

mod amperity;
mod bad_input;
mod check;
mod check_command;
mod check_output;
mod cli;
mod delivery;
mod documents;
mod edges;
mod explain_command;
mod functions;
mod payloads;
mod queries;
mod sandbox;
mod server;
mod sources;
mod volume;
mod wire;
