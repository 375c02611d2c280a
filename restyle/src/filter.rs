//! The element that restyles, set up for file work.

use anyhow::Result;
use gst::prelude::*;
use nca::settings::Settings;

use crate::elements;

/// Makes the element; what is not set stays as the element has it by default.
pub fn make(settings: &Settings) -> Result<gst::Element> {
    let filter = elements::make("ncafilter")?;
    // A file may take as long as it takes; no frame is left out.
    filter.set_property("qos", false);
    gstnca::configure(&filter, settings);
    Ok(filter)
}
