//! Every fault the sandbox can order, against the real client and delivery over TCP: nothing lost, nothing counted
//! twice, the account balanced, requests bounded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, future, stream};
use postback::api::{self, BaseUrl, Client, Timeouts};
use postback::contract::EventSource;
use postback::delivery::{Cause, Options, Report, Settled, deliver};
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::{Model, Store};
use postback::sandbox::{self, Sandbox, Script, Snapshot};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::server::{file, postback, said};

const NOW: i64 = 1_787_234_709;
const DIGEST: &str = "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26";
/// Batches of a delivery, and events of each.
const BATCHES: u64 = 4;
const EVENTS: u64 = 8;
const ALL: u64 = BATCHES * EVENTS;
/// Five minutes of waiting pass in 300 ms.
const SPEED: u32 = 1_000;

/// How many events end in each way: accepted, rejected, unsent, held.
type Places = [u64; 4];

/// A delivery that met faults.
struct Ended {
    report: Report,
    /// Events that entered the delivery.
    offered: u64,
    /// Event ids by outcome: accepted, rejected, unsent, held.
    outcomes: [BTreeSet<String>; 4],
    /// Event ids that count on the other side.
    counted: BTreeSet<String>,
    seen: Snapshot,
}

impl Ended {
    /// What never entered counts as unsent.
    fn places(&self, all: u64) -> Places {
        let mut places = self.outcomes.each_ref().map(|ids| ids.len() as u64);
        places[2] += all - self.offered;
        places
    }

    fn exit_code(&self) -> u8 {
        self.report.stop.as_ref().map_or(0, |stop| stop.to_error().exit_code())
    }

    /// What holds whatever happens: an event has one outcome, what is accepted counts, what is rejected does not, and
    /// nothing counts twice.
    fn check(&self, name: &str) {
        let [accepted, rejected, unsent, held] = &self.outcomes;
        let places = self.places(self.offered);
        assert_eq!(places.iter().sum::<u64>(), self.offered, "{name}: the account balances");
        assert!(accepted.is_subset(&self.counted), "{name}: lost {:?}", accepted.difference(&self.counted));
        assert!(rejected.is_disjoint(&self.counted), "{name}: rejected, but counted");
        assert!(self.counted.iter().all(|id| accepted.contains(id) || unsent.contains(id) || held.contains(id)));
        assert_eq!(self.seen.unique, self.counted.len() as u64, "{name}: counted twice");
        let arrived = self.seen.unique + self.seen.merged + self.seen.dropped + self.seen.refused;
        assert_eq!(self.seen.arrived, arrived, "{name}: the sandbox's account balances");
    }
}

fn batch(number: u64, events: u64) -> Batch {
    let destination = Destination { event_source: EventSource::Offline, event_source_id: "7301234567890123456".into() };
    let (mut json, mut encoded) = (Vec::new(), Vec::new());
    for position in 0..events {
        if position > 0 {
            json.push(b',');
        }
        let (start, id) = (json.len(), format!("{number}-{position}"));
        let event = format!(
            r#"{{"event":"Purchase","event_time":{},"event_id":"{id}","user":{{"email":"{DIGEST}"}},"properties":{{"currency":"GBP","value":5}}}}"#,
            NOW - 60
        );
        json.extend_from_slice(event.as_bytes());
        let key = EventKey::new(&[1; 32], &destination, "Purchase", &id);
        encoded.push(EncodedEvent { key, span: start..json.len(), time: NOW - 60, row: position, payload: 0 });
    }
    Batch {
        destination,
        head: Bytes::from_static(br#"{"event_source":"offline","event_source_id":"7301234567890123456","data":["#),
        json: json.into(),
        range: 0..encoded.len(),
        events: encoded.into(),
    }
}

async fn sandbox(script: &str) -> Sandbox {
    let faults = Script::parse(script, "faults.toml").unwrap_or_else(|error| panic!("{error}\n{script}"));
    let options = sandbox::Options { faults, keep_all: true, ..sandbox::Options::new(Arc::new(|| NOW)) };
    Sandbox::start(options).await.unwrap()
}

fn client(url: &str) -> Client {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_millis(1_500),
        idle: Duration::from_secs(1),
        total: Duration::from_secs(2),
    };
    let options = api::Options { timeouts, ..api::Options::default() };
    Client::with_options(&BaseUrl::parse(url).unwrap(), &SecretString::from("t0k3n"), options).unwrap()
}

fn ids(events: &[String]) -> BTreeSet<String> {
    let id = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["event_id"].as_str().unwrap().to_owned()
    };
    events.iter().map(id).collect()
}

fn options() -> Options {
    // One request at a time, so that the numbers of requests mean the same in every run; and hours to go on, since a
    // second of a busy machine is a quarter of an hour here.
    let give_up_after = Duration::from_hours(10);
    Options {
        speed: SPEED,
        give_up_after,
        concurrency: 1,
        rate: 900,
        clock: Some(|| NOW),
        seed: 5,
        ..Options::default()
    }
}

async fn deliver_to(sandbox: &Sandbox, options: Options) -> Ended {
    deliver_batches(sandbox, options, BATCHES, EVENTS).await
}

async fn deliver_batches(sandbox: &Sandbox, options: Options, batches: u64, events: u64) -> Ended {
    let store: Arc<dyn Store> = Arc::new(Model::new([1; 32]));
    let (offer, offered) = mpsc::channel(2);
    let (settled, mut settlements) = mpsc::channel::<Settled>(8);
    let (_stop, stopped) = watch::channel(false);
    let feeder = tokio::spawn(async move {
        for number in 0..batches {
            if offer.send(batch(number, events)).await.is_err() {
                return number;
            }
        }
        batches
    });
    let driver = tokio::spawn(deliver(offered, client(&sandbox.base_url()), store, options, settled, stopped));
    let mut found = [const { BTreeSet::new() }; 4];
    while let Some(Settled { batch, outcomes, .. }) = settlements.recv().await {
        for (event, outcome) in batch.events().iter().zip(outcomes) {
            let event: Value = serde_json::from_slice(&batch.json[event.span.clone()]).unwrap();
            let place = match outcome {
                Outcome::Accepted => 0,
                Outcome::Rejected(_) => 1,
                Outcome::Unsent | Outcome::InDoubt => 2,
                Outcome::Held => 3,
            };
            assert!(found[place].insert(event["event_id"].as_str().unwrap().to_owned()), "settled twice");
        }
    }
    let report = driver.await.unwrap().unwrap();
    let offered = feeder.await.unwrap() * events;
    Ended { report, offered, outcomes: found, counted: ids(&sandbox.events()), seen: sandbox.snapshot() }
}

const ACCEPTED: Places = [ALL, 0, 0, 0];
const ONE_REJECTED: Places = [ALL - 1, 1, 0, 0];
const UNSENT: Places = [0, 0, ALL, 0];

/// A fault, and what a delivery has to make of it.
struct Case {
    name: &'static str,
    script: &'static str,
    places: Places,
    cause: Option<Cause>,
    /// Most requests, where four would do without the fault.
    requests: u64,
}

const fn survived(name: &'static str, script: &'static str, requests: u64) -> Case {
    Case { name, script, places: ACCEPTED, cause: None, requests }
}

const fn rejected(name: &'static str, script: &'static str, requests: u64) -> Case {
    Case { name, script, places: ONE_REJECTED, cause: None, requests }
}

const fn stopped(name: &'static str, script: &'static str, cause: Cause, requests: u64) -> Case {
    Case { name, script, places: UNSENT, cause: Some(cause), requests }
}

/// One row for each fault; `reliability.md` 2.2 says what is right.
const CASES: &[Case] = &[
    // Below HTTP: in doubt, so the same events again.
    survived("reset before processing", "does = 'reset'\non = '1..2'", 6),
    survived("reset after processing", "does = 'reset'\non = '1..2'\ntaken = true", 6),
    survived("reset of every other request", "does = 'reset'\non = 'every 2'\ntaken = true", 7),
    survived("closed without an answer", "does = 'close'\non = 1", 5),
    survived("closed after processing", "does = 'close'\non = 3\ntaken = true", 5),
    survived("keep-alive closed at reuse", "does = 'close'\nreused = true\ntimes = 3", 7),
    survived("keep-alive reset at reuse", "does = 'reset'\nreused = true\ntaken = true", 7),
    survived("half a body", "does = 'half'\non = '1..2'", 6),
    survived("wrong Content-Length", "does = 'short-length'\non = 2", 5),
    survived("a head without end", "does = 'long-head'\non = 2", 5),
    survived("slow", "does = 'slow'\nmilliseconds = 20", 4),
    survived("too slow", "does = 'slow'\non = 1\nmilliseconds = 3000", 5),
    survived("never", "does = 'never'\non = 1", 5),
    survived("never, after processing", "does = 'never'\non = 1\ntaken = true", 5),
    survived("byte by byte", "does = 'trickle'\non = 1\nmilliseconds = 40", 5),
    survived("refused connections", "does = 'refuse'\non = 2\nmilliseconds = 60", 4),
    survived("at random", "does = 'reset'\nchance = 0.3\ntaken = true", 12),
    // HTTP of a gateway.
    survived("500", "does = 'status'\nstatus = 500\non = 1", 5),
    survived("502 after processing", "does = 'status'\nstatus = 502\non = 2\ntaken = true", 5),
    survived("503", "does = 'status'\non = '1..3'", 7),
    survived("504", "does = 'status'\nstatus = 504\non = 1", 5),
    survived("408", "does = 'status'\nstatus = 408\non = 1", 5),
    survived("429", "does = 'status'\nstatus = 429\non = 1", 5),
    survived("429 with Retry-After", "does = 'status'\nstatus = 429\non = 2\nretry_after = 30", 5),
    survived("429 with a date", "does = 'status'\nstatus = 429\non = 2\nretry_at = 30", 5),
    survived("413", "does = 'status'\nstatus = 413\non = 1", 9),
    stopped("413 whatever the size", "does = 'status'\nstatus = 413", Cause::TooLarge, 8),
    stopped("414 whatever the size", "does = 'status'\nstatus = 414", Cause::Configuration, 8),
    stopped("40011 whatever the size", "does = 'code'\ncode = 40011", Cause::TooLarge, 8),
    stopped("40061 whatever the size", "does = 'code'\ncode = 40061", Cause::TooLarge, 8),
    rejected("413 for one event", "does = 'status'\nstatus = 413\nevent_id = '1-5'", 11),
    rejected("413 for the first event of all", "does = 'status'\nstatus = 413\nevent_id = '0-0'", 11),
    rejected("413 for the event that is sent alone first", "does = 'status'\nstatus = 413\nevent_id = '0-7'", 11),
    stopped("401", "does = 'status'\nstatus = 401", Cause::Credentials, 2),
    stopped("403", "does = 'status'\nstatus = 403", Cause::Credentials, 2),
    stopped("404", "does = 'status'\nstatus = 404", Cause::Configuration, 1),
    stopped("405", "does = 'status'\nstatus = 405", Cause::Configuration, 1),
    stopped("301", "does = 'redirect'\nstatus = 301", Cause::Configuration, 1),
    stopped("302", "does = 'redirect'\nstatus = 302", Cause::Configuration, 1),
    stopped("307", "does = 'redirect'", Cause::Configuration, 1),
    stopped("308", "does = 'redirect'\nstatus = 308", Cause::Configuration, 1),
    // Codes of the API.
    survived("40100 of a second", "does = 'throttle'\non = '1..2'", 6),
    survived("40100 with HTTP 429", "does = 'throttle'\non = 2\nstatus = 429\nretry_after = 2", 5),
    survived("40100 of a minute", "does = 'throttle'\nlimit = 'minute'\ntimes = 2", 6),
    stopped("40100 of a day", "does = 'throttle'\nlimit = 'day'", Cause::DailyLimit, 70),
    survived("40016", "does = 'code'\ncode = 40016\non = 1", 5),
    survived("40132", "does = 'code'\ncode = 40132\non = 1", 5),
    survived("40133", "does = 'code'\ncode = 40133\non = 1", 5),
    survived("40202", "does = 'code'\ncode = 40202\non = 1", 5),
    survived("50000", "does = 'code'\non = '1..3'", 7),
    survived("50000 after processing", "does = 'code'\non = 1\ntaken = true", 5),
    survived("50002", "does = 'code'\ncode = 50002\non = '1..3'", 7),
    survived("51305", "does = 'code'\ncode = 51305\non = 1", 5),
    survived("51021", "does = 'code'\ncode = 51021\non = 1", 5),
    survived("60001", "does = 'code'\ncode = 60001\non = 2", 5),
    survived("61000", "does = 'code'\ncode = 61000\non = 2", 5),
    survived("40700 once", "does = 'code'\ncode = 40700\non = 2", 5),
    survived("a token refused once", "does = 'code'\ncode = 40105\non = 2", 5),
    stopped("40105", "does = 'code'\ncode = 40105", Cause::Credentials, 2),
    stopped("40102", "does = 'code'\ncode = 40102", Cause::Credentials, 2),
    stopped("40001", "does = 'code'\ncode = 40001", Cause::Credentials, 2),
    stopped("41000", "does = 'code'\ncode = 41000", Cause::Credentials, 2),
    stopped(
        "40002 about a permission",
        "does = 'code'\ncode = 40002\nmessage = 'No permission to operate pixel.'",
        Cause::Credentials,
        2,
    ),
    stopped(
        "40002 about the source id",
        "does = 'code'\ncode = 40002\nmessage = 'Invalid value for event_source_id: not a valid string.'",
        Cause::Configuration,
        1,
    ),
    stopped("40002 for everything", "does = 'code'\ncode = 40002\nmessage = 'Wrong.'", Cause::Configuration, 4),
    stopped("40007", "does = 'code'\ncode = 40007", Cause::Configuration, 1),
    stopped("40063", "does = 'code'\ncode = 40063", Cause::Configuration, 1),
    stopped("40130", "does = 'code'\ncode = 40130", Cause::Credentials, 2),
    stopped("40400", "does = 'code'\ncode = 40400", Cause::Configuration, 1),
    Case {
        name: "a token revoked from request 3 on",
        script: "does = 'code'\ncode = 40105\non = '3..'",
        places: [2 * EVENTS, 0, ALL - 2 * EVENTS, 0],
        cause: Some(Cause::Credentials),
        requests: 4,
    },
    // Three requests more, and nothing is rejected.
    Case {
        name: "a pixel archived from request 2 on",
        script: "does = 'code'\ncode = 40002\nmessage = 'The pixel is archived.'\non = '2..'",
        places: [EVENTS, 0, ALL - EVENTS, 0],
        cause: Some(Cause::Configuration),
        requests: 5,
    },
    // Sizes are tried down to single events, of which four are enough.
    Case {
        name: "a gateway that refuses from request 2 on",
        script: "does = 'status'\nstatus = 406\non = '2..'",
        places: [EVENTS, 0, ALL - EVENTS, 0],
        cause: Some(Cause::Configuration),
        requests: 9,
    },
    Case {
        name: "40050 about events never sent before",
        script: "does = 'code'\ncode = 40050\non = 1\ntaken = true",
        places: [ALL - EVENTS, 0, 0, EVENTS],
        cause: None,
        requests: 4,
    },
    survived(
        "40050 about events in doubt",
        "does = 'reset'\non = 1\ntaken = true\n[[fault]]\ndoes = 'code'\ncode = 40050\non = 2\ntaken = true",
        5,
    ),
    // Single events at fault: 2⌈log2 8⌉ = 6 requests more without a hint, 3 with a right one.
    rejected("poison that is named", "does = 'poison'\nevent_id = '1-5'", 7),
    rejected("poison without a path", "does = 'poison'\nevent_id = '1-5'\nnames = 'nothing'", 11),
    rejected("poison under a wrong name", "does = 'poison'\nevent_id = '1-5'\nnames = 'wrong'", 11),
    rejected("poison in the first request", "does = 'poison'\nevent_id = '0-3'\nnames = 'nothing'", 11),
    rejected("poison that is named in the first request", "does = 'poison'\nevent_id = '0-3'", 7),
    rejected("poison told by its content", "does = 'poison'\ncontains = '\"3-7\"'\nnames = 'nothing'", 11),
    rejected("poison with HTTP 400", "does = 'poison'\nevent_id = '1-5'\nstatus = 400", 7),
    rejected("poison by 40000", "does = 'poison'\nevent_id = '2-0'\ncode = 40000", 7),
    rejected("poison by 40700", "does = 'poison'\nevent_id = '2-0'\ncode = 40700\nnames = 'nothing'", 15),
    // A list says where to cut, and is not believed further.
    rejected("partial that is named", "does = 'partial'\nevent_id = '1-5'", 7),
    rejected("partial without names", "does = 'partial'\nevent_id = '1-5'\nnames = 'nothing'", 10),
    rejected("partial that counts from one", "does = 'partial'\nevent_id = '1-5'\nnames = 'wrong'", 11),
    rejected("partial with names beyond the request", "does = 'partial'\nevent_id = '1-5'\nnames = 'beyond'", 10),
    // The same under the code of a success.
    rejected("failed_events that are named", "does = 'partial'\nevent_id = '1-5'\nsays = 'failed_events'", 7),
    rejected("failed_rows that are named", "does = 'partial'\nevent_id = '1-5'\nsays = 'failed_rows'", 7),
    rejected("partial_failure alone", "does = 'partial'\nevent_id = '1-5'\nsays = 'flag'", 10),
    rejected("an empty list", "does = 'partial'\nevent_id = '1-5'\nsays = 'failed_events'\nnames = 'nothing'", 10),
    rejected(
        "a list that counts from one",
        "does = 'partial'\nevent_id = '1-5'\nsays = 'failed_events'\nnames = 'wrong'",
        11,
    ),
    rejected(
        "a list beyond the request",
        "does = 'partial'\nevent_id = '1-5'\nsays = 'failed_rows'\nnames = 'beyond'",
        10,
    ),
    rejected("partial in the first request", "does = 'partial'\nevent_id = '0-0'\nsays = 'failed_events'", 7),
    // Answers that are none of the API's: never a success, whatever they look like.
    survived("empty", "does = 'garbled'\nshape = 'empty'\non = 1", 5),
    survived("text", "does = 'garbled'\non = 1", 5),
    survived("html", "does = 'garbled'\nshape = 'html'\non = 1", 5),
    survived("array", "does = 'garbled'\nshape = 'array'\non = 1", 5),
    survived("truncated", "does = 'garbled'\nshape = 'truncated'\non = 1", 5),
    survived("trailing", "does = 'garbled'\nshape = 'trailing'\non = 1", 5),
    survived("a code in quotes", "does = 'garbled'\nshape = 'string-code'\non = 1", 5),
    survived("a code with a point", "does = 'garbled'\nshape = 'float-code'\non = 1", 5),
    survived("a null code", "does = 'garbled'\nshape = 'null-code'\non = 1", 5),
    survived("no code", "does = 'garbled'\nshape = 'no-code'\non = 1", 5),
    survived("no code, nothing taken", "does = 'garbled'\nshape = 'no-code'\non = 1\ntaken = false", 5),
    survived("two codes", "does = 'garbled'\nshape = 'two-codes'\non = 1\ntaken = false", 5),
    survived("too deep", "does = 'garbled'\nshape = 'deep'\non = 1\ntaken = false", 5),
    survived("huge", "does = 'garbled'\nshape = 'huge'\non = 1\ntaken = false", 5),
    survived("data that is a list", "does = 'garbled'\nshape = 'list-data'\non = 1", 5),
    survived("data that is a text", "does = 'garbled'\nshape = 'text-data'\non = 1", 5),
    survived("data that nobody knows", "does = 'garbled'\nshape = 'other-data'\non = 1", 5),
    survived("a count of fewer events", "does = 'garbled'\nshape = 'fewer-events'\non = 1\ntaken = false", 5),
    survived("a success under another type", "does = 'garbled'\nshape = 'wrong-type'\non = 1", 4),
    survived("code 0 with HTTP 500", "does = 'garbled'\nshape = 'plain'\nstatus = 500\non = 1\ntaken = false", 5),
    stopped("garbled without end", "does = 'garbled'\ntaken = false", Cause::Garbled, 5),
    stopped("lists as data without end", "does = 'garbled'\nshape = 'list-data'\ntaken = false", Cause::Garbled, 5),
    stopped("unknown data without end", "does = 'garbled'\nshape = 'other-data'\ntaken = false", Cause::Garbled, 5),
    stopped("fewer events without end", "does = 'garbled'\nshape = 'fewer-events'\ntaken = false", Cause::Garbled, 5),
    stopped("huge without end", "does = 'garbled'\nshape = 'huge'\ntaken = false", Cause::Garbled, 5),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_survived_as_the_table_says() {
    let wrong: Vec<String> =
        stream::iter(CASES).map(meet).buffer_unordered(8).filter_map(future::ready).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the delivery that meets this case, if something is.
async fn meet(Case { name, script, places, cause, requests }: &Case) -> Option<String> {
    let sandbox = sandbox(&format!("[[fault]]\n{script}\n")).await;
    let ended = deliver_to(&sandbox, options()).await;
    ended.check(name);
    assert!(ended.seen.faults[0].requests > 0, "{name}: no request met the fault");
    let exit_code = match cause {
        None => 0,
        Some(Cause::Credentials) => 3,
        // Exit 2 says that nothing was sent.
        Some(Cause::Configuration) if places[0] == 0 => 2,
        Some(_) => 4,
    };
    let found = (ended.places(ALL), ended.report.stop.as_ref().map(|stop| stop.cause), ended.exit_code());
    let is_right = found == (*places, *cause, exit_code) && ended.report.requests <= *requests;
    (!is_right).then(|| format!("{name}: {found:?}, {} requests", ended.report.requests))
}

#[test]
fn every_fault_has_a_case() {
    let help = sandbox::faults::help();
    let faults = help.lines().filter_map(|line| line.trim().strip_prefix("does = \"")?.strip_suffix('"'));
    let others = ["skew"];
    for fault in faults.filter(|fault| !others.contains(fault)) {
        assert!(CASES.iter().any(|case| case.script.starts_with(&format!("does = '{fault}'"))), "{fault}");
    }
}

/// The position of an event at fault that the API names wrongly is that of a sound event, which is accepted alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_not_sent_again() {
    for (events, bad) in [(950, 22), (950, 949), (50, 0), (3, 1)] {
        for fault in ["poison", "partial"] {
            let sandbox =
                sandbox(&format!("[[fault]]\ndoes = '{fault}'\nevent_id = '0-{bad}'\nnames = 'wrong'\n")).await;
            let ended = deliver_batches(&sandbox, options(), 1, events).await;
            ended.check(fault);
            assert_eq!(ended.places(events), [events - 1, 1, 0, 0], "{fault}");
            if fault == "poison" {
                assert_eq!((ended.seen.merged, ended.seen.dropped), (0, 0), "{bad} of {events}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_probed_and_survived() {
    let sandbox = sandbox("[[fault]]\ndoes = 'reset'\non = '1..25'\n").await;
    let ended = deliver_to(&sandbox, options()).await;
    ended.check("outage");
    assert_eq!((ended.places(ALL), &ended.report.stop), (ACCEPTED, &None));
    assert_eq!(ended.report.requests, 25 + BATCHES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_without_end_is_given_up_and_can_be_resumed() {
    let sandbox = sandbox("[[fault]]\ndoes = 'close'\n").await;
    let half_an_hour = Options { give_up_after: Options::default().give_up_after, ..options() };
    let ended = deliver_to(&sandbox, half_an_hour).await;
    ended.check("outage");
    assert_eq!(ended.report.stop.as_ref().map(|stop| stop.cause), Some(Cause::GaveUp));
    assert_eq!(ended.exit_code(), 4);
    // Twenty failures, then one probe every thirty seconds for half an hour.
    assert!(ended.report.requests <= 20 + 60, "{}", ended.report.requests);
    sandbox.set_faults(Script::default());
    let ended = deliver_to(&sandbox, options()).await;
    assert_eq!((ended.places(ALL), ended.seen.unique), (ACCEPTED, ALL));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_many_requests_at_once_cost_no_event() {
    let script = "seed = 3
        [[fault]]\ndoes = 'reset'\nchance = 0.1\ntaken = true
        [[fault]]\ndoes = 'half'\nchance = 0.1
        [[fault]]\ndoes = 'throttle'\nchance = 0.1\ntimes = 2
        [[fault]]\ndoes = 'partial'\nevent_id = '0-?'\nchance = 0.3
        [[fault]]\ndoes = 'status'\nchance = 0.1\nstatus = 502";
    for seed in 0..5 {
        let sandbox = sandbox(script).await;
        let ended = deliver_to(&sandbox, Options { concurrency: 8, seed, ..options() }).await;
        ended.check("many");
        assert_eq!(ended.report.stop, None);
    }
}

/// One request in ten goes wrong in a way that passes, and costs neither minutes nor events.
pub(crate) const PASSING: &str = "[[fault]]\ndoes = 'reset'\nchance = 0.015
    [[fault]]\ndoes = 'reset'\nchance = 0.015\ntaken = true
    [[fault]]\ndoes = 'half'\nchance = 0.015
    [[fault]]\ndoes = 'status'\nchance = 0.015\nstatus = 502\ntaken = true
    [[fault]]\ndoes = 'code'\nchance = 0.01
    [[fault]]\ndoes = 'throttle'\nchance = 0.01
    [[fault]]\ndoes = 'status'\nchance = 0.01\nstatus = 429\nretry_after = 1
    [[fault]]\ndoes = 'garbled'\nshape = 'string-code'\nchance = 0.01";

/// Every way in which any request can fail without ending the delivery. Each costs the request once more.
const FAILING: &[&str] = &[
    "does = 'reset'",
    "does = 'reset'\ntaken = true",
    "does = 'close'",
    "does = 'close'\ntaken = true",
    "does = 'close'\nreused = true",
    "does = 'reset'\nreused = true\ntaken = true",
    "does = 'half'",
    "does = 'short-length'",
    "does = 'long-head'",
    "does = 'status'\nstatus = 408",
    "does = 'status'\nstatus = 429",
    "does = 'status'\nstatus = 429\nretry_after = 2",
    "does = 'status'\nstatus = 429\nretry_at = 2",
    "does = 'status'\nstatus = 500",
    "does = 'status'\nstatus = 502\ntaken = true",
    "does = 'status'\nstatus = 503",
    "does = 'status'\nstatus = 504",
    "does = 'throttle'",
    "does = 'throttle'\nlimit = 'minute'",
    "does = 'throttle'\nstatus = 429\nretry_after = 1",
    "does = 'code'\ncode = 40016",
    "does = 'code'\ncode = 40132",
    "does = 'code'\ncode = 40133",
    "does = 'code'\ncode = 40202",
    "does = 'code'\ncode = 40700",
    "does = 'code'",
    "does = 'code'\ntaken = true",
    "does = 'code'\ncode = 50002",
    "does = 'code'\ncode = 51305",
    "does = 'code'\ncode = 51021",
    "does = 'code'\ncode = 61000",
    "does = 'code'\nstatus = 500",
    "does = 'garbled'\nshape = 'empty'",
    "does = 'garbled'\nshape = 'text'",
    "does = 'garbled'\nshape = 'html'",
    "does = 'garbled'\nshape = 'array'",
    "does = 'garbled'\nshape = 'truncated'",
    "does = 'garbled'\nshape = 'trailing'",
    "does = 'garbled'\nshape = 'string-code'",
    "does = 'garbled'\nshape = 'float-code'",
    "does = 'garbled'\nshape = 'null-code'",
    "does = 'garbled'\nshape = 'no-code'",
    "does = 'garbled'\nshape = 'two-codes'",
    "does = 'garbled'\nshape = 'deep'",
    "does = 'garbled'\nshape = 'huge'",
    "does = 'garbled'\nshape = 'plain'\nstatus = 500",
];

/// What happens a few times only, since it takes long or slows down what follows, and the requests that each may cost.
const RARE: &[(&str, u64)] = &[
    ("does = 'code'\ncode = 40105\non = 211", 1),
    ("does = 'code'\ncode = 40001\non = 307", 1),
    ("does = 'status'\nstatus = 401\non = 401", 1),
    ("does = 'status'\nstatus = 403\non = 503", 1),
    ("does = 'code'\ncode = 40002\nmessage = 'No permission to operate pixel.'\non = 601", 1),
    ("does = 'never'\non = 250\ntaken = true", 1),
    ("does = 'never'\non = 650", 1),
    ("does = 'slow'\non = 350\nmilliseconds = 3000", 1),
    ("does = 'code'\ncode = 60001\non = 450", 1),
    ("does = 'refuse'\non = 550\nmilliseconds = 60", 0),
    ("does = 'slow'\non = 660\nmilliseconds = 20", 0),
    ("does = 'trickle'\non = 670\nmilliseconds = 2", 0),
    ("does = 'garbled'\nshape = 'wrong-type'\non = 680", 0),
    ("does = 'skew'\non = 690", 0),
];

/// The ways in which a server refuses an event for what it contains.
const POISONOUS: &[&str] = &[
    "does = 'poison'\nevent_id = '17-3'",
    "does = 'poison'\nevent_id = '23-0'\nnames = 'nothing'",
    "does = 'poison'\nevent_id = '31-4'\nnames = 'wrong'",
    "does = 'poison'\nevent_id = '37-1'\nstatus = 400",
    "does = 'poison'\nevent_id = '41-2'\ncode = 40700",
    "does = 'partial'\nevent_id = '47-1'",
    "does = 'partial'\nevent_id = '53-3'\nnames = 'wrong'",
    "does = 'partial'\nevent_id = '59-0'\nnames = 'beyond'",
    "does = 'partial'\nevent_id = '61-4'\nnames = 'nothing'",
];

/// A tenth of the requests fail, in all ways that a server has and a delivery goes on from.
async fn all_faults(batches: u64, events: u64) {
    // Every tenth request, each in the next way.
    let tenths = (0..batches / 8).zip(FAILING.iter().cycle());
    let failing: Vec<String> = tenths.map(|(tenth, fault)| format!("{fault}\non = {}", 10 * tenth + 7)).collect();
    // The size that it teaches holds for all that follow, so it comes late.
    let too_large = format!("does = 'status'\nstatus = 413\non = {}", batches * 11 / 10);
    let rare = RARE.iter().map(|(fault, _)| *fault);
    let all = POISONOUS.iter().copied().chain(rare).chain([&*too_large]).chain(failing.iter().map(String::as_str));
    let script: Vec<String> = all.map(|fault| format!("[[fault]]\n{fault}\n")).collect();
    let sandbox = sandbox(&script.concat()).await;
    let ended = deliver_batches(&sandbox, Options { concurrency: 16, ..options() }, batches, events).await;

    ended.check("all faults");
    let bad = POISONOUS.len() as u64;
    assert_eq!((ended.places(batches * events), &ended.report.stop), ([batches * events - bad, bad, 0, 0], &None));
    assert!(ended.outcomes[1].iter().all(|id| POISONOUS.iter().any(|fault| fault.contains(&format!("'{id}'")))));
    assert_eq!(ended.counted, ended.outcomes[0], "each counts once, and is on record");
    let (once, tenths) = ended.seen.faults.split_at(POISONOUS.len() + RARE.len() + 1);
    let unmet: Vec<_> = once.iter().filter(|fault| fault.requests == 0).collect();
    assert!(unmet.is_empty(), "{unmet:?}");
    for (way, fault) in FAILING.iter().enumerate() {
        let met: u64 = tenths.iter().skip(way).step_by(FAILING.len()).map(|fault| fault.requests).sum();
        assert!(met > 0, "{fault}");
    }
    let failed: u64 = tenths.iter().map(|fault| fault.requests).sum();
    assert!(failed * 100 > ended.report.requests * 8, "{failed} of {} requests failed", ended.report.requests);
    let search = 2 * u64::from(events.next_power_of_two().ilog2());
    // An event costs a search and three requests for what answers name; a size, the halves of what is under way.
    let stated = bad * (search + 3) + RARE.iter().map(|(_, cost)| cost).sum::<u64>() + 2 * 16;
    println!("{} requests for {batches}, {failed} failed of every tenth, {stated} stated", ended.report.requests);
    assert!(ended.report.requests * 10 <= batches * 12 + stated * 10, "{} requests", ended.report.requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenth_of_faults_of_every_kind_costs_at_most_a_fifth_more_requests() {
    all_faults(2_000, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a million events: minutes"]
async fn a_million_events_survive_a_tenth_of_faults_of_every_kind() {
    all_faults(10_000, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_followed_in_both_forms_and_up_to_five_minutes() {
    for (asked, least, most) in
        [("retry_after = 30", 30, 32), ("retry_at = 30", 29, 32), ("retry_after = 99999", 300, 302)]
    {
        let sandbox = sandbox(&format!("[[fault]]\ndoes = 'throttle'\non = 2\nstatus = 429\n{asked}")).await;
        let ended = deliver_to(&sandbox, options()).await;
        assert_eq!(ended.places(ALL), ACCEPTED);
        let throttled = ended.report.throttled.as_secs();
        assert!((least..=most).contains(&throttled), "{asked}: waited {throttled} s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_goes_to_no_other_origin() {
    let other = sandbox("").await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/open_api/v1.3/event/track/", other.base_url());
        let sandbox = sandbox(&format!("[[fault]]\ndoes = 'redirect'\nstatus = {status}\nto = '{to}'")).await;
        let ended = deliver_to(&sandbox, options()).await;
        assert_eq!((ended.places(ALL), ended.report.requests), (UNSENT, 1), "{status}");
        assert_eq!(ended.exit_code(), 2);
    }
    assert_eq!(other.snapshot().requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_noticed() {
    for seconds in [-900, 400, 20] {
        let sandbox = sandbox(&format!("[[fault]]\ndoes = 'skew'\nseconds = {seconds}")).await;
        let ended = deliver_to(&sandbox, options()).await;
        assert_eq!((ended.places(ALL), ended.report.clock_skew), (ACCEPTED, Some(seconds)));
    }
}

/// Eight purchases of a query, one request each, sent to a sandbox of the run's own.
fn run_with(script: &str) -> (i32, Value, String) {
    const PURCHASES: &str = "SET postback.event_source = 'offline'; SET postback.currency = 'USD';
        SET postback.event_source_id = '7654321098765432109'; SET postback.as_of = '2026-08-20T14:10:00Z';
        SELECT 'Purchase' AS event, 1787234709 AS timestamp, 'a' || n || '@b.example' AS email, n AS order_id, n AS event_id, 5 AS value
        FROM (VALUES ('1'), ('2'), ('3'), ('4'), ('5'), ('6'), ('7'), ('8')) AS t (n)";
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASES);
    let faults = file(folder.path(), "faults.toml", script);
    let arguments = ["run", &query, "--sandbox", "--faults", &faults, "--format", "json", "--batch-events", "2"];
    let said = said(&mut postback(&arguments));
    (said.code, serde_json::from_str(&said.stdout).unwrap_or_default(), said.stderr)
}

#[test]
fn a_run_meets_the_faults_of_its_script() {
    let script =
        "[[fault]]\non = 2\ndoes = \"reset\"\ntaken = true\n\n[[fault]]\ndoes = \"poison\"\nevent_id = \"7\"\n";
    let (code, account, stderr) = run_with(script);
    assert_eq!((&account["accepted"], &account["rejected"]), (&7.into(), &1.into()), "{stderr}");
    assert_eq!(code, 1, "one reject of eight is over the threshold: {stderr}");
    let (code, account, stderr) = run_with("[[fault]]\ndoes = \"redirect\"\n");
    assert_eq!((code, &account["unsent"]), (2, &8.into()), "{stderr}");
    assert!(stderr.contains("redirects are not followed"), "{stderr}");
}

#[test]
fn a_server_that_takes_no_size_is_told_with_the_smallest() {
    let (code, account, stderr) = run_with("[[fault]]\ndoes = \"status\"\nstatus = 413\n");
    assert_eq!((code, &account["unsent"], &account["rejected"]), (4, &8.into(), &0.into()), "{stderr}");
    let words = ["the server takes no request, down to one event in", "bytes (HTTP status 413)", "have it raised"];
    assert!(words.iter().all(|words| stderr.contains(words)), "{stderr}");
    let (code, account, stderr) = run_with("[[fault]]\nevent_id = '7'\ndoes = 'status'\nstatus = 413\n");
    assert_eq!((code, &account["accepted"], &account["rejected"]), (1, &7.into(), &1.into()), "{stderr}");
    assert_eq!(account["refusals"][0]["code"], 413);
    assert_eq!(account["refusals"][0]["message"], "larger than the server takes (HTTP status)");
}

#[test]
fn a_partial_success_is_an_account_of_both_parts() {
    for says in ["failed_events", "failed_rows", "flag", "20001"] {
        let (code, account, stderr) =
            run_with(&format!("[[fault]]\nevent_id = '3'\ndoes = 'partial'\nsays = '{says}'\n"));
        let places = (&account["accepted"], &account["rejected"], &account["unsent"]);
        assert_eq!((code, places), (1, (&7.into(), &1.into(), &0.into())), "{says}: {stderr}");
        assert_eq!(account["refusals"][0]["code"], 20_001, "{says}");
    }
    let (code, account, stderr) = run_with("[[fault]]\ndoes = 'garbled'\nshape = 'other-data'\n");
    assert_eq!((code, &account["accepted"], &account["unsent"]), (4, &0.into(), &8.into()), "{stderr}");
    assert!(stderr.contains("code 0, beside something that no success is known to say"), "{stderr}");
}

#[test]
fn a_wrong_script_is_shown_with_its_line() {
    let (code, _, stderr) = run_with("[[fault]]\non = 2\ndoes = \"rest\"\n");
    assert_eq!(code, 2);
    for part in ["`rest` is no fault", "faults.toml:3:8", "did you mean `reset`?"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let said = said(&mut postback(&["sandbox", "--faults", "missing.toml"]));
    assert!(said.code == 2 && said.stderr.contains("the fault script cannot be read"), "{}", said.stderr);
}

#[test]
fn the_help_lists_every_fault() {
    let said = said(&mut postback(&["sandbox", "--faults-help"]));
    assert_eq!((said.code, said.stdout), (0, sandbox::faults::help()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_is_read_set_and_cleared_over_http() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let sandbox = sandbox("[[fault]]\ndoes = 'reset'\non = 'every 3'\n").await;
    let address = sandbox.base_url().strip_prefix("http://").unwrap().to_owned();
    let ask = async |method: &str, headers: &str, body: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "{method} /faults HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    };
    deliver_to(&sandbox, options()).await;
    let shown = ask("GET", "", "").await;
    assert!(shown.contains("# line 1, reset on every request whose number 3 divides: 1\n"), "{shown}");
    assert!(shown.ends_with("[[fault]]\ndoes = 'reset'\non = 'every 3'\n"), "{shown}");

    let elsewhere = ask("PUT", "Sec-Fetch-Site: cross-site\r\n", "").await;
    assert!(elsewhere.starts_with("HTTP/1.1 403"), "{elsewhere}");
    let wrong = ask("PUT", "", "[[fault]]\ndoes = 'rest'\n").await;
    assert!(wrong.starts_with("HTTP/1.1 400"), "{wrong}");
    assert!(wrong.ends_with("line 2: `rest` is no fault\ndid you mean `reset`?\n"), "{wrong}");
    assert_eq!(sandbox.snapshot().faults.len(), 1, "a wrong script changes nothing");

    assert!(ask("PUT", "", "[[fault]]\ndoes = 'half'\n").await.starts_with("HTTP/1.1 204"));
    assert_eq!(sandbox.snapshot().faults[0].fault, "half");
    assert!(ask("DELETE", "", "").await.starts_with("HTTP/1.1 204"));
    assert!(sandbox.snapshot().faults.is_empty());
}
