//! `event`: names are case-sensitive, sent as written, and judged once per distinct name and event source.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::StringViewArray;
use datafusion::arrow::array::builder::StringViewBuilder;

use super::Severity;
use super::cells::{self, RowSources};
use super::faults::Faults;
use crate::contract::EventSource;
use crate::contract::events::{self, Verdict};

/// What to say about a name: code, severity, detail.
type Finding = (&'static str, Severity, Cow<'static, str>);

/// The event name of each row: the column's, else the setting's.
pub(super) fn column(
    column: Option<&StringViewArray>,
    setting: Option<&str>,
    sources: &RowSources,
    name: &Arc<str>,
    faults: &mut Faults,
) -> StringViewArray {
    let mut findings: HashMap<(&str, EventSource), Option<Finding>> = HashMap::new();
    let mut builder = StringViewBuilder::with_capacity(sources.len());
    for (row, source) in sources.iter().enumerate() {
        let event = column.and_then(|texts| cells::text(texts, row)).or(setting);
        builder.append_option(event);
        let Some(event) = event else {
            faults.refuse(row, Some(name), "PB3016", "is missing", None);
            continue;
        };
        let Some(source) = *source else { continue };
        match findings.entry((event, source)).or_insert_with(|| judge(event, source)) {
            None => {}
            Some((code, Severity::Warn, detail)) => faults.warn(row, Some(name), code, detail.clone(), Some(event)),
            Some((code, Severity::Reject, detail)) => faults.refuse(row, Some(name), code, detail.clone(), Some(event)),
        }
    }
    builder.finish()
}

fn judge(event: &str, source: EventSource) -> Option<Finding> {
    let refusal = if source == EventSource::Offline { "PB3017" } else { "PB3019" };
    Some(match events::judge(event, source) {
        Verdict::Standard | Verdict::Custom => return unusual(event, source),
        Verdict::Legacy { now: Some(now) } => ("PB3021", Severity::Warn, format!("is an old name, now `{now}`").into()),
        Verdict::Legacy { now: None } => ("PB3021", Severity::Warn, "is an old name that ends in 2027".into()),
        Verdict::Reserved { becomes } => {
            ("PB3020", Severity::Warn, format!("is a reserved name that becomes `{becomes}`").into())
        }
        Verdict::Misspelt { suggestion } if source == EventSource::Offline => {
            (refusal, Severity::Reject, format!("is misspelt; did you mean `{suggestion}`?").into())
        }
        Verdict::Misspelt { suggestion } => (
            "PB3020",
            Severity::Warn,
            format!("is a custom name close to another; did you mean `{suggestion}`?").into(),
        ),
        Verdict::NotAllowed { suggestion: Some(suggestion) } => {
            (refusal, Severity::Reject, format!("is not allowed; did you mean `{suggestion}`?").into())
        }
        Verdict::NotAllowed { suggestion: None } => (refusal, Severity::Reject, "is not allowed".into()),
    })
}

fn unusual(event: &str, source: EventSource) -> Option<Finding> {
    (source == EventSource::Offline && !events::is_listed_offline(event))
        .then(|| ("PB3018", Severity::Warn, "is not listed for offline event sets".into()))
}
