//! Ctrl-C, SIGTERM, and SIGHUP when the terminal goes away: the first drains, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{render, spill};
use crate::error::{Error, ErrorKind, Result};

/// Watches for signals until dropped.
#[derive(Debug)]
pub(super) struct Signals {
    stop: watch::Receiver<bool>,
    caught: Arc<AtomicU8>,
    /// Whether something is under way that a signal stops.
    is_busy: Arc<AtomicBool>,
    watcher: JoinHandle<()>,
}

impl Signals {
    pub(super) fn watch() -> Result<Self> {
        let unwatched = |error| Error::new(ErrorKind::Internal, "signals cannot be watched").source(error);
        let mut interrupts = signal(SignalKind::interrupt()).map_err(unwatched)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(unwatched)?;
        let hangup = SignalKind::hangup();
        let mut hangups = if is_ignored(hangup) { None } else { Some(signal(hangup).map_err(unwatched)?) };
        let (sender, stop) = watch::channel(false);
        let caught = Arc::new(AtomicU8::new(0));
        let seen = Arc::clone(&caught);
        let is_busy = Arc::new(AtomicBool::new(true));
        let busy = Arc::clone(&is_busy);
        let watcher = tokio::spawn(async move {
            loop {
                let kind = tokio::select! {
                    _ = interrupts.recv() => ErrorKind::Interrupted,
                    _ = terminations.recv() => ErrorKind::Terminated,
                    () = next(hangups.as_mut()) => ErrorKind::Terminated,
                };
                let code = kind.exit_code();
                if seen.swap(code, Ordering::SeqCst) != 0 {
                    spill::remove(&spill::folder());
                    std::process::exit(code.into());
                }
                sender.send_replace(true);
                if busy.load(Ordering::SeqCst) {
                    render::note("stopping: requests in flight are awaited; once more to stop at once");
                }
            }
        });
        Ok(Self { stop, caught, is_busy, watcher })
    }

    /// Becomes true at the first signal.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Waits, with nothing else to do, for the first signal.
    pub(super) async fn first(&self) {
        self.is_busy.store(false, Ordering::SeqCst);
        // The channel lives as long as the watcher, which lives as long as this.
        drop(self.stop().wait_for(|stop| *stop).await);
    }

    /// Takes the signal caught so far as meant for something else.
    pub(super) fn forget(&self) {
        self.caught.store(0, Ordering::SeqCst);
    }

    /// The error to exit with if a signal was caught.
    pub(super) fn caught(&self) -> Option<Error> {
        let kind = match self.caught.load(Ordering::SeqCst) {
            0 => return None,
            code if code == ErrorKind::Interrupted.exit_code() => ErrorKind::Interrupted,
            _ => ErrorKind::Terminated,
        };
        Some(Error::new(kind, "stopped by a signal").hint("run the same command again to send what is left"))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Waits for the next signal of a kind, if that is watched.
async fn next(signals: Option<&mut Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process was started to ignore signals of this kind, as by `nohup`. Where there is no `/proc`, it was not.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    ignored & 1 << (kind.as_raw_value() - 1) != 0
}
