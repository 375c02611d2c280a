//! What is seen of training in a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nca_train::training::trainer::Report;

/// A bar with losses, speed and the time that is left; in a log, a line now and then.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar that begins at iteration `done` of `all`.
    pub fn new(done: u64, all: u64) -> Self {
        let style =
            ProgressStyle::with_template("{bar:24} {pos}/{len}  {per_sec}  {eta} left  {msg}");
        let bar = ProgressBar::new(all).with_position(done);
        bar.reset_eta();
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar }
    }

    /// Shows an iteration.
    pub fn show(&self, report: &Report) {
        self.bar.set_position(report.iteration);
        self.bar.set_message(losses(report));
        if self.bar.is_hidden() && report.iteration.is_multiple_of(50) {
            eprintln!("iteration {}: {}", report.iteration, losses(report));
        }
    }

    /// Says something, above the bar.
    pub fn say(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Leaves the terminal as it was.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn losses(report: &Report) -> String {
    let losses = report.losses.iter();
    let losses = losses.map(|(name, loss)| format!("{name} {loss:.3}"));
    losses.collect::<Vec<_>>().join("  ")
}
