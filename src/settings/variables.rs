//! Variables that cloud vendors define, such as `AWS_REGION`: what reading from buckets needs of the environment.

use std::collections::BTreeMap;
use std::fmt;

/// How the names of those variables begin.
const PREFIXES: [&str; 7] = ["AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "IDENTITY_", "MSI_", "STORAGE_EMULATOR_"];
/// Where the vendors' own tools keep their files.
const HOME: &str = "HOME";

/// The vendors' variables, many of which are secrets: it prints no value.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Whether a variable of this name is one of them.
    #[must_use]
    pub fn has_name(name: &str) -> bool {
        name == HOME || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Takes a variable, if it is one of them and not empty.
    pub(super) fn take(&mut self, name: &str, value: &str) {
        if Self::has_name(name) && !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a variable says yes.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes"))
    }

    /// Names and values of those whose names begin with `prefix`.
    pub fn of_vendor<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_vendor = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        of_vendor.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_vendors_define_and_prints_no_value() {
        let mut variables = Variables::default();
        for (name, value) in
            [("AWS_SECRET_ACCESS_KEY", "canary5e7d"), ("PATH", "/bin"), ("AWS_PROFILE", ""), ("HOME", "/h")]
        {
            variables.take(name, value);
        }
        assert_eq!(variables.get("HOME"), Some("/h"));
        assert_eq!((variables.get("PATH"), variables.get("AWS_PROFILE")), (None, None));
        assert_eq!(format!("{variables:?}"), r#"{"AWS_SECRET_ACCESS_KEY", "HOME"}"#);
    }
}
