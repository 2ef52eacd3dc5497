//! What an analyst writes: a query file. And what a tester writes: a fault script. Errors point into the text.

use std::fs;

use postback::error::{ErrorKind, Location};
use postback::query::{self, Examination, Parameters, QueryFile};
use postback::sandbox::Script;
use postback::settings::Settings;

use super::assert_told;
use super::place::Place;

/// What queries read.
const ORDERS: &str =
    "order_id,email,total,ordered_at\no1,ann@example.com,5,2026-08-20T10:00:00Z\no2,,6,2026-08-20T11:00:00Z\n";

/// A query file: read, checked, never run.
pub fn query_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Nothing is read from elsewhere here.
    if ["://", "'/", "\"/", "..", "~"].iter().any(|place| text.contains(place)) {
        return;
    }
    Place::with(|place, folder| {
        fs::write(folder.join("orders.csv"), ORDERS).expect("a file is written");
        let file = match QueryFile::parse(&folder.join("query.sql"), text.to_owned()) {
            Ok(file) => file,
            Err(error) => {
                assert_told(&error);
                assert_place(error.location(), text);
                return;
            }
        };
        let mut settings = Settings::default();
        if let Err(error) = query::apply_settings(&file, &mut settings) {
            assert_told(&error);
            assert_place(error.location(), text);
        }
        let examined = || place.run(query::examine(&file, &settings, &Parameters::default(), &place.resources()));
        let (first, again) = (examined(), examined());
        assert_eq!(told(&first, text), told(&again, text), "two examinations differ");
        assert!(
            first.checked.is_some() || first.diagnoses.iter().any(query::Diagnosis::is_error),
            "refused in silence"
        );
    });
}

/// What an examination says; each part of it has its place in the text.
fn told(examination: &Examination, text: &str) -> Vec<String> {
    let told = examination.diagnoses.iter().map(|diagnosis| {
        let words = format!("{}: {}: {}", diagnosis.rule.code, diagnosis.message, diagnosis.help);
        assert_ne!(diagnosis.kind, ErrorKind::Internal, "a fault of the query is told as a defect: {words}");
        assert!(!diagnosis.message.is_empty() && !diagnosis.help.is_empty(), "half of it is missing: {words}");
        assert_place(diagnosis.location.as_ref(), text);
        words
    });
    told.collect()
}

/// A place is a line of `text`, and begins in it.
fn assert_place(location: Option<&Location>, text: &str) {
    let Some(location) = location else { return };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let index = usize::try_from(location.line).expect("a number of a line").checked_sub(1).expect("lines begin at 1");
    let line = text.split('\n').nth(index).unwrap_or_else(|| panic!("no line {} in the file", location.line));
    // A secret is shown as an asterisk.
    let is_masked = location.text.contains('*') && !line.contains('*');
    assert!(is_masked || line.trim_end_matches('\r') == location.text.trim_end_matches('\r'), "another line is shown");
    let columns = u64::try_from(line.chars().count()).expect("a line is short") + 1;
    assert!(location.column >= 1 && location.width >= 1, "{location:?}");
    assert!(location.column <= columns, "the place is beyond its line: {location:?}");
}

/// A script of faults for the sandbox.
pub fn fault_script(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match (Script::parse(text, "faults.toml"), Script::parse(text, "faults.toml")) {
        (Ok(first), Ok(second)) => assert_eq!(format!("{first:?}"), format!("{second:?}"), "two readings differ"),
        (Err(first), Err(second)) => {
            assert_told(&first);
            assert_eq!(first.kind(), ErrorKind::Usage, "{first}");
            assert_eq!(first.to_string(), second.to_string(), "two readings differ");
            assert_place(first.location(), text);
        }
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => panic!("of two readings one fails: {error}"),
    }
}
