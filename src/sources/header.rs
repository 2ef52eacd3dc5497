//! The names of a source's columns, which are shown in messages and must therefore be names.
//!
//! A file without a header line would lose its first row in silence, and show it as column names.

use super::file::SourceFile;

use crate::contract::normalize::{self, Digest};
use crate::error::{Error, ErrorKind, Result};

/// Digits that a name may have without being a phone number or an id.
const MAX_DIGITS: usize = 6;

/// Makes sure that `names` are the names of columns, and not the values of a row.
///
/// # Errors
/// [`ErrorKind::Source`] naming the column, by its place, that is called by an address, a number or a digest.
pub(super) fn require_names<'a>(file: &SourceFile, names: impl Iterator<Item = &'a str>, hint: &str) -> Result<()> {
    for (index, name) in names.enumerate() {
        if let Some(what) = value(name) {
            let message = format!("the name of column {} of `{}` is {what}", index + 1, file.shown());
            return Err(Error::new(ErrorKind::Source, message).hint(hint));
        }
    }
    Ok(())
}

/// What `name` is instead of a name.
fn value(name: &str) -> Option<&'static str> {
    let name = name.trim();
    if normalize::email(name).is_ok() {
        return Some("an e-mail address");
    }
    if Digest::from_hex(name).is_some() {
        return Some("a digest");
    }
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit() || b"+-() ./".contains(&byte));
    (is_number && digits > MAX_DIGITS).then_some("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_names() {
        for (name, expected) in [
            ("pat.lee@example.com", Some("an e-mail address")),
            (" Pat.Lee@Example.com ", Some("an e-mail address")),
            ("+1 (213) 373-4253", Some("a number")),
            ("12133734253", Some("a number")),
            ("f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26", Some("a digest")),
            ("email", None),
            ("2026", None),
            ("2026-11", None),
            ("order 1234567", None),
            ("@type", None),
            ("", None),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
    }
}
