//! Keeps the memory of this process to itself: it holds the token, and what rows say about people.

/// Asks the system to write no core dump and to show other programs of this user nothing of the process. Where that is
/// refused the process runs all the same.
#[cfg(unix)]
pub(super) fn keep_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        tracing::debug!(%error, "core dumps stay possible");
    }
    // A limit does not bind where core dumps are piped into a program; this does.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!(%error, "the process stays open to debuggers");
    }
}

#[cfg(not(unix))]
pub(super) fn keep_private() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn there_is_no_core_dump_and_nothing_to_look_at() {
        super::keep_private();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
