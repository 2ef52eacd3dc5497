//! The lines of a log in JSON, judged before deltalake sees them.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;

use super::protocol::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;

/// Bytes of the first line of a commit, which tells its time.
const FIRST_LINE: u64 = 1 << 20;
/// What to do about a log that cannot be read.
pub(super) const DAMAGED_LOG: &str = "the log of the table is damaged: copy the table again, or ask who keeps it";

/// What a line says, as far as it is judged.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action<'a> {
    #[serde(default, borrow)]
    #[expect(dead_code, reason = "an action that is not what it should be is damage")]
    add: Option<Add<'a>>,
    #[serde(default)]
    protocol: Option<Protocol>,
    #[serde(default, borrow)]
    sidecar: Option<Sidecar<'a>>,
    #[serde(default)]
    commit_info: Option<CommitInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "an added file without these is damage")]
struct Add<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    size: i64,
    #[serde(default)]
    deletion_vector: Option<DeletionVector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "a deletion vector that lies nowhere is damage")]
struct DeletionVector {
    storage_type: StorageType,
}

#[derive(Deserialize)]
enum StorageType {
    #[serde(rename = "u")]
    Relative,
    #[serde(rename = "i")]
    Inline,
    #[serde(rename = "p")]
    Absolute,
}

#[derive(Deserialize)]
struct Sidecar<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    #[serde(default)]
    in_commit_timestamp: Option<i64>,
}

/// Judges the lines of `file`, which are `text`; gives what the table asks of its readers, if they say that.
///
/// # Errors
/// [`ErrorKind::Source`] naming file and line for one that is no action, and for a part of a checkpoint that lies elsewhere.
pub(super) fn judge(file: &SourceFile, text: &[u8]) -> Result<Option<Protocol>> {
    if text.trim_ascii().is_empty() {
        return Err(Error::new(ErrorKind::Source, format!("`{}` is empty", file.shown())).hint(DAMAGED_LOG));
    }
    let mut protocol = None;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        // What the parser says of a line may quote it.
        let action: Action<'_> = serde_json::from_slice(line).map_err(|error| {
            let what = if error.is_eof() { "breaks off" } else { "is no action" };
            let message = format!("`{}` is damaged: line {} {what}", file.shown(), number + 1);
            Error::new(ErrorKind::Source, message).hint(DAMAGED_LOG)
        })?;
        if let Some(Sidecar { path }) = &action.sidecar {
            require_name(file, path)?;
        }
        protocol = action.protocol.or(protocol);
    }
    Ok(protocol)
}

/// Makes sure that `path`, which the checkpoint `file` gives for one of its parts, is the name of a file beside the others.
///
/// # Errors
/// [`ErrorKind::Source`] if it leads anywhere else.
pub(super) fn require_name(file: &SourceFile, path: &str) -> Result<()> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !path.is_empty() && !path.starts_with('.') && path.bytes().all(is_name) {
        return Ok(());
    }
    let message = format!("the checkpoint `{}` names a part that lies outside the log", file.shown());
    Err(Error::new(ErrorKind::Source, message).hint(DAMAGED_LOG))
}

/// The time that the commit `file` gives itself, Unix milliseconds. Blocks.
///
/// # Errors
/// [`ErrorKind::Source`] if it cannot be read.
pub(super) fn time_of_commit(file: &SourceFile) -> Result<Option<i64>> {
    if file.meta.location.extension() != Some("json") {
        return Ok(None);
    }
    let mut line = Vec::new();
    let mut reader = BufReader::new(file.open()?.take(FIRST_LINE));
    reader.read_until(b'\n', &mut line).map_err(|error| file.unreadable(error))?;
    let action = serde_json::from_slice::<Action<'_>>(&line).ok();
    Ok(action.and_then(|action| action.commit_info?.in_commit_timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<Option<Protocol>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00000000000000000000.json");
        std::fs::write(&path, text).unwrap();
        judge(&SourceFile::local(path).unwrap(), text.as_bytes())
    }

    #[test]
    fn lines_are_actions() {
        let said = judged(
            "{\"commitInfo\":{\"x\":1}}\n{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n\n\
             {\"add\":{\"path\":\"a\",\"size\":1}}\n{\"future\":{}}\n",
        );
        assert_eq!(said.unwrap().map(|protocol| protocol.min_reader_version), Some(1));
    }

    #[test]
    fn damage_is_named_without_a_value() {
        for (text, says) in [
            ("{\"add\":{\"path\":\"secret\",\"size\":1}}\n{\"add\":{\"path\":\"sec", "line 2 breaks off"),
            ("{\"add\":{\"path\":\"secret\"}}", "line 1 is no action"),
            ("{\"add\":\"secret\"}", "line 1 is no action"),
            ("secret", "line 1 is no action"),
            ("\n", "is empty"),
            ("{\"sidecar\":{\"path\":\"https://secret.example/?X-Amz-Signature=a\"}}", "outside the log"),
            ("{\"sidecar\":{\"path\":\"../secret\"}}", "outside the log"),
        ] {
            let error = judged(text).unwrap_err();
            assert!(error.message().contains(says) && !format!("{error:?}").contains("secret"), "{error:?}");
        }
        judged("{\"sidecar\":{\"path\":\"3a0d65cd-4056-49b8.parquet\"}}").unwrap();
    }
}
