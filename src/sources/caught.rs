//! Panics of libraries over bytes that no writer writes: they are caught, and told as what the file is.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

thread_local! {
    /// Whether what runs on this thread is caught.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is caught, and told as the fault of a file: it is no defect then.
#[must_use]
pub fn is_caught() -> bool {
    IS_CAUGHT.get()
}

/// What `work` gives, or the panic that ended it. Nothing that it may have left half done is used afterwards.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    let before = IS_CAUGHT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(before);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_known_to_be_caught_while_it_happens_and_not_after() {
        assert!(!is_caught());
        let inner = caught(|| caught(is_caught).is_ok_and(|is_caught| is_caught) && is_caught());
        assert!(inner.unwrap());
        assert!(caught(|| -> u8 { std::panic::resume_unwind(Box::new("over")) }).is_err());
        assert!(!is_caught());
    }
}
