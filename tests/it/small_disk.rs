//! A disk that is really full: the reserve is what the outcomes of the last requests are written with.
//!
//! The disk is one in memory that only the run sees, for which the machine must let a process mount:
//!
//! ```text
//! cargo test --test it small_disk:: -- --ignored
//! ```

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use crate::history::REFERENCE;
use crate::server::{Server, arrived, file, program, said};

/// Kilobytes of the reserve, and of what is left beside it: enough for some requests, not for all.
const RESERVE: u32 = 64 << 10;
const LEFT: u32 = 300;

/// Runs on a disk that is too small, examines what is there, makes room, and runs again.
const SCRIPT: &str = r#"
mount -t tmpfs -o size="$2"k none "$1" || exit 99
shift; shift
"$@"; echo "first: $?"
"$POSTBACK" ledger verify --namespace test; echo "verify: $?"
find "$POSTBACK_LEDGER" -name '*.reserve'; echo "listed"
mount -o remount,size=200m none "${POSTBACK_LEDGER%/*}" || exit 99
"$@"; echo "second: $?"
"$POSTBACK" ledger verify --namespace test; echo "verify: $?"
"#;

#[test]
#[ignore = "needs to mount, which not every machine allows"]
fn a_full_disk_has_room_for_the_outcomes_of_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "orders.sql", &REFERENCE.query);
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let server = Server::accepting_after(Duration::from_millis(2));
    let binary = env!("CARGO_BIN_EXE_postback");
    let size = (RESERVE + LEFT).to_string();
    // Test events have the reserve that live ones have; those of a server on this machine have none.
    let run = ["run", &query, "--base-url", &server.url, "--test-event-code", "TEST1", "--batch-events", "1"];
    let shell = ["-rm", "sh", "-c", SCRIPT, "sh", disk.to_str().unwrap(), &size, binary];
    let mut command: Command = program("unshare", &[&shell[..], &run].concat());
    command.env("POSTBACK", binary).env("POSTBACK_LEDGER", disk.join("ledger"));
    let said = said(&mut command);
    let lines: Vec<&str> = said.stdout.lines().collect();
    let told = |line: &str| assert!(lines.contains(&line), "{line}: {said:?}");
    told("first: 4");
    told("second: 0");
    assert!(said.stderr.contains("the disk is full"), "{}", said.stderr);
    // The disk got the reserve back, and every outcome was written with it: nothing is in doubt.
    assert!(lines.windows(2).any(|pair| pair[0].starts_with("verify") && pair[1] == "listed"), "{said:?}");
    // The account of the run that ended early tells its requests too.
    assert!(said.stderr.contains("the run ended early, after "), "{said:?}");
    assert_eq!(said.stdout.matches(" requests (0 repeated), ").count(), 2, "{said:?}");
    let examined: Vec<_> = lines.iter().filter(|line| line.contains(" accepted, ")).collect();
    assert!(examined.iter().all(|line| line.ends_with(" accepted, 0 in doubt, 0 held")), "{said:?}");
    assert!(examined[1].contains(&format!("{} events accepted", REFERENCE.events.len())), "{said:?}");
    assert_eq!(lines.iter().filter(|line| **line == "verify: 0").count(), 2, "{said:?}");

    let sent = arrived(&server);
    let distinct: BTreeSet<_> = sent.iter().collect();
    assert_eq!((sent.len(), distinct.len()), (REFERENCE.events.len(), REFERENCE.events.len()), "all of them once");
}
