//! Thrift's compact protocol, as far as sizes that a file claims have to be judged before a decoder believes them.
//!
//! Decoders reserve memory for what a list or page says of its length. Here the bytes are only walked: nothing is kept, a
//! list is no longer than the bytes that are left, and nesting ends somewhere.

/// Structures within structures that are followed; the deepest of Parquet has fewer than ten.
const DEPTH: u8 = 32;
/// Entries of a list of structures: more than any footer has columns or row groups.
const STRUCTURES: usize = 1 << 20;

/// Types on the wire.
const TRUE: u8 = 1;
/// A truth value that is not true, in the head of its field.
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
/// A structure.
pub(super) const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Bytes in the compact protocol, read from the first on. Every `None` says that they are no such thing.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Compact<'a> {
    /// At the first of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next field of a structure after field number `last`, as its number and type; of no type at its end.
    pub(super) fn field(&mut self, last: i16) -> Option<(i16, u8)> {
        let head = self.byte()?;
        let (kind, step) = (head & 0x0f, head >> 4);
        if kind == 0 {
            return Some((last, kind));
        }
        let number = match step {
            0 => i16::try_from(self.number()?).ok()?,
            step => last.checked_add(i16::from(step))?,
        };
        Some((number, kind))
    }

    /// A whole number of any width.
    pub(super) fn number(&mut self) -> Option<i64> {
        let zigzag = self.unsigned()?;
        let half = i64::try_from(zigzag >> 1).ok()?;
        Some(if zigzag & 1 == 0 { half } else { -half - 1 })
    }

    /// The elements of a list.
    pub(super) fn list(mut self) -> Option<usize> {
        self.elements_of_list().map(|(count, _)| count)
    }

    /// Passes over a value of type `kind`.
    pub(super) fn skip(&mut self, kind: u8) -> Option<()> {
        self.skip_within(kind, DEPTH)
    }

    fn skip_within(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            TRUE | FALSE => Some(()),
            BYTE => self.advance(1),
            4..=6 => self.unsigned().map(|_| ()),
            DOUBLE => self.advance(8),
            BINARY => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                self.advance(length)
            }
            LIST | SET => {
                let (count, kind) = self.elements_of_list()?;
                self.elements(count, kind)?;
                for _ in 0..count {
                    self.element(kind, depth)?;
                }
                Some(())
            }
            MAP => {
                let count = usize::try_from(self.unsigned()?).ok()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                self.elements(count, STRUCT)?;
                for _ in 0..count {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0x0f, depth)?;
                }
                Some(())
            }
            STRUCT => {
                let mut last = 0;
                while let (number, kind @ 1..) = self.field(last)? {
                    self.skip_within(kind, depth)?;
                    last = number;
                }
                Some(())
            }
            UUID => self.advance(16),
            _ => None,
        }
    }

    /// How many elements of which type a list has.
    fn elements_of_list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            count => usize::from(count),
        };
        Some((count, head & 0x0f))
    }

    /// Passes over one element of a list, where a truth value takes a byte.
    fn element(&mut self, kind: u8, depth: u8) -> Option<()> {
        if matches!(kind, TRUE | FALSE) { self.advance(1) } else { self.skip_within(kind, depth) }
    }

    /// Whether `count` elements can be there: each takes a byte at least.
    fn elements(&self, count: usize, kind: u8) -> Option<()> {
        let most = self.bytes.len() - self.position;
        (count <= if kind == STRUCT { most.min(STRUCTURES) } else { most }).then_some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    fn advance(&mut self, count: usize) -> Option<()> {
        let end = self.position.checked_add(count)?;
        (end <= self.bytes.len()).then(|| self.position = end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_longer_than_its_bytes_and_nesting_ends() {
        // A list of 2³¹ − 1 structures in ten bytes.
        let forged = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0];
        assert_eq!(Compact::new(&forged).skip(STRUCT), None);
        assert_eq!(Compact::new(&[0x1c; 4096]).skip(STRUCT), None);
        let sound = [0x15, 0x02, 0x19, 0x2c, 0, 0, 0x18, 0x01, b'x', 0];
        let mut compact = Compact::new(&sound);
        assert_eq!((compact.skip(STRUCT), compact.position()), (Some(()), sound.len()));
        for cut in 0..sound.len() {
            assert_eq!(Compact::new(&sound[..cut]).skip(STRUCT), None, "{cut}");
        }
    }

    #[test]
    fn numbers_are_read_in_zigzag() {
        for (bytes, expected) in [(&[0x00][..], 0), (&[0x01], -1), (&[0x02], 1), (&[0xac, 0x02], 150)] {
            assert_eq!(Compact::new(bytes).number(), Some(expected));
        }
        assert_eq!(Compact::new(&[0xff; 11]).number(), None);
    }
}
