//! Progress on stderr: a bar with rate and ETA on a terminal, a line every ten seconds elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::{is_terminal, render};
use crate::run::{Phase, Progress, Reading};

const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

/// Shows `progress` until dropped.
pub(super) struct Display {
    shown: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

impl Display {
    pub(super) fn of(progress: &Arc<Progress>, quiet: bool) -> Self {
        let bar = (is_terminal() && !quiet).then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        let progress = Arc::clone(progress);
        let shown = tokio::spawn(show(progress, bar.clone(), quiet));
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

async fn show(progress: Arc<Progress>, bar: Option<ProgressBar>, quiet: bool) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(if bar.is_some() { REDRAW } else { LINE });
    // The first tick is immediate, and there is nothing to show yet.
    ticks.tick().await;
    let mut styled = None;
    loop {
        ticks.tick().await;
        let reading = progress.read();
        match &bar {
            Some(bar) => {
                let form = (reading.phase, reading.total > 0);
                if styled != Some(form) {
                    restyle(bar, &reading);
                    styled = Some(form);
                }
                bar.set_position(if reading.phase == Phase::Preflight { reading.rows } else { reading.settled });
            }
            None if !quiet => render::note(&line(&reading, start.elapsed())),
            None => {}
        }
    }
}

fn restyle(bar: &ProgressBar, reading: &Reading) {
    let template = match (reading.phase, reading.total > 0) {
        (Phase::Preflight, _) => "{spinner} preflight  {human_pos} rows  {per_sec}  {elapsed}",
        (Phase::Delivery, true) => {
            "{spinner} delivery   [{wide_bar:.green}] {human_pos}/{human_len} events  {per_sec}  ETA {eta}"
        }
        (Phase::Delivery, false) => "{spinner} delivery   {human_pos} events  {per_sec}  {elapsed}",
    };
    bar.reset();
    bar.set_length(reading.total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
}

fn line(reading: &Reading, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match reading.phase {
        Phase::Preflight => format!("preflight: {} rows judged after {seconds} s", render::grouped(reading.rows)),
        Phase::Delivery if reading.total > 0 => format!(
            "delivery: {} of {} events after {seconds} s",
            render::grouped(reading.settled),
            render::grouped(reading.total)
        ),
        Phase::Delivery => format!("delivery: {} events after {seconds} s", render::grouped(reading.settled)),
    }
}
