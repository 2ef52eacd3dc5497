//! What the name of a column says of its values, whatever they look like.

use crate::contract::{Kind, fields};

/// Words of a column name that make it an identity or a code: text, whatever its values look like.
const TEXT_WORDS: &[&str] = &[
    "mobile", "cell", "tel", "msisdn", "fax", "id", "ids", "uuid", "guid", "postal", "postcode", "plz", "sku", "ean",
    "gtin", "upc", "isbn", "barcode", "ip",
];
/// The same, as a part of a word: `cellphone`, `emailaddress`.
const TEXT_PARTS: &[&str] = &["phone", "mail", "zip", "telefon"];
/// The same, as the last word only: `order_number` is a code, `number_of_items` is not.
const LAST_TEXT_WORDS: &[&str] = &["number", "no", "nr", "code"];

/// Words of a column name that make it an amount of money.
const AMOUNT_WORDS: &[&str] =
    &["amount", "value", "price", "total", "subtotal", "revenue", "sum", "cost", "tax", "discount", "sales"];

/// Whether a column of this name holds an identity or a code.
pub(super) fn identifies(name: &str) -> bool {
    let of_contract = fields::find(name).is_some_and(|field| {
        !matches!(
            field.kind,
            Kind::Amount | Kind::Number | Kind::Numbers | Kind::Integer | Kind::Quantity | Kind::Boolean | Kind::Time
        )
    });
    let words = words(name);
    of_contract
        || words.iter().any(|word| TEXT_WORDS.contains(&word.as_str()))
        || words.iter().any(|word| TEXT_PARTS.iter().any(|part| word.contains(part)))
        || words.last().is_some_and(|word| LAST_TEXT_WORDS.contains(&word.as_str()))
}

/// Whether a column of this name holds money.
pub(super) fn is_amount(name: &str) -> bool {
    words(name).iter().any(|word| AMOUNT_WORDS.contains(&word.as_str()))
}

/// The words of `customerId`, `CUSTOMER_ID` or `customer id`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_is_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && previous_is_lower) {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        previous_is_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_identify_are_told_from_names_that_count() {
        for name in [
            "customer_id",
            "OrderID",
            "customerId",
            "Billing Postal Code",
            "phone2_mobile",
            "invoice_number",
            "email",
            "sku",
        ] {
            assert!(identifies(name), "{name}");
        }
        for name in ["whatsapp_phone", "cellphone", "emailaddress", "zip5"] {
            assert!(identifies(name), "{name}");
        }
        for name in ["paid", "total", "number_of_items", "quantity", "valid", "price", "unit_price", "grid"] {
            assert!(!identifies(name), "{name}");
        }
    }
}
