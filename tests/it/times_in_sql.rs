//! Times without a zone in SQL: wherever they meet instants, the instant is right or the query is refused.

mod expressions;
mod properties;

use std::fs;
use std::path::Path;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use postback::query::{Diagnosis, Parameters, QueryFile, Resources, examine};
use postback::settings::{Origin, Settings};

use crate::server::root;

/// What comes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The Unix seconds of its rows, in the order of their ids.
    Instants(Vec<i64>),
    /// `check` refuses it, with these codes.
    Refused(Vec<String>),
    /// It stops at a row, and says why.
    Told(String),
}

/// The outcome of `sql`, whose columns are `event_id` and `timestamp`, in `zone`.
pub(super) fn outcome(folder: &Path, zone: Option<&str>, sql: &str, parameters: &[&str]) -> Outcome {
    match rows(folder, zone, sql, parameters) {
        Ok(rows) => Outcome::Instants(rows.into_iter().map(|(_, second)| second).collect()),
        Err(outcome) => outcome,
    }
}

/// The ids of `sql` with their Unix seconds, or what else comes of it.
pub(super) fn rows(
    folder: &Path,
    zone: Option<&str>,
    sql: &str,
    parameters: &[&str],
) -> Result<Vec<(String, i64)>, Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let resources = Resources { memory_limit: 64 << 20, partitions: 1, spill_folder: std::env::temp_dir() };
        let mut settings = Settings::default();
        for (name, value) in
            [("event_source", "offline"), ("event_source_id", "7654321098765432109"), ("event", "Lead")]
        {
            settings.set(name, value, Origin::File).unwrap();
        }
        if let Some(zone) = zone {
            settings.set("timezone", zone, Origin::File).unwrap();
        }
        let mut given = Parameters::default();
        for parameter in parameters {
            given.add(parameter).unwrap();
        }
        let file = QueryFile::parse(&folder.join("query.sql"), sql.to_owned()).unwrap();
        let examination = examine(&file, &settings, &given, &resources).await;
        let Some(checked) = examination.checked else {
            let errors = examination.diagnoses.iter().filter(|diagnosis| diagnosis.is_error());
            for diagnosis in examination.diagnoses.iter().filter(|diagnosis| diagnosis.is_error()) {
                assert!(diagnosis.location.is_some(), "{sql}: no place: {diagnosis:?}");
            }
            return Err(Outcome::Refused(errors.map(|diagnosis: &Diagnosis| diagnosis.rule.code.to_owned()).collect()));
        };
        let frame = checked.context().execute_logical_plan(checked.plan().clone()).await.unwrap();
        let batches = match frame.collect().await {
            Ok(batches) => batches,
            Err(error) => return Err(Outcome::Told(postback::query::run_error(error).to_string())),
        };
        let mut rows: Vec<(String, i64)> = Vec::new();
        for batch in batches {
            let ids = cast(batch.column_by_name("event_id").unwrap(), &DataType::Utf8).unwrap();
            let times = instants(batch.column_by_name("timestamp").unwrap(), zone);
            let ids = ids.as_string::<i32>().iter().map(|id| id.unwrap().to_owned());
            // Who judges the rows tells those without a time.
            rows.extend(ids.zip(times).filter_map(|(id, time)| Some((id, time?))));
        }
        rows.sort();
        Ok(rows)
    })
}

/// The instants of a time column, by the rules of the README and nothing of postback's own; none where it is NULL.
fn instants(column: &ArrayRef, zone: Option<&str>) -> Vec<Option<i64>> {
    let zone = || TimeZone::get(zone.expect("a time without a zone is refused where none is set")).unwrap();
    let local = |clock: DateTime| zone().to_ambiguous_timestamp(clock).compatible().unwrap().as_second();
    let clock = |second| TimeZone::UTC.to_datetime(Timestamp::from_second(second).unwrap());
    let numbers = |column: &ArrayRef| cast(column, &DataType::Int64).unwrap().as_primitive::<Int64Type>().clone();
    match column.data_type() {
        DataType::Timestamp(unit, named) => {
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            let seconds = |value: i64| value.div_euclid(per_second);
            let instant = |second: i64| if named.is_some() { second } else { local(clock(second)) };
            numbers(column).iter().map(|value| value.map(seconds).map(instant)).collect()
        }
        DataType::Int32 | DataType::Int64 => numbers(column).iter().collect(),
        DataType::Date32 => {
            let days = numbers(&cast(column, &DataType::Int32).unwrap());
            days.iter().map(|day| day.map(|day| local(clock(day * 86_400)))).collect()
        }
        _ => {
            let texts = cast(column, &DataType::Utf8).unwrap();
            let read = |text: &str| match text.parse::<Timestamp>() {
                Ok(instant) => instant.as_second(),
                Err(_) => local(text.parse().unwrap()),
            };
            texts.as_string::<i32>().iter().map(|text| text.map(read)).collect()
        }
    }
}

/// A folder with the files of `tests/data/times`.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("tests/data/times")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

/// 15:00 and 16:00 in UTC, at 10:00 and 11:00 in New York.
const BOTH: [i64; 2] = [1_794_668_400, 1_794_672_000];
const NEW_YORK: Option<&str> = Some("America/New_York");

#[test]
fn clocks_that_meet_instants_are_read_in_the_zone_or_refused() {
    let data = data();
    let folder = data.path();
    for (expression, refused) in [
        ("coalesce(nul_ntz, utc)", ""),
        ("coalesce(utc, ntz)", ""),
        ("coalesce(nullif(ntz, ntz), utc)", ""),
        ("nvl(ntz, utc)", ""),
        ("nvl2(ntz, ntz, utc)", ""),
        ("CASE WHEN id = '1' THEN utc ELSE ntz END", ""),
        ("CASE WHEN id = '1' THEN ntz ELSE utc END", ""),
        ("greatest(ntz, utc)", ""),
        ("least(utc, ntz)", ""),
        ("make_array(ntz, utc)[1]", ""),
        ("make_array(utc, ntz)[2]", ""),
        ("CAST(ntz AS TIMESTAMPTZ)", ""),
        ("ntz::timestamptz", ""),
        ("ntz AT TIME ZONE 'America/New_York'", ""),
        ("utc AT TIME ZONE 'Europe/Berlin'", ""),
        ("(ntz + INTERVAL '5 hours') AT TIME ZONE 'UTC'", ""),
        ("CAST(txtz AS TIMESTAMP)", ""),
        ("txtz::timestamp", ""),
        ("TRY_CAST(txtz AS TIMESTAMP)", ""),
        ("CAST(txtz AS TIMESTAMPTZ)", ""),
        ("to_timestamp(txtz)", ""),
        ("to_timestamp_seconds(txtz)", ""),
        ("arrow_cast(txtz, 'Timestamp(Microsecond, None)')", ""),
        ("arrow_cast(txtz, 'Timestamp(Second, Some(\"UTC\"))')", ""),
        ("arrow_cast(ntz, 'Timestamp(Second, Some(\"UTC\"))')", ""),
        ("to_timestamp(to_unixtime(ntz))", ""),
        ("to_unixtime(ntz)", ""),
        ("to_unixtime(txtz)", ""),
        ("to_unixtime(utc)", ""),
        ("date_part('epoch', ntz)::BIGINT", ""),
        ("date_part('epoch', utc)::BIGINT", ""),
        ("extract(epoch FROM ntz)::BIGINT", ""),
        ("date_part('\"epoch\"', ntz)::BIGINT", ""),
        ("CAST(arrow_cast(ntz, 'Timestamp(Second, None)') AS BIGINT)", ""),
        ("to_char(ntz, '%Y-%m-%dT%H:%M:%S')", ""),
        ("to_char(utc, '%Y-%m-%dT%H:%M:%S%:z')", ""),
        ("to_char(utc, '%Y-%m-%dT%H:%M:%SZ')", ""),
        ("to_char(utc, '%Y-%m-%dT%H:%M:%S')", "PB2016"),
        ("to_char(ntz, '%Y-%m-%dT%H:%M:%S%z')", "PB2022"),
        ("to_char(ntz, '%s')::BIGINT", ""),
        ("date_trunc('minute', utc)", ""),
        ("date_trunc('hour', ntz)", ""),
        ("date_bin(INTERVAL '15 minutes', utc)", ""),
        ("date_bin(INTERVAL '15 minutes', ntz)", ""),
        ("utc - (utc - ntz)", ""),
        ("ntz + (utc - ntz)", ""),
        ("from_unixtime(to_unixtime(ntz))", ""),
        ("max(ntz) OVER (PARTITION BY id)", ""),
        ("first_value(coalesce(ntz, utc)) OVER (PARTITION BY id ORDER BY ntz)", ""),
        ("named_struct('a', ntz, 'b', utc)['a']", ""),
        ("CAST(utc AS TIMESTAMP) AT TIME ZONE 'UTC'", ""),
        ("CAST(utc AS TIMESTAMP)", "PB2016"),
        ("utc::timestamp", "PB2016"),
        ("TRY_CAST(utc AS TIMESTAMP)", "PB2016"),
        ("arrow_cast(utc, 'Timestamp(Microsecond, None)')", "PB2016"),
        ("to_local_time(utc)", "PB2016"),
        ("to_local_time(utc AT TIME ZONE 'America/New_York')", "PB2016"),
        ("arrow_cast(make_array(ntz), 'List(Timestamp(Microsecond, Some(\"UTC\")))')[1]", "PB2022"),
        ("CAST(to_unixtime(utc) AS TIMESTAMP)", "PB2022"),
        ("CAST(to_unixtime(utc) AS TIMESTAMPTZ)", "PB2022"),
        ("lag(utc, 0, ntz) OVER (PARTITION BY id ORDER BY id)", "PB2022"),
        ("TIMESTAMP '1970-01-01' + (utc - iso8601('1970-01-01T00:00:00Z'))", "PB2022"),
        ("date_part('epoch', ntz - TIMESTAMP '1970-01-01 00:00:00')::BIGINT", "PB2022"),
        ("date_part('epoch', utc - DATE '1970-01-01')::BIGINT", "PB2022"),
        ("date_part('epoch', utc - iso8601('1970-01-01T00:00:00Z'))::BIGINT", ""),
        ("map_extract(MAP {'a': ntz}, 'a')[1]", ""),
        ("array_max(make_array(ntz, utc))", ""),
        ("array_append(make_array(ntz), utc)[1]", "PB2022"),
        ("CAST(ntz AS DATE) + CAST(utc AS TIME)", ""),
        ("to_timestamp_micros(CAST(arrow_cast(ntz, 'Timestamp(Microsecond, None)') AS BIGINT))", ""),
        ("concat(utc)", ""),
        ("ntz || ''", ""),
        ("make_date(date_part('year', utc), date_part('month', utc), date_part('day', utc))", "PB2016"),
        ("CAST(utc AT TIME ZONE 'Asia/Tokyo' AS DATE)", "PB2016"),
    ] {
        let sql = format!("SELECT id AS event_id, {expression} AS timestamp, email FROM 'clocks.parquet'");
        let found = outcome(folder, NEW_YORK, &sql, &[]);
        let expected = match refused {
            "" => Outcome::Instants(BOTH.to_vec()),
            code => Outcome::Refused(vec![code.to_owned()]),
        };
        assert_eq!(found, expected, "{expression}");
    }
}

#[test]
fn queries_that_put_clocks_and_instants_together_keep_both() {
    let data = data();
    let folder = data.path();
    let twice = [BOTH[0], BOTH[0], BOTH[1], BOTH[1]];
    let select = |time: &str, suffix: &str| {
        format!("SELECT id || '{suffix}' AS event_id, {time} AS timestamp, email FROM 'clocks.parquet'")
    };
    for (sql, expected) in [
        (format!("{} UNION ALL {}", select("utc", ""), select("ntz", "n")), &twice[..]),
        (format!("{} UNION ALL {}", select("ntz", ""), select("utc", "n")), &twice),
        (format!("{} UNION {}", select("ntz", ""), select("utc", "")), &BOTH),
        (format!("{} INTERSECT {}", select("ntz", ""), select("utc", "")), &BOTH),
        (format!("{} EXCEPT {}", select("ntz", ""), select("utc", "x")), &BOTH),
        (format!("WITH u AS ({} UNION ALL {}) SELECT * FROM u", select("utc", ""), select("ntz", "n")), &twice),
        (format!("CREATE VIEW u AS {} UNION ALL {}; SELECT * FROM u", select("utc", ""), select("ntz", "n")), &twice),
        (
            "SELECT a.id AS event_id, a.ntz AS timestamp, a.email FROM 'clocks.parquet' a JOIN 'clocks.parquet' b ON a.ntz = b.utc"
                .into(),
            &BOTH,
        ),
        (
            "SELECT a.id AS event_id, b.utc AS timestamp, a.email FROM 'clocks.parquet' a
             JOIN (SELECT utc AS ntz, utc FROM 'clocks.parquet') b USING (ntz)"
                .into(),
            &BOTH,
        ),
        (
            "SELECT a.id AS event_id, a.ntz AS timestamp, a.email FROM 'clocks.parquet' a
             LEFT JOIN 'clocks.parquet' b ON b.utc BETWEEN a.ntz AND a.ntz + INTERVAL '30 minutes' WHERE b.id = a.id"
                .into(),
            &BOTH,
        ),
        (
            "SELECT id AS event_id, at AS timestamp, email FROM 'clocks.parquet' CROSS JOIN
             (VALUES (iso8601('2026-11-14T15:00:00Z')), (TIMESTAMP '2026-11-14 10:00:00')) AS v (at) WHERE id = '1'"
                .into(),
            &[BOTH[0], BOTH[0]],
        ),
        (
            "WITH RECURSIVE r AS (SELECT iso8601('2026-11-14T15:00:00Z') AS at, 1 AS n UNION ALL
             SELECT ntz, n + 1 FROM r JOIN 'clocks.parquet' c ON c.utc > r.at WHERE n < 3)
             SELECT CAST(n AS VARCHAR) AS event_id, at AS timestamp, 'a' || n || '@b.example' AS email FROM r"
                .into(),
            &BOTH,
        ),
        ("SELECT id AS event_id, (SELECT max(ntz) FROM 'clocks.parquet' b WHERE b.utc = a.ntz) AS timestamp, email
          FROM 'clocks.parquet' a".into(), &BOTH),
        ("SELECT id AS event_id, utc AS timestamp, email FROM 'clocks.parquet' a
          WHERE EXISTS (SELECT 1 FROM 'clocks.parquet' b WHERE b.ntz = a.utc)".into(), &BOTH),
        ("SELECT id AS event_id, x['a'] AS timestamp, email FROM (SELECT id, email, named_struct('a', ntz) AS x
          FROM 'clocks.parquet') UNION SELECT id, utc, email FROM 'clocks.parquet'".into(), &BOTH),
        ("SELECT id || n AS event_id, unnest(make_array(ntz, utc)) AS timestamp, email
          FROM 'clocks.parquet' CROSS JOIN (VALUES ('a')) AS v (n)".into(), &twice),
        ("SELECT id AS event_id, max(ntz) AS timestamp, min(email) AS email FROM 'clocks.parquet' GROUP BY id
          HAVING max(utc) = max(ntz)".into(), &BOTH),
    ] {
        assert_eq!(outcome(folder, NEW_YORK, &sql, &[]), Outcome::Instants(expected.to_vec()), "{sql}");
    }
}

#[test]
fn text_with_an_offset_keeps_it_in_every_format() {
    let data = data();
    for file in ["offsets.parquet", "offsets.ndjson"] {
        for time in
            ["ts", "CAST(ts AS TIMESTAMP)", "ts::timestamp", "TRY_CAST(ts AS TIMESTAMP)", "CAST(ts AS TIMESTAMPTZ)"]
        {
            let sql = format!("SELECT id AS event_id, {time} AS timestamp, email FROM '{file}'");
            let found = outcome(data.path(), NEW_YORK, &sql, &[]);
            // JSON whose times all have an offset is read as instants.
            let is_dropped = matches!(&found, Outcome::Refused(codes) if codes == &["PB2016"]);
            assert!(found == Outcome::Instants(vec![BOTH[0]; 2]) || is_dropped, "{file} {time}: {found:?}");
        }
    }
}

/// A declaration cannot say which zone the times of a file are in.
#[test]
fn declared_columns_are_times_of_the_kind_that_the_file_has() {
    let data = data();
    for (column, data_type, is_sound) in [
        ("ntz", "TIMESTAMP", true),
        ("utc", "TIMESTAMPTZ", true),
        ("txtz", "VARCHAR", true),
        ("utc", "VARCHAR", true),
        ("ntz", "TIMESTAMPTZ", false),
        ("ntz", "BIGINT", false),
        ("utc", "TIMESTAMP", false),
        ("utc", "DATE", false),
        ("txt", "TIMESTAMPTZ", false),
        ("txtz", "TIMESTAMP", false),
    ] {
        let sql = format!(
            "CREATE EXTERNAL TABLE t (id VARCHAR, email VARCHAR, {column} {data_type}) STORED AS PARQUET
               LOCATION 'clocks.parquet';
             SELECT id AS event_id, {column} AS timestamp, email FROM t"
        );
        let found = outcome(data.path(), NEW_YORK, &sql, &[]);
        let expected =
            if is_sound { Outcome::Instants(BOTH.to_vec()) } else { Outcome::Refused(vec!["PB1003".into()]) };
        assert_eq!(found, expected, "{column} {data_type}");
    }
}

#[test]
fn parameters_are_compared_as_the_times_that_they_are() {
    let data = data();
    let orders = |condition: &str, parameter: &str, zone| {
        let sql = format!(
            "SELECT id AS event_id, ordered_at AS timestamp, email FROM 'orders.csv' WHERE {condition} ORDER BY id"
        );
        match outcome(data.path(), zone, &sql, &[parameter]) {
            Outcome::Instants(rows) => rows.len().to_string(),
            Outcome::Refused(codes) => codes.join(" "),
            Outcome::Told(error) => error,
        }
    };
    // 20:03:52, 20:03:56 and 20:03:56 in New York.
    for (condition, parameter, zone, expected) in [
        ("ordered_at >= $last_success", "last_success=2026-12-01T01:03:55Z", NEW_YORK, "2"),
        ("ordered_at >= $last_success", "last_success=2026-11-30T20:03:55-05:00", NEW_YORK, "2"),
        ("ordered_at >= $last_success", "last_success=1970-01-01T00:00:00Z", NEW_YORK, "3"),
        ("ordered_at >= $last_success", "last_success=2026-12-01T01:03:55Z", None, "PB2011 PB2011"),
        ("$last_success <= ordered_at", "last_success=2026-12-01T01:03:55Z", NEW_YORK, "2"),
        ("ordered_at BETWEEN $last_success AND now()", "last_success=2026-12-01T01:03:55Z", NEW_YORK, "2"),
        ("CAST(ordered_at AS VARCHAR) >= $last_success", "last_success=2026-12-01T01:03:55Z", NEW_YORK, "2"),
        ("coalesce(ordered_at, $last_success) >= $last_success", "last_success=2026-12-01T01:03:55Z", NEW_YORK, "2"),
        ("ordered_at >= $since", "since=2026-11-30 20:03:55", NEW_YORK, "2"),
        ("ordered_at >= $since", "since=2026-12-01T01:03:55Z", NEW_YORK, "2"),
        ("ordered_at >= $since", "since=2026-12-01", NEW_YORK, "0"),
        ("CAST(ordered_at AS TIMESTAMPTZ) >= $since", "since=2026-11-30 20:03:55", NEW_YORK, "2"),
        ("CAST(ordered_at AS TIMESTAMPTZ) >= $since", "since=2026-12-01", NEW_YORK, "0"),
        ("CAST(ordered_at AS DATE) >= $since", "since=2026-11-30", NEW_YORK, "3"),
        ("CAST(ordered_at AS DATE) < $since", "since=2026-12-01T01:00:00Z", NEW_YORK, "3"),
        ("ordered_at >= $since", "since=yesterday", NEW_YORK, "PB1001"),
    ] {
        assert_eq!(orders(condition, parameter, zone), expected, "{condition} {parameter} {zone:?}");
    }
}
