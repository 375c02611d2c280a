//! GStreamer plugin: restyles live video with a trained neural cellular automaton.
//!
//! The element is `ncafilter`; `gst-inspect-1.0 ncafilter` documents it.

mod ncafilter;

pub use ncafilter::configure;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    ncafilter::register(Some(plugin))
}

/// Makes the element available to a program that links this library instead of installing the
/// plugin. GStreamer must have been initialised.
pub fn register_static() -> Result<(), glib::BoolError> {
    ncafilter::register(None)
}

gst::plugin_define!(
    nca,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
