//! The integration tests: one binary, because each links all of DataFusion.

mod delivery;
mod functions;
mod payloads;
mod sandbox;
