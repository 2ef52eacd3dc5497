//! Whole results, with what is found in them.

use std::collections::BTreeMap;

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringViewArray};
use proptest::prelude::*;

use super::*;
use crate::contract::time::zone;
use crate::validate::rows::{FoldValue, InvalidPhone};

/// 2026-08-20T14:06:49Z.
const NOW: i64 = 1_787_234_809;
const DAY: i64 = 86_400;

fn policy(zone_name: Option<&str>) -> Policy {
    Policy {
        now: NOW,
        zone: zone_name.and_then(zone),
        region: None,
        event_source: Some(EventSource::Offline),
        event_source_id: Some("7301234567890123456".into()),
        event: Some("Purchase".into()),
        currency: None,
        max_event_age: 28 * DAY,
        future_tolerance: 300,
        limited_data_use: None,
        reject_bad_optional: false,
        invalid_phone: InvalidPhone::Send,
        restricts_personal: false,
        fold_value: FoldValue::PriceQuantity,
    }
}

fn batch(times: ArrayRef, emails: Vec<Option<String>>, phones: Vec<Option<String>>) -> RecordBatch {
    let ids = (0..emails.len()).map(|row| Some(format!("id{row}")));
    RecordBatch::try_from_iter([
        ("timestamp", times),
        ("event_id", Arc::new(ids.collect::<StringViewArray>()) as ArrayRef),
        ("email", Arc::new(StringViewArray::from_iter(emails))),
        ("phone", Arc::new(StringViewArray::from_iter(phones))),
    ])
    .unwrap()
}

/// A result of `rows` events of as many people, at `times`.
fn at(times: ArrayRef) -> RecordBatch {
    let emails = (0..times.len()).map(|row| Some(format!("customer{row}@shop.example"))).collect();
    let phones = vec![None; times.len()];
    batch(times, emails, phones)
}

fn epochs(times: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(times.into_iter().collect::<Int64Array>())
}

fn texts(times: impl IntoIterator<Item = String>) -> ArrayRef {
    Arc::new(times.into_iter().map(Some).collect::<StringViewArray>())
}

fn survey(result: &RecordBatch, policy: &Policy, sizes: &[usize]) -> Findings {
    let judge = Judge::new(&result.schema(), policy.clone()).unwrap().surveying();
    let mut survey = Survey::default();
    let (mut first, mut sizes) = (0, sizes.iter().copied().cycle());
    while first < result.num_rows() {
        let rows = sizes.next().unwrap_or(usize::MAX).clamp(1, result.num_rows() - first);
        let judged = judge.judge(&result.slice(first, rows), first as u64).unwrap();
        survey.add(&judged.observed.unwrap(), &vec![true; judged.rows.len()]);
        first += rows;
    }
    survey.conclude(policy)
}

fn faults(result: &RecordBatch, policy: &Policy) -> Vec<String> {
    let findings = survey(result, policy, &[]);
    findings.faults.iter().map(|fault| format!("{} `{}` {}", fault.rule.code, fault.column, fault.detail)).collect()
}

#[test]
fn an_ordinary_result_has_no_faults() {
    let times = epochs((0..400).map(|row| NOW - row * 4_337));
    assert_eq!(faults(&at(times), &policy(Some("Europe/Berlin"))), [""; 0]);
    assert_eq!(faults(&at(epochs([])), &policy(None)), [""; 0]);
}

#[test]
fn plain_values_beside_digests_are_found() {
    let digest = |row: i32| crate::contract::normalize::Digest::of(&row.to_string()).as_str().to_uppercase();
    let emails = (0..40).map(|row| Some(if row < 30 { format!("c{row}@shop.example") } else { digest(row) })).collect();
    let times = epochs((0..40).map(|row| NOW - row * 4_337));
    let found = faults(&batch(times, emails, vec![Some("+12133734253x1".to_owned()); 40]), &policy(None));
    assert_eq!(
        found,
        [
            "PB3201 `email` holds 30 plain values and 10 digests (25.0 %)",
            "PB3202 `phone` names one person on 40 of 40 events (100.0 %)",
        ]
    );
}

#[test]
fn one_person_too_often_depends_on_count_and_share() {
    for (often, others, found) in [
        (9, 0, false),
        (10, 10, true),
        (10, 11, false),
        (49, 200, false),
        (50, 200, true),
        (50, 5_000, false),
        (1_100, 200_000, true),
    ] {
        let mut survey = Survey::default();
        for row in 0..often + others {
            survey.frequent[0].add(if row < often { u64::MAX } else { row });
            *survey.combinations.entry(1).or_default() += 1;
        }
        let findings = survey.conclude(&policy(None)).faults;
        assert_eq!(!findings.is_empty(), found, "{often} of {}", often + others);
    }
}

#[test]
fn lost_hours_shifted_and_skipped_times_and_units_are_found() {
    let (none, berlin, utc) = (policy(None), policy(Some("Europe/Berlin")), policy(Some("UTC")));
    let spring = Policy { now: 1_775_000_000, max_event_age: 40 * DAY, ..berlin.clone() };
    let midnight = NOW / DAY * DAY;
    let local = |rows: i64| texts((0..rows).map(|row| format!("2026-08-{:02}", 1 + row % 19)));
    for (times, policy, expected) in [
        (
            epochs((0..20).map(|row| midnight - row % 9 * DAY)),
            &none,
            "PB3203 `timestamp` is midnight in UTC on 20 of 20 events",
        ),
        (epochs((0..20).map(|row| midnight - row % 9 * DAY + i64::from(row > 17))), &none, ""),
        (epochs((0..19).map(|row| midnight - row % 9 * DAY)), &none, ""),
        (local(25), &berlin, "PB3203 `timestamp` is midnight in `Europe/Berlin` on 25 of 25 events"),
        (
            epochs((0..40).map(|row| NOW + 10_000 - row * 997)),
            &none,
            "PB3204 `timestamp` lies up to 3 hours ahead of the clock on 10 of 40 events, as local times of UTC+03:00 do that are read in UTC; they are refused",
        ),
        (
            epochs((0..40).map(|row| NOW + 10_000 - row * 997)),
            &berlin,
            "PB3204 `timestamp` lies up to 3 hours ahead of the clock on 10 of 40 events, as local times of UTC+05:00 do that are read in `Europe/Berlin`; they are refused",
        ),
        (epochs((0..40).map(|row| NOW + 900 - row * 97)), &none, ""),
        (epochs((0..40).map(|row| NOW + 30 * DAY - row * DAY)), &none, ""),
        (
            texts((0..30).map(|row| format!("2026-03-{:02}T02:30:{row:02}", 20 + row % 11))),
            &spring,
            "PB3205 `timestamp` falls into an hour that clocks in `Europe/Berlin` skip on 2 of 30 events, and was read an hour later",
        ),
        (
            texts(
                (0..30)
                    .map(|row| format!("2026-03-{:02}T{}:00:00Z", 19 + row % 12, if row % 12 < 10 { 23 } else { 22 })),
            ),
            &Policy { zone: None, ..spring.clone() },
            "PB3205 `timestamp` is 22:00 or 23:00 UTC on all of 30 events, and changes between them as midnight in `Europe/Berlin` does",
        ),
        (
            texts(
                (0..30).map(|row| format!("2026-08-{:02}T{}:00:00Z", 1 + row % 12, if row % 2 < 1 { 23 } else { 22 })),
            ),
            &utc,
            "",
        ),
        (
            epochs((0..20).map(|row| (NOW - row * 4_337) * if row < 5 { 1_000 } else { 1 })),
            &none,
            "PB3206 `timestamp` holds numbers in several units: 15 seconds, 5 milliseconds",
        ),
    ] {
        assert_eq!(faults(&at(times), policy).join("\n"), expected);
    }
}

#[test]
fn readiness_counts_who_can_be_matched() {
    let emails = [Some("a1@shop.example"), Some("a1@shop.example"), Some("bad"), None, None, Some("old@shop.example")];
    let phones = [Some("+12133734253"), None, Some("+442071838750"), Some("213 373 4253"), None, None];
    let owned = |texts: [Option<&str>; 6]| texts.map(|text| text.map(str::to_owned)).to_vec();
    let times = epochs([NOW - 60, NOW - 3_600, NOW - 7_200, NOW - DAY, NOW - DAY, NOW - 29 * DAY].map(|at| at * 1_000));
    let Readiness { events, identifiers, combinations, people, age, time_units, advice } =
        survey(&batch(times, owned(emails), owned(phones)), &policy(None), &[]).readiness;
    assert_eq!(events, 3);
    let counts = |at: usize| {
        let Identifier { events, valid, invalid, absent, plain, .. } = identifiers[at];
        (events, valid, invalid, absent, plain)
    };
    assert_eq!([counts(0), counts(1)], [(2, 2, 1, 2, Some(2)), (2, 2, 1, 2, Some(2))]);
    let combinations: Vec<_> = combinations.iter().map(|of| (of.identifiers.join(" "), of.events)).collect();
    let named = [("email", 1), ("phone", 1), ("email phone", 1)].map(|(names, events)| (names.to_owned(), events));
    assert_eq!(combinations, named);
    let people = people.unwrap();
    assert_eq!((people.distinct, people.most_frequent_share), (2, Some(0.6667)));
    let expected = Age {
        median_hours: 2,
        ninety_percent_hours: 24,
        oldest_hours: 24,
        out_of_window: 1,
        out_of_window_share: 0.1667,
    };
    assert_eq!(age, Some(expected));
    assert_eq!(time_units, BTreeMap::from([("milliseconds", 6)]));
    assert!(advice[0].message.starts_with("1 phone number without a country code"), "{advice:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn no_partition_changes_what_is_found(
        rows in prop::collection::vec((0..50_u8, prop::option::of(0..9_u8), -2 * DAY..40 * DAY), 1..300),
        sizes in prop::collection::vec(1..80_usize, 1..6),
    ) {
        let times = epochs(rows.iter().map(|(.., age)| NOW - age));
        let emails = rows.iter().map(|(email, ..)| (*email > 9).then(|| format!("c{email}@shop.example"))).collect();
        let phones = rows.iter().map(|(_, phone, _)| phone.map(|phone| format!("+1213373425{phone}"))).collect();
        let result = batch(times, emails, phones);
        let policy = policy(Some("America/New_York"));
        let (whole, parts) = (survey(&result, &policy, &[]), survey(&result, &policy, &sizes));
        prop_assert_eq!(whole.faults, parts.faults);
        prop_assert_eq!(whole.readiness, parts.readiness);
    }
}
