//! Fuzz targets: one function from bytes to nothing for each thing that comes from outside.
//!
//! A target asserts more than that nothing panics. What it reads is sound by Arrow's own full check, so that every text is
//! UTF-8; it reads the same twice; its rows are accounted for; and what it refuses, it refuses with an error that is of the
//! input and never [`ErrorKind::Internal`](postback::error::ErrorKind::Internal).
//!
//! The functions are run in two ways:
//! - Under libFuzzer, by the shims in `fuzz_targets`: `cargo +nightly fuzz run csv_records fuzz/found fuzz/corpus/csv_records`.
//! - On stable, by [`driver`] in the integration tests, which include this file: the corpus and a few hundred mutations of it
//!   each time, and as long as one likes on demand, as the head of `tests/it/fuzz.rs` says.

pub mod driver;
pub mod mutation;
pub mod targets;
