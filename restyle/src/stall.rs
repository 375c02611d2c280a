//! Tells a pipeline that cannot come to its end from one that works slowly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use gst::prelude::*;

/// Watches whether anything moves, and whether what is written is still there.
pub struct Stall {
    /// The file that is written.
    file: PathBuf,
    activity: Arc<Activity>,
}

#[derive(Default)]
struct Activity {
    moves: AtomicU64,
    /// The automaton works on a frame, which may take as long as it takes.
    restyling: AtomicBool,
}

/// Far more than disk, decoder or encoder take for a frame.
const PATIENCE: Duration = Duration::from_secs(180);

impl Stall {
    /// Nothing is watched yet but the file that is written.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            activity: Arc::default(),
        }
    }

    /// Watches frames go into the filter and come out of it.
    pub fn watch_filter(&self, filter: &gst::Element) {
        for (name, restyling) in [("sink", true), ("src", false)] {
            if let Some(pad) = filter.static_pad(name) {
                self.watch(&pad, move |activity| {
                    activity.restyling.store(restyling, Ordering::Relaxed);
                });
            }
        }
    }

    /// Watches what is read, before anything is left out of it.
    pub fn watch_reading(&self, pad: &gst::Pad) {
        self.watch(pad, |_| {});
    }

    /// Watches the file being written.
    pub fn watch_writing(&self, sink: &gst::Element) {
        if let Some(pad) = sink.static_pad("sink") {
            self.watch(&pad, |_| {});
        }
    }

    fn watch(&self, pad: &gst::Pad, note: impl Fn(&Activity) + Send + Sync + 'static) {
        let activity = Arc::clone(&self.activity);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(kinds, move |_, _| {
            activity.moves.fetch_add(1, Ordering::Relaxed);
            note(&activity);
            gst::PadProbeReturn::Ok
        });
    }

    /// Begins to wait.
    pub fn patience(&self) -> Patience {
        Patience {
            file: self.file.clone(),
            activity: Arc::clone(&self.activity),
            moves: 0,
            since: Instant::now(),
        }
    }
}

/// How long nothing has moved.
pub struct Patience {
    file: PathBuf,
    activity: Arc<Activity>,
    moves: u64,
    since: Instant,
}

impl Patience {
    /// To be asked now and then.
    ///
    /// # Errors
    /// When nothing moves any more, or the file has gone, which is noticed by no one else before all
    /// of it is written.
    pub fn check(&mut self) -> Result<()> {
        let moves = self.activity.moves.load(Ordering::Relaxed);
        if moves != self.moves || self.activity.restyling.load(Ordering::Relaxed) {
            self.moves = moves;
            self.since = Instant::now();
        }
        if self.since.elapsed() > PATIENCE {
            bail!("it is stuck: for minutes nothing was read, encoded or written");
        }
        if !self.file.exists() {
            bail!("the folder or the file that it is written to was removed meanwhile");
        }
        Ok(())
    }
}
