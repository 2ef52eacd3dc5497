//! Random tables in random dialects with random damage: each row is read right, or told, and none is shifted.
//!
//! The generator knows the table and what it did to each line. Delimiters get lost and appear in values, in any row and in
//! the header line; rows and header lines end with delimiters; lines stand above. A row that is not told must be what was
//! written, and what is whole must be read whole.

use std::path::Path;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::{SessionConfig, SessionContext};
use postback::sources::{Options, Sources};

use crate::server::file;

const NAMES: [&str; 6] = ["order_id", "email", "ts", "amount", "city", "note"];
const CITIES: [&str; 6] = ["Berlin", "Paris, TX", "São Paulo", "New York", "Bonn; Beuel", "Köln"];
const NOTES: [&str; 5] = ["", "", "", "XMAS", "gift"];
/// Tables that are tried.
const TABLES: u64 = 1_500;

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    /// Once in so many times.
    fn is(&mut self, once_in: usize) -> bool {
        self.below(once_in) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What is written, and what of it may not be read.
struct Table {
    text: String,
    /// Each row with its line.
    rows: Vec<(u64, Vec<String>)>,
    /// Whether each value must be read, and no line be told.
    is_whole: bool,
    /// Whether nothing may be read.
    is_refused: bool,
}

/// How a table is written.
#[derive(Clone, Copy)]
struct Style {
    delimiter: char,
    end: &'static str,
    /// Whether every value stands between quotes.
    is_quoted: bool,
}

/// `value`, in quotes if it needs them or all have them.
fn quoted(value: &str, style: Style) -> String {
    let needs = style.is_quoted || value.contains([style.delimiter, '"']);
    if needs { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

/// The line of a row, damaged with `damage` of a kind.
fn line(row: &[String], style: Style, damage: usize, random: &mut Random) -> String {
    let mut fields: Vec<String> = row.iter().map(|value| quoted(value, style)).collect();
    let delimiter = style.delimiter.to_string();
    let lose = |fields: &mut Vec<String>, at: usize| {
        let behind = fields.remove(at + 1);
        fields[at].push_str(&behind);
    };
    match damage {
        // A delimiter in a text that has no quotes.
        1 => fields[4] = format!("Rio{delimiter} Brasil"),
        // One between thousands.
        2 => fields[3] = format!("1{delimiter}250.00"),
        // None between two values, or behind the last but one, which is then the last.
        3 => {
            let at = random.below(fields.len() - 1);
            lose(&mut fields, at);
        }
        // One too many at the end.
        4 => fields.push(String::new()),
        // One lost and one in a value.
        5 => {
            if random.is(2) && style.delimiter == ',' {
                "1,250.00".clone_into(&mut fields[3]);
            } else {
                fields[4] = format!("Rio{delimiter} Brasil");
            }
            if random.is(3) && fields[5].is_empty() {
                fields.pop();
            } else {
                let at = random.below(3);
                lose(&mut fields, at);
            }
        }
        _ => {}
    }
    fields.join(&delimiter)
}

fn table(random: &mut Random) -> Table {
    let style = Style {
        delimiter: random.of(&[',', ';', '|', '\t']),
        end: random.of(&["\n", "\r\n"]),
        is_quoted: random.is(4),
    };
    let closing = style.delimiter.to_string();
    let count = 6 + random.below(8);
    // None, single damage in any row, or one row with two delimiters that make up for one another.
    let damage = random.below(3);
    let header_lost = random.is(6) && !style.is_quoted;
    // Nothing, the header line, each row, or both end with a delimiter.
    let closed = if header_lost { 0 } else { random.of(&[0, 0, 0, 1, 2, 3]) };
    let above = random.below(8);
    let mut text = if random.is(4) { "\u{feff}".to_owned() } else { String::new() };
    let mut number = 1;
    let mut write = |text: &mut String, line: &str| {
        text.push_str(line);
        text.push_str(style.end);
        number += 1;
        number - 1
    };
    match above {
        0 => drop(write(&mut text, "Sales report of November")),
        1 => {
            write(&mut text, "Sales report");
            write(&mut text, "");
        }
        2 => drop(write(&mut text, &format!("sep={closing}"))),
        _ => {}
    }
    let blank = random.of(&["", "", " ", "\u{a0}"]);
    let mut names: Vec<String> = NAMES.iter().map(|name| quoted(&format!("{name}{blank}"), style)).collect();
    if header_lost {
        let at = random.below(names.len() - 1);
        let behind = names.remove(at + 1);
        names[at].push_str(&behind);
    }
    let header = names.join(&closing) + if closed % 2 == 1 { &closing } else { "" };
    write(&mut text, &header);
    let odd = random.below(count);
    let mut rows = Vec::new();
    let mut damaged = 0;
    for index in 0..count {
        let row = [
            (1_000 + index).to_string(),
            format!("{}{index}@example.com", random.of(&["ann", "bo", "cy"])),
            format!("2026-11-{:02}T1{}:00:0{}Z", 1 + random.below(28), random.below(10), random.below(10)),
            format!("{}.{}{}", 10 + random.below(900), random.below(10), 1 + random.below(9)),
            random.of(&CITIES).to_owned(),
            // Only where hardly any row has a note can a row without its last delimiter be told.
            if damage == 2 { if index % 5 == 4 { "XMAS" } else { "" } } else { random.of(&NOTES) }.to_owned(),
        ];
        let kind = match damage {
            // Most rows are as they should be, or nobody could say how they should be.
            1 if damaged * 4 < count && random.is(3) => 1 + random.below(4),
            2 if index == odd && !style.is_quoted => 5,
            _ => 0,
        };
        damaged += usize::from(kind > 0);
        let row = row.to_vec();
        let line = line(&row, style, kind, random) + if closed > 1 { &closing } else { "" };
        rows.push((write(&mut text, &line), row));
    }
    let is_refused = above < 2 || closed == 2 && damaged == 0 || header_lost && damage == 0;
    Table { text, rows, is_whole: !is_refused && damaged == 0 && !header_lost, is_refused }
}

/// What is read of a file: the columns that it has of [`NAMES`], its rows, and the lines that are told.
type Found = (Vec<usize>, Vec<Vec<String>>, Vec<u64>);

/// What is read of a file; an error if it is refused.
fn read(folder: &Path, location: &str) -> Result<Found, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sources = Sources::new(Options { folder: folder.to_owned(), ..Options::default() });
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let table = sources.open(&context.state(), &[location.to_owned()], None).await;
        let table = table.map_err(|error| format!("{error}"))?;
        let schema = table.schema();
        let columns: Vec<usize> = (0..NAMES.len()).filter(|index| schema.index_of(NAMES[*index]).is_ok()).collect();
        let names: Vec<&str> = columns.iter().map(|index| NAMES[*index]).collect();
        let batches = context.read_table(table).unwrap().select_columns(&names).unwrap().collect().await.unwrap();
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let value = |column: &ArrayRef| {
                    if column.is_valid(row) { array_value_to_string(column, row).unwrap() } else { String::new() }
                };
                rows.push(batch.columns().iter().map(value).collect());
            }
        }
        let mut lines: Vec<u64> = sources.unread().examples().iter().map(|row| row.spot.line).collect();
        lines.sort_unstable();
        Ok((columns, rows, lines))
    })
}

/// `80.5` and `80.500000` are one amount.
fn plain(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => value.to_owned(),
    }
}

#[test]
fn no_damage_shifts_a_row_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(0x5eed);
    let (mut refused, mut whole, mut told) = (0, 0, 0);
    for number in 0..TABLES {
        let table = table(&mut random);
        file(folder.path(), "table.csv", &table.text);
        let shown = || format!("table {number}:\n{}", table.text);
        let (columns, rows, lines) = match read(folder.path(), "table.csv") {
            Ok(read) => read,
            Err(message) => {
                assert!(!table.is_whole, "{message} of {}", shown());
                refused += 1;
                continue;
            }
        };
        assert!(!table.is_refused, "it is read: {}", shown());
        let expected: Vec<Vec<String>> = table
            .rows
            .iter()
            .filter(|(line, _)| !lines.contains(line))
            .map(|(_, row)| columns.iter().map(|index| plain(&row[*index])).collect())
            .collect();
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|value| plain(value)).collect()).collect();
        assert_eq!(rows, expected, "told are {lines:?} of {}", shown());
        if table.is_whole {
            assert!(lines.is_empty() && columns.len() == NAMES.len(), "told are {lines:?} of {}", shown());
            whole += 1;
        }
        told += lines.len();
    }
    assert!(whole > 300 && refused < 1_000 && told > 500, "{whole} whole, {refused} refused, {told} rows told");
}
