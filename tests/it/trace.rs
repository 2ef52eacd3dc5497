//! A trace of system calls by strace, and whether it shows every intent on the disk before the first byte of its body.

use std::collections::{HashMap, HashSet};

use crate::receiver::events;

/// Options under which strace writes what is read here: whole data, in hexadecimal digits, with the names of files.
pub(crate) const OPTIONS: [&str; 7] =
    ["-yy", "-xx", "-s", "65536", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,write,pwrite64,writev,sendto,sendmsg"];

/// Bytes before each page in SQLite's write-ahead log, with the size of the database in the last one of a transaction.
const FRAME_HEAD: usize = 24;
const COMMIT: std::ops::Range<usize> = 4..8;

/// A step of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A call began.
    Began { thread: u32, call: Call },
    /// The thread's call ended, without an error or with one.
    Ended { thread: u32, is_ok: bool },
}

/// A call that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The ledger's log is written.
    Log(Vec<u8>),
    /// The ledger's log is made durable.
    Sync,
    /// Bytes go to the network.
    Send(Vec<u8>),
    /// None of these.
    Other,
}

/// What a trace showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Events that were sent, and of them those that were not on the disk by then.
    pub(crate) sent: usize,
    pub(crate) too_early: Vec<String>,
    /// Syncs of the log.
    pub(crate) syncs: usize,
}

/// Reads what strace wrote.
pub(crate) fn read(trace: &str) -> Vec<Step> {
    trace.lines().flat_map(steps).collect()
}

fn steps(line: &str) -> Vec<Step> {
    let Some((thread, rest)) = line.trim().split_once(char::is_whitespace) else { return Vec::new() };
    let (Ok(thread), rest) = (thread.parse(), rest.trim_start()) else { return Vec::new() };
    let ended = || {
        let result = rest.rsplit_once(" = ").map(|(_, result)| result);
        // A call of a thread that is killed never ends.
        let is_ok = result.is_some_and(|result| !result.starts_with(['-', '?']));
        Step::Ended { thread, is_ok }
    };
    if rest.starts_with("<... ") {
        return vec![ended()];
    }
    let Some((name, arguments)) = rest.split_once('(') else { return Vec::new() };
    if rest.starts_with(['+', '-']) {
        return Vec::new();
    }
    let began = Step::Began { thread, call: call(name, arguments) };
    if rest.ends_with("<unfinished ...>") { vec![began] } else { vec![began, ended()] }
}

fn call(name: &str, arguments: &str) -> Call {
    let (file, others) = arguments.split_once('>').map_or((arguments, ""), |(file, others)| {
        // `TCP:[127.0.0.1:1->127.0.0.1:2]` holds the character that ends a name.
        others.split_once("]>").filter(|_| file.contains("<TCP")).unwrap_or((file, others))
    });
    let is_socket = arguments.split_once('<').is_some_and(|(_, name)| name.starts_with("TCP"));
    let path = file.split_once('<').map_or_else(Vec::new, |(_, path)| bytes(path));
    let is_log = path.ends_with(b"-wal");
    match name {
        "fsync" | "fdatasync" if is_log => Call::Sync,
        "write" | "pwrite64" if is_log => Call::Log(data(others)),
        _ if is_socket => Call::Send(data(others)),
        _ => Call::Other,
    }
}

/// The bytes between all pairs of quotes.
pub(crate) fn data(arguments: &str) -> Vec<u8> {
    assert!(!arguments.contains("\"..."), "the trace is cut off");
    arguments.split('"').skip(1).step_by(2).flat_map(bytes).collect()
}

/// `\x0a\x1b` as bytes.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    digits.split("\\x").filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}

/// Follows what of the log is durable, and looks for the key of each event that is sent: `keys` gives its event id.
pub(crate) fn follow(steps: &[Step], keys: &HashMap<[u8; 16], String>) -> Shown {
    let mut shown = Shown::default();
    let mut calls: HashMap<u32, &Call> = HashMap::new();
    // Keys in pages of a transaction without its end, in whole transactions, in those that a sync will make durable.
    let (mut open, mut whole, mut durable) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut syncing: HashMap<u32, HashSet<&String>> = HashMap::new();
    let mut is_last = false;
    for step in steps {
        match step {
            Step::Began { thread, call } => {
                calls.insert(*thread, call);
                match call {
                    Call::Sync => drop(syncing.insert(*thread, whole.clone())),
                    Call::Send(sent) => {
                        let Some(body) = body(sent) else { continue };
                        let ids = events(body).into_iter().map(|event| event.id);
                        let (early, rest): (Vec<_>, Vec<_>) = ids.partition(|id| !durable.contains(id));
                        shown.sent += early.len() + rest.len();
                        shown.too_early.extend(early);
                    }
                    Call::Log(_) | Call::Other => {}
                }
            }
            Step::Ended { thread, is_ok } => {
                let Some(call) = calls.remove(thread).filter(|_| *is_ok) else { continue };
                match call {
                    Call::Sync => {
                        shown.syncs += 1;
                        durable.extend(syncing.remove(thread).unwrap_or_default());
                    }
                    Call::Log(head) if head.len() == FRAME_HEAD => is_last = head[COMMIT] != [0; 4],
                    Call::Log(page) => {
                        open.extend(page.windows(16).filter_map(|bytes| keys.get(bytes)));
                        if is_last {
                            whole.extend(open.drain());
                        }
                    }
                    Call::Send(_) | Call::Other => {}
                }
            }
        }
    }
    shown
}

/// The body of a request, if these bytes are one: the product sends small ones with their head.
pub(crate) fn body(sent: &[u8]) -> Option<&[u8]> {
    let end = sent.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    sent.starts_with(b"POST ").then(|| &sent[end + 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().flat_map(|byte| ["\\x".to_owned(), format!("{byte:02x}")]).collect()
    }

    /// Write and sync of an intent, and a request, as strace shows them.
    fn lines() -> [String; 5] {
        let log = hexadecimal(b"/a/ledger.sqlite-wal");
        let mut head = [0; FRAME_HEAD];
        head[COMMIT][3] = 9;
        let mut page = [0; 64];
        page[20..36].fill(7);
        let request = b"POST / HTTP/1.1\r\n\r\n";
        let body = br#"{"data":[{"event_id":"1001"}]}"#;
        let socket = "9<TCP:[127.0.0.1:1->127.0.0.1:2]>";
        [
            format!("11 write(5<{log}>, \"{}\", 24) = 24", hexadecimal(&head)),
            format!("11 pwrite64(5<{log}>, \"{}\", 64, 56) = 64", hexadecimal(&page)),
            format!("11 fsync(5<{log}> <unfinished ...>"),
            "11 <... fsync resumed>) = 0".to_owned(),
            format!(
                "12 writev({socket}, [{{iov_base=\"{}\", iov_len=19}}, {{iov_base=\"{}\", iov_len=30}}], 2) = 49",
                hexadecimal(request),
                hexadecimal(body)
            ),
        ]
    }

    fn shown(order: &[usize]) -> Shown {
        let lines = lines();
        let trace: Vec<&str> = order.iter().map(|line| lines[*line].as_str()).collect();
        follow(&read(&trace.join("\n")), &HashMap::from([([7; 16], "1001".to_owned())]))
    }

    #[test]
    fn a_body_after_its_sync_is_in_time() {
        assert_eq!(shown(&[0, 1, 2, 3, 4]), Shown { sent: 1, syncs: 1, ..Shown::default() });
    }

    #[test]
    fn a_body_before_its_sync_has_ended_is_too_early() {
        for order in [&[0, 1, 2, 4, 3][..], &[0, 1, 4], &[2, 3, 0, 1, 4], &[1, 2, 3, 4], &[0, 2, 1, 3, 4]] {
            assert_eq!(shown(order).too_early, ["1001"], "{order:?}");
        }
    }
}
