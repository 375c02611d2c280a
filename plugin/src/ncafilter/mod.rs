//! The element `ncafilter`.

use gst::glib;
use gst::prelude::*;

mod imp;
mod loader;
mod picture;
mod stats;

glib::wrapper! {
    /// Restyles video with a trained neural cellular automaton.
    pub struct NcaFilter(ObjectSubclass<imp::NcaFilter>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Values of the property `backend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstNcaFilterBackend")]
pub enum NcaFilterBackend {
    /// The fastest that this machine has.
    #[default]
    #[enum_value(name = "The fastest that this machine has", nick = "auto")]
    Auto,
    /// The processor.
    #[enum_value(name = "The processor", nick = "cpu")]
    Cpu,
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
