//! A picture that moves, restyled into a clip: its frames once, with their own times.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Delay, Frames, ImageError, ImageFormat, RgbaImage};

use crate::args::Args;
use crate::container::Container;
use crate::output::Output;
use crate::picture;
use crate::playback::{self, Ending};
use crate::profile::Profile;
use crate::progress::{Progress, shown_name};
use crate::still;
use crate::video::{self, Incoming};
use crate::writer::Writer;

/// Whether a file has more than one frame.
///
/// # Errors
/// When its first frame cannot be read.
pub fn is_animated(path: &Path, format: ImageFormat) -> Result<bool> {
    let Some((frames, _)) = open(path, format)? else {
        return Ok(false);
    };
    Ok(frames.take(2).count() == 2)
}

/// A frame, and when it is shown.
struct Shown {
    pixels: RgbaImage,
    start: gst::ClockTime,
    end: gst::ClockTime,
}

/// Restyles the part that is asked for.
///
/// Says how it ended, and whether frames are missing because the file is damaged.
pub fn restyle(
    input: &Path,
    output: &Output,
    container: Container,
    format: ImageFormat,
    args: &Args,
) -> Result<(Ending, bool)> {
    if args.shape.fps.is_some() {
        bail!("--fps is for clips grown from a picture; what moves keeps its own frame times");
    }
    if args.shape.duration.is_some_and(gst::ClockTime::is_zero) {
        bail!("--duration must be longer than 0");
    }
    let progress = Progress::new(&shown_name(input), args.shape.duration, args.quiet);
    let (send, frames) = mpsc::sync_channel(1);
    let start = args.shape.start.unwrap_or_default();
    let stop = args.shape.duration.map(|duration| start + duration);
    thread::spawn({
        let input = input.to_owned();
        // Nobody listens any more once the pipeline is being stopped.
        move || _ = decode(&input, format, start, stop, &send)
    });
    let first = match frames.recv() {
        Ok(Ok(first)) => first,
        Ok(Err(error)) => return Err(error),
        Err(_) => bail!("it ends before the start at {start:.1}"),
    };
    let (width, height) = first.pixels.dimensions();
    let variable = gst::Fraction::new(0, 1);
    let incoming = Incoming {
        width,
        height,
        pixel_aspect: gst::Fraction::new(1, 1),
        framerate: variable,
        length: None,
        interlaced: false,
        orientation: gst_video::VideoOrientationMethod::Identity,
    };

    let writer = Writer::new(container, output)?;
    let branch = video::add(&writer, &incoming, args, &args.style.settings, &progress)?;
    let caps = still::caps(width, height, variable)?;
    let (complain, complaints) = mpsc::channel();
    let mut first = Some(first);
    let source = still::source(&caps, move || {
        let frame = first
            .take()
            .map_or_else(|| frames.recv().ok(), |frame| Some(Ok(frame)));
        match frame? {
            Ok(frame) => Some(frame.into_buffer()),
            Err(error) => {
                let _ = complain.send(error);
                None
            }
        }
    });
    writer.pipeline.add(&source)?;
    branch.on_found()(&caps);
    let pad = source.static_pad("src").context("appsrc has no pad")?;
    pad.link(&branch.sink)?;
    let ending = playback::run(&writer, None, &progress)?;
    let complaint = complaints.try_recv();
    if let Ok(complaint) = &complaint {
        progress.warn(&format!(
            "{}: {}; what comes before is restyled",
            input.display(),
            nca::internals::sentence(complaint.as_ref())
        ));
    }
    Ok((ending, complaint.is_ok()))
}

impl Shown {
    fn into_buffer(self) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(self.pixels.into_raw());
        let meta = buffer.make_mut();
        meta.set_pts(self.start);
        meta.set_duration(self.end - self.start);
        buffer
    }
}

/// Sends the frames from `start` to `stop`, with times from `start` on.
fn decode(
    path: &Path,
    format: ImageFormat,
    start: gst::ClockTime,
    stop: Option<gst::ClockTime>,
    frames: &SyncSender<Result<Shown>>,
) -> Option<()> {
    let (decoded, profile) = match open(path, format) {
        Ok(opened) => opened?,
        Err(error) => return frames.send(Err(error)).ok(),
    };
    let mut time = gst::ClockTime::ZERO;
    for frame in decoded {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return frames.send(Err(picture::unreadable(&error))).ok(),
        };
        if stop.is_some_and(|stop| time >= stop) {
            break;
        }
        let end = time + shown_for(frame.delay());
        if end > start {
            let mut pixels = frame.into_buffer();
            profile.to_srgb(&mut pixels);
            picture::lay_on_white(&mut pixels);
            let shown = Shown {
                pixels,
                start: time.saturating_sub(start),
                end: stop.map_or(end, |stop| end.min(stop)) - start,
            };
            frames.send(Ok(shown)).ok()?;
        }
        time = end;
    }
    Some(())
}

/// As browsers do it: what asks for less than two hundredths of a second asks for no time at all.
fn shown_for(delay: Delay) -> gst::ClockTime {
    const SHORTEST: gst::ClockTime = gst::ClockTime::from_mseconds(20);
    const INSTEAD: gst::ClockTime = gst::ClockTime::from_mseconds(100);
    let (numerator, denominator) = delay.numer_denom_ms();
    gst::ClockTime::from_mseconds(numerator.into())
        .mul_div_round(1, denominator.max(1).into())
        .filter(|time| *time >= SHORTEST)
        .unwrap_or(INSTEAD)
}

/// The frames of a file; `None`: files of this kind do not move, or this one does not.
fn open(path: &Path, format: ImageFormat) -> Result<Option<(Frames<'static>, Profile)>> {
    let file = BufReader::new(File::open(path)?);
    let broken = |error: ImageError| picture::unreadable(&error);
    Ok(Some(match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(file).map_err(broken)?;
            let profile = picture::prepare(&mut decoder)?;
            (decoder.into_frames(), profile)
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(file).map_err(broken)?;
            if !decoder.has_animation() {
                return Ok(None);
            }
            let profile = picture::prepare(&mut decoder)?;
            (decoder.into_frames(), profile)
        }
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(file, picture::limits());
            let mut decoder = decoder.map_err(broken)?;
            if !decoder.is_apng().map_err(broken)? {
                return Ok(None);
            }
            let profile = picture::prepare(&mut decoder)?;
            (decoder.apng().map_err(broken)?.into_frames(), profile)
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_no_time_are_shown_as_browsers_do() {
        for (asked, shown) in [(0, 100), (10, 100), (20, 20), (40, 40), (3000, 3000)] {
            let delay = Delay::from_numer_denom_ms(asked, 1);
            assert_eq!(shown_for(delay), gst::ClockTime::from_mseconds(shown));
        }
    }
}
