//! Readers that pass text through and make sure that it is whole: what was cut off must not look like less data.

use std::io::{Error, ErrorKind, Read, Result};

/// Delimited text, an error at its end if a quoted value is still open there.
pub(super) struct Delimited<R> {
    inner: R,
    delimiter: u8,
    place: Place,
    line: u64,
    opened_at: u64,
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted value: its end, or half of a doubled quote.
    BehindQuote,
}

impl<R: Read> Delimited<R> {
    /// Passes `inner` through.
    pub(super) fn new(inner: R, delimiter: u8) -> Self {
        Self { inner, delimiter, place: Place::FieldStart, line: 1, opened_at: 0 }
    }
}

impl<R: Read> Read for Delimited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.place == Place::Quoted {
            let message = format!("the quoted value that begins in line {} has no end", self.opened_at);
            return Err(Error::new(ErrorKind::UnexpectedEof, message));
        }
        for byte in &buffer[..count] {
            self.line += u64::from(*byte == b'\n');
            if self.place == Place::FieldStart && *byte == b'"' {
                self.opened_at = self.line;
            }
            self.place = self.place.after(*byte, self.delimiter);
        }
        Ok(count)
    }
}

impl Place {
    /// Where the byte behind `byte` stands.
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::BehindQuote,
            (Self::Quoted, _) | (Self::FieldStart | Self::BehindQuote, b'"') => Self::Quoted,
            (_, b'\r' | b'\n') => Self::FieldStart,
            (_, byte) if byte == delimiter => Self::FieldStart,
            _ => Self::Plain,
        }
    }
}

/// Where the last whole record of delimited `text` ends, if more than its first one, the header, is whole.
pub(super) fn end_of_records(text: &[u8], delimiter: u8) -> Option<usize> {
    let mut place = Place::FieldStart;
    let mut ends = (None, None);
    for (index, byte) in text.iter().enumerate() {
        place = place.after(*byte, delimiter);
        if *byte == b'\n' && place == Place::FieldStart {
            ends = (ends.1, Some(index + 1));
        }
    }
    ends.0.and(ends.1)
}

/// The items of a JSON array, one after the other; an error at its end if the array is not closed or not alone.
pub(super) struct ArrayItems<R> {
    inner: R,
    state: State,
    depth: u32,
    escaped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeArray,
    InArray,
    InString,
    BehindArray,
}

impl<R: Read> ArrayItems<R> {
    /// The items of the array that `inner` holds.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, state: State::BeforeArray, depth: 0, escaped: false }
    }

    /// Takes one byte and says what stands in its place, so that only the items remain.
    fn replaced(&mut self, byte: u8) -> Result<u8> {
        match (self.state, byte) {
            (State::InString, _) => {
                if byte == b'"' && !self.escaped {
                    self.state = State::InArray;
                }
                self.escaped = byte == b'\\' && !self.escaped;
            }
            (State::BeforeArray, b'[') => {
                self.state = State::InArray;
                return Ok(b' ');
            }
            (State::BeforeArray | State::BehindArray, byte) if !byte.is_ascii_whitespace() => {
                return Err(Error::new(ErrorKind::InvalidData, "there is text beside the array"));
            }
            (State::InArray, b'"') => self.state = State::InString,
            (State::InArray, b',') if self.depth == 0 => return Ok(b'\n'),
            (State::InArray, b']') if self.depth == 0 => {
                self.state = State::BehindArray;
                return Ok(b' ');
            }
            (State::InArray, b'{' | b'[') => self.depth += 1,
            (State::InArray, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(byte)
    }
}

impl<R: Read> Read for ArrayItems<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.state != State::BehindArray {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the array has no end"));
        }
        for byte in &mut buffer[..count] {
            *byte = self.replaced(*byte)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut reader: impl Read) -> Result<String> {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn an_open_quote_at_the_end_is_an_error() {
        for whole in ["a,b\n1,\"x\ny\"\n", "a\n\"\"\"q\"\"\"", "a\n5\" pipe\n", "a;b\r\n\"\";\"x\"\"\"\r\n", ""] {
            assert_eq!(read(Delimited::new(whole.as_bytes(), b';')).unwrap(), whole);
            assert_eq!(read(Delimited::new(whole.as_bytes(), b',')).unwrap(), whole);
        }
        let error = read(Delimited::new("a,b\n1,\"x\n2,y\n".as_bytes(), b',')).unwrap_err();
        assert_eq!(error.to_string(), "the quoted value that begins in line 2 has no end");
        assert!(read(Delimited::new("a,b\n1,\"x\"\"".as_bytes(), b',')).is_err());
    }

    #[test]
    fn records_end_at_line_ends_outside_of_quotes() {
        let end = |text: &str| end_of_records(text.as_bytes(), b',');
        assert_eq!(end("a,b\n1,2\n3,"), Some(8));
        assert_eq!(end("a,b\r\n1,\"x\ny\"\r\n3,\"z\n4"), Some(14));
        assert_eq!([end("a,b\n1,\"x\n"), end("a,b"), end("")], [None; 3]);
    }

    #[test]
    fn an_array_yields_its_items_and_has_an_end() {
        let items = |text: &str| read(ArrayItems::new(text.as_bytes()));
        assert_eq!(items("[{\"a\":[1,2]},{\"b\":\"],\\\"\"}]\n").unwrap(), " {\"a\":[1,2]}\n{\"b\":\"],\\\"\"} \n");
        assert_eq!(items(" [ ]").unwrap(), "    ");
        for broken in ["[{\"a\":1}", "[{\"a\":[1]", "[{\"a\":\"]", "", "[1] x", "[1]\n[2]"] {
            assert!(items(broken).is_err(), "{broken}");
        }
    }
}
