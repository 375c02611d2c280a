//! A picture restyled into a clip in which the style grows.

use std::path::Path;

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use nca::settings::Value;

use crate::args::Args;
use crate::container::Container;
use crate::output::Output;
use crate::picture;
use crate::playback::{self, Ending};
use crate::progress::{Progress, shown_name};
use crate::still;
use crate::video::{self, Incoming};
use crate::writer::Writer;

/// Shows every step of the automaton, or every few, from its start state on.
pub fn restyle(input: &Path, output: &Output, container: Container, args: &Args) -> Result<Ending> {
    const LENGTH: gst::ClockTime = gst::ClockTime::from_seconds(5);
    const FPS: i32 = 30;

    if args.shape.start.is_some() {
        bail!("--start is for videos; a picture has no time");
    }
    let length = args.shape.duration.unwrap_or(LENGTH);
    let framerate = gst::Fraction::new(args.shape.fps.unwrap_or(FPS), 1);
    let frames = length
        .mul_div_round(
            framerate.numer().unsigned_abs().into(),
            *gst::ClockTime::SECOND,
        )
        .map_or(0, gst::ClockTime::nseconds);
    if frames == 0 {
        bail!("a clip of {length} would have no frame");
    }
    let pixels = picture::read(input)?.shown();
    let (width, height) = pixels.dimensions();
    let incoming = Incoming {
        width,
        height,
        pixel_aspect: gst::Fraction::new(1, 1),
        framerate,
        length: None,
        interlaced: false,
        orientation: gst_video::VideoOrientationMethod::Identity,
    };
    let mut settings = args.style.settings.clone();
    for (name, steps) in [("steps", 1), ("warmup", 0)] {
        if settings.whole(name).is_none() {
            settings.set(name, Value::Whole(steps))?;
        }
    }

    let progress = Progress::new(&shown_name(input), Some(length), args.quiet);
    let writer = Writer::new(container, output)?;
    let branch = video::add(&writer, &incoming, args, &settings, &progress)?;
    let caps = still::caps(width, height, framerate)?;
    let source = still::source(&caps, still::repeat(pixels.into_raw(), framerate, frames));
    writer.pipeline.add(&source)?;
    let pad = source.static_pad("src").context("appsrc has no pad")?;
    branch.on_found()(&caps);
    pad.link(&branch.sink)?;
    playback::run(&writer, None, &progress)
}
