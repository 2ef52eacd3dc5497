//! Text that survives its faults: every sound row is read once, every other is named by its line.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::{SessionConfig, SessionContext};
use postback::sources::{Damage, Note, Options, Sources};
use proptest::prelude::*;
use serde_json::Value;

use crate::server::{file, postback, said};

/// The header of every file: names that make all columns text.
const COLUMNS: [&str; 3] = ["a_id", "b_id", "c_id"];

/// So many bytes tell the encoding of a file, and that it is text.
const HEAD: usize = 128 << 10;

/// A row; NULL where nothing stands.
type Row = Vec<Option<String>>;

/// What a location gives.
#[derive(Debug)]
struct Read {
    rows: Vec<Row>,
    /// Line and damage of what could not be read.
    unread: Vec<(u64, Damage)>,
    count: u64,
    notes: Vec<Note>,
    /// As what the file was recognised.
    recognised: String,
}

/// Reads the columns `names` of `location`; none if it is refused.
fn read(folder: &Path, location: &str, names: &[&str]) -> Option<Read> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sources = Sources::new(Options { folder: folder.to_owned(), ..Options::default() });
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let table = sources.open(&context.state(), &[location.to_owned()], None).await.ok()?;
        let batches = context.read_table(table).ok()?.select_columns(names).ok()?.collect().await.ok()?;
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let value = |column: &Arc<dyn datafusion::arrow::array::Array>| {
                    column.is_valid(row).then(|| array_value_to_string(column, row).unwrap())
                };
                rows.push(batch.columns().iter().map(value).collect());
            }
        }
        let unread = sources.unread().examples().into_iter().map(|row| (row.spot.line, row.damage)).collect();
        let report = sources.reports().remove(0);
        let (notes, recognised) = (report.notes, report.recognised);
        Some(Read { rows, unread, count: sources.unread().rows(), notes, recognised })
    })
}

/// Whether the file was taken for one of another encoding, or written with other quotes or escapes.
fn is_in_doubt(read: &Read) -> bool {
    read.notes.iter().any(|note| note.code == Some("PB2301")) || !["CSV", "NDJSON"].contains(&&*read.recognised)
}

/// How often mutations are tried: `POSTBACK_MUTATIONS` for more.
fn mutations() -> u64 {
    std::env::var("POSTBACK_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000)
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

/// A record, as the second reader finds it.
struct Simple {
    fields: Row,
    bytes: usize,
    /// Whether all of it is text.
    is_text: bool,
    /// Whether a field stands between quotes.
    is_quoted: bool,
    /// Whether a field that does not begin with a quote holds one.
    has_stray_quote: bool,
}

/// A second reader of delimited text, by the letter of the rules and without regard to speed: the rows, and the lines of
/// what is no row, below the header line. What the rules are good for, the rows of a generator show.
fn simply_read(text: &[u8]) -> (Vec<Row>, Vec<u64>) {
    let line_end = |at: usize| match text.get(at) {
        Some(b'\r') if text.get(at + 1) == Some(&b'\n') => 2,
        Some(b'\r' | b'\n') => 1,
        _ => 0,
    };
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let (mut at, mut line) = (0, 1);
    let (mut is_header, mut is_in_doubt) = (true, false);
    while at < text.len() {
        if line_end(at) > 0 {
            at += line_end(at);
            line += 1;
            continue;
        }
        let record = simple_record(&text[at..]);
        let had_quotes = record.as_ref().is_none_or(|record| record.is_quoted);
        let end = record.as_ref().map(|record| at + record.bytes);
        let is_unclear = record.as_ref().is_none_or(|record| is_in_doubt && record.has_stray_quote);
        let is_wide = record.as_ref().is_some_and(|record| record.fields.len() == COLUMNS.len());
        let is_text = record.as_ref().is_some_and(|record| record.is_text);
        let line_start = at;
        if let (Some(Simple { fields, .. }), true) = (record, is_text && is_wide && !is_unclear) {
            if !is_header {
                rows.push(fields);
            }
            is_in_doubt = false;
        } else {
            faults.push(line);
            // A fault that is none of the quotes leaves none in doubt.
            is_in_doubt = (is_unclear || !is_wide) && (is_in_doubt || had_quotes);
        }
        let is_refused = faults.last() == Some(&line);
        let may_hide = |inner: &[u8]| {
            let delimiters = inner.split(|byte| *byte == b',').count() - 1;
            !inner.is_empty() && delimiters == COLUMNS.len() - 1
        };
        let is_whole = end.is_some_and(|end| {
            let mut inner = text[line_start..end].split(|byte| b"\r\n".contains(byte)).skip(1);
            !is_refused || !is_unclear && (is_wide || !inner.any(may_hide))
        });
        let mut is_first = true;
        while at < text.len() && (is_first || end.is_some_and(|end| at < end)) {
            let begin = at;
            while at < text.len() && line_end(at) == 0 {
                at += 1;
            }
            if !is_first && !is_whole && at > begin {
                faults.push(line);
            }
            at += line_end(at);
            line += 1;
            is_first = false;
        }
        is_header = false;
    }
    (rows, faults)
}

/// The record at the beginning of `text`; none if its quotes are not in order.
fn simple_record(text: &[u8]) -> Option<Simple> {
    let mut record = Simple { fields: Vec::new(), bytes: 0, is_text: true, is_quoted: false, has_stray_quote: false };
    let mut at = 0;
    loop {
        let mut value = Vec::new();
        let is_quoted = text.get(at) == Some(&b'"');
        if is_quoted {
            record.is_quoted = true;
            at += 1;
            loop {
                match (text.get(at)?, text.get(at + 1)) {
                    (b'"', Some(b'"')) => {
                        value.push(b'"');
                        at += 2;
                    }
                    (b'"', _) => break,
                    (byte, _) => {
                        value.push(*byte);
                        at += 1;
                    }
                }
            }
            at += 1;
        } else {
            while let Some(byte) = text.get(at).filter(|byte| !b",\r\n".contains(byte)) {
                record.has_stray_quote |= *byte == b'"';
                value.push(*byte);
                at += 1;
            }
        }
        record.is_text &= std::str::from_utf8(&value).is_ok() && !value.contains(&0);
        let value = String::from_utf8_lossy(&value).into_owned();
        record.fields.push(Some(value).filter(|value| !value.is_empty() && (is_quoted || value != "\\N")));
        match text.get(at) {
            Some(b',') => at += 1,
            None | Some(b'\r' | b'\n') => {
                record.bytes = at;
                return Some(record);
            }
            Some(_) => return None,
        }
    }
}

#[test]
fn ten_thousand_rows_lose_those_that_are_faulty_and_no_other() {
    let mut random = Random(7);
    let mut text = b"a_id,b_id,c_id\n".to_vec();
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut line = 2;
    for number in 0..10_000 {
        let end: &[u8] = [&b"\n"[..], b"\r\n", b"\r"][random.below(3)];
        let plain = [format!("{number}"), format!("ü{number}"), "x".to_owned()];
        let fault = if random.below(12) == 0 { random.below(9) } else { 9 + random.below(3) };
        let (content, damage): (Vec<u8>, _) = match fault {
            0 => (format!("{number},x").into(), Some(Damage::Ragged)),
            1 => (format!("{number},x,y,z").into(), Some(Damage::Ragged)),
            2 => (format!("\"{number}\"x,y,z").into(), Some(Damage::Quote)),
            3 => (format!("{number},\"open,z").into(), Some(Damage::Quote)),
            4 | 5 | 7 if text.len() < HEAD => (plain.join(",").into(), None),
            4 => ([number.to_string().as_bytes(), b",\xff\xfe,z"].concat(), Some(Damage::Encoding)),
            5 => (format!("{number},\0,z").into(), Some(Damage::Nul)),
            6 if number % 50 == 0 => {
                (format!("{number},{},z", "y".repeat((1 << 20) + 1)).into(), Some(Damage::TooLong))
            }
            // A value of several lines, of which one looks like a row.
            7 => ([format!("{number},\"x\n0,phantom,y\n").as_bytes(), b"\xff\",z"].concat(), Some(Damage::Encoding)),
            8 => (format!("{number},\"x\n0,phantom,y\nz\",z,z").into(), Some(Damage::Ragged)),
            6 | 9 => (plain.join(",").into(), None),
            10 => (format!("{number},\"say \"\"{number}\"\"\",").into(), None),
            _ => (format!("\"{number}\",\"over\ntwo\r\nlines, \",x").into(), None),
        };
        let row = match (damage, fault) {
            (Some(damage), _) => {
                faults.push((line, damage));
                if fault == 8 {
                    faults.extend([(line + 1, Damage::Quote), (line + 2, Damage::Quote)]);
                }
                None
            }
            (None, 10) => Some(vec![Some(number.to_string()), Some(format!("say \"{number}\"")), None]),
            (None, 11) => {
                Some(vec![Some(number.to_string()), Some("over\ntwo\r\nlines, ".to_owned()), Some("x".to_owned())])
            }
            (None, _) => Some(plain.into_iter().map(Some).collect()),
        };
        rows.extend(row);
        line += content.split(|byte| *byte == b'\n').count() as u64;
        text.extend(content);
        text.extend(end);
        if random.below(20) == 0 {
            text.extend(b"\n");
            // A carriage return and this line feed are one line end.
            line += u64::from(end != b"\r");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "faulty.csv", text);
    let read = read(folder.path(), "faulty.csv", &COLUMNS).unwrap();
    assert!(faults.len() > 600, "{}", faults.len());
    assert_eq!(read.count, faults.len() as u64);
    assert_eq!(read.unread, faults);
    assert!(read.rows == rows, "{} rows, not {}", read.rows.len(), rows.len());
}

#[test]
fn ten_thousand_lines_of_json_lose_those_that_are_faulty_and_no_other() {
    let mut random = Random(11);
    let mut text = b"{\"a_id\":\"first\",\"b_id\":\"\",\"c_id\":0}\n".to_vec();
    let mut rows: Vec<Row> = vec![vec![Some("first".into()), Some(String::new()), Some("0".into())]];
    let mut faults = Vec::new();
    for line in 2..10_002_u64 {
        let sound = format!("{{\"a_id\":\"{line}\",\"b_id\":\"\\u00fc,\\n\",\"c_id\":{line}}}");
        let (content, damage): (Vec<u8>, _) = match random.below(100) {
            0 => (sound.as_bytes()[..sound.len() - 1].into(), Some(Damage::Json)),
            1 => (sound[1..].into(), Some(Damage::Json)),
            2 => (sound.replace(":\"", ":").into(), Some(Damage::Json)),
            3 => (sound.replace("b_id", "a_id").into(), Some(Damage::Json)),
            4 => (b"[1]".to_vec(), Some(Damage::Json)),
            5 => (b"{\"a_id\":\"\xff\"}".to_vec(), Some(Damage::Encoding)),
            6 => (b"{\"a_id\":\"\0\"}".to_vec(), Some(Damage::Nul)),
            _ => (sound.into(), None),
        };
        if let Some(damage) = damage {
            faults.push((line, damage));
        } else {
            rows.push(vec![Some(line.to_string()), Some("ü,\n".into()), Some(line.to_string())]);
        }
        text.extend(content);
        text.extend(if random.below(2) == 0 { &b"\n"[..] } else { b"\r\n" });
    }
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "faulty.ndjson", text);
    let read = read(folder.path(), "faulty.ndjson", &COLUMNS).unwrap();
    assert!(faults.len() > 500, "{}", faults.len());
    assert_eq!(read.unread, faults);
    assert!(read.rows == rows, "{} rows, not {}", read.rows.len(), rows.len());
}

/// Changes some bytes of `text` behind its first line.
fn mutated(mut text: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let head = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for _ in 0..=random.below(4) {
        let at = head + random.below(text.len() - head);
        let end = (at + 1 + random.below(40)).min(text.len());
        let byte = b"\",\n\r\\\0\xff\x80 x{}[]:"[random.below(15)];
        match random.below(6) {
            0 if at < text.len() => text[at] = byte,
            1 => text.insert(at, byte),
            2 if at < text.len() => drop(text.remove(at)),
            3 => drop(text.drain(at..end)),
            4 => {
                let twice = text[at..end].to_vec();
                text.splice(at..at, twice);
            }
            _ => text.truncate(at.max(head + 1)),
        }
    }
    text
}

#[test]
fn mutated_delimited_text_gives_no_wrong_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(23);
    let mut whole = String::from("a_id,b_id,c_id\n");
    for number in 0..30 {
        let _ = write!(
            whole,
            "{number},plain ü,x\r\n{number},\"say \"\"{number}\"\",\nover lines\",\\N\n{number},plain,y\n"
        );
    }
    let (mut refused, mut skipped) = (0, 0);
    for number in 0..mutations() {
        let text = mutated(whole.clone().into(), &mut random);
        fs::write(folder.path().join("mutated"), &text).unwrap();
        let Some(read) = read(folder.path(), "mutated", &COLUMNS) else {
            refused += 1;
            continue;
        };
        if is_in_doubt(&read) {
            skipped += 1;
            continue;
        }
        let (rows, faults) = simply_read(&text);
        let lines: Vec<u64> = read.unread.iter().map(|(line, _)| *line).collect();
        assert_eq!((read.rows, lines), (rows, faults), "mutation {number}: {}", text.escape_ascii());
    }
    assert!(refused < mutations() / 4, "{refused} files were refused");
    assert!(skipped < mutations() / 100, "{skipped} files were read in another way");
}

#[test]
fn mutated_json_gives_no_wrong_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(29);
    let mut whole = String::new();
    for number in 0..40 {
        let _ = writeln!(whole, "{{\"a_id\":\"{number}\",\"b_id\":\"ü \\\"quoted\\\"\",\"c_id\":{number}}}");
    }
    let (mut refused, mut skipped) = (0, 0);
    for number in 0..mutations() {
        let text = mutated(whole.clone().into(), &mut random);
        fs::write(folder.path().join("mutated"), &text).unwrap();
        let Some(read) = read(folder.path(), "mutated", &COLUMNS) else {
            refused += 1;
            continue;
        };
        if is_in_doubt(&read) {
            skipped += 1;
            continue;
        }
        let context = || format!("mutation {number}: {}", text.escape_ascii());
        let mut expected = Vec::new();
        for (line, content) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let objects =
                serde_json::Deserializer::from_slice(content).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
            let is_unread = read.unread.iter().any(|(unread, _)| *unread == line);
            let text = |value: &Value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            match objects {
                Ok(objects) if objects.iter().all(Value::is_object) && !is_unread => {
                    expected.extend(objects.iter().map(|one| COLUMNS.map(|name| text(&one[name])).to_vec()));
                }
                // An object that names a field twice, or has another shape than all others.
                _ => assert!(is_unread, "line {line} of {}", context()),
            }
        }
        assert_eq!(read.rows, expected, "{}", context());
    }
    // A file that is cut off is refused, and every third is.
    assert!(refused < mutations() / 2, "{refused} files were refused");
    assert!(skipped < mutations() / 100, "{skipped} files were read in another way");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands below the header: reading ends, and gives what the rules say.
    #[test]
    fn any_bytes_are_read_by_the_rules(
        tail in proptest::collection::vec(prop_oneof![
            8 => proptest::sample::select(b"\",\n\r\\aN".to_vec()),
            1 => any::<u8>(),
        ], 0..80)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let text = [b"a_id,b_id,c_id\nx,\"y\",z\n".as_slice(), &tail].concat();
        file(folder.path(), "any.csv", &text);
        if let Some(read) = read(folder.path(), "any.csv", &COLUMNS).filter(|read| !is_in_doubt(read)) {
            let (rows, faults) = simply_read(&text);
            let lines: Vec<u64> = read.unread.iter().map(|(line, _)| *line).collect();
            prop_assert_eq!((read.rows, lines), (rows, faults));
        }
    }
}

#[test]
fn files_are_brought_together_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content) in [
        ("1.csv", "a_id,n,b_id\nx,1,y\n"),
        ("2.csv", "b_id,c_id,a_id,n\ny2,z2,x2,1.25\n"),
        ("3.csv", "a_id,b_id\nx3,y3\n"),
        ("1.ndjson", "{\"a_id\":1}\n"),
        ("2.ndjson", "{\"b_id\":\"y\",\"a_id\":\"x\"}\n"),
    ] {
        file(here, name, content);
    }
    let text = |value: &str| Some(value.to_owned());
    let csv = read(here, "*.csv", &["a_id", "b_id", "c_id", "n"]).unwrap();
    assert_eq!(
        csv.rows,
        [
            vec![text("x"), text("y"), None, text("1.000000")],
            vec![text("x2"), text("y2"), text("z2"), text("1.250000")],
            vec![text("x3"), text("y3"), None, None],
        ]
    );
    let notes: Vec<&str> = csv.notes.iter().map(|note| note.message.as_str()).collect();
    assert!(notes[0].contains("3.csv` has no column `n`: it is NULL there"), "{notes:?}");
    assert!(notes[1].contains("2 of 3 files have no column `c_id`"), "{notes:?}");
    let json = read(here, "*.ndjson", &["a_id", "b_id"]).unwrap();
    assert_eq!(json.rows, [[text("1"), None], [text("x"), text("y")]]);
    assert_eq!(json.notes.len(), 1);
}

#[test]
fn columns_without_a_name_of_their_own_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "twice.csv", "a_id,a_id,\n1,2,\n3,4,note\n");
    let said =
        said(postback(&["sql", "SELECT * FROM 'twice.csv' ORDER BY a_id", "--format", "ndjson"]).current_dir(here));
    assert!(said.stdout.starts_with("{\"a_id\":\"1\",\"a_id_2\":\"2\","), "{}{}", said.stdout, said.stderr);
}

#[test]
fn words_for_no_value_are_null_where_they_cannot_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "null.csv", "a_id,n,paid\nNULL,1,true\n\\N,NaN,\\N\n\"\\N\",N/A,none\n,\"\",\n");
    let read = read(here, "null.csv", &["a_id", "n", "paid"]).unwrap();
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(
        read.rows,
        [vec![text("NULL"), text("1"), text("true")], vec![None; 3], vec![text("\\N"), None, None], vec![None; 3]]
    );
}

/// A delimiter behind the last field of every record, no line end behind the last record, and blank lines.
#[test]
fn trailing_delimiters_and_a_missing_line_end_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "trailing.csv", "a_id,b_id,\n\n1,2,\r\n\n3,4,\n5,6\n7,8,\n\n0,0,");
    let read = read(here, "trailing.csv", &["a_id", "b_id"]).unwrap();
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(read.rows, [["1", "2"], ["3", "4"], ["7", "8"], ["0", "0"]].map(|row| row.map(text)));
    assert_eq!(read.unread, [(6, Damage::Ragged)]);
}

/// A value below the sample that does not fit rejects its row, with its line.
#[test]
fn a_misfit_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "late.csv", format!("n,a_id\n{}x,\"a\nb\"\n2,y\n", "1,x\n".repeat(30_000)));
    let all = read(here, "late.csv", &["n"]).unwrap();
    assert_eq!((all.rows.len(), all.unread), (30_001, vec![(30_002, Damage::Type)]));
    let other = read(here, "late.csv", &["a_id"]).unwrap();
    assert_eq!((other.rows.len(), other.count), (30_002, 0), "nobody asked for the column");
}
