//! Addresses, numbers and words that tills and forms store where a person gave nothing.
//!
//! An event that carries one is matched with whoever owns that mailbox or with nobody, and all such events with each
//! other. The domains and numbers that are reserved for documentation are no placeholders here: examples use them.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::normalize::Digest;

/// Names before the `@` that belong to no customer, whatever the domain.
const NOBODY: &[&str] = &[
    "do-not-reply",
    "do_not_reply",
    "donotreply",
    "emailnotprovided",
    "no-email",
    "no-mail",
    "no-reply",
    "no.email",
    "no_email",
    "no_mail",
    "no_reply",
    "noaddress",
    "noemail",
    "noemailaddress",
    "noemailgiven",
    "noemailprovided",
    "nomail",
    "noreply",
    "not-provided",
    "not_provided",
    "notavailable",
    "notprovided",
    "unknown",
];
/// Domains at which no customer has a mailbox; tills put a running number before them.
const NOWHERE: &[&str] =
    &["no-email.com", "noemail.com", "noemail.net", "noemail.org", "noemailaddress.com", "nomail.com", "none.com"];
/// Names that stand for nothing at a domain of the same name, or at one that everybody knows.
const FILLERS: &[&str] = &["fake", "na", "nil", "no", "nobody", "none", "noone", "null", "test", "testing"];
/// Names that stand for nothing at a domain of the same name only.
const ECHOES: &[&str] =
    &["a", "aa", "aaa", "abc", "asdf", "customer", "email", "guest", "mail", "noemail", "unknown", "x", "xx", "xxx"];
/// Domains that people type when a form wants an address.
const WELL_KNOWN: &[&str] =
    &["aol.com", "email.com", "gmail.com", "hotmail.com", "mail.com", "outlook.com", "yahoo.com"];
/// Digits that are typed when a form wants a number.
const TYPED: &[&str] = &[
    "0123456789",
    "01234567890",
    "11234567890",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "19876543210",
    "9876543210",
    "987654321",
];
/// Texts that programs and people write for a missing value.
const MISSING: &[&str] = &[
    "#n/a",
    "(none)",
    "(not set)",
    "(null)",
    "<na>",
    "<null>",
    "[null]",
    "\\n",
    "n/a",
    "n.a.",
    "nan",
    "nil",
    "none",
    "not available",
    "not set",
    "null",
    "undefined",
    "unknown",
];

/// Fewest digits of a number that consists of one digit only.
const MIN_REPEATED: usize = 7;
/// Digits of a North American number behind its country code.
const NATIONAL_DIGITS: usize = 10;

/// Digests of placeholders, for columns that arrive hashed.
static DIGESTS: LazyLock<HashSet<Digest>> = LazyLock::new(|| {
    let mut texts: Vec<String> = Vec::new();
    for name in FILLERS.iter().chain(ECHOES) {
        texts.extend(["com", "net", "org"].map(|end| format!("{name}@{name}.{end}")));
    }
    for domain in WELL_KNOWN.iter().chain(NOWHERE) {
        texts.extend(FILLERS.iter().chain(NOBODY).map(|name| format!("{name}@{domain}")));
    }
    let repeated = ('0'..='9').map(|digit| String::from(digit).repeat(NATIONAL_DIGITS));
    for digits in repeated.chain(TYPED.iter().map(|digits| (*digits).to_owned())) {
        texts.extend([format!("+1{digits}"), format!("1{digits}"), format!("+{digits}"), digits]);
    }
    for text in MISSING.iter().chain(&["-", "0", "na", "no email", "noemail"]) {
        let capital = text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1));
        texts.extend([(*text).to_owned(), text.to_uppercase(), capital.collect()]);
    }
    texts.extend(["NaN", "<NA>", "NaT", " "].map(str::to_owned));
    let zeros = Digest::from_hex(&"0".repeat(64));
    texts.iter().map(|text| Digest::of(text)).chain(zeros).collect()
});

/// Whether a digest is that of a placeholder, of any kind of identifier.
#[must_use]
pub fn is_digest(digest: &Digest) -> bool {
    DIGESTS.contains(digest)
}

/// Whether a plain address stands for none.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_echo =
        || domain.rsplit_once('.').is_some_and(|(label, end)| label == name && matches!(end, "com" | "net" | "org"));
    NOBODY.contains(&name)
        || NOWHERE.contains(&domain)
        || FILLERS.contains(&name) && (WELL_KNOWN.contains(&domain) || is_echo())
        || ECHOES.contains(&name) && is_echo()
}

/// Whether a plain phone number stands for none: one digit over and over, or digits in the order of the keys.
#[must_use]
pub fn is_phone(text: &str) -> bool {
    if text.bytes().any(|byte| !(byte.is_ascii_digit() || b" +-()./".contains(&byte))) {
        return false;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let national = digits.strip_prefix('1').filter(|national| national.len() == NATIONAL_DIGITS);
    is_repeated(&digits) || national.is_some_and(is_repeated) || TYPED.contains(&digits.as_str())
}

/// Whether a plain id is a word for a missing one.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let text = text.trim();
    MISSING.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn is_repeated(digits: &str) -> bool {
    digits.len() >= MIN_REPEATED && digits.as_bytes().windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_stand_for_none_are_known() {
        for text in [
            "none@none.com",
            "NoEmail@shop.com",
            "test@test.com",
            "na@na.com",
            " unknown@gmail.com",
            "4711@noemail.com",
            "test@gmail.com",
            "a@a.com",
            "noreply@shop.example",
        ] {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "pat.lee@example.com",
            "test@example.com",
            "a@b.co",
            "nona@gmail.com",
            "testa@test.com",
            "test@shop.com",
            "guest@gmail.com",
            "customer1@shop.example",
            "none",
            "",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn numbers_that_stand_for_none_are_known() {
        for text in [
            "+10000000000",
            "0000000000",
            "(999) 999-9999",
            "+1 555 555 5555",
            "1234567890",
            "+1 123 456 7890",
            "1111111",
        ] {
            assert!(is_phone(text), "{text}");
        }
        for text in
            ["+12133734253", "+86 188 8888 8888", "+44 20 7183 8750", "800 FLOWERS", "000000", "+1 800 000 0001", ""]
        {
            assert!(!is_phone(text), "{text}");
        }
    }

    #[test]
    fn digests_of_placeholders_are_known() {
        for text in
            ["none@none.com", "test@gmail.com", "+10000000000", "9999999999", "null", "NULL", "None", "N/A", "NaN"]
        {
            assert!(is_digest(&Digest::of(text)), "{text}");
        }
        for text in ["pat.lee@example.com", "+12133734253", "4711"] {
            assert!(!is_digest(&Digest::of(text)), "{text}");
        }
        for text in
            [" Unknown ", "NULL", "None", "N/A", "n/a", "\\N", "NaN", "#N/A", "(null)", "<NA>", "(not set)", "nil"]
        {
            assert!(is_word(text), "{text}");
        }
        for text in ["", "4711", "na", "NA-4711", "nullable", "none-such", "0", "-"] {
            assert!(!is_word(text), "{text}");
        }
    }
}
