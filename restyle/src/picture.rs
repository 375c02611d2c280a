//! Picture files, and a picture restyled into a picture.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use image::codecs::bmp::BmpEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::tiff::{TiffDecoder, TiffEncoder};
use image::codecs::webp::WebPEncoder;
use image::imageops::{self, FilterType};
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, ImageResult,
    Limits, Rgba32FImage, RgbaImage,
};
use nca::Size;
use nca::frame::{FrameMut, Packing};
use nca::model::Model;
use nca::settings::Settings;
use nca::stylizer::{Outcome, Stylizer};

use crate::args::{Args, SizeRequest};
use crate::interruption::interrupted;
use crate::output::Output;
use crate::playback::Ending;
use crate::profile::Profile;

/// Extensions that [`format_of`] knows, as text for messages.
pub const EXTENSIONS: &str = ".png, .jpg, .webp, .bmp or .tif";

/// The kind of picture that is written to a path, going by its extension.
pub fn format_of(path: &Path) -> Option<ImageFormat> {
    ImageFormat::from_path(path).ok().filter(is_written)
}

/// The kind of picture that a file holds, whatever its name; `None`: it is none.
///
/// # Errors
/// When it cannot be read, or holds a kind of picture that is not.
pub fn recognize(path: &Path) -> Result<Option<ImageFormat>> {
    const LONGEST_MAGIC: u64 = 32;
    let mut magic = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_MAGIC).read_to_end(&mut magic))
        .map_err(|error| anyhow!("it cannot be read: {}", nca::internals::sentence(&error)))?;
    if let Some(kind) = not_read(&magic) {
        bail!(
            "it is a picture of a kind that is not read, {kind}; PNG, JPEG, WebP, BMP, TIFF and GIF \
             are, and other programs convert it to one of these"
        );
    }
    let is_read = |format: &ImageFormat| is_written(format) || *format == ImageFormat::Gif;
    Ok(image::guess_format(&magic).ok().filter(is_read))
}

/// The name of a kind of picture that is not read, by the bytes that it begins with.
fn not_read(magic: &[u8]) -> Option<&'static str> {
    Some(match magic {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.get(..4)? {
            b"avif" | b"avis" => "AVIF",
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => "HEIC",
            _ => return None,
        },
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "JPEG XL",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => "JPEG 2000",
        [b'8', b'B', b'P', b'S', ..] => "PSD",
        _ => return None,
    })
}

fn is_written(format: &ImageFormat) -> bool {
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
    pixels: RgbaImage,
    has_alpha: bool,
    profile: Profile,
}

/// Reads a picture; of one that moves, its first frame.
pub fn read(path: &Path) -> Result<Picture> {
    let broken = |error: ImageError| unreadable(&error);
    let mut reader = ImageReader::new(BufReader::new(File::open(path)?)).with_guessed_format()?;
    reader.limits(limits());
    let mut decoder: Box<dyn ImageDecoder> = match reader.format() {
        // Limited by the reader it finds no profile in small pictures; it has limits of its own.
        Some(ImageFormat::Tiff) => Box::new(TiffDecoder::new(reader.into_inner()).map_err(broken)?),
        _ => Box::new(reader.into_decoder().map_err(broken)?),
    };
    let profile = prepare(&mut decoder)?;
    let orientation = decoder.orientation().map_err(broken)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    let has_alpha = picture.color().has_alpha();
    let mut pixels = picture.into_rgba8();
    let profile = match profile {
        Profile::Gray(_) => {
            profile.to_srgb(&mut pixels);
            Profile::Srgb
        }
        profile => profile,
    };
    Ok(Picture {
        pixels,
        has_alpha,
        profile,
    })
}

/// What may be allocated before the size of a picture is known: for its notes and profiles.
pub fn limits() -> Limits {
    const NOTES: u64 = 64 << 20;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(NOTES);
    limits
}

/// Makes a decoder ready to decode, and says what the colours are.
///
/// # Errors
/// When the picture has too many pixels.
pub fn prepare(decoder: &mut impl ImageDecoder) -> Result<Profile> {
    const LONGEST: u32 = SizeRequest::LONGEST;
    let broken = |error: ImageError| unreadable(&error);
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        bail!("it has {width}x{height} pixels");
    }
    if width > LONGEST || height > LONGEST {
        bail!("it has {width}x{height} pixels; the most that is restyled is {LONGEST} a side");
    }
    let decoded = decoder.total_bytes();
    let shown = 4 * u64::from(width) * u64::from(height);
    if !is_memory_left(decoded + shown) {
        bail!("there is not enough memory for its {width}x{height} pixels");
    }
    let profile = Profile::of(decoder.icc_profile().map_err(broken)?);
    let mut limits = limits();
    // Besides what is decoded, what frames and strips are put together from.
    limits.max_alloc = limits.max_alloc.map(|notes| notes + 3 * decoded.max(shown));
    decoder.set_limits(limits).map_err(broken)?;
    Ok(profile)
}

/// Whether so much memory could be had; to be asked before it is, because to fail then ends the
/// program.
pub fn is_memory_left(bytes: u64) -> bool {
    usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok())
}

/// What is wrong with a picture.
pub fn unreadable(error: &ImageError) -> anyhow::Error {
    anyhow!(
        "it cannot be read as a picture: {}",
        nca::internals::sentence(error)
    )
}

/// Takes out transparency as if the picture lay on white paper.
pub fn lay_on_white(pixels: &mut RgbaImage) {
    const WHITE: u32 = 255;
    for pixel in pixels.pixels_mut() {
        let alpha = u32::from(pixel[3]);
        for value in &mut pixel.0[..3] {
            let sum = u32::from(*value) * alpha + WHITE * (WHITE - alpha);
            *value = ((sum + WHITE / 2) / WHITE) as u8;
        }
        pixel[3] = u8::MAX;
    }
}

impl Picture {
    /// As it is shown where there are neither transparency nor profiles: on white, in sRGB.
    pub fn shown(mut self) -> RgbaImage {
        self.profile.to_srgb(&mut self.pixels);
        lay_on_white(&mut self.pixels);
        self.pixels
    }

    /// Leaves out what a kind of file does not hold.
    fn adapt(&mut self, format: ImageFormat) {
        if matches!(format, ImageFormat::Bmp) {
            self.profile.to_srgb(&mut self.pixels);
            self.profile = Profile::Srgb;
        }
        if matches!(format, ImageFormat::Jpeg | ImageFormat::Bmp) && self.has_alpha {
            lay_on_white(&mut self.pixels);
            self.has_alpha = false;
        }
    }

    fn resize(&mut self, size: SizeRequest) -> Result<()> {
        let (width, height) = self.pixels.dimensions();
        let (width, height) = size.resolve(f64::from(width) / f64::from(height));
        if width.max(height) > SizeRequest::LONGEST {
            bail!(
                "{width}x{height} pixels are too many; {} a side is the most",
                SizeRequest::LONGEST
            );
        }
        self.pixels = if self.has_alpha {
            resize_with_alpha(&self.pixels, width, height)
        } else {
            imageops::resize(&self.pixels, width, height, FilterType::Lanczos3)
        };
        Ok(())
    }
}

/// As much of a pixel's colour as is seen of it goes into those around it.
fn resize_with_alpha(pixels: &RgbaImage, width: u32, height: u32) -> RgbaImage {
    let mut weighted: Rgba32FImage = DynamicImage::from(pixels.clone()).into_rgba32f();
    for pixel in weighted.pixels_mut() {
        let alpha = pixel[3];
        pixel.0[..3].iter_mut().for_each(|value| *value *= alpha);
    }
    let mut resized = imageops::resize(&weighted, width, height, FilterType::Lanczos3);
    for pixel in resized.pixels_mut() {
        let alpha = pixel[3].max(f32::EPSILON);
        pixel.0[..3].iter_mut().for_each(|value| *value /= alpha);
    }
    DynamicImage::from(resized).into_rgba8()
}

/// Restyles a picture into a picture.
pub fn restyle(input: &Path, output: &Output, format: ImageFormat, args: &Args) -> Result<Ending> {
    refuse_video_options(args)?;
    let mut picture = read(input)?;
    picture.adapt(format);
    if let Some(size) = args.shape.size {
        picture.resize(size)?;
    }
    process(&mut picture.pixels, &args.style.settings)?;
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

fn process(pixels: &mut RgbaImage, settings: &Settings) -> Result<()> {
    /// Where the model itself would take fewer: a picture has no later frames to grow on.
    const STEPS: u32 = 64;
    const CHANNELS: usize = 4;

    let model = match settings.text("model") {
        Some(name) => Model::find(name)?,
        None => Model::bundled_default(),
    };
    let mut options = settings.options();
    let steps = options.steps.unwrap_or(model.playback().warmup.max(STEPS));
    options.warmup = Some(options.warmup.unwrap_or(steps));
    options.motion = None;
    let (width, height) = pixels.dimensions();
    // The state of this step and of the next.
    let state = 2 * size_of::<f32>() * model.architecture().channels;
    let cells = f64::from(width) * f64::from(height) * f64::from(options.scale).powi(2);
    if !is_memory_left((cells * state as f64) as u64) {
        bail!("there is not enough memory to restyle {width}x{height} pixels; --scale takes less");
    }
    let size = Size::new(width as usize, height as usize);
    let mut frame = FrameMut::packed(pixels, size.width * CHANNELS, size, Packing::RGBA)?;
    let stylizer = Stylizer::builder(model).selection(settings.selection());
    match stylizer.options(options).build()?.process(&mut frame)? {
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
            encode(encoder, profile, &pixels)
        }
        ImageFormat::WebP => encode(WebPEncoder::new_lossless(&mut file), profile, &pixels),
        ImageFormat::Tiff => encode(TiffEncoder::new(&mut file), profile, &pixels),
        ImageFormat::Bmp => encode(BmpEncoder::new(&mut file), profile, &pixels),
        _ => encode(PngEncoder::new(&mut file), profile, &pixels),
    };
    let failed = |reason| anyhow!("the picture cannot be written: {reason}");
    written.map_err(|error| failed(nca::internals::sentence(&error)))?;
    file.flush()
        .map_err(|error| failed(nca::internals::sentence(&error)))
}

fn encode(
    mut encoder: impl ImageEncoder,
    profile: Profile,
    pixels: &DynamicImage,
) -> ImageResult<()> {
    if let Profile::Rgb(icc) = profile {
        encoder
            .set_icc_profile(icc)
            .map_err(ImageError::Unsupported)?;
    }
    pixels.write_with_encoder(encoder)
}
