//! GStreamer plugin: restyles live video with a trained neural cellular automaton.
//!
//! Built as a shared library it is found by GStreamer as any other plugin; a program that links
//! it calls [`register_static`] instead and has the element `ncafilter` without an installation.

use gst::glib;

pub mod ncafilter;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    ncafilter::register(plugin)
}

/// Registers the plugin with GStreamer in this process, which must have been initialised.
///
/// # Errors
/// When GStreamer refuses it, for example because it was never initialised.
pub fn register_static() -> Result<(), glib::BoolError> {
    entry::plugin_desc::plugin_register_static()
}

// What the macro makes for GStreamer's loader has no documentation.
#[allow(missing_docs)]
mod entry {
    use super::plugin_init;

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
}
