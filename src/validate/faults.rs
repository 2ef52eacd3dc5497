//! Collects the faults of one record batch and what they do to its rows.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::cells::Scope;
use super::rows::Policy;
use super::{Severity, Violation, rule, shape};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing speaks against it.
    Accepted,
    /// A fault refuses it.
    Rejected,
    /// Too old to be sent, which is no fault of the row: it outweighs every fault.
    OutOfWindow,
}

/// The faults of one record batch.
pub(super) struct Faults {
    first_row: u64,
    reject_bad_optional: bool,
    restricts_personal: bool,
    fates: Vec<Fate>,
    violations: Vec<Violation>,
}

impl Faults {
    pub(super) fn new(first_row: u64, rows: usize, policy: &Policy) -> Self {
        let Policy { reject_bad_optional, restricts_personal, .. } = *policy;
        let fates = vec![Fate::Accepted; rows];
        Self { first_row, reject_bad_optional, restricts_personal, fates, violations: Vec::new() }
    }

    /// Records a fault that refuses the row.
    pub(super) fn refuse(
        &mut self,
        row: usize,
        column: Option<&Arc<str>>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        value: Option<&str>,
    ) {
        self.record(row, column, code, Severity::Reject, detail.into(), value);
    }

    /// Records a finding that lets the row pass.
    pub(super) fn warn(
        &mut self,
        row: usize,
        column: Option<&Arc<str>>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        value: Option<&str>,
    ) {
        self.record(row, column, code, Severity::Warn, detail.into(), value);
    }

    /// Records a value that cannot be sent as it is: the row is refused where the field is required or the policy says so,
    /// otherwise the caller leaves the value out, mends it, or sends it on record. Gives what it did to the row.
    pub(super) fn bad(
        &mut self,
        scope: &Scope<'_>,
        cell: usize,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        value: Option<&str>,
    ) -> Severity {
        let severity = if self.reject_bad_optional || scope.requires(cell) { Severity::Reject } else { Severity::Warn };
        self.record(scope.row(cell), Some(scope.column), code, severity, detail.into(), value);
        severity
    }

    /// Records personal data in a field that is sent in plain form.
    pub(super) fn personal(&mut self, row: usize, column: &Arc<str>, detail: String, value: &str) {
        let severity = if self.restricts_personal { Severity::Reject } else { Severity::Warn };
        self.record(row, Some(column), "PB3120", severity, detail.into(), Some(value));
    }

    /// Marks a row as too old to be sent.
    pub(super) fn out_of_window(&mut self, row: usize) {
        self.fates[row] = Fate::OutOfWindow;
    }

    /// How many values of rows in the window violate a rule so far.
    pub(super) fn count(&self, code: &str) -> u64 {
        let is_in_window = |violation: &&Violation| {
            let row = usize::try_from(violation.row - self.first_row).ok();
            row.is_some_and(|row| self.fates[row] != Fate::OutOfWindow)
        };
        self.violations.iter().filter(|violation| violation.rule.code == code).filter(is_in_window).count() as u64
    }

    /// The rows in which one of `columns` violates a rule so far.
    pub(super) fn rows_of(&self, columns: &[&str]) -> BTreeSet<usize> {
        let is_of = |violation: &&Violation| violation.column.as_deref().is_some_and(|name| columns.contains(&name));
        let position = |violation: &Violation| usize::try_from(violation.row - self.first_row).ok();
        self.violations.iter().filter(is_of).filter_map(position).collect()
    }

    pub(super) fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// The violations in row order, without those of rows out of the window, which nobody has to repair.
    pub(super) fn into_violations(self) -> Vec<Violation> {
        let Self { first_row, fates, mut violations, .. } = self;
        if fates.contains(&Fate::OutOfWindow) {
            let position = |violation: &Violation| usize::try_from(violation.row - first_row).ok();
            violations.retain(|violation| position(violation).is_none_or(|row| fates[row] != Fate::OutOfWindow));
        }
        violations.sort_by_key(|violation| violation.row);
        violations
    }

    fn record(
        &mut self,
        row: usize,
        column: Option<&Arc<str>>,
        code: &'static str,
        severity: Severity,
        detail: Cow<'static, str>,
        value: Option<&str>,
    ) {
        if severity == Severity::Reject && self.fates[row] == Fate::Accepted {
            self.fates[row] = Fate::Rejected;
        }
        self.violations.push(Violation {
            row: self.first_row + row as u64,
            column: column.cloned(),
            rule: rule(code).expect("a code that judges rows is in the table"),
            severity,
            detail,
            shape: value.map(shape).unwrap_or_default(),
        });
    }
}
