//! Conditions over times, and what is refused where no zone is set.

use super::{BOTH, NEW_YORK, Outcome, data, outcome};

/// How many of the two rows a condition picks, or what refuses it.
fn picked(zone: Option<&str>, condition: &str) -> String {
    let data = data();
    let sql = format!("SELECT id AS event_id, txtz AS timestamp, email FROM 'clocks.parquet' WHERE {condition}");
    match outcome(data.path(), zone, &sql, &[]) {
        Outcome::Instants(rows) => rows.len().to_string(),
        Outcome::Refused(codes) => codes.join(" "),
        Outcome::Told(error) => error,
    }
}

#[test]
fn conditions_compare_instants() {
    // The rows are of 15:00 and 16:00 in UTC, 10:00 and 11:00 in New York.
    for (condition, expected) in [
        ("ntz = utc", "2"),
        ("ntz < utc OR ntz > utc", "0"),
        ("ntz IS NOT DISTINCT FROM utc", "2"),
        ("utc >= '2026-11-14 10:30:00'", "1"),
        ("utc >= '2026-11-14T15:30:00Z'", "1"),
        ("ntz >= '2026-11-14T15:30:00Z'", "1"),
        ("ntz >= '2026-11-14 10:30:00'", "1"),
        ("ntz >= TIMESTAMP '2026-11-14T16:30:00+01:00'", "1"),
        ("utc >= TIMESTAMP '2026-11-14 10:30:00'", "1"),
        ("utc >= '2026-11-14'", "2"),
        ("utc < '2026-11-14'", "0"),
        ("utc >= DATE '2026-11-14' AND utc < DATE '2026-11-15'", "2"),
        ("utc BETWEEN DATE '2026-11-14' AND DATE '2026-11-15'", "2"),
        ("utc IN (TIMESTAMP '2026-11-14 10:00:00', TIMESTAMP '2026-11-14 15:00:00')", "1"),
        ("ntz IN (SELECT utc FROM 'clocks.parquet')", "2"),
        ("utc IN (SELECT ntz FROM 'clocks.parquet')", "2"),
        ("utc = ANY (SELECT ntz FROM 'clocks.parquet')", "2"),
        ("array_has(make_array(utc), ntz)", "2"),
        ("CAST(utc AS DATE) = DATE '2026-11-14'", "2"),
        ("CAST(utc AT TIME ZONE 'Asia/Tokyo' AS DATE) = DATE '2026-11-15'", "2"),
        ("to_date('2026-11-14T23:00:00-05:00') = CAST(utc AS DATE)", "2"),
        ("CAST('2026-11-15T01:00:00Z' AS DATE) = CAST(utc AS DATE)", "2"),
        ("date_part('hour', utc) = 10", "1"),
        ("extract(hour FROM utc) = date_part('hour', ntz)", "2"),
        ("date_trunc('day', utc) = DATE '2026-11-14'", "2"),
        ("date_trunc('day', utc) = date_trunc('day', ntz)", "2"),
        ("to_char(utc, '%H:%M') = '10:00'", "1"),
        ("to_char(utc, '%H:%MZ') = '15:00Z'", "1"),
        ("to_char(utc AT TIME ZONE 'UTC', '%H:%M') = '15:00'", "1"),
        ("CAST(utc AS TIME) = TIME '10:00:00'", "1"),
        ("utc - ntz = INTERVAL '0 seconds'", "2"),
        ("to_timestamp(1794668400) = ntz", "1"),
        ("to_timestamp_millis(1794668400000) = utc", "1"),
        ("to_timestamp(1794668400.0) = utc", "1"),
        ("from_unixtime(1794668400) = ntz", "1"),
        ("to_timestamp('2026-11-14 10:00', '%Y-%m-%d %H:%M') = utc", "1"),
        ("to_timestamp('14.11.2026 16:00 +0100', '%d.%m.%Y %H:%M %z') = ntz", "1"),
        ("to_unixtime(ntz) = 1794668400", "1"),
        ("CAST(utc AS TIMESTAMP) = ntz", "PB2016"),
        ("utc = to_local_time(utc)", "PB2016"),
        ("ntz >= 'yesterday'", "PB2022"),
        ("CAST(id AS TIMESTAMP) < ntz", "the query fails on a row: a value is not a time"),
        ("TRY_CAST(id AS TIMESTAMP) < ntz", "0"),
    ] {
        assert_eq!(picked(NEW_YORK, condition), expected, "{condition}");
    }
}

#[test]
fn without_a_zone_only_instants_meet() {
    for (condition, expected) in [
        ("utc >= '2026-11-14T15:30:00Z'", "1"),
        ("ntz >= '2026-11-14 10:30:00'", "1"),
        ("ntz = ntz", "2"),
        ("ntz AT TIME ZONE 'America/New_York' = utc", "2"),
        ("txtz::timestamptz = utc", "2"),
        ("to_timestamp(1794668400) = utc", "1"),
        ("ntz = utc", "PB2011"),
        ("utc >= DATE '2026-11-14'", "PB2011"),
        ("utc >= '2026-11-14'", "PB2022"),
        ("CAST(utc AS DATE) = DATE '2026-11-14'", "PB2011"),
        ("ntz < now()", "PB2011"),
        ("CAST(ntz AS TIMESTAMPTZ) = utc", "PB2011"),
        ("date_part('epoch', ntz) = 1794668400", "PB2011"),
        ("to_unixtime(ntz) = 1794668400", "PB2011"),
        ("CAST(ntz AS DATE) < current_date", "PB2011"),
        ("ntz >= '2026-11-14T15:30:00Z'", "PB2022"),
    ] {
        assert_eq!(picked(None, condition), expected, "{condition}");
    }
}

#[test]
fn zones_that_are_utc_lose_nothing() {
    let data = data();
    for time in ["CAST(utc AS TIMESTAMP)", "coalesce(utc, ntz)", "arrow_cast(utc, 'Timestamp(Second, None)')"] {
        let sql = format!("SELECT id AS event_id, {time} AS timestamp, email FROM 'clocks.parquet'");
        assert_eq!(outcome(data.path(), Some("UTC"), &sql, &[]), Outcome::Instants(BOTH.to_vec()), "{time}");
    }
    let sql = "SELECT order_id AS event_id, to_local_time(placed AT TIME ZONE 'America/New_York') AS timestamp, email FROM 'placed.csv'";
    assert_eq!(outcome(data.path(), Some("UTC"), sql, &[]), Outcome::Refused(vec!["PB2016".into()]));
}

#[test]
fn text_that_no_clock_can_hold_is_told() {
    let data = data();
    let sql = |text: &str| {
        format!(
            "SELECT id AS event_id, CAST(CASE id WHEN '1' THEN '{text}' ELSE txtz END AS TIMESTAMP) AS timestamp, email
             FROM 'clocks.parquet'"
        )
    };
    // The second of the two hours from one to two in the night of 1 November.
    let second = outcome(data.path(), NEW_YORK, &sql("2026-11-01T01:30:00-05:00"), &[]);
    assert!(matches!(&second, Outcome::Told(error) if error.contains("later of two hours")), "{second:?}");
    let first = outcome(data.path(), NEW_YORK, &sql("2026-11-01T01:30:00-04:00"), &[]);
    assert_eq!(first, Outcome::Instants(vec![1_793_511_000, BOTH[1]]));
}

#[test]
fn the_engine_has_no_zone_of_its_own() {
    let data = data();
    let sql = "SET datafusion.execution.time_zone = 'Asia/Tokyo';
        SELECT id AS event_id, utc AS timestamp, email FROM 'clocks.parquet'";
    assert_eq!(outcome(data.path(), NEW_YORK, sql, &[]), Outcome::Refused(vec!["PB1001".into()]));
}
