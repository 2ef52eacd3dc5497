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
mod defects;
mod delivery;
#[cfg(feature = "delta")]
mod delta;
mod documents;
mod edges;
mod endurance;
mod exchange;
mod explain_command;
mod faults;
mod faulty_rows;
mod formats;
mod freshness;
mod functions;
mod history;
mod json_shapes;
mod layouts;
mod leaks;
mod ledger;
mod lost;
mod owners;
mod parquet;
mod payloads;
mod power;
mod queries;
mod readiness;
mod receiver;
mod resolve;
mod resume;
mod s3;
mod sandbox;
mod server;
mod several_files;
mod small_disk;
mod sources;
mod storage;
mod stores;
mod survival;
mod times_in_sql;
mod tls;
mod tokens;
mod trace;
mod trust;
mod volume;
mod wire;
