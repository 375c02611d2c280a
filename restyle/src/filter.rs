//! The element that restyles, set up for file work.

use anyhow::Result;
use gst::prelude::*;

use crate::args::Style;
use crate::elements;

/// Makes the element; what `style` leaves open stays as the element has it by default.
pub fn make(style: &Style) -> Result<gst::Element> {
    let filter = elements::make("ncafilter")?;
    // A file may take as long as it takes; no frame is left out.
    filter.set_property("qos", false);
    if let Some(model) = &style.model {
        filter.set_property("model", model);
    }
    if let Some(steps) = style.steps {
        filter.set_property("steps", steps);
    }
    if let Some(warmup) = style.warmup {
        filter.set_property("warmup", warmup);
    }
    if let Some(strength) = style.strength {
        filter.set_property("strength", strength);
    }
    if let Some(scale) = style.scale {
        filter.set_property("scale", scale);
    }
    if let Some(seed) = style.seed {
        filter.set_property("seed", seed);
    }
    if let Some(backend) = &style.backend {
        filter.set_property_from_str("backend", backend);
    }
    if let Some(device) = &style.device {
        filter.set_property("device", device);
    }
    if let Some(threads) = style.threads {
        filter.set_property("threads", threads);
    }
    if let Some(precision) = &style.precision {
        filter.set_property_from_str("precision", precision);
    }
    match style.motion.as_str() {
        "off" => filter.set_property_from_str("motion", "off"),
        quality => filter.set_property_from_str("motion-quality", quality),
    }
    filter.set_property("reset-on-cut", !style.ignore_cuts);
    Ok(filter)
}
