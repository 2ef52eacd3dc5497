//! Refuses network file systems: two machines that share a folder do not see each other's locks.
//!
//! Linux says of which type a mounted file system is; elsewhere the epoch of the ledger is all that guards.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Types of file systems that are of the network.
const NETWORK: &[&str] = &[
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse.blobfuse",
    "fuse.blobfuse2",
    "fuse.ceph",
    "fuse.davfs2",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.goofys",
    "fuse.juicefs",
    "fuse.mountpoint-s3",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "panfs",
    "pvfs2",
    "smb2",
    "smb3",
    "smbfs",
    "wekafs",
];

/// Refuses `folder`, which is canonical, if it is on the network.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub(super) fn refuse(folder: &Path) -> Result<()> {
    refuse_by(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(), folder)
}

/// Refuses `folder` by the kernel's list of `mounts`.
fn refuse_by(mounts: &str, folder: &Path) -> Result<()> {
    let Some(kind) = kind(mounts, folder).filter(|kind| NETWORK.contains(kind)) else { return Ok(()) };
    let message = format!("the ledger is on a network file system ({kind}), where its lock does not hold");
    Err(Error::new(ErrorKind::Usage, message)
        .context("folder", folder.display())
        .hint("name a folder on a disk of this machine with --ledger, or take the risk with --allow-network-ledger"))
}

/// The type of the file system that `folder` is on, as the kernel lists its `mounts`.
fn kind<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = unescaped(before.split(' ').nth(4)?);
        folder.starts_with(&point).then_some((point.len(), after.split(' ').next()?))
    });
    // Of two mounts at one place the later one covers the earlier.
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// A path of the kernel's list, which writes blanks and backslashes in octal.
fn unescaped(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (escape, char)| path.replace(escape, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/team\\040share rw,relatime shared:2 - nfs4 nas:/export rw,vers=4.2
31 30 0:41 / /mnt/team\\040share/fast rw,relatime - xfs /dev/vdb rw
32 22 0:42 / /mnt/remote rw - fuse.sshfs me@host:/ rw
33 22 0:43 / /mnt/covered rw - nfs a:/ rw
34 22 0:44 / /mnt/covered rw - tmpfs tmpfs rw
";

    #[test]
    fn the_innermost_mount_says_what_a_folder_is_on() {
        for (folder, expected) in [
            ("/home/ana/.postback", "ext4"),
            ("/mnt/team share/.postback", "nfs4"),
            ("/mnt/team share/fast/.postback", "xfs"),
            ("/mnt/team shares", "ext4"),
            ("/mnt/remote", "fuse.sshfs"),
            ("/mnt/covered/x", "tmpfs"),
        ] {
            assert_eq!(kind(MOUNTS, Path::new(folder)), Some(expected), "{folder}");
        }
        assert_eq!(kind("", Path::new("/")), None);
    }

    #[test]
    fn a_folder_on_the_network_is_refused_with_its_kind() {
        for folder in ["/mnt/team share/.postback", "/mnt/remote/a/b"] {
            let error = refuse_by(MOUNTS, Path::new(folder)).expect_err("it is on the network");
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.message().starts_with("the ledger is on a network file system ("), "{error}");
            assert_eq!(error.contexts(), [("folder", folder.to_owned())]);
        }
        for folder in ["/", "/home/ana/.postback", "/mnt/team share/fast", "/mnt/covered", "/mnt/team shares"] {
            assert!(refuse_by(MOUNTS, Path::new(folder)).is_ok(), "{folder}");
        }
        // Where the machine does not say, nothing is refused.
        assert!(refuse_by("", Path::new("/mnt/remote")).is_ok());
    }

    #[test]
    fn the_kinds_are_sorted_and_each_is_there_once() {
        assert!(NETWORK.is_sorted_by(|one, next| one < next));
    }
}
