//! Changes a playing filter with commands from standard input.
//!
//! ```text
//! cargo run --release -p gst-plugin-nca --example live-control -- [SOURCE]
//! ```
//!
//! SOURCE is a GStreamer source, `videotestsrc` if there is none; for a webcam it is `v4l2src`.
//! Commands: `strength 0.5`, `model starry.pt`, `reset`, `stats` and `quit`.

use std::io::BufRead;

use anyhow::{Context, Result};
use gst::prelude::*;

fn main() -> Result<()> {
    gst::init()?;
    gstnca::register_static()?;
    let source = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let source = match source.as_str() {
        "" => "videotestsrc is-live=true pattern=ball",
        source => source,
    };
    let pipeline = gst::parse::launch(&format!(
        "{source} ! videoconvert ! ncafilter name=filter ! videoconvert ! autovideosink"
    ))?
    .downcast::<gst::Pipeline>()
    .ok()
    .context("the source is not an element")?;
    let filter = pipeline.by_name("filter").context("the filter is gone")?;
    let bus = pipeline.bus().context("the pipeline has no bus")?;

    // Warnings come here too: that of a model that cannot be read, for one.
    bus.set_sync_handler(|_, message| {
        match message.view() {
            gst::MessageView::Error(error) => eprintln!("error: {}", error.error()),
            gst::MessageView::Warning(warning) => eprintln!("warning: {}", warning.error()),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
    pipeline.set_state(gst::State::Playing)?;

    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["strength", value] => match value.parse::<f64>() {
                Ok(strength) if (0.0..=1.0).contains(&strength) => {
                    filter.set_property("strength", strength);
                }
                _ => eprintln!("strength must be 0 to 1, not {value}"),
            },
            ["model", name] => filter.set_property("model", name),
            ["reset"] => filter.emit_by_name::<()>("reset", &[]),
            ["stats"] => println!("{}", filter.property::<gst::Structure>("stats")),
            ["quit"] => break,
            _ => eprintln!("strength 0.5, model starry.pt, reset, stats or quit"),
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}
