//! Every code of the API against deliveries of few events: a code that speaks of tokens, scopes, routes or settings
//! rejects none of them, and neither does one that speaks of the request's size.

use std::sync::Arc;

use postback::contract::responses::{Action, FAMILIES, RESPONSES, action};
use postback::delivery::Cause;
use postback::event::Outcome;
use postback::ledger::Model;

use crate::delivery::{Answer, Script, batch, raw, run};

/// What becomes of a delivery of `events` events whose every request is answered like this.
async fn answered(status: u16, body: String, events: u64) -> (Vec<Outcome>, Option<Cause>) {
    let answer = |body: &String| -> Answer {
        let body = body.clone();
        Box::new(move |_| raw(status, &body))
    };
    let (script, _) = Script::new((0..40).map(|_| answer(&body)).collect());
    let (report, outcomes) = run(vec![batch(0, events)], script, Arc::new(Model::new([1; 32]))).await;
    (outcomes.into_iter().flatten().collect(), report.expect("a report").stop.map(|stop| stop.cause))
}

/// The codes of the catalogue, and those at the edges of the families.
fn codes() -> impl Iterator<Item = i64> {
    let edges = FAMILIES.iter().flat_map(|family| {
        let (first, last) = (*family.codes.start(), *family.codes.end());
        [first, first + 1, first + 2, last - 1, last]
    });
    RESPONSES.iter().map(|response| response.code).chain(edges)
}

#[tokio::test]
async fn a_code_about_the_run_rejects_nothing_however_few_events_there_are() {
    let mut judged = 0;
    for code in codes() {
        let expected = match action(code) {
            Action::StopCredentials => Cause::Credentials,
            Action::StopConfiguration => Cause::Configuration,
            Action::Halve => Cause::TooLarge,
            _ => continue,
        };
        for (status, message) in [(200, "m"), (400, "m"), (200, "Invalid value for data.0.user.email: bad.")] {
            if status == 400 && code == 0 {
                continue;
            }
            for events in [1, 2, 3] {
                let body = format!(r#"{{"code":{code},"message":"{message}","request_id":"R1"}}"#);
                let (outcomes, cause) = answered(status, body, events).await;
                assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Unsent), "{code}: {outcomes:?}");
                assert_eq!(cause, Some(expected), "{code}");
            }
        }
        judged += 1;
    }
    assert!(judged > 70, "{judged}");
}

#[tokio::test]
async fn these_codes_speak_of_no_event() {
    for code in [
        40_001, 40_003, 40_006, 40_007, 40_010, 40_011, 40_012, 40_061, 40_063, 40_101, 40_102, 40_104, 40_105, 40_110,
        40_113, 40_114, 40_118, 40_119, 40_120, 40_125, 40_126, 40_129, 40_130, 40_131, 40_140, 40_300, 40_302, 40_309,
        40_400, 40_404, 40_916, 41_000, 41_001, 41_002, 41_013,
    ] {
        let about_events = [Action::Isolate, Action::Accept, Action::Split, Action::Duplicate];
        assert!(!about_events.contains(&action(code)), "{code} is {:?}", action(code));
        assert!(!matches!(action(code), Action::RetryThenIsolate(_)), "{code}");
    }
}

#[tokio::test]
async fn pages_of_a_gateway_reject_nothing_however_few_events_there_are() {
    for status in [301, 307, 400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 431, 451] {
        for events in [1, 2, 3] {
            let (outcomes, cause) = answered(status, "<html></html>".to_owned(), events).await;
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Unsent), "{status}: {outcomes:?}");
            let expected = match status {
                401 | 403 => Cause::Credentials,
                413 => Cause::TooLarge,
                _ => Cause::Configuration,
            };
            assert_eq!(cause, Some(expected), "{status}");
        }
    }
}

#[tokio::test]
async fn messages_about_permissions_reject_nothing() {
    for message in [
        "No permission to operate pixel code: C4. You must be an admin.",
        "Permission denied.",
        "The app is not authorized for this advertiser.",
        "Unauthorized.",
    ] {
        for code in [40_000, 40_002, 40_700] {
            let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
            let (outcomes, cause) = answered(200, body, 1).await;
            assert_eq!((&outcomes[..], cause), (&[Outcome::Unsent][..], Some(Cause::Credentials)), "{code} {message}");
        }
    }
}

#[tokio::test]
async fn a_code_about_data_rejects_the_only_event() {
    for code in [40_000, 40_002, 40_062, 40_700] {
        let body = format!(r#"{{"code":{code},"message":"Invalid value for data.0.user.email: bad."}}"#);
        let (outcomes, cause) = answered(200, body, 1).await;
        assert!(matches!(&outcomes[..], [Outcome::Rejected(refusal)] if refusal.code == code), "{code}: {outcomes:?}");
        assert_eq!(cause, None);
    }
}
