//! Deletion vectors: which rows of a file are deleted, as a compressed set of their numbers.
//!
//! ```text
//! file    version 1: u8, then vectors     a vector begins at the offset that the log gives
//! vector  length: u32 be │ magic: u32 le │ set │ crc32 of magic and set: u32 be
//! set     a roaring treemap in the portable format
//! ```
//!
//! A vector may also stand in the log itself, in base 85, without length and checksum. Lengths are judged before memory is
//! reserved for them, and a set must have as many rows as the log says, each of them in the file.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::object_store::ObjectStoreExt;
use deltalake_core::kernel::{DeletionVectorDescriptor, StorageType};
use flate2::Crc;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use roaring::RoaringTreemap;

use super::files::{Files, require_inside};
use crate::error::{Error, ErrorKind, Result};
use crate::sources::widen::uuid;
use crate::sources::{pin, unreadable};

/// Bytes of a vector.
const MOST_BYTES: u64 = 128 << 20;
/// The length before a vector.
const LENGTH: u64 = 4;
/// The checksum behind a vector.
const CHECKSUM: u64 = 4;
/// The first bytes of a vector.
const MAGIC: u32 = 1_681_511_377;
/// Letters of the name of a file of vectors in base 85.
const NAME_LETTERS: usize = 20;
/// The letters of base 85.
const LETTERS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
/// What to do about a vector that cannot be read.
const DAMAGED_VECTOR: &str = "without it nobody can tell which rows are deleted: copy the table again";

/// Which rows of a file are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeletionVector {
    place: Place,
    /// How many rows these are.
    pub(super) rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the log.
    Inline(Arc<[u8]>),
    /// In a file of the table.
    File { path: String, offset: u64, bytes: u64 },
}

impl DeletionVector {
    /// The vector that the log of the table `shown` describes so.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for one outside the table, and for what cannot be.
    pub(super) fn of(shown: &str, found: &DeletionVectorDescriptor) -> Result<Self> {
        let wrong = || damaged(format!("the log of `{shown}` describes a deletion vector that cannot be"));
        let rows = u64::try_from(found.cardinality).map_err(|_| wrong())?;
        let bytes = u64::try_from(found.size_in_bytes).ok().filter(|bytes| (LENGTH..=MOST_BYTES).contains(bytes));
        let bytes = bytes.ok_or_else(wrong)?;
        let text = found.path_or_inline_dv.as_bytes();
        let place = match found.storage_type {
            StorageType::Inline => Place::Inline(decoded(text).ok_or_else(wrong)?.into()),
            StorageType::UuidRelativePath => {
                let (prefix, name) = text.split_at_checked(text.len().wrapping_sub(NAME_LETTERS)).ok_or_else(wrong)?;
                let prefix = std::str::from_utf8(prefix).map_err(|_| wrong())?;
                let name = decoded(name).map(|name| uuid(&name)).ok_or_else(wrong)?;
                let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                let path = format!("{folder}deletion_vector_{name}.bin");
                require_inside(shown, &path)?;
                let offset = u64::try_from(found.offset.unwrap_or(1)).map_err(|_| wrong())?;
                Place::File { path, offset, bytes }
            }
            StorageType::AbsolutePath => {
                let message = format!("the log of `{shown}` names a deletion vector by an absolute path");
                return Err(Error::new(ErrorKind::Source, message).hint(
                    "a shallow clone has it in another table, and no path may leave the folder: make a deep clone, or \
                     read the table that was cloned",
                ));
            }
        };
        Ok(Self { place, rows })
    }

    /// What is left of a file of the table that has `rows`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] naming the file of the vector, or `of`, which it belongs to, if it cannot be read.
    pub(super) async fn selection(&self, files: &Files, of: &str, rows: u64) -> Result<RowSelection> {
        let (shown, set) = match &self.place {
            Place::Inline(bytes) => (format!("the deletion vector of `{of}`"), set(bytes)),
            Place::File { path, offset, bytes } => {
                let file = files.file(path, None).await?;
                let shown = format!("`{}`", file.shown());
                let end = offset.checked_add(LENGTH + bytes + CHECKSUM).filter(|end| *end <= file.meta.size);
                let end = end.ok_or_else(|| damaged(format!("{shown} is too short for its deletion vectors")))?;
                let store = pin::pinned(Arc::clone(&files.store), std::slice::from_ref(&file));
                let found = store.get_range(&file.meta.location, *offset..end).await;
                let found = found.map_err(|error| unreadable(file.shown(), error))?;
                let set = body(&found, *bytes).and_then(set);
                (shown, set)
            }
        };
        let set = set.ok_or_else(|| damaged(format!("{shown} holds a damaged deletion vector")))?;
        if set.len() != self.rows || set.max().is_some_and(|last| last >= rows) {
            return Err(damaged(format!("{shown} deletes other rows than the log of the table says")));
        }
        Ok(rest(&set, rows))
    }
}

fn damaged(message: String) -> Error {
    Error::new(ErrorKind::Source, message).hint(DAMAGED_VECTOR)
}

/// The magic and the set of the vector `found`, which has `bytes` of them, if its checksum fits.
fn body(found: &Bytes, bytes: u64) -> Option<&[u8]> {
    let (length, rest) = found.split_first_chunk::<4>()?;
    let (body, checksum) = rest.split_last_chunk::<4>()?;
    let mut sum = Crc::new();
    sum.update(body);
    let fits = u64::from(u32::from_be_bytes(*length)) == bytes && u32::from_be_bytes(*checksum) == sum.sum();
    fits.then_some(body)
}

/// The set behind its magic.
fn set(body: &[u8]) -> Option<RoaringTreemap> {
    let (magic, set) = body.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*magic) != MAGIC {
        return None;
    }
    // A set of more bitmaps than it has bytes is forged.
    let (bitmaps, _) = set.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*bitmaps) > set.len() as u64 {
        return None;
    }
    RoaringTreemap::deserialize_from(set).ok()
}

/// The rows of `rows` that are not `deleted`.
fn rest(deleted: &RoaringTreemap, rows: u64) -> RowSelection {
    let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    let (mut selectors, mut next) = (Vec::new(), 0_u64);
    let mut run: Option<(u64, u64)> = None;
    for row in deleted {
        match &mut run {
            Some((_, end)) if *end == row => *end += 1,
            _ => {
                next = close(&mut selectors, run, next);
                run = Some((row, row + 1));
            }
        }
    }
    next = close(&mut selectors, run, next);
    if next < rows {
        selectors.push(RowSelector::select(count(rows - next)));
    }
    RowSelection::from(selectors)
}

/// Adds what lies between `next` and a `run` of deleted rows, and the run; gives the row behind it.
fn close(selectors: &mut Vec<RowSelector>, run: Option<(u64, u64)>, next: u64) -> u64 {
    let Some((start, end)) = run else { return next };
    let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    if start > next {
        selectors.push(RowSelector::select(count(start - next)));
    }
    selectors.push(RowSelector::skip(count(end - start)));
    end
}

/// The bytes that `text` writes in base 85, four to five letters.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(5) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for letters in text.chunks(5) {
        let mut number = 0_u32;
        for letter in letters {
            let digit = LETTERS.iter().position(|known| known == letter)?;
            number = number.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        bytes.extend(number.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(storage_type: StorageType, text: &str) -> DeletionVectorDescriptor {
        let path_or_inline_dv = text.to_owned();
        DeletionVectorDescriptor { storage_type, path_or_inline_dv, offset: Some(1), size_in_bytes: 36, cardinality: 2 }
    }

    #[test]
    fn names_of_files_are_those_of_the_protocol() {
        for (text, path) in [
            ("ab^-aqEH.-t@S}K{vb[*k^", "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"),
            ("vBn[lx{q8@P<9BNH/isA", "deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin"),
        ] {
            let found = DeletionVector::of("t", &descriptor(StorageType::UuidRelativePath, text)).unwrap();
            assert_eq!(found.place, Place::File { path: path.to_owned(), offset: 1, bytes: 36 });
        }
        for (kind, text) in [
            (StorageType::UuidRelativePath, "vBn[lx{q8@P<9BNH/is"),
            (StorageType::UuidRelativePath, "../vBn[lx{q8@P<9BNH/isA"),
            (StorageType::UuidRelativePath, "vBn[lx{q8@P<9BNH/is~"),
            (StorageType::Inline, "abc"),
            (StorageType::AbsolutePath, "s3://other/deletion_vector.bin"),
        ] {
            assert_eq!(DeletionVector::of("t", &descriptor(kind, text)).unwrap_err().exit_code(), 5, "{text}");
        }
    }

    #[test]
    fn a_set_is_read_as_it_was_written() {
        let deleted: RoaringTreemap = [1, 2, 5, 70_000].into_iter().collect();
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        deleted.serialize_into(&mut bytes).unwrap();
        assert_eq!(set(&bytes), Some(deleted.clone()));
        let mut sum = Crc::new();
        sum.update(&bytes);
        let length = u32::try_from(bytes.len()).unwrap();
        let vector = [&length.to_be_bytes()[..], &bytes, &sum.sum().to_be_bytes()].concat();
        let vector = Bytes::from(vector);
        assert_eq!(body(&vector, u64::from(length)), Some(bytes.as_slice()));
        assert_eq!(body(&vector, u64::from(length) + 1), None);
        for flipped in [0, 9, vector.len() - 1] {
            let mut vector = vector.to_vec();
            vector[flipped] ^= 1;
            assert_eq!(body(&vector.into(), u64::from(length)), None, "{flipped}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(set(&bytes[..cut]), None, "{cut}");
        }
        let mut forged = bytes.clone();
        forged[4..12].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(set(&forged), None);
    }

    #[test]
    fn what_is_not_deleted_is_left() {
        let rows = |deleted: &[u64], rows: u64| {
            let selection = rest(&deleted.iter().copied().collect(), rows);
            selection.iter().map(|part| (part.skip, part.row_count)).collect::<Vec<_>>()
        };
        assert_eq!(rows(&[], 3), [(false, 3)]);
        assert_eq!(rows(&[0, 1], 3), [(true, 2), (false, 1)]);
        assert_eq!(rows(&[1, 3, 4], 6), [(false, 1), (true, 1), (false, 1), (true, 2), (false, 1)]);
        assert_eq!(rows(&[0, 1, 2], 3), [(true, 3)]);
    }
}
