use std::time::{Duration, Instant};

use gst::ClockTime;

/// How it goes, since the element was started.
#[derive(Debug, Default)]
pub(super) struct Stats {
    frames: u64,
    total: Duration,
    longest: Duration,
    /// Names of the backend, its device and the model, once there was a frame.
    engine: Option<(&'static str, String, String)>,
    last_posted: Option<Instant>,
}

impl Stats {
    /// Counts a frame that took `time`.
    pub(super) fn count(&mut self, time: Duration) {
        self.frames += 1;
        self.total += time;
        self.longest = self.longest.max(time);
    }

    pub(super) fn set_engine(&mut self, backend: &'static str, device: String, model: String) {
        self.engine = Some((backend, device, model));
    }

    /// Whether `interval` has passed since this last said so.
    pub(super) fn is_due(&mut self, interval: ClockTime) -> bool {
        let now = Instant::now();
        let begun = *self.last_posted.get_or_insert(now);
        let due = now.duration_since(begun) >= interval.into();
        if due {
            self.last_posted = Some(now);
        }
        due
    }

    pub(super) fn structure(&self) -> gst::Structure {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let average = match self.frames {
            0 => 0.0,
            frames => milliseconds(self.total) / frames as f64,
        };
        let structure = gst::Structure::builder("ncafilter-stats")
            .field("frames", self.frames)
            .field("average-ms", average)
            .field("maximum-ms", milliseconds(self.longest));
        match &self.engine {
            Some((backend, device, model)) => structure
                .field("backend", *backend)
                .field("device", device)
                .field("model", model),
            None => structure,
        }
        .build()
    }
}
