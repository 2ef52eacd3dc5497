//! Ledger files: one that is opened is sound, knows what its verification counts, and is never taken for an empty one.

use std::fs;
use std::sync::Arc;

use postback::ledger::Sqlite;
use postback::ledger::sqlite::{Holder, Namespace, Options, Place as Ledger, verify};

use super::assert_told;
use super::place::Place;

/// When it is opened: 20 August 2026.
const NOW: i64 = 1_787_191_200;

/// The file of a ledger.
pub fn ledger_file(data: &[u8]) {
    Place::with(|_, folder| {
        let holder = Holder { pid: 4_711, host: "fuzz".into() };
        let place = Ledger { folder: folder.to_owned(), namespace: Namespace::Sandbox, holder };
        fs::write(place.database(), data).expect("an input is written");
        let verified = verify(&place, NOW);
        match (&verified, verify(&place, NOW)) {
            (Ok(first), Ok(second)) => {
                assert_eq!(format!("{first:?}"), format!("{second:?}"), "two verifications differ");
            }
            (Err(first), Err(second)) => {
                assert_told(first);
                assert_eq!(first.to_string(), second.to_string(), "two verifications differ");
            }
            (Ok(_), Err(error)) => panic!("of two verifications one fails: {error}"),
            (Err(error), Ok(_)) => panic!("of two verifications one fails: {error}"),
        }
        let opened = Sqlite::open(Options::looking(place, Arc::new(|| NOW)));
        match opened {
            Ok(ledger) => {
                let verified = verified.expect("a ledger that opens can be verified");
                assert!(verified.is_sound(), "a damaged ledger is opened: {:?}", verified.problems);
                let accepted = u64::try_from(ledger.accepted()).expect("few events");
                assert_eq!(accepted, verified.accepted, "two counts of one ledger differ");
                if let Err(error) = ledger.in_doubt() {
                    assert_told(&error);
                }
            }
            Err(error) => assert_told(&error),
        }
    });
}
