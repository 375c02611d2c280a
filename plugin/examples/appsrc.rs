//! Restyles frames of one's own: pushes one, pulls one.
//!
//! ```text
//! cargo run --release -p gst-plugin-nca --example appsrc -- OUT.png
//! ```

use anyhow::{Context, Result};
use gst::prelude::*;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
const FRAMES: usize = 50;

/// A disc that moves over a gradient, as packed RGB.
fn frame(number: usize) -> Vec<u8> {
    let centre = (40.0 + 5.0 * number as f32, HEIGHT as f32 / 2.0);
    (0..WIDTH * HEIGHT)
        .flat_map(|at| {
            let (x, y) = (at % WIDTH, at / WIDTH);
            let distance = (x as f32 - centre.0).hypot(y as f32 - centre.1);
            match distance < 50.0 {
                true => [200, 60, 40],
                false => [(x * 255 / WIDTH) as u8, (y * 255 / HEIGHT) as u8, 160],
            }
        })
        .collect()
}

fn main() -> Result<()> {
    let out = std::env::args().nth(1).context("name a picture to write")?;
    gst::init()?;
    gstnca::register_static()?;
    // No frame rate and no clock: a frame is restyled when it is pushed.
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in caps=video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate=0/1 ! \
         ncafilter ! video/x-raw,format=RGB ! appsink name=out sync=false"
    ))?
    .downcast::<gst::Pipeline>()
    .ok()
    .context("the pipeline is not one")?;
    let source = pipeline.by_name("in").and_downcast::<gst_app::AppSrc>();
    let source = source.context("there is no appsrc")?;
    let sink = pipeline.by_name("out").and_downcast::<gst_app::AppSink>();
    let sink = sink.context("there is no appsink")?;
    pipeline.set_state(gst::State::Playing)?;

    let mut picture = Vec::new();
    for number in 0..FRAMES {
        source.push_buffer(gst::Buffer::from_mut_slice(frame(number)))?;
        let sample = sink.pull_sample().context("no frame came back")?;
        let buffer = sample.buffer().context("a sample came without a frame")?;
        picture = buffer.map_readable()?.to_vec();
    }
    pipeline.set_state(gst::State::Null)?;
    // Rows of this width are a multiple of four bytes long, so they are not padded.
    let picture = image::RgbImage::from_raw(WIDTH as u32, HEIGHT as u32, picture)
        .context("the frame is shorter than its size")?;
    picture.save(&out)?;
    println!("{out}: the last of {FRAMES} frames");
    Ok(())
}
