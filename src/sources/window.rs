//! A part of a text that is read from its first byte to its last: as much as the record at its beginning needs.

use std::io::{ErrorKind, Read, Result};

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};

/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;
/// The longest record that is read; of longer ones nothing is kept.
pub(super) const MAX_RECORD: usize = 16 << 20;
/// Bytes that may be looked at in vain, whatever else is read.
const VAIN: u64 = 32 << 20;
/// For each byte that is taken, bytes that may be looked at in vain.
const VAIN_PER_TAKEN: u64 = 4;

/// What has been read of a text and not been taken, from the beginning of a line or record on.
pub(super) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    line: u64,
    /// Bytes that were taken.
    taken: u64,
    /// Bytes that were looked at in vain.
    vain: u64,
    is_over: bool,
    ends: LineEnds,
}

/// What ends a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// A line feed alone, as in JSON, where a carriage return is white space.
    LineFeeds,
    /// A line feed, a carriage return, or the two together.
    All,
}

impl<R: Read> Window<R> {
    /// Before the first byte of `source`.
    pub(super) fn new(source: R, ends: LineEnds) -> Self {
        Self { source, buffer: vec![0; BLOCK], start: 0, end: 0, line: 1, taken: 0, vain: 0, is_over: false, ends }
    }

    /// What is there to look at.
    pub(super) fn text(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The number of the line in which it begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Whether the text ends where the window does.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether it is as long as a record may be.
    pub(super) fn is_full(&self) -> bool {
        self.end - self.start >= MAX_RECORD
    }

    /// Where it begins in the text.
    pub(super) fn offset(&self) -> u64 {
        self.taken
    }

    /// The `length` bytes at its beginning were looked at in vain: they will be again, line by line.
    pub(super) fn note_vain(&mut self, length: usize) {
        self.vain += length as u64;
    }

    /// Bytes that were looked at in vain.
    #[cfg(test)]
    pub(super) fn vain(&self) -> u64 {
        self.vain
    }

    /// Whether so much was looked at in vain that records must end before the next one may begin: reading a file takes
    /// time by its length, whatever stands there.
    pub(super) fn is_worn(&self) -> bool {
        self.vain > VAIN + VAIN_PER_TAKEN * self.taken
    }

    /// Reads on, unless the text is over or the window is full: of a long record as much again, as it will be looked at
    /// from its beginning.
    ///
    /// # Errors
    /// What the source fails with.
    pub(super) fn more(&mut self) -> Result<()> {
        if self.is_full() || self.is_over {
            return Ok(());
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize((self.end * 2).min(MAX_RECORD), 0);
        }
        let enough = if self.end < BLOCK { self.end + 1 } else { (2 * self.end).min(self.buffer.len()) };
        while self.end < enough && !self.is_over {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    let count = read?;
                    self.is_over = count == 0;
                    self.end += count;
                }
            }
        }
        Ok(())
    }

    /// Goes on behind the first `length` bytes, in which `lines` lines end.
    pub(super) fn take(&mut self, length: usize, lines: u64) {
        self.start += length;
        self.taken += length as u64;
        self.line += lines;
    }

    /// The last `length` bytes that were taken since the window was moved.
    pub(super) fn taken(&self, length: usize) -> &[u8] {
        &self.buffer[self.start - length..self.start]
    }

    /// Goes on behind the first `length` bytes and counts the lines that end in them.
    pub(super) fn take_lines(&mut self, length: usize) {
        let lines = lines(&self.text()[..length], self.ends);
        self.take(length, lines);
    }

    /// Goes on behind the line in which the window begins, however long it is.
    ///
    /// # Errors
    /// What the source fails with.
    pub(super) fn skip_line(&mut self) -> Result<()> {
        loop {
            let text = self.text();
            let found = match self.ends {
                LineEnds::All => memchr2(b'\n', b'\r', text),
                LineEnds::LineFeeds => memchr(b'\n', text),
            };
            let Some(at) = found else {
                if self.is_over {
                    self.take(text.len(), 0);
                    return Ok(());
                }
                self.take(text.len(), 0);
                self.more()?;
                continue;
            };
            if text[at] == b'\r' && at + 1 == text.len() && !self.is_over {
                self.take(at, 0);
                self.more()?;
                continue;
            }
            let length = if text[at..].starts_with(b"\r\n") { 2 } else { 1 };
            self.take(at + length, 1);
            return Ok(());
        }
    }
}

/// The lines that end in `text`.
pub(super) fn lines(text: &[u8], ends: LineEnds) -> u64 {
    let count = match ends {
        LineEnds::LineFeeds => memchr_iter(b'\n', text).count(),
        LineEnds::All => memchr2_iter(b'\n', b'\r', text).filter(|at| !text[*at..].starts_with(b"\r\n")).count(),
    };
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_every_kind_of_line_end() {
        let mut window = Window::new("a\r\nb\rc\n\nd".as_bytes(), LineEnds::All);
        let mut found = Vec::new();
        loop {
            window.more().unwrap();
            if window.text().is_empty() {
                break;
            }
            found.push((window.line(), window.text()[0]));
            window.skip_line().unwrap();
        }
        assert_eq!(found, [(1, b'a'), (2, b'b'), (3, b'c'), (4, b'\n'), (5, b'd')]);
        assert_eq!(lines(b"a\r\nb\rc\n\nd", LineEnds::All), 4);
        assert_eq!(lines(b"a\r\nb\rc\n\nd", LineEnds::LineFeeds), 3);
    }

    #[test]
    fn a_line_beyond_every_limit_is_skipped_and_not_kept() {
        let long = std::io::repeat(b'x').take(3 * MAX_RECORD as u64).chain("\nnext\n".as_bytes());
        let mut window = Window::new(long, LineEnds::All);
        while !window.is_full() {
            window.more().unwrap();
        }
        window.skip_line().unwrap();
        window.more().unwrap();
        assert_eq!((window.line(), window.text()), (2, "next\n".as_bytes()));
        assert!(window.buffer.len() <= MAX_RECORD);
    }
}
