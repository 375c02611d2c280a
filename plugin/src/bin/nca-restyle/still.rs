//! A picture becomes a picture, or a film of how the style grows over it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use gst::prelude::*;
use gst_video::VideoFormat;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbaImage};
use nca::Size;
use nca::engine::Selection;
use nca::frame::{FrameMut, Packing};
use nca::model::Model;
use nca::stylizer::{Options, Outcome, Stylizer};

use crate::Interrupted;
use crate::args::Args;
use crate::codec::{Container, VideoEncoder, make};
use crate::progress::Progress;

/// Steps on a picture, which has no later frames to grow on; more where the model's warm-up is.
const STEPS: u32 = 64;
/// Length of the film of a picture.
const DURATION: Duration = Duration::from_secs(5);

pub(crate) fn restyle(
    args: &Args,
    input: &Path,
    output: &Path,
    format: image::ImageFormat,
) -> anyhow::Result<()> {
    let mut picture = read(args, input, false)?;
    let model = model(args)?;
    let steps = args.steps.unwrap_or(model.playback.warmup.max(STEPS));
    let mut stylizer = stylizer(args, model, steps, 0);
    process(&mut stylizer, &mut picture)?;
    Interrupted::check()?;
    let picture = DynamicImage::from(picture);
    // What has no alpha cannot be written with one.
    let picture = match format {
        image::ImageFormat::Jpeg => picture.to_rgb8().into(),
        _ => picture,
    };
    let mut file = std::io::BufWriter::new(std::fs::File::create(output)?);
    picture
        .write_to(&mut file, format)
        .context("cannot be written")?;
    std::io::Write::flush(&mut file)?;
    Ok(())
}

/// The first frame is the picture, each later one `steps` more steps (1 unless told).
pub(crate) fn grow(
    args: &Args,
    input: &Path,
    output: &Path,
    container: Container,
) -> anyhow::Result<()> {
    let encoder = VideoEncoder::new(args, container)?;
    let original = read(args, input, encoder.even)?;
    let mut stylizer = stylizer(args, model(args)?, 0, args.steps.unwrap_or(1));
    let duration = args.duration.unwrap_or(DURATION);
    let count = ((duration.as_secs_f64() * f64::from(args.fps)).round() as u64).max(1);

    let (width, height) = original.dimensions();
    let info = gst_video::VideoInfo::builder(VideoFormat::Rgba, width, height)
        .fps(gst::Fraction::new(args.fps as i32, 1))
        .build()?;
    let source = gst_app::AppSrc::builder()
        .caps(&info.to_caps()?)
        .format(gst::Format::Time)
        .block(true)
        .max_bytes(4 * info.size() as u64)
        .build();
    let caps = make("capsfilter")?;
    let colorimetry = if height >= 720 { "bt709" } else { "bt601" };
    let encoded = gst::Caps::builder("video/x-raw")
        .field("format", encoder.format)
        .field("colorimetry", colorimetry);
    caps.set_property("caps", encoded.build());
    let sink = make("filesink")?;
    sink.set_property("location", output);
    let mut elements = vec![source.clone().upcast(), make("videoconvert")?, caps];
    elements.extend(encoder.elements);
    elements.extend([container.muxer()?, sink]);
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(&elements)?;
    gst::Element::link_many(&elements)?;

    let result = (|| {
        pipeline
            .set_state(gst::State::Playing)
            .context("cannot start encoding")?;
        let bus = pipeline.bus().context("a pipeline has a bus")?;
        let name = input.file_name().unwrap_or_default().to_string_lossy();
        let progress = Progress::new(args, &name);
        let begun = Instant::now();
        let time = |frame: u64| {
            let frame = frame.mul_div_round(gst::ClockTime::SECOND.nseconds(), args.fps.into());
            frame.map(gst::ClockTime::from_nseconds)
        };
        for frame in 0..count {
            Interrupted::check()?;
            let mut picture = original.clone();
            process(&mut stylizer, &mut picture)?;
            let mut buffer = gst::Buffer::from_mut_slice(picture.into_raw());
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(time(frame));
                buffer.set_duration(
                    time(frame + 1)
                        .zip(time(frame))
                        .map(|(end, start)| end - start),
                );
            }
            if source.push_buffer(buffer).is_err() {
                break;
            }
            progress.show(
                Some(frame as f64 / count as f64),
                frame + 1,
                begun.elapsed(),
            );
        }
        // Refused only when there was an error, which is on the bus.
        let _ = source.end_of_stream();
        loop {
            Interrupted::check()?;
            let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
            match bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &kinds) {
                None => {}
                Some(message) => match message.view() {
                    gst::MessageView::Error(error) => bail!("cannot be encoded: {}", error.error()),
                    _ => return Ok(()),
                },
            }
        }
    })();
    let stopped = pipeline.set_state(gst::State::Null);
    result?;
    stopped.context("cannot stop encoding")?;
    Ok(())
}

fn model(args: &Args) -> anyhow::Result<Arc<Model>> {
    Ok(Arc::new(match &args.model {
        Some(name) => Model::find(name)?,
        None => Model::bundled_default(),
    }))
}

fn stylizer(args: &Args, model: Arc<Model>, warmup: u32, steps: u32) -> Stylizer {
    let selection = Selection {
        threads: args.threads as usize,
        ..Selection::default()
    };
    let options = Options {
        warmup: Some(warmup),
        steps: Some(steps),
        strength: args.strength as f32,
        scale: args.scale as f32,
        seed: args.seed,
        ..Options::default()
    };
    Stylizer::new(model, selection, options)
}

/// The picture, upright, at the size that is asked for.
fn read(args: &Args, input: &Path, even: bool) -> anyhow::Result<RgbaImage> {
    let reader = ImageReader::open(input).context("cannot be read")?;
    let mut decoder = reader
        .with_guessed_format()
        .context("cannot be read")?
        .into_decoder()
        .context("is not a picture that can be read")?;
    let orientation = decoder
        .orientation()
        .context("is not a picture that can be read")?;
    let mut picture =
        DynamicImage::from_decoder(decoder).context("is not a picture that can be read")?;
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    if let Some(size) = args.size {
        let (width, height) = size.resolve(f64::from(width) / f64::from(height));
        picture = picture.resize_exact(width, height, image::imageops::FilterType::Lanczos3);
    }
    if even && (picture.width() % 2 == 1 || picture.height() % 2 == 1) {
        let (width, height) = (picture.width() & !1, picture.height() & !1);
        ensure!(width > 0 && height > 0, "is too small for a film");
        picture = picture.crop_imm(0, 0, width, height);
    }
    Ok(picture.into_rgba8())
}

fn process(stylizer: &mut Stylizer, picture: &mut RgbaImage) -> anyhow::Result<()> {
    let (width, height) = picture.dimensions();
    let size = Size::new(width as usize, height as usize);
    let packing = Packing::new(4, [0, 1, 2]);
    let mut frame = FrameMut::packed(picture, size.width * 4, size, packing)?;
    match stylizer.process(&mut frame)? {
        Outcome::GaveUp => bail!("cannot be restyled: the model runs out of bounds on it"),
        _ => Ok(()),
    }
}
