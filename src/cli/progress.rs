//! Progress on stderr: a bar with rate and ETA on a terminal, a line every ten seconds elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{is_terminal, render};
use crate::delivery::{Activity, Because};
use crate::run::{Phase, Progress, Reading};

const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

/// Shows `progress` until dropped.
pub(super) struct Display {
    shown: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Display {
    pub(super) fn of(progress: &Arc<Progress>, activity: watch::Receiver<Activity>, quiet: bool) -> Self {
        let bar = (is_terminal() && !quiet).then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        let progress = Arc::clone(progress);
        let shown = tokio::spawn(show(progress, activity, bar.clone(), quiet));
        Self { shown, bar }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.shown.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

async fn show(progress: Arc<Progress>, activity: watch::Receiver<Activity>, bar: Option<ProgressBar>, quiet: bool) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(if bar.is_some() { REDRAW } else { LINE });
    // The first tick is immediate, and there is nothing to show yet.
    ticks.tick().await;
    let mut styled = None;
    loop {
        ticks.tick().await;
        let reading = progress.read();
        let pause = pause(*activity.borrow());
        match &bar {
            Some(bar) => {
                let form = (reading.phase, reading.total > 0);
                if styled != Some(form) {
                    restyle(bar, &reading);
                    styled = Some(form);
                }
                bar.set_message(pause);
                bar.set_position(if reading.phase == Phase::Preflight { reading.rows } else { reading.settled });
            }
            None if !quiet => render::note(&format!("{}{pause}", line(&reading, start.elapsed()))),
            None => {}
        }
    }
}

fn restyle(bar: &ProgressBar, reading: &Reading) {
    let template = match (reading.phase, reading.total > 0) {
        (Phase::Preflight, _) => "{spinner} preflight  {human_pos} rows  {rate}  {elapsed}",
        (Phase::Delivery, true) => {
            "{spinner} delivery   [{wide_bar:.green}] {human_pos}/{human_len} events  {rate}  ETA {left}{msg}"
        }
        (Phase::Delivery, false) => "{spinner} delivery   {human_pos} events  {rate}  {elapsed}{msg}",
    };
    bar.reset();
    bar.set_length(reading.total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
            // A bar that cannot be drawn is not worth failing for.
            let _ = text.write_str(&rate(state.per_sec()));
        };
        let left = |state: &ProgressState, text: &mut dyn fmt::Write| {
            let _ = text.write_str(&left(state.per_sec(), state.eta()));
        };
        bar.set_style(style.with_key("rate", rate).with_key("left", left).progress_chars("━╸─"));
    }
}

/// Why nothing is sent, and for how long, where that is so.
fn pause(activity: Activity) -> String {
    let Activity::Waiting { until, because } = activity else { return String::new() };
    let seconds = until.saturating_duration_since(tokio::time::Instant::now()).as_secs();
    let because = match because {
        Because::Throttled => "the API asks for fewer requests",
        Because::Maintenance => "the API is down for maintenance",
        Because::Outage => "the API does not answer",
        Because::Failure => "a request failed and is repeated",
        Because::Credentials => "the token was refused, one more request makes sure",
    };
    // Short waits come and go unread.
    if seconds == 0 { String::new() } else { format!("  waiting {seconds} s: {because}") }
}

/// `45 s`, `12 min`, or a dash while nothing moves.
fn left(per_second: f64, eta: Duration) -> String {
    match eta.as_secs() {
        _ if per_second < 0.05 => "–".to_owned(),
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

/// `0.5/s`, `12/s`, `1,234/s`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people to read, never negative"
)]
fn rate(per_second: f64) -> String {
    if per_second < 9.95 {
        format!("{per_second:.1}/s")
    } else {
        format!("{}/s", render::grouped(per_second.round() as u64))
    }
}

fn line(reading: &Reading, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let unread = match reading.unread {
        0 => String::new(),
        rows => format!(", {} could not be read", render::counted(rows, "source row")),
    };
    let done = match reading.phase {
        Phase::Preflight => format!("preflight: {} rows judged after {seconds} s", render::grouped(reading.rows)),
        Phase::Delivery if reading.total > 0 => format!(
            "delivery: {} of {} events after {seconds} s",
            render::grouped(reading.settled),
            render::grouped(reading.total)
        ),
        Phase::Delivery => format!("delivery: {} events after {seconds} s", render::grouped(reading.settled)),
    };
    done + &unread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_as_many_digits_as_people_read() {
        assert_eq!([0.0, 0.52, 9.96, 4_999.6].map(rate), ["0.0/s", "0.5/s", "10/s", "5,000/s"]);
    }

    #[test]
    fn the_time_left_is_unknown_while_nothing_moves() {
        assert_eq!(left(0.0, Duration::ZERO), "–");
        assert_eq!(left(5.0, Duration::from_secs(119)), "119 s");
        assert_eq!(left(5.0, Duration::from_secs(121)), "3 min");
    }

    #[test]
    fn lines_say_the_stage_and_what_is_done() {
        let reading = Reading { phase: Phase::Delivery, rows: 0, settled: 1_200, total: 45_000, unread: 0 };
        assert_eq!(line(&reading, Duration::from_secs(20)), "delivery: 1,200 of 45,000 events after 20 s");
        let reading = Reading { phase: Phase::Preflight, rows: 1_000_000, ..reading };
        assert_eq!(line(&reading, Duration::from_secs(10)), "preflight: 1,000,000 rows judged after 10 s");
        let reading = Reading { unread: 2, ..reading };
        assert!(line(&reading, Duration::ZERO).ends_with(" after 0 s, 2 source rows could not be read"));
    }
}
