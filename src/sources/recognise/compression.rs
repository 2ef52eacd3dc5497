//! What a file is compressed with: seen in its first bytes, taken off while it is read.
//!
//! Every container may hold several members one after the other, as parallel uploads and `cat` leave them, and what is
//! cut off or damaged is an error and never a shorter file. Framed Snappy has no end mark: there, a file that is cut
//! exactly between two of its frames cannot be told from a whole one.

use std::fmt;
use std::io::{self, BufReader, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use lz4_flex::frame::FrameDecoder;

/// Memory that the window of an xz file may take; what `xz -9` writes takes 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// What a file is compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sources) enum Compression {
    /// Nothing.
    #[default]
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    /// Snappy in its framing format.
    Snappy,
    /// LZ4 frames.
    Lz4,
}

impl Compression {
    /// Names by which an option declares each.
    pub(in crate::sources) const NAMES: &[(&str, Self)] = &[
        ("none", Self::None),
        ("uncompressed", Self::None),
        ("gzip", Self::Gzip),
        ("gz", Self::Gzip),
        ("zstd", Self::Zstd),
        ("zst", Self::Zstd),
        ("bzip2", Self::Bzip2),
        ("bz2", Self::Bzip2),
        ("xz", Self::Xz),
        ("snappy", Self::Snappy),
        ("lz4", Self::Lz4),
    ];

    /// The one whose files begin as `head` does.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Self::Snappy,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            _ => Self::None,
        }
    }

    /// What `packed` holds.
    pub(in crate::sources) fn unpack(self, packed: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::None => packed,
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(packed))),
            Self::Zstd => Box::new(zstd::Decoder::new(packed)?),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
            Self::Xz => Box::new(XzDecoder::new_stream(packed, Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?)),
            Self::Snappy => Box::new(snap::read::FrameDecoder::new(packed)),
            Self::Lz4 => Box::new(Lz4Frames::new(packed)),
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Snappy => "Snappy frames",
            Self::Lz4 => "LZ4 frames",
        })
    }
}

/// LZ4 frames, one after the other; the decoder takes a file that is cut between two blocks for a whole one.
struct Lz4Frames<R: Read> {
    frames: FrameDecoder<Watched<BufReader<R>>>,
}

/// A reader that knows whether it has come to its end.
struct Watched<R> {
    inner: R,
    /// Bytes since the end of the last frame.
    read: u64,
    is_at_end: bool,
}

impl<R: Read> Lz4Frames<R> {
    fn new(inner: R) -> Self {
        Self { frames: FrameDecoder::new(Watched { inner: BufReader::new(inner), read: 0, is_at_end: false }) }
    }
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = self.frames.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let watched = self.frames.get_mut();
            match (watched.is_at_end, watched.read) {
                (true, 0) => return Ok(0),
                (true, _) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last LZ4 frame has no end")),
                // A frame has ended, and another may follow.
                (false, _) => watched.read = 0,
            }
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        self.is_at_end |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    /// `content` in every compression.
    fn packed(content: &[u8]) -> Vec<(Compression, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(content).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
        bzip2.write_all(content).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(content).unwrap();
        let mut snappy = snap::write::FrameEncoder::new(Vec::new());
        snappy.write_all(content).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(content).unwrap();
        vec![
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Zstd, zstd::encode_all(content, 3).unwrap()),
            (Compression::Bzip2, bzip2.finish().unwrap()),
            (Compression::Xz, xz.finish().unwrap()),
            (Compression::Snappy, snappy.into_inner().unwrap()),
            (Compression::Lz4, lz4.finish().unwrap()),
        ]
    }

    fn unpacked(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        compression.unpack(Box::new(Cursor::new(packed.to_vec())))?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn every_compression_is_recognised_and_read_to_its_last_member() {
        let content = (0..50_000_u32).flat_map(|number| (number * 7_919 % 10_007).to_string().into_bytes());
        let content: Vec<u8> = content.collect();
        for (compression, whole) in packed(&content) {
            assert_eq!(Compression::of(&whole), compression);
            assert!(unpacked(compression, &whole).unwrap() == content, "{compression}");
            let several = [whole.as_slice(), &whole, &whole].concat();
            assert!(unpacked(compression, &several).unwrap() == content.repeat(3), "several members of {compression}");
        }
    }

    #[test]
    fn whatever_is_cut_off_is_an_error() {
        let content = (0..50_000_u32).flat_map(|number| (number * 7_919 % 10_007).to_string().into_bytes());
        let content: Vec<u8> = content.collect();
        for (compression, whole) in packed(&content) {
            for cut in (1..whole.len()).step_by(97).chain([whole.len() - 1, whole.len() - 4]) {
                let read = unpacked(compression, &whole[..cut]);
                // Between two frames of Snappy nothing shows that more was to come.
                assert!(read.is_err() || compression == Compression::Snappy, "{compression} cut at {cut}");
            }
            let again = [whole.as_slice(), &whole[..whole.len() / 2]].concat();
            assert!(unpacked(compression, &again).is_err(), "the second member of {compression}");
        }
    }
}
