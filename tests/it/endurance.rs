//! The real binary with its ledger over hours that are too long for the gate, all in real time.
//!
//! ```text
//! cargo test --test it endurance:: -- --ignored --nocapture
//! ```
//!
//! A million events with a tenth of the requests failing take some minutes in an unoptimised build. The outage takes
//! ten minutes; `POSTBACK_OUTAGE_SECONDS` makes it another time. A short one, in a clock that runs a thousand times
//! faster, is in the gate: see `faults`.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::faults::PASSING;
use crate::history::verify;
use crate::receiver::{Moment, Next, Receiver, now, sandbox};
use crate::server::{file, postback, said};

const OUTAGE_VARIABLE: &str = "POSTBACK_OUTAGE_SECONDS";
/// Requests before the outage.
const BEFORE: u32 = 20;
/// Failures in a row that make an outage, and the time between two probes of it.
const FAILURES: usize = 20;
const PROBE: Duration = Duration::from_secs(30);
/// Time in which what is being read and recorded fills its queues.
const FILLING: Duration = Duration::from_secs(20);

fn query(events: u64) -> String {
    format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.currency = 'EUR';
        SELECT 'Purchase' AS event, {} - n % 3600 AS timestamp, 'ann' || n || '@example.com' AS email, n AS event_id, 5 AS value
        FROM (SELECT value AS n FROM generate_series(1, {events})) AS orders",
        now() - 60,
    )
}

#[test]
#[ignore = "takes minutes"]
fn a_million_events_survive_a_tenth_of_faults_and_are_all_on_record() {
    const EVENTS: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "orders.sql", query(EVENTS));
    let ledger = folder.path().join("ledger");
    let sandbox = sandbox(PASSING, false);
    let url = sandbox.base_url();
    let start = Instant::now();
    let arguments = ["run", &query, "--base-url", &url, "--ledger", ledger.to_str().unwrap(), "--format", "json"];
    let said = said(&mut postback(&arguments));
    let seen = sandbox.snapshot();
    let met: u64 = seen.faults.iter().map(|fault| fault.requests).sum();
    println!("{:?}, {} requests, {met} of them with a fault, {} repeats", start.elapsed(), seen.requests, seen.merged);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(seen.faults.iter().all(|fault| fault.requests > 0), "{:?}", seen.faults);
    assert!(met * 20 >= EVENTS / 1_000, "{met} faults");
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((account["accepted"].as_u64(), seen.unique), (Some(EVENTS), EVENTS));
    assert!(seen.requests * 10 <= EVENTS / 1_000 * 12, "{} requests", seen.requests);
    let found = verify(&ledger);
    assert!(found.is_sound(), "{:?}", found.problems);
    assert_eq!((found.accepted, found.in_doubt, found.held), (EVENTS, 0, 0));
}

#[test]
#[ignore = "takes ten minutes of real time"]
fn an_outage_is_waited_for_with_flat_memory_and_one_probe_in_thirty_seconds() {
    const EVENTS: u64 = 200_000;
    let asked = std::env::var(OUTAGE_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    let outage = Duration::from_secs(asked.unwrap_or(600));
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "orders.sql", query(EVENTS));
    let ledger = folder.path().join("ledger");
    let receiver = Receiver::start(Duration::ZERO, "");
    let failed: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let (failures, mut requests) = (Arc::clone(&failed), 0);
    receiver.during(0, move |moment, _| {
        let mut failures = failures.lock().unwrap();
        requests += u32::from(moment == Moment::Head);
        let is_out = requests > BEFORE && failures.first().is_none_or(|first| first.elapsed() < outage);
        if moment == Moment::Head && is_out {
            failures.push(Instant::now());
            return Next::HangUp;
        }
        Next::GoOn
    });
    let arguments =
        ["run", &query, "--base-url", &receiver.url, "--ledger", ledger.to_str().unwrap(), "--format", "json", "-q"];
    let mut child = postback(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut memory = Vec::new();
    while child.try_wait().unwrap().is_none() {
        let began = failed.lock().unwrap().first().copied();
        let is_out = began.is_some_and(|began| (FILLING..outage).contains(&began.elapsed()));
        memory.extend(resident(&child).filter(|_| is_out));
        std::thread::sleep(Duration::from_secs(1));
    }
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(child.wait().unwrap().success(), "{stdout}");
    let account: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((account["accepted"].as_u64(), receiver.snapshot().unique), (Some(EVENTS), EVENTS));

    let (least, most) = (memory.iter().min().unwrap(), memory.iter().max().unwrap());
    let failed = failed.lock().unwrap();
    println!("{least} to {most} kB in {} samples; {} requests in the outage", memory.len(), failed.len());
    assert!(most * 20 <= least * 21, "{least} kB grew to {most} kB");
    let probes = usize::try_from(outage.as_secs() / PROBE.as_secs()).unwrap() + 1;
    // Those that were under way when the twentieth failed are no probes.
    assert!(failed.len() <= FAILURES + 32 + probes, "{} requests in the outage", failed.len());
    let late = failed.iter().filter(|at| at.duration_since(failed[0]) > FILLING * 3).collect::<Vec<_>>();
    for pair in late.windows(2) {
        assert!(pair[1].duration_since(*pair[0]) + Duration::from_secs(1) >= PROBE, "two probes at once");
    }
}

/// Memory of the process in kB.
fn resident(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
