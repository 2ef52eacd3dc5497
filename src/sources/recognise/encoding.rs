//! The encoding of text: a byte order mark, the pattern of its zero bytes, or what its first bytes can be.
//!
//! UTF-8 is passed through as it is, so that a row with a bad byte can be told from its neighbours. Every other encoding
//! is decoded, and what is no text in it becomes a byte that no UTF-8 has, so that it is found in the same way.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How some programs begin UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Stands where the input is no text: no UTF-8 has this byte.
const NO_TEXT: u8 = 0xff;
/// Bytes that are decoded at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// Bytes in which zeros are counted.
const PATTERN_BYTES: usize = 4 << 10;
/// Pairs of bytes that make a pattern.
const MIN_PAIRS: usize = 4;
/// Of so many pairs in UTF-16, one has a zero, also where most letters are not Latin.
const PAIRS_PER_ZERO: usize = 4;
/// Of so many zeros, one may be half of another letter.
const ZEROS_PER_STRAY: usize = 8;

/// The encoding of text that begins with `head`, and whether it is no more than likely.
pub(super) fn of(head: &[u8]) -> (&'static Encoding, bool) {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return (encoding, false);
    }
    if let Some(encoding) = by_zeros(head) {
        return (encoding, false);
    }
    if is_western(head) { (WINDOWS_1252, true) } else { (UTF_8, false) }
}

/// UTF-16 without a byte order mark: digits, delimiters and line ends have a zero beside them, all on the same side.
fn by_zeros(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head[..head.len().min(PATTERN_BYTES)].as_chunks::<2>().0;
    let is_text = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | 32..127 | 160..);
    let is_encoding = |zero: usize| {
        let with_zero = pairs.iter().filter(|pair| pair[zero] == 0 && is_text(pair[1 - zero])).count();
        let zeros = pairs.iter().flatten().filter(|byte| **byte == 0).count();
        pairs.len() >= MIN_PAIRS
            && zeros - with_zero <= with_zero / ZEROS_PER_STRAY
            && with_zero * PAIRS_PER_ZERO >= pairs.len()
    };
    match (is_encoding(1), is_encoding(0)) {
        (true, false) => Some(UTF_16LE),
        (false, true) => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether `head` is no UTF-8 with a bad byte here and there, but text of a Western single-byte encoding: its high bytes
/// are letters and signs of Windows-1252, and hardly any of them form characters of UTF-8.
fn is_western(head: &[u8]) -> bool {
    let (mut characters, mut strays) = (0_usize, 0_usize);
    let mut chunks = head.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        characters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        // The sample may end inside a character.
        let is_begun = || str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        if chunks.peek().is_some() || !is_begun() {
            strays += chunk.invalid().len();
        }
    }
    // 0x81, 0x8d, 0x8f, 0x90 and 0x9d are nothing in Windows-1252, and ÿ stands in hardly any text.
    strays > characters && !head.iter().any(|byte| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d | 0xff))
}

/// `text`, which is `encoding`, or is no more than assumed to be, as UTF-8 without a byte order mark.
pub(super) fn decoded(
    mut text: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    is_assumed: bool,
) -> io::Result<Box<dyn Read + Send>> {
    if is_assumed {
        return Ok(Box::new(Western::new(text)));
    }
    if encoding != UTF_8 {
        return Ok(Box::new(Decoded::new(text, encoding)));
    }
    // Files that were put together have several.
    loop {
        let mut head = Vec::with_capacity(BYTE_ORDER_MARK.len());
        text.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut head)?;
        if head != BYTE_ORDER_MARK {
            return Ok(Box::new(io::Cursor::new(head).chain(text)));
        }
    }
}

/// Text that is assumed to be Windows-1252, as UTF-8. That maps every byte: where it has a character of UTF-8, which
/// Western text does not spell by chance, the assumption is wrong, and what stands there is no text.
struct Western<R> {
    inner: R,
    /// Bytes that are not yet decoded: the beginning of what may be a character.
    raw: Vec<u8>,
    /// Text that is not yet taken, from `taken` on.
    text: Vec<u8>,
    taken: usize,
    is_over: bool,
}

impl<R: Read> Western<R> {
    fn new(inner: R) -> Self {
        Self { inner, raw: Vec::new(), text: Vec::new(), taken: 0, is_over: false }
    }

    /// Decodes some more into an empty `text`.
    fn decode(&mut self) -> io::Result<()> {
        let begun = self.raw.len();
        self.raw.resize(begun + CHUNK_BYTES, 0);
        let count = self.inner.read(&mut self.raw[begun..]);
        self.raw.truncate(begun + *count.as_ref().unwrap_or(&0));
        self.is_over = count? == 0;
        self.text.clear();
        self.taken = 0;
        let mut kept = 0;
        let mut chunks = self.raw.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for letter in chunk.valid().chars() {
                self.text.push(u8::try_from(letter).ok().filter(u8::is_ascii).unwrap_or(NO_TEXT));
            }
            let bytes = chunk.invalid();
            let is_begun = str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && is_begun && !self.is_over {
                kept = bytes.len();
            } else {
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
                self.text.extend_from_slice(text.as_bytes());
            }
        }
        self.raw.drain(..self.raw.len() - kept);
        Ok(())
    }
}

impl<R: Read> Read for Western<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.text.len() {
            if self.is_over || buffer.is_empty() {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = buffer.len().min(self.text.len() - self.taken);
        buffer[..count].copy_from_slice(&self.text[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// Text of another encoding, as UTF-8.
struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    /// Bytes that are not yet decoded, from `start` on.
    raw: Vec<u8>,
    start: usize,
    /// Text that is not yet taken, from `taken` on.
    text: Vec<u8>,
    taken: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// All bytes are read, and the decoder has to hear of it.
    Ending,
    Ended,
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { inner, decoder, raw: Vec::new(), start: 0, text: Vec::new(), taken: 0, state: State::Reading }
    }

    /// Decodes some more into an empty `text`.
    fn decode(&mut self) -> io::Result<()> {
        if self.start == self.raw.len() && self.state == State::Reading {
            self.raw.resize(CHUNK_BYTES, 0);
            self.start = 0;
            let count = self.inner.read(&mut self.raw);
            self.raw.truncate(*count.as_ref().unwrap_or(&0));
            if count? == 0 {
                self.state = State::Ending;
            }
        }
        self.text.resize(4 * CHUNK_BYTES, 0);
        self.taken = 0;
        let is_last = self.state == State::Ending;
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.raw[self.start..],
            &mut self.text[..4 * CHUNK_BYTES - 1],
            is_last,
        );
        self.start += read;
        self.text.truncate(written);
        match result {
            DecoderResult::InputEmpty if is_last => self.state = State::Ended,
            DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => self.text.push(NO_TEXT),
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.text.len() {
            if self.state == State::Ended || buffer.is_empty() {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = buffer.len().min(self.text.len() - self.taken);
        buffer[..count].copy_from_slice(&self.text[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn read(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
        let mut text = Vec::new();
        decoded(Box::new(io::Cursor::new(bytes.to_vec())), encoding, false).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn the_first_bytes_tell_the_encoding() {
        let text = "id,name\n1,Größe\n2,Zoë 😀\n";
        for (bytes, expected) in [
            (text.as_bytes().to_vec(), (UTF_8, false)),
            (format!("\u{feff}{text}").into_bytes(), (UTF_8, false)),
            (utf16(text, u16::to_le_bytes), (UTF_16LE, false)),
            (utf16(text, u16::to_be_bytes), (UTF_16BE, false)),
            (utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), (UTF_16LE, false)),
            (utf16(&format!("\u{feff}{text}"), u16::to_be_bytes), (UTF_16BE, false)),
            (b"id,name\n1,Gr\xf6\xdfe\n2,Zo\xeb \x80 5\n".to_vec(), (WINDOWS_1252, true)),
            (b"id,name\n1,a\xffb\n".to_vec(), (UTF_8, false)),
            (b"id,name\n1,a\0b\n2,cd\n".to_vec(), (UTF_8, false)),
            (b"id,name\n1,Gr\xc3\xb6\xc3\x9fe\n2,Zo\xeb\n".to_vec(), (UTF_8, false)),
            (text.as_bytes()[..13].to_vec(), (UTF_8, false)),
            (b"".to_vec(), (UTF_8, false)),
            (b"a".to_vec(), (UTF_8, false)),
        ] {
            assert_eq!(of(&bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn other_encodings_become_utf_8_and_what_is_no_text_stays_none() {
        let text = "id,name\n1,Größe 😀\n".repeat(10_000);
        for mark in ["", "\u{feff}"] {
            let marked = format!("{mark}{text}");
            assert!(read(marked.as_bytes(), UTF_8) == text.as_bytes());
            assert!(read(&utf16(&marked, u16::to_le_bytes), UTF_16LE) == text.as_bytes());
            assert!(read(&utf16(&marked, u16::to_be_bytes), UTF_16BE) == text.as_bytes());
        }
        assert_eq!(read(b"Gr\xf6\xdfe \x80", WINDOWS_1252), "Größe €".as_bytes());
        assert_eq!(read(b"a\0\0\xd8b\0", UTF_16LE), b"a\xffb");
        assert_eq!(read(b"a\0b", UTF_16LE), b"a\xff");
        assert_eq!(read(b"a\xffb", UTF_8), b"a\xffb");
    }

    #[test]
    fn a_character_of_utf_8_contradicts_the_assumption_of_another_encoding() {
        let assumed = |bytes: &[u8]| {
            let mut text = Vec::new();
            decoded(Box::new(io::Cursor::new(bytes.to_vec())), WINDOWS_1252, true)
                .unwrap()
                .read_to_end(&mut text)
                .unwrap();
            text
        };
        assert_eq!(assumed(b"Gr\xf6\xdfe \x80 \xc3"), "Größe € Ã".as_bytes());
        assert_eq!(assumed("é".repeat(3).as_bytes()), [NO_TEXT; 3]);
        for filler in 0..4 {
            let long = [vec![b'x'; CHUNK_BYTES - filler], "Zoë 😀".as_bytes().to_vec(), b"\xeb".to_vec()].concat();
            let expected =
                [vec![b'x'; CHUNK_BYTES - filler], b"Zo\xff \xff".to_vec(), "ë".as_bytes().to_vec()].concat();
            assert!(assumed(&long) == expected, "{filler}");
        }
    }
}
