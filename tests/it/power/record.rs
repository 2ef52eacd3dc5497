//! What a run did to the files of its ledger and sent, read from a trace by strace.

use std::collections::HashMap;
use std::path::Path;

use crate::receiver::events;
use crate::trace::{body, bytes, data};

/// Options under which strace writes what is read here.
pub(super) const OPTIONS: [&str; 7] = [
    "-yy",
    "-xx",
    "-s",
    "65536",
    "--seccomp-bpf",
    "-e",
    "trace=mkdir,openat,unlink,write,pwrite64,ftruncate,fsync,fdatasync,writev,sendto,sendmsg",
];

/// Something that changes what is on the disk, or what is known outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A file was opened, and made if it was not there.
    Opened(String),
    Removed(String),
    Wrote {
        name: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        name: String,
        length: usize,
    },
    Synced(String),
    SyncedFolder,
    /// The folder, or one above it, was made in this one.
    MadeFolderIn(String),
    SyncedFolderAbove(String),
    /// The first byte of a request with these events left.
    Sent(Vec<String>),
}

/// The changes to files in `folder`, and the requests, in order. Only one thread at a time changes the files.
pub(super) fn read(trace: &str, folder: &str) -> Vec<Change> {
    let mut syncing: HashMap<&str, Change> = HashMap::new();
    let mut changes = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.trim().split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... f") && rest.contains("sync resumed>") {
            changes.extend(syncing.remove(thread));
            continue;
        }
        let Some((call, arguments)) = rest.split_once('(') else { continue };
        let Some(change) = change(call, arguments, folder) else { continue };
        let is_sync = matches!(change, Change::Synced(_) | Change::SyncedFolder | Change::SyncedFolderAbove(_));
        if is_sync && rest.ends_with("<unfinished ...>") {
            syncing.insert(thread, change);
        } else {
            changes.push(change);
        }
    }
    changes
}

fn change(call: &str, arguments: &str, folder: &str) -> Option<Change> {
    let text = |path: &str| String::from_utf8(bytes(path)).ok();
    let name = |path: &str| Some(text(path)?.strip_prefix(folder)?.trim_start_matches('/').to_owned());
    let is_above = |path: &str| Path::new(folder).starts_with(path);
    if ["mkdir", "openat", "unlink"].contains(&call) {
        let path = arguments.split('"').nth(1)?;
        if call == "mkdir" {
            let made = text(path).filter(|path| is_above(path) && arguments.ends_with("= 0"))?;
            return Some(Change::MadeFolderIn(Path::new(&made).parent()?.to_str()?.to_owned()));
        }
        let name = name(path).filter(|name| !name.is_empty())?;
        let opened = || arguments.contains("O_CREAT").then(|| Change::Opened(name.clone()));
        return if call == "unlink" { Some(Change::Removed(name)) } else { opened() };
    }
    let (_, file) = arguments.split_once('<')?;
    if file.starts_with("TCP") {
        let sent = data(arguments);
        let ids: Vec<String> = events(body(&sent)?).into_iter().map(|event| event.id).collect();
        return Some(Change::Sent(ids));
    }
    let (path, others) = file.split_once('>')?;
    if let Some(above) = text(path).filter(|path| path != folder && is_above(path)) {
        return call.contains("sync").then_some(Change::SyncedFolderAbove(above));
    }
    let name = name(path)?;
    // The last argument, which a number is.
    let last = || {
        let numbers = others.rsplit('"').next()?.split([')', '<']).next()?;
        numbers.split([',', ' ']).rfind(|part| !part.is_empty())?.parse::<usize>().ok()
    };
    match call {
        "fsync" | "fdatasync" if name.is_empty() => Some(Change::SyncedFolder),
        "fsync" | "fdatasync" => Some(Change::Synced(name)),
        "ftruncate" => Some(Change::Cut { name, length: last().expect("a length") }),
        // The lock's note, which is always written from the beginning.
        "write" => Some(Change::Wrote { name, at: 0, bytes: data(others) }),
        "pwrite64" => Some(Change::Wrote { name, at: last().expect("an offset"), bytes: data(others) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_gives_changes_in_the_order_in_which_they_are_durable() {
        let hexadecimal = |text: &str| -> String {
            text.bytes().flat_map(|byte| ["\\x".to_owned(), format!("{byte:02x}")]).collect()
        };
        let (folder, log, lock) = (hexadecimal("/l"), hexadecimal("/l/a-wal"), hexadecimal("/l/a.lock"));
        let trace = format!(
            "7 openat(AT_FDCWD<{folder}>, \"{log}\", O_RDWR|O_CREAT, 0600) = 5<{log}>\n\
             7 openat(AT_FDCWD<{folder}>, \"{log}\", O_RDONLY) = 6<{log}>\n\
             7 pwrite64(5<{log}>, \"\\x01\\x02\", 2, 4120 <unfinished ...>\n\
             7 <... pwrite64 resumed>) = 2\n\
             7 fsync(5<{log}> <unfinished ...>\n\
             7 write(9<{lock}>, \"\\x03\", 1) = 1\n\
             7 <... fsync resumed>) = 0\n\
             7 ftruncate(5<{log}>, 64) = 0\n\
             7 ftruncate(5<{log}>, 32 <unfinished ...>\n\
             7 <... ftruncate resumed>) = 0\n\
             7 fsync(6<{folder}>) = 0\n\
             7 unlink(\"{log}\") = 0\n\
             7 mkdir(\"{folder}\", 0700) = 0\n\
             7 fsync(8<\\x2f>) = 0\n"
        );
        let wal = || "a-wal".to_owned();
        let expected = [
            Change::Opened(wal()),
            Change::Wrote { name: wal(), at: 4_120, bytes: vec![1, 2] },
            Change::Wrote { name: "a.lock".to_owned(), at: 0, bytes: vec![3] },
            Change::Synced(wal()),
            Change::Cut { name: wal(), length: 64 },
            Change::Cut { name: wal(), length: 32 },
            Change::SyncedFolder,
            Change::Removed(wal()),
            Change::MadeFolderIn("/".to_owned()),
            Change::SyncedFolderAbove("/".to_owned()),
        ];
        assert_eq!(read(&trace, "/l"), expected);
    }
}
