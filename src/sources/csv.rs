//! The schema of delimited text: Arrow's inference, corrected where it would damage an identity or move a time.

use super::file::SourceFile;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;

use super::recognise::{self, Dialect, SAMPLE_ROWS};
use super::{header, typed, whole};
use crate::contract::{Kind, fields};
use crate::error::{Error, ErrorKind, Result};

/// Words of a column name that make it an identity or a code: text, whatever its values look like.
const TEXT_WORDS: &[&str] = &[
    "mobile", "cell", "tel", "msisdn", "fax", "id", "ids", "uuid", "guid", "postal", "postcode", "plz", "sku", "ean",
    "gtin", "upc", "isbn", "barcode", "ip",
];
/// The same, as a part of a word: `cellphone`, `emailaddress`.
const TEXT_PARTS: &[&str] = &["phone", "mail", "zip", "telefon"];
/// The same, as the last word only: `order_number` is a code, `number_of_items` is not.
const LAST_TEXT_WORDS: &[&str] = &["number", "no", "nr", "code"];

/// Words of a column name that make it an amount of money.
const AMOUNT_WORDS: &[&str] =
    &["amount", "value", "price", "total", "subtotal", "revenue", "sum", "cost", "tax", "discount", "sales"];
/// What to do about a first line that is a row.
const NO_HEADER: &str =
    "a file without a header line is read with CREATE EXTERNAL TABLE … OPTIONS ('format.has_header' 'false')";
/// Decimal digits behind the point up to which numbers are taken for amounts, and not for measurements.
const CENTS: usize = 4;
/// What amounts are read as: digits behind the point to spare, so that none is ever rounded.
const EXACT: DataType = DataType::Decimal128(28, 6);

/// The schema of `files`, which must share a header; `None` if none of them has a row below it.
///
/// A column is text when its name says that it identifies something, or when a value has a leading zero or plus. A
/// timestamp column whose values carry an offset becomes UTC; where only some do, it stays text. Numbers with cents are
/// exact decimals.
///
/// # Errors
/// [`ErrorKind::Source`] if a file cannot be read, has another header than the first, or has the declared `columns` in
/// another order.
pub(super) fn infer(files: &[SourceFile], dialect: &Dialect, columns: Option<&Schema>) -> Result<Option<Schema>> {
    let mut header: Option<(Vec<String>, &SourceFile)> = None;
    let mut merged: Option<Schema> = None;
    for file in files {
        let (schema, rows) = infer_one(file, files.len(), dialect)?;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        if let Some(columns) = columns
            && dialect.has_header
        {
            agree_in_order(file, &names, columns)?;
        }
        match &header {
            Some((first, first_file)) if *first != names => {
                return Err(Error::new(ErrorKind::Source, "the files have different header lines")
                    .context("file", first_file.shown())
                    .context("file", file.shown()));
            }
            Some(_) => {}
            None => header = Some((names, file)),
        }
        if rows > 0 {
            merged = Some(match merged {
                Some(first) => widen(&first, &schema),
                None => schema,
            });
        }
    }
    Ok(merged)
}

/// Declared columns name those of the file by their place; names that stand elsewhere would be mixed up.
fn agree_in_order(file: &SourceFile, names: &[String], columns: &Schema) -> Result<()> {
    for (index, column) in columns.fields().iter().enumerate() {
        let place = names.iter().position(|name| name.eq_ignore_ascii_case(column.name()));
        if place.is_some_and(|place| place != index) {
            let message =
                format!("the table declares its column `{}` in another place than `{}`", column.name(), file.shown());
            return Err(Error::new(ErrorKind::Source, message).hint("declare the columns in the order of the file"));
        }
    }
    Ok(())
}

fn infer_one(file: &SourceFile, files: usize, dialect: &Dialect) -> Result<(Schema, usize)> {
    let malformed = |error: ArrowError| {
        Error::new(ErrorKind::Source, format!("`{}` is no well-formed delimited text", file.shown())).source(error)
    };
    let end = |text: &[u8]| whole::end_of_records(text, dialect.delimiter);
    let content = recognise::records(file, files, end)?.text;
    let format = Format::default().with_header(dialect.has_header).with_delimiter(dialect.delimiter);
    let (inferred, rows) = format.infer_schema(content.as_slice(), Some(SAMPLE_ROWS)).map_err(malformed)?;
    let names = inferred.fields().iter().map(|field| field.name().as_str());
    header::require_names(file, names.clone().filter(|_| dialect.has_header), NO_HEADER)?;
    if let Some(twice) =
        names.clone().enumerate().find(|(index, name)| names.clone().take(*index).any(|it| it == *name))
    {
        let message = format!("the header line of `{}` names the column `{}` twice", file.shown(), twice.1);
        return Err(Error::new(ErrorKind::Source, message));
    }
    let text = inferred.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true)).collect::<Vec<_>>();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(text)))
        .with_format(format)
        .with_batch_size(SAMPLE_ROWS)
        .with_bounds(0, SAMPLE_ROWS)
        .build(content.as_slice())
        .map_err(malformed)?;
    let batches = reader.collect::<Result<Vec<RecordBatch>, _>>().map_err(malformed)?;
    let fields = inferred.fields().iter().enumerate().map(|(index, field)| {
        let values = batches.iter().flat_map(|batch| batch.column(index).as_string::<i32>().iter().flatten());
        Field::new(field.name(), corrected(field.name(), field.data_type(), values), true)
    });
    Ok((Schema::new(fields.collect::<Vec<_>>()), rows))
}

fn corrected<'a>(name: &str, inferred: &DataType, values: impl Iterator<Item = &'a str>) -> DataType {
    match inferred {
        DataType::Int64 | DataType::Float64 if identifies(name) => DataType::Utf8,
        // Sums of money stay exact, and an amount may have cents below the sample.
        DataType::Int64 if is_amount(name) => corrected(name, &DataType::Float64, values),
        DataType::Int64 | DataType::Float64 => {
            let values: Vec<&str> = values.collect();
            let keep = |data_type: &DataType| values.iter().all(|value| typed::keeps(value, data_type));
            let has_cents = |value: &&str| value.split_once('.').is_none_or(|(_, cents)| cents.len() <= CENTS);
            match inferred {
                DataType::Float64 if values.iter().all(has_cents) && keep(&EXACT) => EXACT,
                _ if keep(inferred) => inferred.clone(),
                _ => DataType::Utf8,
            }
        }
        DataType::Timestamp(..) => {
            let (mut zoned, mut zoneless) = (false, false);
            for value in values.filter(|value| !value.is_empty()) {
                *(if typed::has_zone(value) { &mut zoned } else { &mut zoneless }) = true;
            }
            match (zoned, zoneless) {
                (true, true) => DataType::Utf8,
                (true, false) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                // Microseconds hold every year that exports use as "never".
                _ => DataType::Timestamp(TimeUnit::Microsecond, None),
            }
        }
        // A column without a value in the sample may hold anything below it.
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    }
}

/// Whether a column of this name holds an identity or a code.
pub(super) fn identifies(name: &str) -> bool {
    let of_contract = fields::find(name).is_some_and(|field| {
        !matches!(
            field.kind,
            Kind::Amount | Kind::Number | Kind::Numbers | Kind::Integer | Kind::Quantity | Kind::Boolean | Kind::Time
        )
    });
    let words = words(name);
    of_contract
        || words.iter().any(|word| TEXT_WORDS.contains(&word.as_str()))
        || words.iter().any(|word| TEXT_PARTS.iter().any(|part| word.contains(part)))
        || words.last().is_some_and(|word| LAST_TEXT_WORDS.contains(&word.as_str()))
}

/// Whether a column of this name holds money.
fn is_amount(name: &str) -> bool {
    words(name).iter().any(|word| AMOUNT_WORDS.contains(&word.as_str()))
}

/// The words of `customerId`, `CUSTOMER_ID` or `customer id`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_is_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && previous_is_lower) {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        previous_is_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The types that hold the values of both schemas, column by column.
fn widen(left: &Schema, right: &Schema) -> Schema {
    let fields = left.fields().iter().zip(right.fields()).map(|(left, right)| {
        let data_type = match (left.data_type(), right.data_type()) {
            (left, right) if left == right => left.clone(),
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
            (DataType::Int64, exact) | (exact, DataType::Int64) if *exact == EXACT => EXACT,
            _ => DataType::Utf8,
        };
        Field::new(left.name(), data_type, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_identify_are_told_from_names_that_count() {
        for name in [
            "customer_id",
            "OrderID",
            "customerId",
            "Billing Postal Code",
            "phone2_mobile",
            "invoice_number",
            "email",
            "sku",
        ] {
            assert!(identifies(name), "{name}");
        }
        for name in ["whatsapp_phone", "cellphone", "emailaddress", "zip5"] {
            assert!(identifies(name), "{name}");
        }
        for name in ["paid", "total", "number_of_items", "quantity", "valid", "price", "unit_price", "grid"] {
            assert!(!identifies(name), "{name}");
        }
    }

    #[test]
    fn a_leading_zero_or_plus_makes_a_column_text() {
        let corrected = |values: &[&str]| corrected("a", &DataType::Int64, values.iter().copied());
        assert_eq!(corrected(&["1", "007"]), DataType::Utf8);
        assert_eq!(corrected(&["0", "10", "-5"]), DataType::Int64);
    }

    #[test]
    fn amounts_are_exact_and_measurements_are_floats() {
        let corrected = |value| super::corrected("a", &DataType::Float64, ["0.5", value].into_iter());
        for exact in ["19.99", "-0.5", "12345678901234567.89", "7"] {
            assert_eq!(corrected(exact), EXACT, "{exact}");
        }
        for float in ["52.520008", "1e3"] {
            assert_eq!(corrected(float), DataType::Float64, "{float}");
        }
        assert_eq!(corrected("123456789.12345678901"), DataType::Utf8);
        assert_eq!(super::corrected("unit_price", &DataType::Int64, ["5"].into_iter()), EXACT);
        assert_eq!(super::corrected("number_of_items", &DataType::Int64, ["5"].into_iter()), DataType::Int64);
    }

    #[test]
    fn offsets_decide_whether_a_timestamp_is_utc() {
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        let inferred = DataType::Timestamp(TimeUnit::Second, None);
        let corrected = |values: &[&str]| corrected("a", &inferred, values.iter().copied());
        assert_eq!(corrected(&["2025-01-01 10:00:00"]), naive);
        assert_eq!(
            corrected(&["2025-01-01T10:00:00Z", "2025-01-01T10:00:00+02:00"]),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        );
        assert_eq!(corrected(&["2025-01-01T10:00:00Z", "2025-01-01T10:00:00"]), DataType::Utf8);
    }
}
