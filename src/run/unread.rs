//! What of the sources could not be read, in the account of a run: counted once, though a run reads its sources twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Account, Ports};
use crate::error::Result;
use crate::query::Checked;
use crate::report::{self, Entry, UnreadSourceRow};
use crate::sources::{Damage, Sources, Spot, UnreadFile};
use crate::validate::{Rule, rule};

/// Rows that are kept as examples of one kind.
const MAX_EXAMPLES: usize = 3;
/// Rows that go to the recorder at once.
const AT_ONCE: usize = 8_192;

/// How much of the sources could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadCounts {
    /// Rows.
    pub rows: u64,
    /// Files that were left out as a whole.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Bytes of all files, these among them.
    pub of_bytes: u64,
}

impl UnreadCounts {
    /// Those of `sources`, so far.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let files = sources.unread().files();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let read: u64 = sources.reports().iter().map(|report| report.bytes).sum();
        Self { rows: sources.unread().rows(), files: files.len() as u64, bytes, of_bytes: bytes + read }
    }
}

/// What could not be read, and why.
#[derive(Clone, Debug, Default)]
pub struct UnreadSources {
    /// Rows, by what is wrong with them.
    pub kinds: Vec<UnreadKind>,
    /// Files that were left out as a whole.
    pub files: Vec<UnreadFile>,
    /// Members of JSON objects that were not read, by file: the first rows, which tell the columns, do not have them.
    pub members: Vec<(Arc<str>, Vec<String>)>,
    /// Files that appeared while the sources were read, and were not.
    pub appeared: Vec<String>,
}

/// Rows that could not be read for one reason.
#[derive(Clone, Debug)]
pub struct UnreadKind {
    /// The reason.
    pub rule: &'static Rule,
    /// How many.
    pub rows: u64,
    /// What is wrong with the first.
    pub detail: String,
    /// What is counted to find them: a line, or a row.
    pub place: &'static str,
    /// File and spot of the first.
    pub examples: Vec<(Arc<str>, Spot)>,
}

impl UnreadSources {
    /// What could not be read of `sources`, so far.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let unread = sources.unread();
        let mut kinds: BTreeMap<Damage, UnreadKind> = BTreeMap::new();
        for (file, damage, spots) in unread.spots() {
            let rule = rule_of(damage);
            let kind = kinds.entry(damage).or_insert_with(|| UnreadKind {
                rule,
                rows: 0,
                detail: String::new(),
                place: damage.place(),
                examples: Vec::new(),
            });
            kind.rows += spots.len();
            let room = MAX_EXAMPLES - kind.examples.len();
            kind.examples.extend(spots.iter().take(room).map(|spot| (Arc::clone(&file), spot)));
        }
        for row in unread.examples() {
            if let Some(kind) = kinds.get_mut(&row.damage).filter(|kind| kind.detail.is_empty()) {
                kind.detail = row.detail;
            }
        }
        Self {
            kinds: kinds.into_values().collect(),
            files: unread.files(),
            members: unread.unread_members(),
            appeared: sources.appeared(),
        }
    }

    pub(super) fn documents(&self) -> Vec<report::UnreadRows> {
        let document = |kind: &UnreadKind| report::UnreadRows {
            code: kind.rule.code,
            slug: kind.rule.slug,
            message: kind.detail.clone(),
            help: kind.rule.fix,
            rows: kind.rows,
            examples: kind
                .examples
                .iter()
                .map(|(file, spot)| report::SourceRow {
                    file: file.to_string(),
                    line: spot.line,
                    object: (spot.object > 0).then_some(spot.object + 1),
                })
                .collect(),
        };
        self.kinds.iter().map(document).collect()
    }

    pub(super) fn member_documents(&self) -> Vec<report::UnreadMembers> {
        let document = |(file, members): &(Arc<str>, Vec<String>)| report::UnreadMembers {
            file: file.to_string(),
            members: members.clone(),
        };
        self.members.iter().map(document).collect()
    }

    pub(super) fn file_documents(&self) -> Vec<report::UnreadFile> {
        let document = |file: &UnreadFile| report::UnreadFile {
            file: file.file.to_string(),
            bytes: file.bytes,
            message: file.reason.clone(),
        };
        self.files.iter().map(document).collect()
    }
}

impl Account {
    /// Takes up what could not be read of the sources of `checked`, and keeps every row of it.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::error::ErrorKind) for a session that was made without sources.
    pub async fn note_unread(&mut self, checked: &Checked, ports: &Ports) -> Result<()> {
        let sources = checked.sources()?;
        self.tally.unread = UnreadCounts::of(&sources);
        self.unread = UnreadSources::of(&sources);
        let details: BTreeMap<(Arc<str>, Spot), String> =
            sources.unread().examples().into_iter().map(|row| ((row.file, row.spot), row.detail)).collect();
        for (file, damage, spots) in sources.unread().spots() {
            let mut spots = spots.iter().peekable();
            while spots.peek().is_some() {
                let rows = spots.by_ref().take(AT_ONCE).map(|spot| UnreadSourceRow {
                    file: Arc::clone(&file),
                    line: spot.line,
                    object: (spot.object > 0).then_some(spot.object + 1),
                    rule: rule_of(damage),
                    detail: details.get(&(Arc::clone(&file), spot)).cloned(),
                });
                let rows = rows.collect();
                ports.recorder.keep(Entry::Unread(rows)).await;
            }
        }
        Ok(())
    }
}

/// The rule that a damaged row breaks.
fn rule_of(damage: Damage) -> &'static Rule {
    let code = match damage {
        Damage::Ragged => "PB3401",
        Damage::Quote => "PB3402",
        Damage::Encoding => "PB3403",
        Damage::Nul => "PB3404",
        Damage::TooLong => "PB3405",
        Damage::Json => "PB3406",
        Damage::Type => "PB3407",
        Damage::Shifted => "PB3408",
        Damage::Bytes => "PB3411",
        Damage::Digest => "PB3412",
    };
    rule(code).expect("every code here is a row of RULES, as a test sees to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_has_a_rule_of_its_own() {
        let codes: std::collections::BTreeSet<_> = Damage::ALL.iter().map(|damage| rule_of(*damage).code).collect();
        assert_eq!(codes.len(), Damage::ALL.len());
    }
}
