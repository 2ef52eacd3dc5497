//! Looks for secrets in what a program leaves behind: as they are, in any case, and in the encodings that carry them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use datafusion::arrow::util::pretty::pretty_format_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Shorter texts are found by chance.
const LEAST_CHARACTERS: usize = 8;

/// Secrets that must appear nowhere, in every form they are looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// What is found, and its text in lower case.
    forms: Vec<(String, String)>,
}

impl Secrets {
    /// Adds a text that must not appear.
    pub(crate) fn add(&mut self, name: &str, text: &str) {
        assert!(text.len() >= LEAST_CHARACTERS, "{name} is too short to look for");
        for (case, text) in
            [("", text.to_owned()), (" in lower case", text.to_lowercase()), (" in upper case", text.to_uppercase())]
        {
            let mut add =
                |form: &str, text: String| self.forms.push((format!("{name}{case}{form}"), text.to_lowercase()));
            add("", text.clone());
            add(" URL-encoded", url_encoded(&text));
            add(" in hex", hex(text.as_bytes()));
            add(" escaped", text.escape_default().to_string());
            for alphabet in [STANDARD, URL_SAFE] {
                for alignment in 0..3 {
                    add(" in Base64", base64(text.as_bytes(), alignment, alphabet));
                }
            }
        }
        self.forms.sort();
        // The cases of a text often have forms in common.
        self.forms.dedup_by(|left, right| left.1 == right.1);
    }

    /// Adds a digest of 64 hex digits that must not appear.
    pub(crate) fn add_digest(&mut self, name: &str, hex: &str) {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        self.forms.push((name.to_owned(), hex.to_lowercase()));
        self.forms.push((format!("{name} in Base64"), base64(&bytes, 0, STANDARD).to_lowercase()));
        self.forms.push((format!("{name} in Base64"), base64(&bytes, 0, URL_SAFE).to_lowercase()));
    }

    /// What of the secrets is in `bytes`, whatever case it is written in.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let text = String::from_utf8_lossy(bytes).to_lowercase().into_bytes();
        // One look at each place for all forms that begin alike: there are a thousand of them.
        let mut forms: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, (_, form)) in self.forms.iter().enumerate() {
            forms.entry(&form.as_bytes()[..LEAST_CHARACTERS]).or_default().push(index);
        }
        let mut found = BTreeSet::new();
        for (at, start) in text.windows(LEAST_CHARACTERS).enumerate() {
            for index in forms.get(start).into_iter().flatten() {
                if text[at..].starts_with(self.forms[*index].1.as_bytes()) {
                    found.insert(self.forms[*index].0.as_str());
                }
            }
        }
        found.into_iter().collect()
    }

    /// The files below `folder` that hold a secret, with what they hold.
    pub(crate) fn found_below(&self, folder: &Path) -> Vec<String> {
        files_below(folder)
            .into_iter()
            .flat_map(|file| {
                let content = fs::read(&file).unwrap();
                let mut found: Vec<String> = self.found_in(&content).into_iter().map(str::to_owned).collect();
                if content.starts_with(b"PAR1") {
                    found.extend(self.found_in(parquet_text(&file).as_bytes()).into_iter().map(str::to_owned));
                }
                found.extend(self.found_in(file.to_string_lossy().as_bytes()).into_iter().map(str::to_owned));
                found.into_iter().map(move |secret| format!("{secret} in {}", file.display()))
            })
            .collect()
    }
}

/// Every file below `folder`.
pub(crate) fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            // What a link names is looked at where it is.
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files
}

/// The cells of a Parquet file, whose pages may be compressed.
fn parquet_text(path: &Path) -> String {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

fn url_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(byte).collect()
}

/// The characters that `bytes` have in Base64 behind `alignment` bytes of anything else, wherever they end.
fn base64(bytes: &[u8], alignment: usize, alphabet: &[u8; 64]) -> String {
    let aligned: Vec<u8> = std::iter::repeat_n(0, alignment).chain(bytes.iter().copied()).collect();
    let bit = |at: usize| aligned[at / 8] >> (7 - at % 8) & 1;
    // Only groups of six bits that lie within the bytes.
    let (first, last) = ((alignment * 8).div_ceil(6), aligned.len() * 8 / 6);
    let group = |group: usize| (group * 6..group * 6 + 6).fold(0, |bits, at| bits << 1 | bit(at));
    (first..last).map(|at| char::from(alphabet[usize::from(group(at))])).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::properties::WriterProperties;

    use super::*;

    const SECRET: &str = "Jane+Doe@Example.com";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("email", SECRET);
        secrets
    }

    #[test]
    fn a_planted_secret_is_found_in_every_form() {
        let secrets = secrets();
        for planted in [
            "is Jane+Doe@Example.com.",
            "jane+doe@example.com",
            "JANE+DOE@EXAMPLE.COM",
            "?q=Jane%2BDoe%40Example.com&",
            "?q=jane%2bdoe%40example.com",
            // `printf 'Jane+Doe@Example.com' | base64`, then behind one and two more bytes.
            "SmFuZStEb2VARXhhbXBsZS5jb20=",
            "eEphbmUrRG9lQEV4YW1wbGUuY29t",
            "eHhKYW5lK0RvZUBFeGFtcGxlLmNvbQ==",
            // In lower and in upper case, behind and before other text: `printf 'mail:jane+doe@example.com;' | base64`.
            "bWFpbDpqYW5lK2RvZUBleGFtcGxlLmNvbTs=",
            "SkFORStET0VARVhBTVBMRS5DT00",
            "4a616e652b446f65404578616d706c652e636f6d",
        ] {
            assert!(!secrets.found_in(planted.as_bytes()).is_empty(), "{planted}");
        }
        for innocent in ["", "Jane", "example.com", "jane.doe@example.com", "SmFuZQ=="] {
            assert_eq!(secrets.found_in(innocent.as_bytes()), Vec::<&str>::new(), "{innocent}");
        }
    }

    #[test]
    fn a_secret_is_found_among_bytes_that_are_no_text() {
        let mut bytes = vec![0xff, 0, 0x80];
        bytes.extend(SECRET.bytes());
        bytes.push(0xc3);
        assert!(!secrets().found_in(&bytes).is_empty());
    }

    #[test]
    fn a_digest_is_found_in_hex_and_in_base64() {
        let mut secrets = Secrets::default();
        secrets.add_digest("digest", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for planted in [
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        ] {
            assert_eq!(secrets.found_in(planted.as_bytes()).len(), 1, "{planted}");
        }
    }

    #[test]
    fn a_secret_is_found_in_folders_names_and_compressed_columns() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/plain"), format!("x{SECRET}x")).unwrap();
        fs::write(folder.path().join("inner").join(SECRET), "").unwrap();
        fs::write(folder.path().join("innocent"), "nothing").unwrap();
        let column: ArrayRef = Arc::new(StringArray::from(vec![SECRET; 100]));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
            .build();
        let file = fs::File::create(folder.path().join("rows.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let found = secrets().found_below(folder.path());
        for place in ["inner/plain", "inner/Jane", "rows.parquet"] {
            assert!(found.iter().any(|found| found.contains(place)), "{place}: {found:?}");
        }
        assert!(!found.iter().any(|found| found.contains("innocent")), "{found:?}");
    }
}
