//! A picture as a source of frames.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use gst::prelude::*;
use image::RgbaImage;

/// The caps of frames as [`source`] gives them.
pub fn caps(width: u32, height: u32, framerate: gst::Fraction) -> Result<gst::Caps> {
    Ok(
        gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, width, height)
            .fps(framerate)
            .build()?
            .to_caps()?,
    )
}

/// A source that gives the picture `count` times, with times by `framerate` unless it is 0/1.
pub fn source(pixels: RgbaImage, framerate: gst::Fraction, count: u64) -> Result<gst_app::AppSrc> {
    let (width, height) = pixels.dimensions();
    let caps = caps(width, height, framerate)?;
    let frame = gst::Buffer::from_mut_slice(pixels.into_raw());
    let time_of = move |index: u64| {
        gst::ClockTime::SECOND.mul_div_floor(
            index * framerate.denom().unsigned_abs() as u64,
            framerate.numer().unsigned_abs() as u64,
        )
    };
    let next = AtomicU64::new(0);
    let callbacks = gst_app::AppSrcCallbacks::builder()
        .need_data(move |source, _| {
            let index = next.fetch_add(1, Ordering::Relaxed);
            // The source is told when it is being stopped; what it then answers is of no use.
            if index >= count {
                let _ = source.end_of_stream();
                return;
            }
            let mut buffer = frame.clone();
            let meta = buffer.make_mut();
            if framerate.numer() > 0 {
                let start = time_of(index);
                meta.set_pts(start);
                meta.set_duration(
                    time_of(index + 1)
                        .zip(start)
                        .map(|(end, start)| end - start),
                );
            }
            let _ = source.push_buffer(buffer);
        })
        .build();
    Ok(gst_app::AppSrc::builder()
        .caps(&caps)
        .format(gst::Format::Time)
        .callbacks(callbacks)
        .build())
}
