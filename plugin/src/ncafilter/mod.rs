//! The element `ncafilter`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use nca::settings::{Kind, TABLE};

pub use properties::configure;

mod frame;
mod imp;
mod loader;
mod log;
mod properties;
mod stats;

glib::wrapper! {
    pub struct NcaFilter(ObjectSubclass<imp::NcaFilter>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object,
        @implements gst::Preset;
}

pub(crate) fn register(plugin: Option<&gst::Plugin>) -> Result<(), glib::BoolError> {
    for setting in TABLE {
        if let Kind::Choice { choices } = setting.kind {
            let kind = properties::enum_type(setting, choices);
            kind.mark_as_plugin_api(gst::PluginAPIFlags::empty());
        }
    }
    gst::Element::register(
        plugin,
        "ncafilter",
        gst::Rank::NONE,
        NcaFilter::static_type(),
    )
}

/// A panic elsewhere has already become an element error; what was locked is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
