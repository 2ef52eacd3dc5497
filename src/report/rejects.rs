//! `rejects.parquet`: every fault of every event, with what is known of the event's identity and never a value; and every
//! row of a source that could not be read.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::builder::{Int64Builder, StringBuilder};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::contract::{EventSource, fields, personal, responses};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Identity, Refusal};
use crate::validate::{Rule, Severity, Violation, rule, shape};

/// Rows that are gathered before they are encoded.
const MAX_GATHERED: usize = 8_192;
/// The severity of what is not sent and has no fault.
const SKIPPED: &str = "skip";
/// Name and type of each column.
const COLUMNS: [(&str, DataType); 20] = [
    ("reject", DataType::Int64),
    ("row", DataType::Int64),
    ("event_key", DataType::Utf8),
    ("event_id", DataType::Utf8),
    ("order_id", DataType::Utf8),
    ("event_source", DataType::Utf8),
    ("event_source_id", DataType::Utf8),
    ("event", DataType::Utf8),
    ("column", DataType::Utf8),
    ("code", DataType::Utf8),
    ("slug", DataType::Utf8),
    ("severity", DataType::Utf8),
    ("message", DataType::Utf8),
    ("shape", DataType::Utf8),
    ("origin", DataType::Utf8),
    ("api_code", DataType::Int64),
    ("request_id", DataType::Utf8),
    ("file", DataType::Utf8),
    ("line", DataType::Int64),
    ("object", DataType::Int64),
];

/// An event with at least one fault.
#[derive(Clone, Debug)]
pub struct FaultyEvent {
    /// Position of its row in the query's result, from 1, if it has one that says something.
    pub row: Option<u64>,
    /// Events that this one stands for: more than one where rows that nothing identifies were thrown together.
    pub events: u64,
    /// What is known of its identity.
    pub identity: Identity,
    /// What is wrong with it.
    pub faults: Faults,
}

/// Who found fault, and what.
#[derive(Clone, Debug)]
pub enum Faults {
    /// Rules of postback.
    Found(Vec<Violation>),
    /// The API.
    Refused(Refusal),
    /// Nobody: it is out of the window, and not sent.
    Skipped(Skip),
}

/// Why an event is out of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The API neither matches nor reports it any more.
    TooOld,
    /// The ledger may have forgotten whether it was accepted.
    Forgotten,
    /// TikTok may count it beside what a browser's pixel sent.
    Overlapping,
}

impl Skip {
    /// The rule that tells so, and what is said of the event.
    fn told(self) -> (&'static Rule, &'static str) {
        let (code, detail) = match self {
            Self::TooOld => ("PB3026", "is too old to be matched, and is not sent"),
            Self::Forgotten => ("PB3122", "is so old that the ledger may have forgotten whether it was accepted"),
            Self::Overlapping => ("PB3123", "is so old that it may count beside what a browser's pixel sent"),
        };
        (rule(code).expect("every code here is a row of RULES, as a test sees to"), detail)
    }
}

impl Faults {
    fn is_rejecting(&self) -> bool {
        match self {
            Self::Found(violations) => violations.iter().any(|violation| violation.severity == Severity::Reject),
            Self::Refused(_) => true,
            Self::Skipped(_) => false,
        }
    }
}

/// A row of a source that could not be read.
#[derive(Clone, Debug)]
pub struct UnreadSourceRow {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// The line in which it begins, from 1.
    pub line: u64,
    /// Which object of that line it is, from 1, where it is not the first.
    pub object: Option<u64>,
    /// What it breaks.
    pub rule: &'static Rule,
    /// What is wrong with it, where that is known.
    pub detail: Option<String>,
}

/// The rows that are gathered, and the numbers given so far.
#[derive(Debug)]
pub(super) struct Gathered {
    rows: usize,
    rejects: i64,
    numbers: [Int64Builder; 5],
    texts: [StringBuilder; 15],
}

/// The values of one row, by type and in the order of the columns.
struct Line<'a> {
    numbers: [Option<i64>; 5],
    texts: [Option<&'a str>; 15],
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self { rows: 0, rejects: 0, numbers: Default::default(), texts: Default::default() }
    }

    pub(super) fn schema() -> SchemaRef {
        Arc::new(Schema::new(COLUMNS.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
    }

    /// Adds the faults of `event`; gives rows to `full` whenever enough are gathered.
    pub(super) fn add(&mut self, event: &FaultyEvent, mut full: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        let Identity { event_source, event_source_id, event: name, event_id, order_id, key } = &event.identity;
        let key = key.map(|key| key.to_string());
        let texts = [event_id.as_deref(), order_id.as_deref(), event_source_id.as_deref(), name.as_deref()];
        let texts = texts.map(|text| text.map(shown));
        let [event_id, order_id, event_source_id, name] = texts.each_ref().map(Option::as_deref);
        let source = event_source.map(EventSource::as_str);
        let identity = [key.as_deref(), event_id, order_id, source, event_source_id, name];
        let row = event.row.and_then(|row| i64::try_from(row).ok());
        for _ in 0..event.events {
            let reject = event.faults.is_rejecting().then(|| {
                self.rejects += 1;
                self.rejects
            });
            match &event.faults {
                Faults::Found(violations) => {
                    for violation in violations {
                        self.append(&Line {
                            numbers: [reject, row, None, None, None],
                            texts: found(identity, violation),
                        });
                        if self.rows >= MAX_GATHERED {
                            full(&self.take()?)?;
                        }
                    }
                }
                Faults::Skipped(skip) => {
                    self.append(&Line { numbers: [None, row, None, None, None], texts: skipped(identity, *skip) });
                    if self.rows >= MAX_GATHERED {
                        full(&self.take()?)?;
                    }
                }
                Faults::Refused(refusal) => {
                    self.append(&Line {
                        numbers: [reject, row, Some(refusal.code), None, None],
                        texts: refused(identity, refusal),
                    });
                    if self.rows >= MAX_GATHERED {
                        full(&self.take()?)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds `rows` of sources, which are no events.
    pub(super) fn add_unread(
        &mut self,
        rows: &[UnreadSourceRow],
        mut full: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        for row in rows {
            let [line, object] = [Some(row.line), row.object].map(|number| i64::try_from(number?).ok());
            self.append(&Line { numbers: [None, None, None, line, object], texts: unread(row) });
            if self.rows >= MAX_GATHERED {
                full(&self.take()?)?;
            }
        }
        Ok(())
    }

    /// The rows gathered since the last time.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        let (mut numbers, mut texts) = (self.numbers.iter_mut(), self.texts.iter_mut());
        let columns = COLUMNS.iter().map(|(_, data_type)| -> ArrayRef {
            if *data_type == DataType::Int64 {
                Arc::new(numbers.next().expect("a builder for every column of numbers").finish())
            } else {
                Arc::new(texts.next().expect("a builder for every column of text").finish())
            }
        });
        RecordBatch::try_new(Self::schema(), columns.collect())
            .map_err(|error| Error::new(ErrorKind::Internal, "the columns of rejects.parquet do not fit").source(error))
    }

    fn append(&mut self, line: &Line<'_>) {
        self.rows += 1;
        self.numbers.iter_mut().zip(line.numbers).for_each(|(column, number)| column.append_option(number));
        self.texts.iter_mut().zip(line.texts).for_each(|(column, text)| column.append_option(text));
    }
}

/// The texts of a fault that a rule found, in the order of the columns.
fn found<'a>(identity: [Option<&'a str>; 6], violation: &'a Violation) -> [Option<&'a str>; 15] {
    let [key, event_id, order_id, source, source_id, name] = identity;
    [
        key,
        event_id,
        order_id,
        source,
        source_id,
        name,
        violation.column.as_deref(),
        Some(violation.rule.code),
        Some(violation.rule.slug),
        Some(violation.severity.effect()),
        Some(&violation.detail),
        Some(&*violation.shape).filter(|shape| !shape.is_empty()),
        Some("postback"),
        None,
        None,
    ]
}

/// The texts of an event out of the window, in the order of the columns.
fn skipped(identity: [Option<&str>; 6], skip: Skip) -> [Option<&str>; 15] {
    let [key, event_id, order_id, source, source_id, name] = identity;
    let (rule, detail) = skip.told();
    [
        key,
        event_id,
        order_id,
        source,
        source_id,
        name,
        Some("timestamp"),
        Some(rule.code),
        Some(rule.slug),
        Some(SKIPPED),
        Some(detail),
        None,
        Some("postback"),
        None,
        None,
    ]
}

/// The texts of a refusal by the API, in the order of the columns.
fn refused<'a>(identity: [Option<&'a str>; 6], refusal: &'a Refusal) -> [Option<&'a str>; 15] {
    let [key, event_id, order_id, source, source_id, name] = identity;
    let column = refusal.field.and_then(|path| fields::FIELDS.iter().find(|field| field.path == path));
    [
        key,
        event_id,
        order_id,
        source,
        source_id,
        name,
        column.map(|field| field.column),
        None,
        None,
        Some(Severity::Reject.effect()),
        Some(responses::meaning(refusal.code)),
        None,
        Some("api"),
        refusal.request_id.as_deref(),
        None,
    ]
}

/// The texts of a row that could not be read, in the order of the columns.
fn unread(row: &UnreadSourceRow) -> [Option<&str>; 15] {
    let (rule, severity) = (row.rule, Severity::Reject.effect());
    let identity = [None; 6];
    let fault = [
        None,
        Some(rule.code),
        Some(rule.slug),
        Some(severity),
        row.detail.as_deref(),
        None,
        Some("source"),
        None,
        Some(&*row.file),
    ];
    let mut texts = identity.into_iter().chain(fault);
    std::array::from_fn(|_| texts.next().flatten())
}

/// An identifier as it may be kept: its shape where it holds an address or a phone number, or looks as if it did.
fn shown(text: &str) -> Cow<'_, str> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_phone = text.starts_with('+') && digits >= 7 && !text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if text.contains('@') || is_phone || personal::find(text, None).is_some() {
        Cow::Owned(shape(text))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;
    fn violation(severity: Severity) -> Violation {
        let rule = rule("PB3102").unwrap();
        Violation { row: 0, column: None, rule, severity, detail: "is missing".into(), shape: String::new() }
    }

    fn gathered(events: &[FaultyEvent]) -> Vec<RecordBatch> {
        let (mut gathered, mut batches) = (Gathered::new(), Vec::new());
        for event in events {
            let keep = |batch: &RecordBatch| {
                batches.push(batch.clone());
                Ok(())
            };
            gathered.add(event, keep).unwrap();
        }
        batches.push(gathered.take().unwrap());
        batches
    }

    #[test]
    fn each_rejected_event_has_one_number_and_warnings_none() {
        let event = |events, faults| FaultyEvent { row: None, events, identity: Identity::default(), faults };
        let both = vec![violation(Severity::Warn), violation(Severity::Reject)];
        let refusal = Refusal { code: 40_002, field: None, request_id: None };
        let batches = gathered(&[
            event(1, Faults::Found(both)),
            event(1, Faults::Found(vec![violation(Severity::Warn)])),
            event(2, Faults::Found(vec![violation(Severity::Reject)])),
            event(1, Faults::Refused(refusal)),
        ]);
        let numbers: Vec<_> = batches[0].column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(numbers, [Some(1), Some(1), None, Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn an_event_out_of_the_window_is_listed_and_no_reject() {
        let skips = [Skip::TooOld, Skip::Forgotten, Skip::Overlapping];
        let events = skips.map(|skip| FaultyEvent {
            row: Some(7),
            events: 1,
            identity: Identity { order_id: Some("4711".to_owned()), ..Identity::default() },
            faults: Faults::Skipped(skip),
        });
        let batches = gathered(&events);
        let text = |name: &str| batches[0].column_by_name(name).unwrap().as_string::<i32>().clone();
        assert_eq!(text("code").iter().flatten().collect::<Vec<_>>(), ["PB3026", "PB3122", "PB3123"]);
        assert!(text("severity").iter().all(|severity| severity == Some("skip")));
        assert!(text("order_id").iter().all(|order| order == Some("4711")));
        assert_eq!(batches[0].column(0).null_count(), 3);
    }

    #[test]
    fn many_faults_leave_in_pieces() {
        let faults = Faults::Found(vec![violation(Severity::Reject)]);
        let batches = gathered(&[FaultyEvent { row: None, events: 20_000, identity: Identity::default(), faults }]);
        let rows: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(rows, [MAX_GATHERED, MAX_GATHERED, 20_000 - 2 * MAX_GATHERED]);
    }

    #[test]
    fn an_identifier_that_looks_personal_is_masked() {
        for (text, expected) in [
            ("order-4711", "order-4711"),
            ("Pat.Lee@example.com", "Aa.Aa@a.a (19 characters)"),
            ("+1 213 373 4253", "+9_9_9_9 (15 characters)"),
            ("+A-12345678", "+A-12345678"),
        ] {
            let identity = Identity { event_id: Some(text.to_owned()), ..Identity::default() };
            let faults = Faults::Found(vec![violation(Severity::Reject)]);
            let batches = gathered(&[FaultyEvent { row: Some(1), events: 1, identity, faults }]);
            let ids = batches[0].column_by_name("event_id").unwrap();
            assert_eq!(ids.as_string::<i32>().value(0), expected);
            assert!(batches[0].column_by_name("event_key").unwrap().is_null(0));
        }
    }
}
