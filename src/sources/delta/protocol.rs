//! What a table asks of its readers, and whether that is known here.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// The newest version of the protocol that is known.
const NEWEST: i64 = 3;
/// Features of readers that are known.
const KNOWN: &[&str] = &[
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "timestampWithoutTimezone",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];

/// What a table asks of its readers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    /// The version of the protocol.
    pub(super) min_reader_version: i64,
    /// Features, by their names.
    #[serde(default)]
    pub(super) reader_features: Option<BTreeSet<String>>,
}

impl Protocol {
    /// Makes sure that all that the table `shown` asks for is known.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] naming what is not.
    pub(super) fn require_known(&self, shown: &str) -> Result<()> {
        let refuse = |needs: String| {
            let message = format!("`{shown}` is a Delta Lake table that needs {needs}, which is not known here");
            Err(Error::new(ErrorKind::Source, message).hint(
                "export the table first, or have it written without; `ALTER TABLE … DROP FEATURE` takes a feature away",
            ))
        };
        if self.min_reader_version > NEWEST {
            return refuse(format!("version {} of the protocol", self.min_reader_version));
        }
        let features = self.reader_features.iter().flatten();
        let unknown: Vec<String> = features
            .filter(|feature| !KNOWN.contains(&feature.as_str()))
            .map(|feature| format!("`{}`", named(feature)))
            .collect();
        match unknown.as_slice() {
            [] => Ok(()),
            [one] => refuse(format!("the feature {one}")),
            all => refuse(format!("the features {}", all.join(", "))),
        }
    }
}

/// The name of a feature as far as a message shows it.
fn named(feature: &str) -> String {
    feature.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_named() {
        for (json, says) in [
            (r#"{"minReaderVersion":1,"minWriterVersion":2}"#, ""),
            (r#"{"minReaderVersion":3,"readerFeatures":["deletionVectors","v2Checkpoint"]}"#, ""),
            (r#"{"minReaderVersion":4,"readerFeatures":[]}"#, "version 4 of the protocol"),
            (r#"{"minReaderVersion":3,"readerFeatures":["variantType"]}"#, "the feature `variantType`"),
            (r#"{"minReaderVersion":3,"readerFeatures":["b`\n","a","typeWidening"]}"#, "the features `a`, `b`"),
        ] {
            let protocol: Protocol = serde_json::from_str(json).unwrap();
            match protocol.require_known("t") {
                Ok(()) => assert_eq!(says, "", "{json}"),
                Err(error) => assert!(!says.is_empty() && error.message().contains(says), "{error}"),
            }
        }
    }
}
