//! The integration tests, in one binary because each links all of DataFusion.

mod delivery;
mod documents;
mod edges;
mod functions;
mod payloads;
mod queries;
mod sandbox;
mod server;
mod volume;
