//! The integration tests: one binary, because each links all of DataFusion.

mod functions;
mod payloads;
mod sandbox;
