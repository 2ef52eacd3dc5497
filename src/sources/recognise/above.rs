//! Lines above a table.
//!
//! Programs write titles, settings and empty rows above the header line. They have other numbers of fields than the records
//! below them, or hardly a value, and are counted here, to be named and never to be taken for names.

use super::super::header::{self, Look};
use super::super::window::{LineEnds, lines};
use super::dialect::Record;

/// Records above a table that are told from its rows.
const MAX_ABOVE: usize = 20;

/// Lines above the records of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Above {
    /// How many there are.
    pub(in crate::sources) lines: u64,
    /// The fields of the first record among them, and whether a value stands in two of them.
    pub(in crate::sources) fields: usize,
    pub(in crate::sources) has_values: bool,
    /// The fields of the records below them.
    pub(in crate::sources) below: usize,
}

impl Above {
    /// What stands in `text` above the record `begin` of `records`; none where that is the first.
    pub(super) fn of(records: &[Record], begin: usize, text: &[u8]) -> Option<Self> {
        let record = records.get(begin).filter(|_| begin > 0)?;
        Some(Self {
            lines: lines(&text[..record.begin], LineEnds::All),
            fields: records[0].fields.len(),
            has_values: records[0].values() > 1,
            below: record.fields.len(),
        })
    }
}

/// The first of `records` that names columns or is a row: those above it are none of the table that `texts` spell.
pub(super) fn table_begin(records: &[Record], texts: &[Vec<String>]) -> usize {
    let Some(begin) = first_usual(records) else { return 0 };
    let width = records[begin].fields.len();
    let is_short = records[..begin].iter().all(|record| record.fields.len() * 2 <= width);
    // A first record of another width may also be a header line at fault.
    if begin > 0 && !is_short && header::look(&texts[begin], &texts[begin + 1..]) != Look::Names {
        return 0;
    }
    // A title in its first cell, or a row without a value, as spreadsheets write them.
    let is_title = |record: &Record| record.values() == 0 || record.values() == 1 && record.fields.len() > 2;
    let below = begin + records[begin..].iter().take_while(|record| is_title(record)).count();
    let has_table = below - begin <= MAX_ABOVE && records.len() > below + 1 && records[below].values() > 1;
    if has_table { below } else { begin }
}

/// The first of `records` that most of those from it on are as wide as; none if there is none near the beginning.
pub(super) fn first_usual(records: &[Record]) -> Option<usize> {
    (0..records.len().saturating_sub(1).min(MAX_ABOVE + 1)).find(|begin| {
        let (first, rest) = (&records[*begin], &records[*begin..]);
        let alike = rest.iter().filter(|record| !record.is_faulty && record.fields.len() == first.fields.len()).count();
        first.fields.len() > 1 && !first.is_faulty && alike > 1 && alike * 2 > rest.len()
    })
}

#[cfg(test)]
mod tests {
    use super::super::dialect::signs;
    use crate::sources::declared::Given;

    #[test]
    fn lines_above_the_table_are_counted() {
        for (head, expected) in [
            ("Parameters:TimeZone=US/Eastern\na,b,c\n1,2,3\n4,5,6\n", Some((1, 1, 3))),
            ("Sales report\r\nfrom 2026-11-01\r\n\r\na,b,c\r\n1,2,3\r\n", Some((3, 1, 3))),
            ("\n\nSales\n\na;b\n1;2\n3;4\n", Some((4, 1, 2))),
            ("Report,2026-11-01\n,\na,b,c,d,e\n1,x,2,3,4\n", Some((2, 2, 5))),
            ("Sales report,,,\n,,,\nid,b,c,d\n1,2,3,4\n", Some((2, 4, 4))),
            (",,\na,b,c\n1,2,3\n", Some((1, 3, 3))),
            ("Customer,Report,Daily\nid,at,total,tax\n1,2026-11-01,3,4\n2,2026-11-01,3,4\n", Some((1, 3, 4))),
            ("\"A, title\"\na,b,c\n1,2,3\n", Some((1, 1, 3))),
            ("# made by x\na\tb\tc\n1\t2\t3\n", Some((1, 1, 3))),
            ("a,b,c\n1,2,3\n4,5\n", None),
            ("\n\na,b,c\n1,2,3\n4,5,6\n", None),
            ("a,b,c,\n1,2,3\n4,5,6\n", None),
            ("a,b\n1,2,3\n4,5,6\n", None),
            ("a,b\n1,2,\n4,5,\n", None),
            ("note\nhello, world\nbye\nnow\n", None),
            ("a,b,c\n,,\n1,,\n2,3,4\n", None),
            ("a\n1\n2\n", None),
        ] {
            let above = signs(head.as_bytes(), false, &Given::default()).above;
            assert_eq!(above.map(|above| (above.lines, above.fields, above.below)), expected, "{head}");
        }
        let bare = Given { has_header: Some(false), ..Given::default() };
        assert_eq!(signs(b"title\n1,2,3\n4,5,6\n", false, &bare).above, None);
    }
}
