//! The element's debug category, and what the library has to say in it.

use std::fmt::{self, Write};
use std::sync::LazyLock;

use glib::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "ncafilter",
        gst::DebugColorFlags::empty(),
        Some("Neural cellular automaton filter"),
    )
});

/// Takes what the library says to GStreamer's log, as said by an element.
pub struct LibraryLog(Dispatch);

impl LibraryLog {
    pub fn of(element: &super::NcaFilter) -> Self {
        Self(Dispatch::new(Forward(element.downgrade())))
    }

    /// Runs something that may say something.
    pub fn hear<T>(&self, run: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.0, run)
    }
}

struct Forward(glib::WeakRef<super::NcaFilter>);

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let Some(element) = self.0.upgrade() else {
            return;
        };
        let mut message = Message(String::new());
        event.record(&mut message);
        let message = message.0;
        match *event.metadata().level() {
            Level::ERROR => gst::error!(CAT, obj = element, "{message}"),
            Level::WARN => gst::warning!(CAT, obj = element, "{message}"),
            Level::INFO => gst::info!(CAT, obj = element, "{message}"),
            Level::DEBUG => gst::debug!(CAT, obj = element, "{message}"),
            Level::TRACE => gst::trace!(CAT, obj = element, "{message}"),
        }
    }

    // There are no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
