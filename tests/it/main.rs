//! The integration tests, in one binary because each links all of DataFusion.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it is")]

mod bad_input;
mod cli;
mod delivery;
mod documents;
mod edges;
mod functions;
mod ledger;
mod payloads;
mod queries;
mod sandbox;
mod server;
mod sources;
mod volume;
mod wire;
