use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Args;

/// Shows how far a job is, where somebody looks.
pub(crate) struct Progress {
    bar: ProgressBar,
}

/// Steps of the bar.
const WHOLE: u64 = 1000;

impl Progress {
    pub(crate) fn new(args: &Args, name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(
            Some(WHOLE),
            // Which draws nothing when stderr is not a terminal.
            if args.quiet {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr_with_hz(5)
            },
        );
        let style =
            ProgressStyle::with_template("{prefix} {wide_bar} {percent}%  {msg}  {eta} left")
                .expect("the template is well-formed");
        bar.set_style(style);
        bar.set_prefix(name.to_owned());
        Self { bar }
    }

    /// `share` of the whole in [0, 1], where it is known.
    pub(crate) fn show(&self, share: Option<f64>, frames: u64, elapsed: Duration) {
        if let Some(share) = share {
            self.bar
                .set_position((share.clamp(0.0, 1.0) * WHOLE as f64) as u64);
        }
        let rate = frames as f64 / elapsed.as_secs_f64().max(1e-3);
        self.bar
            .set_message(format!("{frames} frames, {rate:.1} fps"));
    }

    /// Prints a line without disturbing the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
