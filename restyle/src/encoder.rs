//! Video encoders and how they are set.

use anyhow::{Result, bail};
use gst::prelude::*;

use crate::args::Encoding;
use crate::container::Container;
use crate::elements;

/// A video encoder and what it needs of the frames.
pub struct Encoder {
    pub element: gst::Element,
    name: String,
}

/// The least and the most pixels in width and height.
pub struct Sizes {
    pub width: (u32, u32),
    pub height: (u32, u32),
}

/// What the rate control is told.
#[derive(Clone, Copy)]
enum Rate {
    Kbit(u32),
    Quality(u32),
    Default,
}

impl Encoder {
    /// Makes the encoder that was asked for, or the best one installed for the container.
    ///
    /// # Errors
    /// When it is missing, encodes no video, or its output does not go into the container.
    pub fn choose(encoding: &Encoding, container: Container) -> Result<Self> {
        let element = match &encoding.encoder {
            Some(name) => elements::make(name)?,
            None => elements::make_first(container.video_encoders())?,
        };
        let factory = element.factory();
        let name = factory
            .as_ref()
            .map_or_else(String::new, |factory| factory.name().to_string());
        if !factory.is_some_and(|factory| factory.has_type(gst::ElementFactoryType::VIDEO_ENCODER))
        {
            bail!("{name} is not a video encoder");
        }
        Ok(Self { element, name })
    }

    /// Whether width and height must be even. H.264 and H.265 store colour at half the size and
    /// cannot say that the last column or row is to be left out.
    pub fn needs_even_size(&self) -> bool {
        !matches!(self.name.as_str(), "vp8enc" | "vp9enc" | "av1enc")
    }

    /// The colorimetry that players assume whatever the file says; `None`: the file can say it.
    pub fn fixed_colorimetry(&self) -> Option<&'static str> {
        (self.name == "vp8enc").then_some("bt601")
    }

    /// Sets bit rate or quality, and a speed at which encoding does not hold up the automaton.
    ///
    /// `pixels_per_second` is what the bit rate follows where an encoder knows no quality.
    ///
    /// # Errors
    /// When the encoder has no such setting.
    pub fn configure(&self, encoding: &Encoding, pixels_per_second: f64) -> Result<()> {
        let rate = match (encoding.bitrate, encoding.quality) {
            (Some(kbit), _) => Rate::Kbit(kbit),
            (None, Some(quality)) => Rate::Quality(quality),
            (None, None) => Rate::Default,
        };
        match self.name.as_str() {
            "x264enc" => self.x264(rate),
            "x265enc" => self.x265(rate),
            "openh264enc" => self.openh264(rate, pixels_per_second),
            "vp8enc" | "vp9enc" => self.vpx(rate, pixels_per_second),
            _ => self.other(rate),
        }
    }

    fn x264(&self, rate: Rate) -> Result<()> {
        const QUALITY: u32 = 20;
        match rate {
            Rate::Kbit(kbit) => self.element.set_property("bitrate", kbit),
            Rate::Quality(_) | Rate::Default => {
                self.element.set_property_from_str("pass", "qual");
                let quality = rate.quality(QUALITY, 51)?;
                self.element.set_property("quantizer", quality);
            }
        }
        Ok(())
    }

    fn x265(&self, rate: Rate) -> Result<()> {
        const QUALITY: u32 = 23;
        match rate {
            Rate::Kbit(kbit) => self.element.set_property("bitrate", kbit),
            Rate::Quality(_) | Rate::Default => {
                let option = format!("crf={}", rate.quality(QUALITY, 51)?);
                self.element.set_property("option-string", option);
            }
        }
        Ok(())
    }

    fn openh264(&self, rate: Rate, pixels_per_second: f64) -> Result<()> {
        self.element.set_property_from_str("complexity", "high");
        match rate {
            Rate::Quality(_) => {
                let quality = rate.quality(0, 51)?;
                self.element.set_property_from_str("rate-control", "off");
                self.element.set_property("qp-min", quality);
                self.element.set_property("qp-max", quality);
            }
            Rate::Kbit(_) | Rate::Default => {
                self.element
                    .set_property_from_str("rate-control", "bitrate");
                let bits = rate.bits_per_second(pixels_per_second);
                self.element.set_property("bitrate", bits);
            }
        }
        Ok(())
    }

    fn vpx(&self, rate: Rate, pixels_per_second: f64) -> Result<()> {
        const QUALITY: u32 = 28;
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(16));
        self.element.set_property("threads", threads as i32);
        // The default, one tick a frame, gives frames of a variable rate equal times.
        self.element
            .set_property("timebase", gst::Fraction::new(1, 90_000));
        self.element.set_property("cpu-used", 4i32);
        // With frames to look ahead at, GStreamer 1.22 loses the last of a film.
        self.element.set_property("lag-in-frames", 0i32);
        if self.name == "vp9enc" {
            self.element.set_property("row-mt", true);
        }
        let rate = match rate {
            Rate::Default => Rate::Quality(QUALITY),
            rate => rate,
        };
        let bits = i32::try_from(rate.bits_per_second(pixels_per_second)).unwrap_or(i32::MAX);
        self.element.set_property("target-bitrate", bits);
        if let Rate::Quality(quality) = rate {
            self.element.set_property_from_str("end-usage", "cq");
            self.element.set_property("cq-level", quality as i32);
        }
        Ok(())
    }

    /// An encoder that is not known here: nearly all call the bit rate in kbit/s `bitrate`.
    fn other(&self, rate: Rate) -> Result<()> {
        match rate {
            Rate::Default => Ok(()),
            Rate::Quality(_) => bail!("{} cannot be given a quality; use --bitrate", self.name),
            Rate::Kbit(kbit) => match self.element.find_property("bitrate") {
                Some(property) if property.value_type() == u32::static_type() => {
                    self.element.set_property("bitrate", kbit);
                    Ok(())
                }
                _ => bail!("{} cannot be given a bit rate", self.name),
            },
        }
    }

    /// The sizes that the encoder and a container that accepts these caps take.
    pub fn sizes(&self, accepted: &gst::Caps) -> Sizes {
        let taken = self.element.static_pad("sink");
        let taken = taken.map_or_else(gst::Caps::new_any, |pad| pad.pad_template_caps());
        let made = self.made();
        let codec = codec_of(&made);
        let stored = accepted.iter().filter(|stored| stored.name() == codec);
        let all: Vec<_> = taken.iter().chain(stored).collect();
        Sizes {
            width: range(&all, "width"),
            height: range(&all, "height"),
        }
    }

    /// Whether pictures can have a size.
    ///
    /// # Errors
    /// A sentence that names the smallest or the largest size.
    pub fn check_size(
        &self,
        container: Container,
        sizes: &Sizes,
        (width, height): (u32, u32),
    ) -> Result<()> {
        let (least_width, most_width) = sizes.width;
        let (least_height, most_height) = sizes.height;
        let asked = format!(
            "{width}x{height} pixels in {} files from {}",
            container.name(),
            self.name
        );
        if width < least_width || height < least_height {
            bail!(
                "{asked} are too small; {least_width}x{least_height} is the smallest; see --size"
            );
        }
        if width > most_width || height > most_height {
            bail!("{asked} are too large; {most_width}x{most_height} is the largest; see --size");
        }
        Ok(())
    }

    /// What the encoder makes.
    fn made(&self) -> gst::Caps {
        let pad = self.element.static_pad("src");
        pad.map_or_else(gst::Caps::new_empty, |pad| pad.pad_template_caps())
    }

    /// The element between encoder and muxer that brings the stream into the muxer's form, if one
    /// is needed.
    ///
    /// # Errors
    /// When the container does not hold what the encoder makes.
    pub fn parser(
        &self,
        container: Container,
        accepted: &gst::Caps,
    ) -> Result<Option<gst::Element>> {
        let made = self.made();
        let codec = codec_of(&made);
        if !accepted.iter().any(|accepted| accepted.name() == codec) {
            bail!(
                "{} files do not hold what {} makes",
                container.name(),
                self.name
            );
        }
        if codec == "video/x-vp9" && container.is_iso() {
            bail!(
                "VP9 is not written to {} files; .webm and .mkv take it",
                container.name()
            );
        }
        // What av1enc promises of its frames is not what the muxers ask for.
        if made.can_intersect(accepted) && codec != "video/x-av1" {
            return Ok(None);
        }
        let parser = match codec {
            "video/x-h264" => "h264parse",
            "video/x-h265" => "h265parse",
            "video/x-av1" => "av1parse",
            "video/x-vp9" => "vp9parse",
            _ => return Ok(None),
        };
        elements::make(parser).map(Some)
    }
}

fn codec_of(made: &gst::Caps) -> &str {
    made.structure(0).map_or("", |made| made.name().as_str())
}

/// The least and the most that all of these take of a side.
fn range(taken: &[&gst::StructureRef], side: &str) -> (u32, u32) {
    let ranges = taken
        .iter()
        .filter_map(|taken| taken.get::<gst::IntRange<i32>>(side).ok());
    ranges.fold((1, u32::MAX), |(least, most), range| {
        let (min, max) = (range.min().max(1), range.max().max(1));
        (least.max(min.unsigned_abs()), most.min(max.unsigned_abs()))
    })
}

impl Rate {
    fn quality(self, default: u32, highest: u32) -> Result<u32> {
        match self {
            Self::Quality(quality) if quality > highest => {
                bail!("--quality goes from 0 to {highest} with this encoder, not to {quality}")
            }
            Self::Quality(quality) => Ok(quality),
            Self::Kbit(_) | Self::Default => Ok(default),
        }
    }

    fn bits_per_second(self, pixels_per_second: f64) -> u32 {
        // Brush strokes and hatching are much dearer than camera pictures.
        const BITS_PER_PIXEL: f64 = 0.3;
        /// Where a quality is given, the rate is only what may not be exceeded.
        const CEILING: f64 = 4.0;
        match self {
            Self::Kbit(kbit) => kbit.saturating_mul(1000),
            Self::Default => (pixels_per_second * BITS_PER_PIXEL) as u32,
            Self::Quality(_) => (pixels_per_second * CEILING) as u32,
        }
    }
}
