//! Rows with known faults among good ones, the same each time.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::spoil::{FAULTS, Fault, set, set_time};
use super::{Expected, Fate, NOW, ROWS, Row, Rows};

/// Xorshift: the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// A row that nothing is wrong with.
fn good(number: usize, source: &'static str, is_typed: bool, chance: &mut Chance) -> Row {
    let mut row = Row::new();
    let text =
        |row: &mut Row, cells: &[(&'static str, &str)]| cells.iter().for_each(|(name, cell)| set(row, name, cell));
    text(&mut row, &[("event_source", source), ("event", "Purchase"), ("currency", "USD"), ("quantity", "2")]);
    set(&mut row, "order_id", &format!("A{number:05}"));
    set(&mut row, "email", &format!("marta.{number}@northwind-shop.de"));
    set(&mut row, "phone", &format!("+49151{}", 20_000_000 + chance.below(70_000_000)));
    set(&mut row, "content_id", &format!("SKU-{}", chance.below(500)));
    // What formats have to quote, and what people write.
    let names = ["Tea", "Tea, \"green\"", "Kännchen\nzu zweit", "お茶 🍵", "O'Neil; 1|2", "null", "\\\"", " Tea "];
    set(&mut row, "content_name", names[chance.below(names.len())]);
    let cents = 50 + chance.below(100_000);
    set(&mut row, "price", &format!("{}.{:02}", cents / 100, cents % 100));
    set(&mut row, "value", &format!("{}.{:02}", cents * 2 / 100, cents * 2 % 100));
    let seconds = NOW - i64::try_from(chance.below(27 * 86_400)).unwrap();
    set_time(&mut row, seconds);
    if !is_typed {
        match chance.below(4) {
            0 => set(&mut row, "timestamp", &seconds.to_string()),
            1 => set(&mut row, "timestamp", &format!("{seconds}123")),
            2 => {
                let ahead = Timestamp::from_second(seconds + 7_200).unwrap().to_string();
                set(&mut row, "timestamp", &ahead.replace('Z', ".5+02:00"));
            }
            _ => {}
        }
    }
    match source {
        "offline" => text(&mut row, &[("event_source_id", "7654321098765432109"), ("event_channel", "in_store")]),
        "web" => text(
            &mut row,
            &[
                ("event_source_id", "C8NQ3HBRSFQ5DH6G4T5G"),
                ("page_url", "https://northwind-shop.de/danke?o=1&p=ü"),
                ("ip", "203.0.113.24"),
                ("agent", "Mozilla/5.0 (X11; Linux x86_64)"),
                ("external_id", "C-17"),
                ("country", "de"),
                ("city", "köln"),
                ("locale", "de-DE"),
                ("customer_type", "returning"),
            ],
        ),
        "app" => text(
            &mut row,
            &[
                ("event_source_id", "7123456789012345678"),
                ("app_id", "de.northwind.shop"),
                ("ip", "2a00:1450::5"),
                ("agent", "Shop/7 (iPhone)"),
                ("idfa", "6D92078A-8246-4BA4-AE5B-76104861E7DC"),
                ("att_status", "AUTHORIZED"),
                ("is_retargeting", "false"),
            ],
        ),
        _ => text(
            &mut row,
            &[("event_source_id", "7000000000000000017"), ("lead_id", "L-4711"), ("external_id", "C-18")],
        ),
    }
    row
}

/// Rows of every fault, of every source, and of faults between rows, in a random order.
pub(super) fn generate(is_typed: bool, rejects_optional: bool) -> Rows {
    let mut chance = Chance(0x00c0_ffee_5eed);
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.is_typed || !is_typed).collect();
    let mut next_fault = faults.iter().cycle();
    let mut rows: Vec<(Row, Expected)> = Vec::new();
    while rows.len() < ROWS {
        let number = rows.len();
        let source = ["offline", "web", "app", "crm"][chance.below(4)];
        let expect = |name, row: &Row| Expected { name, order: row.get("order_id").cloned(), ..Expected::default() };
        match chance.below(20) {
            0 => {
                let row = good(number, source, is_typed, &mut chance);
                for copy in 0..=1 + chance.below(2) {
                    let fate = if copy > 0 { Fate::Folded } else { Fate::Arrives };
                    let expected = Expected { fate, ..expect("a row that comes again", &row) };
                    rows.push((row.clone(), expected));
                }
            }
            1 => {
                let row = good(number, source, is_typed, &mut chance);
                let expected = Expected { fate: Fate::Conflicts, ..expect("an id of several orders", &row) };
                for copy in 0..2 + chance.below(2) {
                    let mut other = row.clone();
                    set(&mut other, "description", &format!("part {copy}"));
                    rows.push((other, expected.clone()));
                }
                // A repeat of one of them is refused with them.
                if chance.below(2) == 0 {
                    rows.push(rows[number].clone());
                }
            }
            2 => {
                // A row that is refused for itself does not take the good row of the same order with it.
                let row = good(number, source, is_typed, &mut chance);
                let mut bad = row.clone();
                set(&mut bad, "value", "-5");
                let expected = Expected {
                    fate: Fate::Refused,
                    findings: BTreeSet::from([("PB3049", "reject")]),
                    ..expect("a refund of the same order", &bad)
                };
                rows.push((bad, expected));
                let expected = expect("an order with a refund", &row);
                rows.push((row, expected));
            }
            3..=10 => {
                let fault = next_fault.next().unwrap();
                let mut row = good(number, fault.source, is_typed, &mut chance);
                (fault.spoil)(&mut row);
                let mut expected = expect(fault.name, &row);
                let dropped = if rejects_optional { "reject" } else { "warn" };
                expected.findings.extend(fault.refuses.iter().map(|code| (*code, "reject")));
                expected.findings.extend(fault.drops.iter().map(|code| (*code, dropped)));
                expected.findings.extend(fault.warns.iter().map(|code| (*code, "warn")));
                let is_refused = expected.findings.iter().any(|(_, severity)| *severity == "reject");
                expected.fate = match (fault.is_too_old, is_refused) {
                    (true, _) => Fate::TooOld,
                    (false, true) => Fate::Refused,
                    (false, false) => Fate::Arrives,
                };
                rows.push((row, expected));
            }
            _ => {
                let row = good(number, source, is_typed, &mut chance);
                let expected = expect("a good row", &row);
                rows.push((row, expected));
            }
        }
    }
    for last in (1..rows.len()).rev() {
        rows.swap(last, chance.below(last + 1));
    }
    Rows { is_typed, rows }
}
