//! The queries that `check` is judged by: faulty ones with the codes and the places expected, sound ones without a finding.
//!
//! They stand in `tests/data/check/*.cases`, one after the other. A case is its name after `===`, what is expected of it,
//! `---`, and the text of a query file in which `«` and `»` enclose each place that a finding must point at, to the
//! character. What can be said before `---`:
//!
//! | line | means |
//! |---|---|
//! | `expect: PB2001 PB2003+PB2014 (PB1001)` | a code for each `«`, in their order; `+` joins those of one place, brackets hold codes without a place; `PB2010:warning` is a finding that weighs less than its rule |
//! | `says: text` | a message or help holds the text |
//! | `hides: text` | nothing that is reported holds the text |
//! | `with: since=2026-11-01` | a parameter |
//! | `without: timezone event` | settings of [`PRELUDE`] that are not given |

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::SessionContext;
use postback::query::{Diagnosis, Parameters, QueryFile, Resources, examine};
use postback::settings::{Origin, Settings};
use postback::validate::{Severity, rule};

use crate::server::{file, root};

/// What a `postback.toml` beside the queries would say.
const PRELUDE: &[(&str, &str)] =
    &[("event_source", "offline"), ("event_source_id", "7654321098765432109"), ("timezone", "America/Los_Angeles")];

/// The Parquet files beside the queries, as the query that makes each.
const PARQUET: &[(&str, &str)] = &[
    (
        "orders.parquet",
        "SELECT 4711 AS order_id, 'c1' AS customer_id, 'a@b.example' AS email, '+12065550100' AS phone,
           arrow_cast('2026-08-20T14:10:00', 'Timestamp(Microsecond, None)') AS ordered_at,
           arrow_cast('2026-08-20T14:10:00', 'Timestamp(Microsecond, Some(\"UTC\"))') AS paid_at,
           CAST('2026-08-20' AS DATE) AS ordered_on, CAST(5.25 AS DECIMAL(10, 2)) AS total, 'USD' AS currency,
           'berlin' AS store, true AS is_test",
    ),
    (
        "lines.parquet",
        "SELECT 4711 AS order_id, 1 AS line, 'sku-1' AS sku, 'Socks' AS title, CAST(5.25 AS DECIMAL(10, 2)) AS unit_price,
           1 AS pieces",
    ),
    (
        "charges.parquet",
        "SELECT 4711 AS order_id, 'a@b.example' AS email,
           arrow_cast('2026-08-20T14:10:00', 'Timestamp(Microsecond, Some(\"UTC\"))') AS paid_at,
           1999 AS cents, arrow_cast(3, 'Int32') AS pieces, CAST(19.99 AS DOUBLE) AS price,
           CAST(19.99 AS DECIMAL(10, 2)) AS total, 'a,b' AS tags",
    ),
];

/// The text files beside the queries.
const TEXT: &[(&str, &str)] = &[
    (
        "customers.csv",
        "customer_id,email,phone,first_name,digest\n\
         c1,a@b.example,+12065550100,Ann,848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f\n",
    ),
    ("people.csv", "email,phone,timestamp,nickname\na@b.example,+12065550100,2026-08-20T14:10:00Z,Ann\n"),
    (
        "visits.ndjson",
        "{\"at\":\"2026-08-20T14:10:00Z\",\"name\":\"ViewContent\",\"address\":\"https://shop.example/\",\
          \"client\":{\"ip\":\"203.0.113.7\",\"agent\":\"Mozilla/5.0\"},\"click\":\"E.C.P.abc\",\"mail\":\"a@b.example\",\
          \"items\":[{\"content_id\":\"sku-1\",\"price\":5.25,\"quantity\":1}],\"tags\":[\"a\",\"b\"]}\n",
    ),
];

/// One case of a table.
#[derive(Debug, Default)]
struct Case {
    name: String,
    expected: Vec<Found>,
    says: Vec<String>,
    hides: Vec<String>,
    parameters: Vec<String>,
    without: Vec<String>,
    sql: String,
}

/// A finding as far as it is compared: where it is, its code, and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    place: Option<Place>,
    code: String,
    severity: Severity,
}

/// Line, column and width, as in a `Location`.
type Place = (u64, u64, u64);

impl Case {
    /// The cases of `text`, the content of the file `origin`.
    fn all(origin: &str, text: &str) -> Vec<Self> {
        let (comment, cases) = text.split_once("=== ").unwrap();
        assert!(comment.lines().all(|line| line.is_empty() || line.starts_with('#')), "{origin}: {comment}");
        cases.split("\n=== ").map(|case| Self::parse(origin, case)).collect()
    }

    fn parse(origin: &str, text: &str) -> Self {
        let (head, marked) = text.split_once("\n---\n").unwrap_or_else(|| panic!("{origin}: no `---` in {text}"));
        let mut lines = head.lines();
        let mut case = Self { name: format!("{origin}: {}", lines.next().unwrap()), ..Self::default() };
        let (sql, places) = unmarked(marked.trim_end());
        case.sql = sql;
        let mut places = places.into_iter();
        for line in lines {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", case.name));
            let words = || value.split(' ').map(str::to_owned);
            match key {
                "expect" => {
                    for word in words() {
                        let unplaced = word.strip_prefix('(').and_then(|word| word.strip_suffix(')'));
                        let place = if unplaced.is_none() { places.next() } else { None };
                        assert!(unplaced.is_some() || place.is_some(), "{}: too few marks", case.name);
                        let codes = unplaced.unwrap_or(&word).split('+');
                        case.expected.extend(codes.map(|code| Found::parse(place, code)));
                    }
                }
                "says" => case.says.push(value.to_owned()),
                "hides" => case.hides.push(value.to_owned()),
                "with" => case.parameters.extend(words()),
                "without" => case.without.extend(words()),
                other => panic!("{}: {other}", case.name),
            }
        }
        assert_eq!(places.next(), None, "{}: a mark without a code", case.name);
        case.expected.sort();
        case
    }

    /// Every problem of the query.
    async fn diagnoses(&self, folder: &Path) -> Vec<Diagnosis> {
        let resources = Resources { memory_limit: 64 << 20, partitions: 1, spill_folder: folder.to_owned() };
        let mut settings = Settings::default();
        for (name, value) in PRELUDE {
            if !self.without.iter().any(|other| other == name) {
                settings.set(name, value, Origin::File).unwrap();
            }
        }
        let mut parameters = Parameters::default();
        for parameter in &self.parameters {
            parameters.add(parameter).unwrap();
        }
        let file = match QueryFile::parse(&folder.join("query.sql"), self.sql.clone()) {
            Ok(file) => file,
            Err(error) => return vec![error.into()],
        };
        let examination = examine(&file, &settings, &parameters, &resources).await;
        let is_refused = examination.diagnoses.iter().any(Diagnosis::is_error);
        assert_eq!(examination.checked.is_none(), is_refused, "{}", self.name);
        examination.diagnoses
    }

    /// What is not as expected, in words; empty if all is.
    fn differences(&self, diagnoses: &[Diagnosis]) -> String {
        let mut wrong = Vec::new();
        let mut missing = self.expected.clone();
        for diagnosis in diagnoses {
            let found = Found::of(diagnosis);
            if let Some(index) = missing.iter().position(|other| *other == found) {
                missing.remove(index);
            } else {
                wrong.push(format!("unexpected {}: {}", self.show(&found), diagnosis.message));
            }
        }
        wrong.extend(missing.iter().map(|found| format!("missing    {}", self.show(found))));
        let places: Vec<_> = diagnoses.iter().filter_map(|diagnosis| Found::of(diagnosis).place).collect();
        if !places.is_sorted_by_key(|(line, column, _)| (*line, *column)) {
            wrong.push(format!("not in the order of the file: {places:?}"));
        }
        let told: Vec<_> = diagnoses.iter().flat_map(|diagnosis| [&diagnosis.message, &diagnosis.help]).collect();
        let unsaid = self.says.iter().filter(|text| !told.iter().any(|told| told.contains(*text)));
        wrong.extend(unsaid.map(|text| format!("nothing says `{text}`: {told:?}")));
        let everything = format!("{diagnoses:?}");
        let shown = self.hides.iter().filter(|text| everything.contains(*text));
        wrong.extend(shown.map(|text| format!("it shows `{text}`: {everything}")));
        let is_odd = |text: &&&String| {
            let is_of_engine = ["DataType", "Utf8", "Int64", "Some("].iter().any(|word| text.contains(word));
            text.is_empty() || text.ends_with('.') || text.contains('\n') || is_of_engine
        };
        wrong.extend(told.iter().filter(is_odd).map(|text| format!("no message for people: `{text}`")));
        if wrong.is_empty() { String::new() } else { format!("\n{}\n  {}\n", self.name, wrong.join("\n  ")) }
    }

    fn show(&self, found: &Found) -> String {
        let Found { place, code, severity } = found;
        let severity = severity.as_str();
        let Some((line, column, width)) = *place else { return format!("{code} ({severity}) without a place") };
        let index = |number: u64| usize::try_from(number).unwrap() - 1;
        let text: String = self
            .sql
            .lines()
            .nth(index(line))
            .unwrap_or_default()
            .chars()
            .skip(index(column))
            .take(index(width) + 1)
            .collect();
        format!("{code} ({severity}) at {line}:{column} `{text}`")
    }
}

impl Found {
    fn parse(place: Option<Place>, word: &str) -> Self {
        let (code, severity) = match word.split_once(':') {
            Some((code, "warning")) => (code, Severity::Warn),
            Some(_) => panic!("{word}"),
            None => (word, rule(word).unwrap_or_else(|| panic!("no rule {word}")).severity),
        };
        Self { place, code: code.to_owned(), severity }
    }

    fn of(diagnosis: &Diagnosis) -> Self {
        let place = diagnosis.location.as_ref().map(|location| (location.line, location.column, location.width));
        Self { place, code: diagnosis.rule.code.to_owned(), severity: diagnosis.severity }
    }
}

/// `text` without its marks, and the place of each, in the order of their beginnings. A place that spans lines is
/// known by its first.
fn unmarked(text: &str) -> (String, Vec<Place>) {
    let mut plain = String::new();
    let mut places: Vec<Place> = Vec::new();
    let mut open = Vec::new();
    let (mut line, mut column) = (1, 1);
    for letter in text.chars() {
        match letter {
            '«' => {
                open.push(places.len());
                places.push((line, column, 0));
            }
            '»' => {
                let place = &mut places[open.pop().unwrap()];
                if place.0 == line {
                    place.2 = column - place.1;
                }
            }
            '\n' => {
                for index in &open {
                    if places[*index].0 == line {
                        places[*index].2 = column - places[*index].1;
                    }
                }
                plain.push(letter);
                (line, column) = (line + 1, 1);
            }
            _ => {
                plain.push(letter);
                column += 1;
            }
        }
    }
    assert!(open.is_empty(), "{text}");
    (plain, places)
}

/// A folder with the files that the cases read.
fn sources(runtime: &tokio::runtime::Runtime) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in TEXT {
        file(folder.path(), name, content);
    }
    for (name, sql) in PARQUET {
        let rows: Vec<RecordBatch> =
            runtime.block_on(async { SessionContext::new().sql(sql).await.unwrap().collect().await.unwrap() });
        let sink = fs::File::create(folder.path().join(name)).unwrap();
        let mut writer = ArrowWriter::try_new(sink, rows[0].schema(), None).unwrap();
        for batch in &rows {
            writer.write(batch).unwrap();
        }
        writer.close().unwrap();
    }
    folder
}

/// Every case of the tables whose name `is_chosen`.
fn cases(is_chosen: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut paths: Vec<_> =
        fs::read_dir(root().join("tests/data/check")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let is_table = |path: &Path| path.extension().is_some_and(|extension| extension == "cases");
    paths
        .iter()
        .filter(|path| is_table(path) && is_chosen(&stem(path)))
        .flat_map(|path| Case::all(&stem(path), &fs::read_to_string(path).unwrap()))
        .collect()
}

fn judge(cases: &[Case]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = sources(&runtime);
    let judged = cases.iter().map(|case| case.differences(&runtime.block_on(case.diagnoses(folder.path()))));
    let wrong: Vec<_> = judged.filter(|difference| !difference.is_empty()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.concat());
}

#[test]
fn every_faulty_query_gets_its_findings_at_their_places() {
    judge(&cases(|name| name != "sound"));
}

#[test]
fn sound_queries_raise_no_alarm() {
    judge(&cases(|name| name == "sound"));
}

#[test]
fn the_tables_are_as_large_as_promised() {
    let faulty = cases(|name| name != "sound");
    let sound = cases(|name| name == "sound");
    assert!(faulty.iter().all(|case| !case.expected.is_empty()));
    assert!(sound.iter().all(|case| case.expected.is_empty()));
    assert!(faulty.len() >= 150 && sound.len() >= 40, "{} faulty, {} sound", faulty.len(), sound.len());
    let with_several = faulty.iter().filter(|case| case.expected.len() >= 3).count();
    assert!(with_several >= 15, "{with_several}");
    let names: HashSet<_> = faulty.iter().chain(&sound).map(|case| &case.name).collect();
    assert_eq!(names.len(), faulty.len() + sound.len(), "two cases have one name");
    let codes: HashSet<_> = faulty.iter().flat_map(|case| &case.expected).map(|found| found.code.as_str()).collect();
    let never: Vec<_> = postback::validate::RULES
        .iter()
        .map(|rule| rule.code)
        .filter(|code| code.starts_with("PB1") || code.starts_with("PB2"))
        // Of what sources are, the tests of their layouts and formats tell, which write them.
        .filter(|code| !code.starts_with("PB23"))
        // Of what casts round, rows tell.
        .filter(|code| *code != "PB2026")
        .filter(|code| !codes.contains(code))
        .collect();
    assert!(never.is_empty(), "no case for {never:?}");
}
