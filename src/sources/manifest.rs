//! The list of files that Redshift's `UNLOAD … MANIFEST` leaves beside them, and its `COPY` takes.
//!
//! `FROM 'unload/manifest'` reads exactly the files that it lists: an older part that still lies beside them is no row of
//! the export. A manifest is recognised by its content, `{"entries":[{"url":"s3://…","meta":{"content_length":1}}]}`.
//! Where a copy of a listed file lies beside a manifest on this machine, that is read, and its length judged.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::file::SourceFile;
use super::partitions;
use crate::error::{Error, ErrorKind, Result};

/// A longer file is none.
const MAX_BYTES: u64 = 32 << 20;
/// Where a manifest has named its list.
const HEAD_BYTES: usize = 16 << 10;

/// The files of an export.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) entries: Vec<Entry>,
}

/// One file of an export.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    url: String,
    /// Whether the export is not whole without it; it is, unless the manifest says otherwise.
    #[serde(default = "yes")]
    pub(super) mandatory: bool,
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// What `file` lists, if it is a manifest.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it cannot be read, or lists nothing.
    pub(super) fn of(file: &SourceFile) -> Result<Option<Self>> {
        if file.meta.size > MAX_BYTES {
            return Ok(None);
        }
        let mut content = Vec::new();
        let mut reader = file.open()?;
        let unreadable = |error| file.unreadable(error);
        reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut content).map_err(unreadable)?;
        let begins = content.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if !begins || !content.windows(9).any(|window| window == b"\"entries\"") {
            return Ok(None);
        }
        reader.take(MAX_BYTES).read_to_end(&mut content).map_err(unreadable)?;
        let Ok(manifest) = serde_json::from_slice::<Self>(&content) else { return Ok(None) };
        if manifest.entries.is_empty() {
            let message = format!("the manifest `{}` lists no file", file.shown());
            return Err(Error::new(ErrorKind::Source, message).hint("the export had no row, or did not finish"));
        }
        Ok(Some(manifest))
    }
}

impl Entry {
    /// Where the file lies that the manifest `beside` lists, in the form of a location.
    pub(super) fn location(&self, beside: &SourceFile) -> String {
        let name = self.name();
        let is_url = self.url.contains("://");
        match beside.path().and_then(Path::parent) {
            Some(folder) => {
                let copy = folder.join(if is_url { name } else { &self.url });
                if is_url && !copy.exists() { self.url.clone() } else { copy.display().to_string() }
            }
            None if is_url => self.url.clone(),
            None => {
                let shown = beside.shown();
                format!("{}/{}", shown.rsplit_once('/').map_or(shown, |(folder, _)| folder), self.url)
            }
        }
    }

    /// Its name in the export, with the folders of partitions before it.
    fn name(&self) -> &str {
        let mut name = self.url.rsplit('/').next().unwrap_or(&self.url);
        while let Some(above) = self.url.strip_suffix(name).and_then(|above| above.strip_suffix('/')) {
            let folder = above.rsplit('/').next().unwrap_or(above);
            if partitions::of_folder(folder).is_none() {
                break;
            }
            name = &self.url[above.len() - folder.len()..];
        }
        name
    }

    /// Makes sure that `file` is what the manifest `list` says of it.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] naming both, if it has another length.
    pub(super) fn judge(&self, file: &SourceFile, list: &SourceFile) -> Result<()> {
        match self.meta.as_ref().and_then(|meta| meta.content_length) {
            Some(expected) if expected != file.meta.size => {
                let found = file.meta.size;
                let message =
                    format!("`{}` has {found} bytes, and {expected} by its manifest `{}`", file.shown(), list.shown());
                Err(Error::new(ErrorKind::Source, message)
                    .hint("the file was replaced or cut off after the export: export or copy it again"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<usize> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest");
        std::fs::write(&path, text).unwrap();
        Manifest::of(&SourceFile::local(path).unwrap()).unwrap().map(|manifest| manifest.entries.len())
    }

    #[test]
    fn a_manifest_is_told_from_rows_by_its_content() {
        let verbose = r#" {"entries":[{"url":"s3://b/a","meta":{"content_length":5,"record_count":1}},
            {"url":"s3://b/c","mandatory":false}],"schema":{"elements":[]},"meta":{"record_count":2}}"#;
        assert_eq!(read(verbose), Some(2));
        for text in
            ["", "[]", "{\"a\":1}", "{\"entries\":[{\"id\":1}]}", "{\"entries\":[{\"url\":\"a\"}]}\n{}", "a,b\n"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
