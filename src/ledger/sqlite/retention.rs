//! Forgets what can never be sent again, and raises the epoch of an opening.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::about::About;
use super::load::{Loaded, Mixed};
use super::row::{Batch, Checksum};
use crate::event::EventKey;

/// Seconds beyond the greatest age of an event for which it is remembered: TikTok's 48 hours and a day.
pub(super) const MARGIN: i64 = 3 * 86_400;
/// The file is shortened when more than this share of its pages, one in so many, is free.
const FREE_PAGES: i64 = 4;

/// Deletes the batches whose events are all older than `before`, unless something about them is undecided, and writes
/// `about` with its new epoch.
pub(super) fn forget(
    connection: &mut Connection,
    about: &mut About,
    loaded: &Loaded,
    before: i64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let deleted = delete(&transaction, about, loaded, before)?;
    about.write(&transaction)?;
    transaction.commit()?;
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    if deleted && number("PRAGMA freelist_count")? * FREE_PAGES > number("PRAGMA page_count")? {
        // A pragma that steps: one row for each page.
        let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// Whether any batch was deleted.
fn delete(transaction: &Transaction<'_>, about: &mut About, loaded: &Loaded, before: i64) -> rusqlite::Result<bool> {
    let is_decided = |key: &EventKey| loaded.standings.of(key).first_attempt().is_none();
    let (mut gone, mut stay): (Vec<_>, Vec<_>) =
        loaded.mixed.iter().partition(|mixed| mixed.last_event < before && mixed.keys.iter().all(is_decided));
    // What decided an event must not be forgotten before what put it in doubt.
    let mut linked = HashSet::new();
    let mut staying = HashSet::new();
    while !stay.is_empty() {
        staying.extend(stay.iter().map(|mixed| mixed.id));
        linked.extend(stay.iter().flat_map(|mixed| mixed.keys.iter().copied()));
        (stay, gone) = gone.into_iter().partition(|mixed: &&Mixed| mixed.keys.iter().any(|key| linked.contains(key)));
    }
    let gone: HashSet<i64> = gone.iter().map(|mixed| mixed.id).collect();
    let sql = format!("SELECT {} FROM batches b WHERE b.last_event < ?1", Batch::COLUMNS);
    let mut doomed = Vec::new();
    let mut latest = None;
    let mut statement = transaction.prepare(&sql)?;
    let mut rows = statement.query([before])?;
    while let Some(row) = rows.next()? {
        let (batch, _) = Batch::read(row)?;
        let is_linked = !linked.is_empty() && batch.event_keys().any(|key| linked.contains(&key));
        if gone.contains(&batch.id) || !staying.contains(&batch.id) && !is_linked {
            latest = latest.max(Some(batch.last_event));
            about.batches = about.batches.saturating_sub(1);
            doomed.push(batch.id);
        }
    }
    for id in &doomed {
        for sql in [
            "DELETE FROM batches WHERE id = ?1 RETURNING checksum",
            "DELETE FROM endings WHERE batch = ?1 RETURNING checksum",
        ] {
            let mut statement = transaction.prepare_cached(sql)?;
            for checksum in statement.query_map([id], |row| row.get(0).map(Checksum))? {
                about.total = about.total.minus(checksum?);
            }
        }
    }
    about.forgotten_before = about.forgotten_before.max(latest.map(|latest| latest + 1));
    Ok(!doomed.is_empty())
}
