//! The element `ncafilter`.

use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    /// Restyles video with a trained neural cellular automaton.
    pub struct NcaFilter(ObjectSubclass<imp::NcaFilter>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element as a feature of `plugin`.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "ncafilter",
        gst::Rank::NONE,
        NcaFilter::static_type(),
    )
}
