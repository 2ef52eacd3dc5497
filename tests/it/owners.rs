//! Two runs and one ledger: one of them sends.

use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Signals, Sender, channel};
use std::time::{Duration, Instant};

use crate::history::REFERENCE;
use crate::receiver::{Moment, Next, Receiver};
use crate::server::{file, postback, said};

const RACES: usize = 50;

/// A receiver that lets nobody past the whole body of a request until it is told to, and says when one is there.
fn holding(receiver: &Receiver) -> (Signals<()>, Sender<()>) {
    let ((reached, is_reached), (release, is_released)) = (channel(), channel::<()>());
    receiver.during(0, move |moment, _| {
        if moment == Moment::WholeBody {
            reached.send(()).ok();
            // Once the sender is gone, everything passes.
            is_released.recv().ok();
        }
        Next::GoOn
    });
    (is_reached, release)
}

fn run(query: &str, receiver: &Receiver, ledger: &str) -> Command {
    let mut command = postback(&["run", query, "--base-url", &receiver.url, "--ledger", ledger]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_second_run_is_told_who_holds_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "orders.sql", &REFERENCE.query);
    let (home, alias) = (folder.path().join("ledger"), folder.path().join("alias"));
    let (home, alias) = (home.to_str().unwrap(), alias.to_str().unwrap());
    symlink(home, alias).unwrap();
    let receiver = Receiver::start(Duration::ZERO, "");
    let (reached, release) = holding(&receiver);
    let first = run(&query, &receiver, home).spawn().unwrap();
    reached.recv().unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let holder = format!("process {} on {}, since ", first.id(), host.trim());
    let mut fastest = Duration::MAX;
    for ledger in [home, alias, home] {
        let start = Instant::now();
        let second = said(&mut run(&query, &receiver, ledger));
        fastest = fastest.min(start.elapsed());
        assert_eq!(second.code, 6, "{}", second.stderr);
        for part in ["another run holds the ledger", &holder] {
            assert!(second.stderr.contains(part), "{}", second.stderr);
        }
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    kill(first);
    drop(release);
    receiver.during(1, |_, _| Next::GoOn);
    let third = said(&mut run(&query, &receiver, alias));
    assert_eq!(third.code, 0, "{}", third.stderr);
    assert_eq!(receiver.snapshot().unique, REFERENCE.events.len() as u64);
}

#[test]
fn of_two_runs_that_start_together_one_sends() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "orders.sql", &REFERENCE.query);
    for race in 0..RACES {
        let receiver = Receiver::start(Duration::ZERO, "");
        let (_reached, release) = holding(&receiver);
        let ledger = folder.path().join(format!("ledger-{race}"));
        let start = || run(&query, &receiver, ledger.to_str().unwrap()).spawn().unwrap();
        let (ended, end) = channel();
        std::thread::scope(|scope| {
            for child in [start(), start()] {
                let ended = ended.clone();
                scope.spawn(move || ended.send((child.id(), child.wait_with_output().unwrap())).unwrap());
            }
            // The one that sends waits for its first answer until the other one has given up.
            let (_, loser) = end.recv().unwrap();
            drop(release);
            let (id, winner) = end.recv().unwrap();
            let codes = (loser.status.code(), winner.status.code());
            let said = String::from_utf8_lossy(&loser.stderr);
            assert_eq!(codes, (Some(6), Some(0)), "{said}");
            assert!(said.contains(&format!("process {id} on ")), "{said}");
        });
        let seen = receiver.snapshot();
        assert_eq!((seen.unique, seen.arrived), (REFERENCE.events.len() as u64, REFERENCE.events.len() as u64));
    }
}
