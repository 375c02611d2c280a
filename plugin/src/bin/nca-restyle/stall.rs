//! Tells a pipeline that is stuck from one that works slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// Watches whether anything moves.
#[derive(Default)]
pub struct Stall {
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
            activity: Arc::clone(&self.activity),
            moves: 0,
            since: Instant::now(),
        }
    }
}

/// How long nothing has moved.
pub struct Patience {
    activity: Arc<Activity>,
    moves: u64,
    since: Instant,
}

impl Patience {
    /// Whether nothing moves any more; to be asked now and then.
    pub fn is_over(&mut self) -> bool {
        let moves = self.activity.moves.load(Ordering::Relaxed);
        if moves != self.moves || self.activity.restyling.load(Ordering::Relaxed) {
            self.moves = moves;
            self.since = Instant::now();
        }
        self.since.elapsed() > PATIENCE
    }
}
