//! Pictures as a source of frames.

use anyhow::Result;
use gst::prelude::*;

/// The caps of frames of RGB and a byte that means nothing; a framerate of 0/1 is a variable one.
pub fn caps(width: u32, height: u32, framerate: gst::Fraction) -> Result<gst::Caps> {
    Ok(
        gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgbx, width, height)
            .fps(framerate)
            .build()?
            .to_caps()?,
    )
}

/// A source that gives the frames of `next`, which have their times, until there are none.
pub fn source(
    caps: &gst::Caps,
    mut next: impl FnMut() -> Option<gst::Buffer> + Send + 'static,
) -> gst_app::AppSrc {
    let callbacks = gst_app::AppSrcCallbacks::builder()
        // The source is told when it is being stopped; what it then answers is of no use.
        .need_data(move |source, _| match next() {
            Some(buffer) => {
                let _ = source.push_buffer(buffer);
            }
            None => {
                let _ = source.end_of_stream();
            }
        })
        .build();
    gst_app::AppSrc::builder()
        .caps(caps)
        .format(gst::Format::Time)
        .callbacks(callbacks)
        .build()
}

/// The same picture `count` times.
pub fn repeat(
    pixels: Vec<u8>,
    framerate: gst::Fraction,
    count: u64,
) -> impl FnMut() -> Option<gst::Buffer> + Send + 'static {
    let frame = gst::Buffer::from_mut_slice(pixels);
    let time_of = move |index: u64| {
        gst::ClockTime::SECOND.mul_div_floor(
            index * framerate.denom().unsigned_abs() as u64,
            framerate.numer().unsigned_abs() as u64,
        )
    };
    let mut indices = 0..count;
    move || {
        let index = indices.next()?;
        let (start, end) = (time_of(index)?, time_of(index + 1)?);
        let mut buffer = frame.clone();
        let meta = buffer.make_mut();
        meta.set_pts(start);
        meta.set_duration(end - start);
        Some(buffer)
    }
}
