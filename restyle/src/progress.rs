//! The progress bar.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gst::prelude::*;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::message;

/// Shows how much is done, on a terminal; elsewhere it is silent.
pub struct Progress {
    bar: ProgressBar,
    counter: Arc<Counter>,
    begun: Instant,
    quiet: bool,
    warnings: RefCell<HashSet<String>>,
}

#[derive(Default)]
struct Counter {
    frames: AtomicU64,
    /// Stream time that is done, in milliseconds.
    position: AtomicU64,
}

impl Progress {
    /// For a stream of the given length, if it is known.
    pub fn new(name: &str, length: Option<gst::ClockTime>, quiet: bool) -> Self {
        let template = if length.is_some() {
            "{prefix} {wide_bar} {percent:>3}% {msg}"
        } else {
            "{prefix} {spinner} {msg}, {elapsed}"
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(length.map(gst::ClockTime::mseconds), target)
            .with_style(style)
            .with_prefix(name.to_owned());
        Self {
            bar,
            counter: Arc::default(),
            begun: Instant::now(),
            quiet,
            warnings: RefCell::default(),
        }
    }

    /// Counts the buffers that pass a pad.
    pub fn watch(&self, pad: &gst::Pad) {
        let counter = Arc::clone(&self.counter);
        let first = std::sync::OnceLock::new();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            counter.frames.fetch_add(1, Ordering::Relaxed);
            if let Some(time) = info.buffer().and_then(|buffer| buffer.pts()) {
                let done = time.saturating_sub(*first.get_or_init(|| time));
                counter.position.store(done.mseconds(), Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// How many have passed.
    pub fn frames(&self) -> u64 {
        self.counter.frames.load(Ordering::Relaxed)
    }

    /// Brings the bar up to date.
    pub fn tick(&self) {
        let frames = self.frames();
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        self.bar
            .set_position(self.counter.position.load(Ordering::Relaxed));
        let left = match self.bar.length() {
            // Nothing is known before the first frame.
            Some(_) if frames > 0 => format!(", {:#} left", HumanDuration(self.bar.eta())),
            _ => String::new(),
        };
        let speed = frames as f64 / seconds;
        self.bar
            .set_message(format!("frame {frames}, {speed:.1} fps{left}"));
        self.bar.tick();
    }

    /// Shows that all is done: what a file says of its length is never quite that of its frames.
    pub fn complete(&self) {
        if let Some(length) = self.bar.length() {
            self.counter.position.store(length, Ordering::Relaxed);
        }
    }

    /// Shows a line above the bar, once: a damaged file has the same complaint for every frame.
    pub fn warn(&self, line: &str) {
        if !self.warnings.borrow_mut().insert(line.to_owned()) {
            return;
        }
        self.bar.suspend(|| message::warn(self.quiet, line));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.tick();
        self.bar.abandon();
    }
}

/// What a file is called beside its bar: its name without the folder.
pub fn shown_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
