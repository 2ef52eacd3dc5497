//! What a run would read and do: whether it is fresh enough, and whether an earlier run did the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::waiting::shown;
use crate::error::{Error, ErrorKind, Result};
use crate::query::QueryFile;
use crate::settings::Settings;
use crate::sources::Sources;

/// Settings that change how a run goes, and not what it sends. Where to is compared as the destination.
const WITHOUT_EFFECT: &[&str] = &[
    "base_url",
    "batch_bytes",
    "batch_events",
    "concurrency",
    "freshness",
    "give_up_after",
    "ledger",
    "memory_limit",
    "requests_per_second",
    "spill_limit",
    "token_file",
];

/// Makes sure that the newest file of all `sources` is not older at `now`, Unix seconds, than `postback.freshness` allows.
///
/// One file is enough: tables of stores or products, which seldom change, stand beside the export that the run is about.
/// A time in the future is that of another clock, and new.
///
/// # Errors
/// [`ErrorKind::Source`] naming the newest file and its age.
pub(super) fn assure_fresh(sources: &Sources, settings: &Settings, now: i64) -> Result<()> {
    let Some(limit) = settings.duration("freshness") else { return Ok(()) };
    let Some((file, modified)) = sources.newest() else { return Ok(()) };
    let now = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or_default());
    let age = age(modified, now);
    if age <= Duration::from_secs(limit) {
        return Ok(());
    }
    let allowed = settings.text("freshness").unwrap_or_default();
    let message = format!("the newest file, `{file}`, is {} old, more than postback.freshness = {allowed}", shown(age));
    Err(Error::new(ErrorKind::Source, message)
        .hint("nothing was sent: check whether the export failed or is late, or raise --freshness"))
}

fn age(modified: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(modified).unwrap_or_default()
}

/// A digest of all that decides what is sent: inputs, query, parameters and settings.
///
/// The time is not among it, nor `$last_success` unless it is given: rows that an earlier run has seen are delivered.
pub(super) fn fingerprint(
    sources: &Sources,
    file: &QueryFile,
    settings: &Settings,
    assignments: &[String],
    mode: &str,
) -> String {
    let mut digest = blake3::Hasher::new();
    let mut add = |text: &[u8]| {
        digest.update(&(text.len() as u64).to_le_bytes()).update(text);
    };
    // Another version may judge rows differently.
    add(env!("CARGO_PKG_VERSION").as_bytes());
    add(mode.as_bytes());
    add(file.text.as_bytes());
    add(&sources.fingerprint());
    let mut assignments: Vec<&String> = assignments.iter().collect();
    assignments.sort_unstable();
    for assignment in assignments {
        add(assignment.as_bytes());
    }
    for (setting, value, _) in settings.entries() {
        if !WITHOUT_EFFECT.contains(&setting.name) {
            add(setting.name.as_bytes());
            add(value.unwrap_or_default().as_bytes());
        }
    }
    digest.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SETTINGS;

    #[test]
    fn what_has_no_effect_is_a_setting() {
        for name in WITHOUT_EFFECT {
            assert!(SETTINGS.iter().any(|setting| setting.name == *name), "{name}");
        }
    }

    #[test]
    fn a_file_of_the_future_is_new() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(age(UNIX_EPOCH + Duration::from_secs(130), now), Duration::ZERO);
        assert_eq!(age(UNIX_EPOCH, now), Duration::from_secs(100));
    }
}
