//! How many frames there were and how long they took.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Frames that the average and the maximum are taken over.
const WINDOW: usize = 128;

/// Since the element was started.
#[derive(Default)]
pub struct Stats {
    frames: u64,
    frames_since_reset: u64,
    /// How long each took, and what of that went into motion.
    recent: VecDeque<[Duration; 2]>,
    /// What runs, as far as that is known.
    pub model: Option<String>,
    pub backend: Option<&'static str>,
    pub device: Option<String>,
    reported: Option<Instant>,
}

impl Stats {
    /// Nothing counted yet, about to run `model`.
    pub fn of(model: String) -> Self {
        Self {
            model: Some(model),
            ..Self::default()
        }
    }

    /// Counts a frame that took `duration`, `motion` of it for motion; `started`: the state was
    /// started anew with it.
    pub fn count(&mut self, duration: Duration, motion: Duration, started: bool) {
        self.frames += 1;
        self.frames_since_reset = if started {
            1
        } else {
            self.frames_since_reset + 1
        };
        self.recent.truncate(WINDOW - 1);
        self.recent.push_front([duration, motion]);
    }

    /// Whether a report is due, which there is every `interval` from the first frame on.
    pub fn report_due(&mut self, now: Instant, interval: Duration) -> bool {
        let since = *self.reported.get_or_insert(now);
        let due = now.duration_since(since) >= interval;
        if due {
            self.reported = Some(now);
        }
        due
    }

    /// All of it, as the property `stats` and the messages show it.
    pub fn structure(&self) -> gst::Structure {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let average = |part: usize| {
            let total: Duration = self.recent.iter().map(|parts| parts[part]).sum();
            ms(total) / self.recent.len().max(1) as f64
        };
        let max = self
            .recent
            .iter()
            .map(|[all, _]| ms(*all))
            .fold(0.0, f64::max);
        gst::Structure::builder("application/x-ncafilter-stats")
            .field("frames", self.frames)
            .field("frames-since-reset", self.frames_since_reset)
            .field("average-ms", average(0))
            .field("max-ms", max)
            .field("motion-average-ms", average(1))
            .field_if_some("model", self.model.as_deref())
            .field_if_some("backend", self.backend)
            .field_if_some("device", self.device.as_deref())
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_and_the_maximum_are_of_recent_frames() {
        gst::init().unwrap();
        let mut stats = Stats::default();
        stats.count(Duration::from_secs(1), Duration::ZERO, true);
        for _ in 0..WINDOW - 1 {
            stats.count(Duration::from_millis(1), Duration::ZERO, false);
        }
        assert_eq!(stats.structure().get("max-ms"), Ok(1000.0));
        stats.count(Duration::from_millis(2), Duration::from_millis(1), false);
        let structure = stats.structure();
        assert_eq!(structure.get("max-ms"), Ok(2.0));
        let average = structure.get::<f64>("average-ms").unwrap();
        assert!((1.0..1.01).contains(&average), "{average}");
        assert_eq!(structure.get("motion-average-ms"), Ok(1.0 / WINDOW as f64));
        assert_eq!(structure.get("frames"), Ok(WINDOW as u64 + 1));
        stats.count(Duration::ZERO, Duration::ZERO, true);
        assert_eq!(stats.structure().get("frames-since-reset"), Ok(1u64));
    }

    #[test]
    fn reports_are_an_interval_apart() {
        let mut stats = Stats::default();
        let (start, interval) = (Instant::now(), Duration::from_millis(100));
        let due = [0, 99, 100, 150, 199, 200, 350]
            .map(|ms| stats.report_due(start + Duration::from_millis(ms), interval));
        assert_eq!(due, [false, false, true, false, false, true, true]);
    }
}
