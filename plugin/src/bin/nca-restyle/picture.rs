//! Picture files, and a picture restyled into a picture.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{self, FilterType};
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, ImageResult,
    RgbaImage,
};

use crate::args::{Args, Style};
use crate::filter;
use crate::output::Output;
use crate::playback::{self, Ending};
use crate::progress::{Progress, shown_name};
use crate::still;

/// Extensions that [`format_of`] knows, as text for messages.
pub const EXTENSIONS: &str = ".png, .jpg, .webp, .bmp or .tif";

/// The kind of picture that a path's extension stands for.
pub fn format_of(path: &Path) -> Option<ImageFormat> {
    ImageFormat::from_path(path).ok().filter(is_known)
}

/// The kind of picture that a file holds, whatever its name; `None`: it is none.
pub fn recognize(path: &Path) -> Result<Option<ImageFormat>> {
    const LONGEST_MAGIC: u64 = 32;
    let mut magic = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_MAGIC).read_to_end(&mut magic))
        .map_err(|error| anyhow!("it cannot be read: {}", error.kind()))?;
    Ok(image::guess_format(&magic).ok().filter(is_known))
}

fn is_known(format: &ImageFormat) -> bool {
    matches!(
        format,
        ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::WebP
            | ImageFormat::Bmp
            | ImageFormat::Tiff
    )
}

/// A picture, upright.
pub struct Picture {
    pub pixels: RgbaImage,
    has_alpha: bool,
    /// The ICC profile that says what the colours are.
    profile: Option<Vec<u8>>,
}

/// Reads a picture.
pub fn read(path: &Path) -> Result<Picture> {
    let unreadable = |error: image::ImageError| anyhow!("it cannot be read as a picture: {error}");
    let mut decoder = ImageReader::open(path)?
        .with_guessed_format()?
        .into_decoder()
        .map_err(unreadable)?;
    let orientation = decoder.orientation().map_err(unreadable)?;
    let profile = decoder.icc_profile().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(Picture {
        has_alpha: picture.color().has_alpha(),
        pixels: picture.into_rgba8(),
        profile,
    })
}

/// Restyles a picture into a picture.
pub fn restyle(input: &Path, output: &Output, format: ImageFormat, args: &Args) -> Result<Ending> {
    refuse_video_options(args)?;
    let mut picture = read(input)?;
    if let Some(size) = args.shape.size {
        let (width, height) = picture.pixels.dimensions();
        let (width, height) = size.resolve(f64::from(width) / f64::from(height));
        picture.pixels = imageops::resize(&picture.pixels, width, height, FilterType::Lanczos3);
    }
    // A picture is a first frame, and warm-up is all that happens to one.
    let style = Style {
        warmup: args.style.warmup.or(args.style.steps),
        ..args.style.clone()
    };
    let progress = Progress::new(&shown_name(input), None, args.quiet);
    let (ending, pixels) = through_filter(picture.pixels, &style, &progress)?;
    if ending == Ending::Complete {
        picture.pixels = pixels.context("the restyled picture is missing")?;
        write(picture, output, format)?;
    }
    Ok(ending)
}

fn refuse_video_options(args: &Args) -> Result<()> {
    let options = [
        ("--start", args.shape.start.is_some()),
        ("--duration", args.shape.duration.is_some()),
        ("--fps", args.shape.fps.is_some()),
        ("--bitrate", args.encoding.bitrate.is_some()),
        ("--quality", args.encoding.quality.is_some()),
        ("--encoder", args.encoding.encoder.is_some()),
    ];
    match options.iter().find(|(_, given)| *given) {
        Some((option, _)) => bail!("{option} is for videos; here a picture becomes a picture"),
        None => Ok(()),
    }
}

fn through_filter(
    pixels: RgbaImage,
    style: &Style,
    progress: &Progress,
) -> Result<(Ending, Option<RgbaImage>)> {
    let (width, height) = pixels.dimensions();
    let source = still::source(pixels, gst::Fraction::new(0, 1), 1)?;
    let filter = filter::make(style)?;
    let shown = Arc::new(Mutex::new(None));
    let sink = gst_app::AppSink::builder()
        .sync(false)
        .callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample({
                    let shown = Arc::clone(&shown);
                    move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        *shown.lock().map_err(|_| gst::FlowError::Error)? = Some(sample);
                        Ok(gst::FlowSuccess::Ok)
                    }
                })
                .build(),
        )
        .build();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([source.upcast_ref(), &filter, sink.upcast_ref()])?;
    gst::Element::link_many([source.upcast_ref(), &filter, sink.upcast_ref()])?;

    let ending = playback::run(&pipeline, None, progress)?;
    let sample = shown.lock().ok().and_then(|mut shown| shown.take());
    let pixels = sample
        .and_then(|sample| Some(sample.buffer()?.map_readable().ok()?.to_vec()))
        .and_then(|bytes| RgbaImage::from_raw(width, height, bytes));
    Ok((ending, pixels))
}

fn write(picture: Picture, output: &Output, format: ImageFormat) -> Result<()> {
    const JPEG_QUALITY: u8 = 95;
    let Picture {
        pixels,
        has_alpha,
        profile,
    } = picture;
    let has_alpha = has_alpha && format != ImageFormat::Jpeg;
    let pixels = DynamicImage::from(pixels);
    let pixels = if has_alpha {
        pixels
    } else {
        DynamicImage::from(pixels.into_rgb8())
    };
    let mut file = BufWriter::new(File::create(output.path())?);
    let written = match format {
        ImageFormat::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
            with_profile(encoder, profile, &pixels)
        }
        ImageFormat::Png => with_profile(PngEncoder::new(&mut file), profile, &pixels),
        _ => pixels.write_to(&mut file, format),
    };
    written.map_err(|error| anyhow!("the picture cannot be written: {error}"))?;
    file.flush().context("the picture cannot be written")
}

fn with_profile(
    mut encoder: impl ImageEncoder,
    profile: Option<Vec<u8>>,
    pixels: &DynamicImage,
) -> ImageResult<()> {
    if let Some(profile) = profile {
        encoder
            .set_icc_profile(profile)
            .map_err(ImageError::Unsupported)?;
    }
    pixels.write_with_encoder(encoder)
}
