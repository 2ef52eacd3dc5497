//! `postback sql` says what was assumed about a source where `check` warns of the same: a value is right, or told.

use std::fs;

use crate::server::{postback, said};

/// A file, and whether its encoding is a guess.
type Case = (&'static str, &'static [u8], bool);

const CASES: [Case; 11] = [
    ("latin1.csv", b"id,name\n1,Jos\xe9\n2,M\xfcller\n", true),
    ("windows1252.csv", b"id,name\n1,\x93Ann\x94\n2,Bo\n", true),
    ("euro.csv", b"id,price\n1,5 \x80\n2,6 \x80\n", true),
    ("semicolons.csv", b"id;name\n1;Jos\xe9\n", true),
    ("tabs.tsv", b"id\tname\n1\tJos\xe9\n", true),
    ("latin1.ndjson", b"{\"id\":1,\"name\":\"Jos\xe9\"}\n", true),
    ("array.json", b"[{\"id\":1,\"name\":\"Jos\xe9\"}]\n", true),
    ("overlong.ndjson", b"{\"id\":1,\"name\":\"\xc0\xaf\"}\n", true),
    ("half_a_pair.ndjson", b"{\"id\":1,\"name\":\"\xed\xa0\x80\"}\n", true),
    ("utf8.csv", "id,name\n1,José\n".as_bytes(), false),
    ("bom.ndjson", b"\xef\xbb\xbf{\"id\":1,\"name\":\"Jos\xc3\xa9\"}\n", false),
];

#[test]
fn an_encoding_that_is_a_guess_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, is_guess) in CASES {
        fs::write(folder.path().join(name), content).unwrap();
        let query = format!("SELECT * FROM '{name}'");
        let read = said(postback(&["sql", &query, "--format", "ndjson"]).current_dir(folder.path()));
        assert_eq!(read.code, 0, "{name}: {}", read.stderr);
        assert_eq!(read.stderr.contains("warning[PB2301]"), is_guess, "{name}: {}", read.stderr);
        assert_eq!(read.stderr.contains(&format!("`{name}` is no UTF-8")), is_guess, "{name}: {}", read.stderr);
        assert!(!read.stdout.contains("PB2301"), "{name}: {}", read.stdout);
        let quiet = said(postback(&["-q", "sql", &query]).current_dir(folder.path()));
        assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""), "{name}");
    }
}
