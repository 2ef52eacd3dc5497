//! One function for each thing that comes from outside.

mod api;
mod json;
mod ledger;
mod lists;
mod place;
mod query;
mod source;

pub use api::api_response;
pub use json::json_objects;
pub use ledger::ledger_file;
pub use lists::{delta_log, manifest};
pub use query::{fault_script, query_file};
pub use source::{arrow_file, avro_blocks, csv_records, parquet_file};

use postback::error::{Error, ErrorKind};

/// An error tells a fault of the input, in words.
///
/// # Panics
/// If it does not.
fn assert_told(error: &Error) {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(beneath) = source {
        words = format!("{words}: {beneath}");
        source = beneath.source();
    }
    assert_ne!(error.kind(), ErrorKind::Internal, "an error of the input is told as a defect: {words}");
    assert!(!error.message().trim().is_empty(), "an error says nothing: {words}");
}
