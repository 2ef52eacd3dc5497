//! The findings as workflow commands, which GitHub shows beside the lines they are about.

use std::borrow::Cow;

use super::{Examined, Report};
use crate::query::Diagnosis;

/// One command a finding, and the totals.
pub(super) fn commands(report: &Report) -> String {
    let mut text: String = report.diagnoses().map(|(file, diagnosis)| command(file, diagnosis)).collect();
    text += &report.totals();
    text.push('\n');
    text
}

fn command(file: &Examined, diagnosis: &Diagnosis) -> String {
    let place = diagnosis.location.as_ref().map_or_else(String::new, |at| {
        let end = at.column + at.width;
        format!(",line={},endLine={},col={},endColumn={end}", at.line, at.line, at.column)
    });
    let (level, rule) = (diagnosis.severity.as_str(), diagnosis.rule);
    let title = format!("{} {}", rule.code, rule.slug);
    let message = format!("{}\n{}\nhelp: {}", diagnosis.message, rule.why, diagnosis.help);
    format!("::{level} file={}{place},title={}::{}\n", property(&file.path), property(&title), escaped(&message))
}

/// A value in front of the second `::`.
fn property(value: &str) -> String {
    escaped(value).replace(':', "%3A").replace(',', "%2C")
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '\r', '\n']) {
        return text.into();
    }
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_value_is_escaped() {
        assert_eq!(property("a,b:c%\r\n"), "a%2Cb%3Ac%25%0D%0A");
        assert_eq!(escaped("a: 5 %, b\nc"), "a: 5 %25, b%0Ac");
    }
}
