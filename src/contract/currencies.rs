//! Currency codes: the 62 that the Events API documents, and the active list of ISO 4217.
//!
//! The active list is table A.1 of the standard. The crate behind it also knows withdrawn codes, each marked as
//! superseded (`HRK`, `BGN`, `CUC`, `SLL`, `ZWL`): they are left out. `VES` carries that mark too, though the standard
//! still lists it beside `VED`; it is one of the 62, which always count. Fund codes and precious metals are on the list
//! and stay; `XTS` (for testing) and `XXX` (no currency) are on it as well, but no amount can be in them.

use iso_currency::Currency;

use super::Citation;

/// The codes that the Events API documents, in alphabetical order.
pub const CONTRACT: [&str; 62] = [
    "AED", "ARS", "AUD", "BDT", "BHD", "BIF", "BOB", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CRC", "CZK", "DKK",
    "DZD", "EGP", "EUR", "GBP", "GTQ", "HKD", "HNL", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KHR", "KRW",
    "KWD", "KZT", "MAD", "MOP", "MXN", "MYR", "NGN", "NIO", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "PYG",
    "QAR", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VES", "VND", "ZAR",
];

/// Source of [`CONTRACT`].
pub const CITATION: Citation = Citation::certain("D1, D3, P1, P4 (R51)");

/// Codes of the active list that no amount can be in.
const NO_MONEY: [&str; 2] = ["XTS", "XXX"];

/// Whether the Events API documents `code`, written in upper case.
#[must_use]
pub fn is_contract(code: &str) -> bool {
    CONTRACT.binary_search(&code).is_ok()
}

/// Whether `code` is an active ISO 4217 code or one of [`CONTRACT`], in exactly its canonical form.
#[must_use]
pub fn is_iso4217(code: &str) -> bool {
    active(code).is_some()
}

/// The code that `text` means, whatever its case and the blanks around it.
#[must_use]
pub fn repair(text: &str) -> Option<&'static str> {
    let mut code: [u8; 3] = text.trim().as_bytes().try_into().ok()?;
    code.make_ascii_uppercase();
    active(std::str::from_utf8(&code).ok()?)
}

/// Digits behind the point of an amount in `code`, by ISO 4217: 2 for `EUR`, none for `JPY`. Nothing is known of codes
/// that have no smallest coin, such as that of gold.
#[must_use]
pub fn decimals(code: &str) -> Option<usize> {
    Currency::from_code(code)?.exponent().map(usize::from)
}

fn active(code: &str) -> Option<&'static str> {
    if let Ok(index) = CONTRACT.binary_search(&code) {
        return Some(CONTRACT[index]);
    }
    let currency = Currency::from_code(code)?;
    let listed = currency.is_superseded().is_none() && !NO_MONEY.contains(&code);
    listed.then(|| currency.code())
}

#[cfg(test)]
mod tests {
    use iso_currency::IntoEnumIterator;

    use super::*;

    #[test]
    fn the_62_are_sorted_distinct_and_all_canonical() {
        assert!(CONTRACT.is_sorted_by(|left, right| left < right));
        assert!(CONTRACT.iter().all(|code| is_iso4217(code) && is_contract(code)));
    }

    #[test]
    fn the_active_list_leaves_out_withdrawn_codes_and_those_without_money() {
        let dropped: Vec<_> =
            Currency::iter().map(|currency| currency.code()).filter(|code| !is_iso4217(code)).collect();
        assert_eq!(dropped, ["BGN", "CUC", "HRK", "SLL", "XTS", "XXX", "ZWL"]);
        for code in ["VES", "VED", "SLE", "ZWG", "XCG", "XOF", "CLF", "XAU"] {
            assert!(is_iso4217(code), "{code}");
        }
        for code in ["ANG", "DEM", "FRF", "VEF", "BTC", "ZZZ", ""] {
            assert!(!is_iso4217(code), "{code}");
        }
    }

    #[test]
    fn every_currency_of_the_62_has_its_decimals() {
        assert!(CONTRACT.iter().all(|code| decimals(code).is_some()));
        let of = |code| decimals(code);
        assert_eq!(
            ["EUR", "USD", "ISK", "JPY", "KRW", "CLP"].map(of),
            [Some(2), Some(2), Some(0), Some(0), Some(0), Some(0)]
        );
        assert_eq!(["KWD", "BHD", "OMR", "XAU", "ZZZ"].map(of), [Some(3), Some(3), Some(3), None, None]);
    }

    #[test]
    fn repairs_case_and_blanks_only() {
        assert_eq!(repair(" usd\n"), Some("USD"));
        assert_eq!(repair("Afn"), Some("AFN"));
        for text in ["", "$", "US", "US D", "dollar", "€", "éu", "hrk", "xxx"] {
            assert_eq!(repair(text), None, "{text}");
        }
        assert!(!is_iso4217("usd") && !is_iso4217(" USD"));
    }
}
