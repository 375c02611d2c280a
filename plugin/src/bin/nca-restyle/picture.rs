//! Picture files, and a picture restyled into a picture.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{self, FilterType};
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, ImageResult,
    RgbaImage,
};
use nca::Size;
use nca::engine::{Backend, Precision, Selection};
use nca::frame::{FrameMut, Packing};
use nca::model::Model;
use nca::stylizer::{Options, Outcome, Stylizer};

use crate::args::{Args, Style};
use crate::interrupted;
use crate::output::Output;
use crate::playback::Ending;

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
    process(&mut picture.pixels, &args.style)?;
    if interrupted() {
        return Ok(Ending::Interrupted);
    }
    write(picture, output, format)?;
    Ok(Ending::Complete)
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

fn process(pixels: &mut RgbaImage, style: &Style) -> Result<()> {
    /// Where the model itself would take fewer: a picture has no later frames to grow on.
    const STEPS: u32 = 64;
    const CHANNELS: usize = 4;

    let model = match &style.model {
        Some(name) => Model::find(name)?,
        None => Model::bundled_default(),
    };
    let steps = style
        .steps
        .map_or(model.playback.warmup.max(STEPS), i32::unsigned_abs);
    let defaults = Options::default();
    let options = Options {
        warmup: Some(style.warmup.map_or(steps, i32::unsigned_abs)),
        strength: style
            .strength
            .map_or(defaults.strength, |strength| strength as f32),
        scale: style.scale.map_or(defaults.scale, |scale| scale as f32),
        seed: style.seed.unwrap_or(defaults.seed),
        ..defaults
    };
    let backend = style.backend.as_deref().and_then(Backend::named);
    let selection = Selection {
        backend: backend.unwrap_or_default(),
        device: style.device.clone(),
        threads: style.threads.map_or(0, |threads| threads as usize),
        precision: match style.precision.as_deref() {
            Some("half") => Precision::Half,
            _ => Precision::Full,
        },
    };
    let (width, height) = pixels.dimensions();
    let size = Size::new(width as usize, height as usize);
    let packing = Packing::new(CHANNELS, [0, 1, 2]);
    let mut frame = FrameMut::packed(pixels, size.width * CHANNELS, size, packing)?;
    match Stylizer::new(Arc::new(model), selection, options).process(&mut frame)? {
        Outcome::GaveUp => bail!("the model's state goes beyond all numbers on it"),
        _ => Ok(()),
    }
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
