//! Draws a contact sheet of two films: frames of the first in the upper row, frames of the second
//! at the same times below them.
//!
//!     cargo run --release --example contact_sheet -- before.mp4 after.mp4 sheet.png

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use gst::prelude::*;
use gst_video::VideoFrameExt;
use image::RgbImage;
use image::imageops::{self, FilterType};

const COLUMNS: u32 = 4;
const CELL_WIDTH: u32 = 480;
const GAP: u32 = 8;
/// How long a film may take to open or to seek.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// A film of which single frames are taken.
struct Film {
    pipeline: gst::Pipeline,
    frames: gst_app::AppSink,
    duration: gst::ClockTime,
}

impl Film {
    fn open(path: &Path) -> Result<Self> {
        let pipeline = gst::parse::launch(
            "uridecodebin name=film caps=video/x-raw(ANY) expose-all-streams=false ! videoconvert ! \
             videoscale ! videoflip video-direction=auto ! appsink name=frames \
             caps=video/x-raw,format=RGB,pixel-aspect-ratio=1/1",
        )?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow!("GStreamer made no pipeline"))?;
        let element = |name| pipeline.by_name(name).context("GStreamer lost an element");
        let uri = glib::filename_to_uri(std::path::absolute(path)?, None)?;
        element("film")?.set_property("uri", uri);
        let frames = element("frames")?
            .downcast::<gst_app::AppSink>()
            .map_err(|_| anyhow!("GStreamer made no sink"))?;
        let mut film = Self {
            pipeline,
            frames,
            duration: gst::ClockTime::ZERO,
        };
        // Errors that are told at once are on the bus with their reason as well.
        let _ = film.pipeline.set_state(gst::State::Paused);
        film.settle()?;
        film.duration = film
            .pipeline
            .query_duration()
            .context("it does not say how long it is")?;
        Ok(film)
    }

    /// Waits until the frame that was asked for is there.
    fn settle(&self) -> Result<()> {
        let bus = self.pipeline.bus().context("the pipeline has no bus")?;
        let kinds = [gst::MessageType::AsyncDone, gst::MessageType::Error];
        let Some(message) = bus.timed_pop_filtered(PATIENCE, &kinds) else {
            bail!("no frame came for {PATIENCE:.0}");
        };
        match message.view() {
            gst::MessageView::Error(error) => bail!("{}", error.error()),
            _ => Ok(()),
        }
    }

    /// The frame that is on screen at this time.
    fn frame(&self, time: gst::ClockTime) -> Result<RgbImage> {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        self.pipeline.seek_simple(flags, time)?;
        self.settle()?;
        let sample = self.frames.pull_preroll()?;
        let info = gst_video::VideoInfo::from_caps(sample.caps().context("a frame has no caps")?)?;
        let buffer = sample.buffer().context("a frame has no pixels")?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
        let row = frame.width() as usize * 3;
        let rows = frame
            .plane_data(0)?
            .chunks(frame.plane_stride()[0] as usize);
        let pixels = rows
            .take(frame.height() as usize)
            .flat_map(|padded| &padded[..row])
            .copied()
            .collect();
        RgbImage::from_raw(frame.width(), frame.height(), pixels)
            .context("a frame is smaller than it says")
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn draw(before: &Path, after: &Path, sheet: &Path) -> Result<()> {
    gst::init()?;
    let open = |path: &Path| Film::open(path).with_context(|| path.display().to_string());
    let films = [open(before)?, open(after)?];
    let duration = films[0].duration.min(films[1].duration);

    let mut canvas = RgbImage::new(0, 0);
    for column in 0..COLUMNS {
        // The middle of each part, as a film's first and last frame are often black.
        let time = duration * u64::from(2 * column + 1) / u64::from(2 * COLUMNS);
        for (row, film) in (0..).zip(&films) {
            let frame = film.frame(time)?;
            ensure!(frame.width() > 0 && frame.height() > 0, "a frame is empty");
            if canvas.height() == 0 {
                let height = CELL_WIDTH * frame.height() / frame.width();
                let width = COLUMNS * (CELL_WIDTH + GAP) - GAP;
                let white = image::Rgb([255; 3]);
                canvas = RgbImage::from_pixel(width, 2 * height.max(1) + GAP, white);
            }
            let height = (canvas.height() - GAP) / 2;
            let cell = imageops::resize(&frame, CELL_WIDTH, height, FilterType::CatmullRom);
            let (x, y) = (column * (CELL_WIDTH + GAP), row * (height + GAP));
            imageops::replace(&mut canvas, &cell, x.into(), y.into());
        }
    }
    canvas
        .save(sheet)
        .with_context(|| sheet.display().to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [before, after, sheet] = &arguments[..] else {
        eprintln!("usage: contact_sheet BEFORE AFTER SHEET.png");
        return ExitCode::from(2);
    };
    match draw(before.as_ref(), after.as_ref(), sheet.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("contact_sheet: {error:#}");
            ExitCode::FAILURE
        }
    }
}
