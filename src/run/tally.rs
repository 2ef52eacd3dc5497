//! The account of a run: every row and every event is in exactly one place, or the run does not call itself a success.

use std::collections::{BTreeMap, BTreeSet};

use super::unread::UnreadCounts;
use crate::event::{EncodedEvent, EventKey, Outcome, Refusal};
use crate::validate::survey::Finding;
use crate::validate::{Rule, Severity, Violation, rule};

/// Distinct faults that are kept; a query has far fewer columns × rules than this.
const MAX_FAULTS: usize = 1_000;
/// Row numbers that are kept of one fault, as examples.
const MAX_EXAMPLES: usize = 3;

/// Counts of rows and events, and the faults behind the rejects.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rows of the query's result.
    pub rows: u64,
    /// Rows beyond the first of a folded event, and rows that repeat an event exactly.
    pub folded: u64,
    /// Events: rows less those folded.
    pub events: u64,
    /// The API answered with code 0.
    pub accepted: u64,
    /// On record as accepted before this run.
    pub already_accepted: u64,
    /// Refused here by a rule, or there for what they contain.
    pub rejected: u64,
    /// Too old: offline events older than the API matches, and those counted below.
    pub out_of_window: u64,
    /// Possibly accepted, and not safe to repeat.
    pub held: u64,
    /// Not known to be accepted, and safe to send again.
    pub unsent: u64,
    /// Of those out of window: so old that the ledger may have forgotten whether they were accepted.
    pub forgotten: u64,
    /// Of those out of window: so old that TikTok may count them beside what a browser's pixel sent.
    pub overlapping: u64,
    /// The events that an earlier run left in doubt or held, wherever they are now.
    pub revisited: BTreeSet<EventKey>,
    /// What was left out of the sources, and so is in none of the places.
    pub unread: UnreadCounts,
    /// Faults by rule, what it did to its rows, and column.
    pub faults: BTreeMap<(&'static str, Severity, String), Fault>,
    /// Refusals by the API, by code and the field it named.
    pub refusals: BTreeMap<(i64, Option<&'static str>), Refused>,
}

/// Events that the API refused for one reason.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// How many.
    pub count: u64,
    /// How many of these were refused in an earlier run, and not offered again.
    pub earlier: u64,
    /// `request_id` of the first, for TikTok's support.
    pub request_id: Option<String>,
    /// Numbers of the first rows, from 1.
    pub examples: Vec<u64>,
}

impl Refused {
    fn count(&mut self, event: &EncodedEvent) {
        self.count += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(event.row + 1);
        }
    }
}

/// How often a rule was broken in a column.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The rule.
    pub rule: &'static Rule,
    /// Whether it rejected its rows, or only warned.
    pub severity: Severity,
    /// How often.
    pub count: u64,
    /// What one of the violations says.
    pub detail: String,
    /// Numbers of the first rows, from 1; none for a fault of the result as a whole, which belongs to no row.
    pub examples: Vec<u64>,
    last_row: Option<u64>,
}

impl Tally {
    /// Whether every row and every event is accounted for.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.rows == self.events + self.folded
            && self.events
                == self.accepted + self.already_accepted + self.rejected + self.out_of_window + self.held + self.unsent
    }

    /// Counts what became of one event that was offered for delivery.
    pub fn settle(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::Rejected(_) => &mut self.rejected,
            Outcome::Unsent | Outcome::InDoubt => &mut self.unsent,
            Outcome::Held => &mut self.held,
        } += 1;
    }

    /// Keeps why the API refused `event`, if it did.
    pub fn refuse(&mut self, outcome: &Outcome, event: &EncodedEvent) {
        let Outcome::Rejected(Refusal { code, field, request_id }) = outcome else { return };
        let first = || Refused { request_id: request_id.clone(), ..Refused::default() };
        self.refusals.entry((*code, *field)).or_insert_with(first).count(event);
    }

    /// Keeps that an earlier run had `event` refused with `code`.
    pub(super) fn refuse_again(&mut self, code: i64, event: &EncodedEvent) {
        let refused = self.refusals.entry((code, None)).or_default();
        refused.count(event);
        refused.earlier += 1;
    }

    /// Rejected events that this run found to be so: all but those that an earlier run had refused.
    #[must_use]
    pub fn newly_rejected(&self) -> u64 {
        self.rejected.saturating_sub(self.refusals.values().map(|refused| refused.earlier).sum())
    }

    /// Adds the refusals of another account.
    pub(super) fn add_refusals(&mut self, others: &Self) {
        for (reason, other) in &others.refusals {
            let refused = self.refusals.entry(*reason).or_default();
            refused.count += other.count;
            refused.earlier += other.earlier;
            refused.request_id = refused.request_id.take().or_else(|| other.request_id.clone());
            refused.examples.extend(&other.examples);
            refused.examples.truncate(MAX_EXAMPLES);
        }
    }

    /// Counts a fault of `rows` rows, of which `violation` is one.
    pub fn record(&mut self, violation: &Violation, rows: u64) {
        let column = violation.column.as_deref().unwrap_or_default().to_owned();
        let key = (violation.rule.code, violation.severity, column);
        if self.faults.len() >= MAX_FAULTS && !self.faults.contains_key(&key) {
            return;
        }
        let fault = self.faults.entry(key).or_insert_with(|| Fault {
            rule: violation.rule,
            severity: violation.severity,
            count: 0,
            detail: violation.detail.to_string(),
            examples: Vec::new(),
            last_row: None,
        });
        // A row with several bad items is one event.
        if fault.last_row == Some(violation.row) {
            return;
        }
        fault.last_row = Some(violation.row);
        fault.count += rows;
        if fault.examples.len() < MAX_EXAMPLES {
            fault.examples.push(violation.row + 1);
        }
    }

    /// Adds a fault of the result as a whole.
    pub fn note(&mut self, finding: &Finding) {
        let fault = Fault {
            rule: finding.rule,
            severity: finding.rule.severity,
            count: finding.events,
            detail: finding.detail.clone(),
            examples: Vec::new(),
            last_row: None,
        };
        self.faults.insert((finding.rule.code, finding.rule.severity, finding.column.to_owned()), fault);
    }

    /// Adds that the query returned nothing, if so.
    pub(super) fn note_emptiness(&mut self) {
        if self.rows == 0 {
            let rule = rule("PB3118").expect("the rules of the result are rows of RULES");
            self.note(&Finding { rule, column: "", events: 0, detail: "the query returned no rows".to_owned() });
        }
    }

    /// Adds that casts rounded values of the sources to decimals of some types.
    pub(super) fn note_rounding(&mut self, rounded: &BTreeMap<String, u64>) {
        if rounded.is_empty() {
            return;
        }
        let rule = rule("PB2026").expect("the rules of the plan are rows of RULES");
        let types: Vec<&str> = rounded.keys().map(String::as_str).collect();
        // The engine may cast a value twice.
        let events = rounded.values().sum::<u64>().min(self.events.max(1));
        let detail = format!("casts to {} rounded values of the source", types.join(" and "));
        self.note(&Finding { rule, column: "", events, detail });
    }

    /// Faults that rejected rows, then those that warned, the more frequent first.
    #[must_use]
    pub fn faults_by_weight(&self) -> Vec<(&str, &Fault)> {
        let mut faults: Vec<_> = self.faults.iter().map(|((.., column), fault)| (column.as_str(), fault)).collect();
        faults.sort_by_key(|(_, fault)| (std::cmp::Reverse(fault.severity), std::cmp::Reverse(fault.count)));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_rejects_one_row_and_warns_of_another_is_counted_as_both() {
        let rule = crate::validate::rule("PB3009").expect("the rule is a row of RULES");
        let mut tally = Tally::default();
        for (row, severity) in [Severity::Warn, Severity::Reject, Severity::Warn].into_iter().enumerate() {
            let (column, detail) = (Some("event_source_id".into()), "is odd".into());
            tally.record(&Violation { row: row as u64, column, rule, severity, detail, shape: String::new() }, 1);
        }
        let faults = tally.faults_by_weight();
        let counts: Vec<_> = faults.iter().map(|(_, fault)| (fault.severity, fault.count, &*fault.examples)).collect();
        assert_eq!(counts, [(Severity::Reject, 1, &[2][..]), (Severity::Warn, 2, &[1, 3][..])]);
    }

    #[test]
    fn an_event_in_no_place_unbalances_the_account() {
        let mut tally = Tally { rows: 5, folded: 1, events: 4, rejected: 1, ..Tally::default() };
        tally.settle(&Outcome::Accepted);
        tally.settle(&Outcome::Unsent);
        assert!(!tally.is_balanced());
        tally.settle(&Outcome::Held);
        assert!(tally.is_balanced());
        tally.rows += 1;
        assert!(!tally.is_balanced());
    }
}
