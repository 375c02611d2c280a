use gst::glib;
use gst::prelude::*;

mod frame;
mod imp;
mod settings;
mod stats;

glib::wrapper! {
    pub struct NcaFilter(ObjectSubclass<imp::NcaFilter>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: Option<&gst::Plugin>) -> Result<(), glib::BoolError> {
    settings::Backend::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        plugin,
        "ncafilter",
        gst::Rank::NONE,
        NcaFilter::static_type(),
    )
}
