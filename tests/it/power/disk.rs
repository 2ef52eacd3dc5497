//! A disk that may lose what was not synced: what can be on it after the power went.

use std::collections::BTreeMap;

use super::record::Change;
use crate::crash::Random;

/// The least that a disk writes in one piece, what most do, and calls that are kept or lost as a whole.
const PIECES: [usize; 3] = [512, 4_096, usize::MAX];
/// How many of a hundred pieces were on the disk already.
const KEPT: [u64; 4] = [10, 50, 90, 100];

/// The files of one folder.
#[derive(Default)]
pub(super) struct Disk {
    files: Vec<File>,
    /// Names that are durable, and what became of names since the folder was last synced, in order.
    names: BTreeMap<String, usize>,
    renamed: Vec<(String, Option<usize>)>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone)]
enum Write {
    At(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    pub(super) fn take(&mut self, change: &Change) {
        match change {
            Change::Opened(name) => {
                if self.find(name).is_none() {
                    self.files.push(File::default());
                    self.renamed.push((name.clone(), Some(self.files.len() - 1)));
                }
            }
            Change::Removed(name) => self.renamed.push((name.clone(), None)),
            Change::Wrote { name, at, bytes } => self.add(name, Write::At(*at, bytes.clone())),
            Change::Cut { name, length } => self.add(name, Write::Cut(*length)),
            Change::Synced(name) => {
                let Some(file) = self.find(name) else { return };
                let File { durable, unsynced } = &mut self.files[file];
                for write in unsynced.drain(..) {
                    write.apply(durable);
                }
            }
            Change::SyncedFolder => {
                for renamed in self.renamed.drain(..) {
                    rename(&mut self.names, renamed);
                }
            }
            Change::MadeFolderIn(_) | Change::SyncedFolderAbove(_) | Change::Sent(_) => {}
        }
    }

    /// Whether the power cannot take anything.
    pub(super) fn is_synced(&self) -> bool {
        self.renamed.is_empty() && self.files.iter().all(|file| file.unsynced.is_empty())
    }

    /// The files as they are at least: nothing that was not synced is there.
    pub(super) fn at_least(&self) -> BTreeMap<String, Vec<u8>> {
        self.names.iter().map(|(name, file)| (name.clone(), self.files[*file].durable.clone())).collect()
    }

    /// The files as they may be: of what was not synced some is there, in whatever order it came.
    pub(super) fn image(&self, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.names.clone();
        // What becomes of names is kept in order by every file system with a journal.
        let kept = usize::try_from(random.below(self.renamed.len() as u64 + 1)).unwrap();
        for renamed in &self.renamed[..kept] {
            rename(&mut names, renamed.clone());
        }
        let (piece, percent) = (random.one(&PIECES), random.one(&KEPT));
        let mut content = |file: usize| {
            let File { durable, unsynced } = &self.files[file];
            let mut bytes = durable.clone();
            for write in unsynced.iter().flat_map(|write| write.pieces(piece)) {
                if random.below(100) < percent {
                    write.apply(&mut bytes);
                }
            }
            bytes
        };
        names.into_iter().map(|(name, file)| (name, content(file))).collect()
    }

    fn add(&mut self, name: &str, write: Write) {
        let file = self.find(name).unwrap_or_else(|| panic!("{name} was never opened"));
        self.files[file].unsynced.push(write);
    }

    /// The file that has this name now.
    fn find(&self, name: &str) -> Option<usize> {
        let renamed = self.renamed.iter().rev().find(|(renamed, _)| renamed == name);
        renamed.map_or_else(|| self.names.get(name).copied(), |(_, file)| *file)
    }
}

impl Write {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::At(at, written) => {
                let end = at + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[at..end].copy_from_slice(&written);
            }
            Self::Cut(length) => bytes.resize(length, 0),
        }
    }

    /// The write as a disk may tear it: where it crosses from one piece of the file to the next.
    fn pieces(&self, piece: usize) -> Vec<Self> {
        let Self::At(at, bytes) = self else { return vec![self.clone()] };
        let (mut at, mut rest, mut pieces) = (*at, &bytes[..], Vec::new());
        while !rest.is_empty() {
            let (first, others) = rest.split_at(rest.len().min(piece - at % piece));
            pieces.push(Self::At(at, first.to_vec()));
            (at, rest) = (at + first.len(), others);
        }
        pieces
    }
}

fn rename(names: &mut BTreeMap<String, usize>, (name, file): (String, Option<usize>)) {
    match file {
        Some(file) => drop(names.insert(name, file)),
        None => drop(names.remove(&name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_synced_stays_and_the_rest_may_be_lost_or_torn() {
        let wrote = |at, bytes: &[u8]| Change::Wrote { name: "a".into(), at, bytes: bytes.to_vec() };
        let mut disk = Disk::default();
        disk.take(&Change::Opened("a".into()));
        disk.take(&wrote(0, &[1; 600]));
        disk.take(&Change::Synced("a".into()));
        assert_eq!(disk.at_least(), BTreeMap::new(), "its name is not on the disk");
        disk.take(&Change::SyncedFolder);
        disk.take(&wrote(500, &[2; 600]));
        assert_eq!(disk.at_least()["a"], [1; 600]);
        let mut random = Random(1);
        let mut seen: BTreeMap<[u8; 3], usize> = BTreeMap::new();
        for _ in 0..1_000 {
            let found = disk.image(&mut random).remove("a").unwrap();
            assert_eq!(found[..500], [1; 500]);
            let at = |place: usize| found.get(place).copied().unwrap_or_default();
            *seen.entry([at(505), at(700), at(1_099)]).or_default() += 1;
        }
        for torn in [[1, 0, 0], [2, 2, 2], [2, 0, 0], [1, 2, 2], [1, 0, 2]] {
            assert!(seen.contains_key(&torn), "{torn:?} of {seen:?}");
        }
    }
}
