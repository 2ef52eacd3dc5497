//! Inputs made from other inputs, the same for the same seed.

use std::ops::Range;

/// No input is longer.
pub const MAX_BYTES: usize = 64 << 10;
/// Most changes to one input.
const MAX_CHANGES: usize = 6;
/// Numbers at the edges of their types.
const NUMBERS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MAX as u64, u64::MAX];
/// Pieces that mean something in one of the formats.
const PIECES: [&[u8]; 40] = [
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\"",
    b"\"\"",
    b"'",
    b"\\",
    b"\\\"",
    b",",
    b";",
    b"\t",
    b"|",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"null",
    b"true",
    b"NaN",
    b"-0",
    b"1e999",
    b"0.1",
    b"9223372036854775808",
    b"12345678901234567890123",
    b"2026-03-29T02:30:00",
    b"2026-11-01T12:00:00+01:00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\xf0\x9f\x98\x80",
    b"PAR1",
    b"\"code\":0",
    b"--",
    b";\n",
];

/// A generator of numbers that look random (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 where there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// One of `choices`, which are not empty.
    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// A range in `length` bytes that is short more often than long.
    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length);
        let longest = if self.below(4) == 0 { length - start } else { (length - start).min(16) };
        start..start + self.below(longest + 1)
    }
}

/// One of `corpus`, changed in a few places.
#[must_use]
pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(MAX_CHANGES) {
        change(&mut input, corpus, random);
    }
    input.truncate(MAX_BYTES);
    input
}

/// Changes `input` in one place.
fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len());
    match random.below(11) {
        0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        1 if !input.is_empty() => input[at] = u8::try_from(random.below(256)).unwrap_or_default(),
        2 if !input.is_empty() => input[at] = input[at].wrapping_add(if random.below(2) == 0 { 1 } else { 0xff }),
        3 => drop(input.drain(random.range(input.len()))),
        4 => {
            let piece = random.of(&PIECES).to_vec();
            input.splice(at..at, piece);
        }
        5 => {
            let piece = random.of(&PIECES).to_vec();
            let range = random.range(input.len());
            input.splice(range, piece);
        }
        6 => {
            let copy = input[random.range(input.len())].to_vec();
            input.splice(at..at, copy);
        }
        7 => {
            let other = &corpus[random.below(corpus.len())];
            let copy = other[random.range(other.len())].to_vec();
            let range = random.range(input.len());
            input.splice(range, copy);
        }
        8 => number(input, at, random),
        9 => digits(input, at, random),
        _ => input.truncate(at),
    }
}

/// Puts a number at the edge of its type in the place of bytes.
fn number(input: &mut [u8], at: usize, random: &mut Random) {
    let number = NUMBERS[random.below(NUMBERS.len())];
    let width = [1, 2, 4, 8][random.below(4)];
    let bytes = if random.below(4) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
    for (place, byte) in input.iter_mut().skip(at).take(width).zip(bytes) {
        *place = byte;
    }
}

/// Changes the next digit.
fn digits(input: &mut [u8], at: usize, random: &mut Random) {
    if let Some(digit) = input.iter_mut().skip(at).find(|byte| byte.is_ascii_digit()) {
        *digit = b'0' + u8::try_from(random.below(10)).unwrap_or_default();
    }
}
