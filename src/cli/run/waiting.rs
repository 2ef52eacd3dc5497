//! Waits for the file that says that an export is complete.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Arguments;
use crate::cli::World;
use crate::cli::render;
use crate::cli::signals::Signals;
use crate::error::{Error, ErrorKind, Result};
use crate::query;
use crate::sources::Sources;

/// How long a run waits where nobody says.
const TIMEOUT: Duration = Duration::from_hours(2);
/// Between the first looks.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Between later ones; each is twice as long as the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two lines that say that the wait goes on.
const TOLD_EVERY: Duration = Duration::from_mins(5);

/// Waits until there is a file at `--wait-for`, where that is given.
///
/// # Errors
/// [`ErrorKind::Source`] after `--timeout`, a signal, or a location that cannot be looked at.
pub(super) async fn wait(arguments: &Arguments, world: &World, signals: &Signals) -> Result<()> {
    let Some(location) = &arguments.wait_for else { return Ok(()) };
    let timeout = arguments.timeout.unwrap_or(TIMEOUT);
    // A location on the command line starts from the working folder, as every path there does.
    let settings = world.settings(&arguments.settings, arguments.files.first().map(std::path::PathBuf::as_path))?;
    let sources = Sources::new(query::source_options(&settings, Path::new(".")));
    let (start, mut pause, mut told) = (Instant::now(), FIRST_PAUSE, None::<Instant>);
    let mut stop = signals.stop();
    loop {
        let Err(missing) = sources.find(location).await? else {
            if told.is_some() && !world.quiet {
                render::note(&format!("`{location}` is there after {}", shown(start.elapsed())));
            }
            return Ok(());
        };
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::Source,
                format!("`{location}` did not appear within {}; nothing was sent", shown(timeout)),
            )
            .hint("check whether the export failed or is late, or wait longer with --timeout")
            .source(missing));
        }
        if !world.quiet && told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let since = if told.is_none() { String::new() } else { format!(", for {} so far", shown(start.elapsed())) };
            render::note(&format!("waiting for `{location}`, {} at most{since}: {missing}", shown(timeout)));
            told = Some(Instant::now());
        }
        tokio::select! {
            // A sender that is gone will never stop anything.
            Ok(_) = stop.wait_for(|stop| *stop) => {
                return Err(signals.caught().unwrap_or_else(|| Error::new(ErrorKind::Internal, "the wait ended early")));
            }
            () = sleep(pause.min(left)) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `45 s`, `12 min`, `2 h`, `1 h 5 min`.
pub(super) fn shown(time: Duration) -> String {
    match (time.as_secs() / 3_600, time.as_secs() / 60 % 60) {
        (0, 0) => format!("{} s", time.as_secs()),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_units_people_use() {
        let shown = |seconds| shown(Duration::from_secs(seconds));
        assert_eq!([0, 59, 60, 3_600, 3_900].map(shown), ["0 s", "59 s", "1 min", "1 h", "1 h 5 min"]);
    }
}
