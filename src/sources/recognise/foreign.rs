//! Files that are no table: each is called by its name, with a word on what to export in its place.

use super::super::file::SourceFile;
use crate::error::{Error, ErrorKind, Result};

const AS_TEXT: &str = "export Parquet, Avro, CSV or JSON";
const AS_CSV: &str = "save it as CSV";
const UNPACK: &str = "unpack it, and name the files that it holds";
const AN_ANSWER: &str = "the download may have answered with an error or a login in place of the data";

/// First bytes that are letters, which text may begin with as well: `PARENT_ID`, `ORCID`.
const LETTERS: &[(usize, &[u8], &str, &str)] = &[
    (0, b"PARE", "an encrypted Parquet file", "export it without encryption"),
    (0, b"ORC", "an ORC file", AS_TEXT),
    (8, b"DUCK", "a DuckDB database", AS_TEXT),
];
/// Behind such letters, bytes of which one is none of text: lengths and versions stand there.
const BEHIND_LETTERS: usize = 12;

/// First bytes, at an offset, what has them, and what to do.
const FOREIGN: &[(usize, &[u8], &str, &str)] = &[
    (0, b"FEA1", "a Feather file of version 1", "write it as Arrow IPC, which is version 2, or as Parquet"),
    (0, b"SEQ\x06", "a Hadoop sequence file", AS_TEXT),
    (0, b"Obj\x00", "an Avro file of an unknown version", AS_TEXT),
    (0, b"SQLite format 3\0", "a SQLite database", AS_TEXT),
    (0, b"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it, or save the sheet as CSV"),
    (0, b"PK\x05\x06", "an empty zip archive", UNPACK),
    (0, b"\xd0\xcf\x11\xe0", "a spreadsheet of an old Excel", AS_CSV),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (0, b"\x02\x21\x4c\x18", "compressed with the legacy format of LZ4", "use LZ4 frames, gzip or zstd"),
    (0, b"%PDF-", "a PDF document", AS_TEXT),
    (0, b"\x89HDF\r\n", "an HDF5 file", AS_TEXT),
    (0, b"\xff\xfe\0\0", "UTF-32 text", "export UTF-8"),
    (0, b"\0\0\xfe\xff", "UTF-32 text", "export UTF-8"),
];

/// Beginnings of text, in lower case, that is no table.
const MARKUP: &[(&str, &str, &str)] = &[
    ("<!doctype html", "a web page", AN_ANSWER),
    ("<html", "a web page", AN_ANSWER),
    ("<?xml", "an XML document", AN_ANSWER),
    ("version https://git-lfs.github.com/spec", "a pointer of Git LFS", "fetch the file with git lfs pull"),
];

/// Refuses `file`, which begins with `head`, if it is known to be no table; what is declared as text may begin with letters.
///
/// # Errors
/// [`ErrorKind::Source`] with what it is.
pub(super) fn refuse(file: &SourceFile, head: &[u8], is_text: bool) -> Result<()> {
    let begins_with = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|head| head.starts_with(magic));
    let is_binary = |from: usize| head[from..].iter().take(BEHIND_LETTERS).any(|byte| *byte < b'\t');
    let letters = LETTERS
        .iter()
        .filter(|(offset, magic, ..)| !is_text && begins_with(*offset, magic) && is_binary(*offset + magic.len()));
    let known = letters.chain(FOREIGN.iter().filter(|(offset, magic, ..)| begins_with(*offset, magic))).next();
    let known = known.map(|(_, _, what, hint)| (what, hint));
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |begin: &str| text.get(..begin.len()).is_some_and(|text| text.eq_ignore_ascii_case(begin.as_bytes()));
    let markup = || MARKUP.iter().find(|(begin, ..)| begins(begin)).map(|(_, what, hint)| (what, hint));
    let Some((what, hint)) = known.or_else(markup) else { return Ok(()) };
    Err(Error::new(ErrorKind::Source, format!("`{}` is {what}", file.shown())).hint(*hint))
}
