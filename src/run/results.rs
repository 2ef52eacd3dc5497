//! The account in the form that documents have.

use super::{Account, Tally};
use crate::contract::responses;
use crate::query::RowNumbers;
use crate::report;

impl Account {
    /// The account as documents show it; of a query whose rows have no `numbers`, without them.
    #[must_use]
    pub fn document(&self, numbers: &RowNumbers) -> report::Account {
        let rows = |examples: &[u64]| if numbers.are_given() { examples.to_vec() } else { Vec::new() };
        let faults = self.tally.faults_by_weight().into_iter().map(|(column, fault)| report::Fault {
            code: fault.rule.code,
            slug: fault.rule.slug,
            severity: fault.severity.effect(),
            column: Some(column.to_owned()).filter(|column| !column.is_empty()),
            message: fault.detail.clone(),
            help: fault.rule.fix,
            events: fault.count,
            rows: rows(&fault.examples),
        });
        let refusals = self.tally.refusals.iter().map(|((code, field), refused)| report::Refusal {
            code: *code,
            message: responses::meaning(*code),
            field: *field,
            events: refused.count,
            earlier: refused.earlier,
            request_id: refused.request_id.clone(),
            rows: rows(&refused.examples),
        });
        report::Account {
            counts: counts(&self.tally),
            seconds: self.elapsed.as_secs_f64(),
            delivery: self.report.as_ref().map(|report| report::Delivery {
                requests: report.requests,
                retries: report.retries,
                throttles: report.throttles,
                throttled_seconds: report.throttled.as_secs_f64(),
                bytes_sent: report.bytes_sent,
                codes: report.codes.clone(),
            }),
            forgotten: self.tally.forgotten,
            overlapping: self.tally.overlapping,
            unresolved: self.unresolved,
            unread_rows: self.tally.unread.rows,
            unread: self.unread.documents(),
            unread_files: self.unread.file_documents(),
            unread_members: self.unread.member_documents(),
            faults: faults.collect(),
            refusals: refusals.collect(),
            readiness: self.readiness.clone(),
        }
    }
}

fn counts(tally: &Tally) -> report::Counts {
    report::Counts {
        rows: tally.rows,
        folded: tally.folded,
        events: tally.events,
        accepted: tally.accepted,
        already_accepted: tally.already_accepted,
        rejected: tally.rejected,
        out_of_window: tally.out_of_window,
        held: tally.held,
        unsent: tally.unsent,
    }
}
