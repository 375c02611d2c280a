//! Containers, encoders, and what goes into which.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use gst::prelude::*;

use crate::args::Args;

/// Files that films are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Mp4,
    Mov,
    Mkv,
    Webm,
}

impl Container {
    /// Told by the name.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "mp4" | "m4v" => Some(Self::Mp4),
            "mov" => Some(Self::Mov),
            "mkv" => Some(Self::Mkv),
            "webm" => Some(Self::Webm),
            _ => None,
        }
    }

    pub(crate) fn muxer(self) -> anyhow::Result<gst::Element> {
        let muxer = make(match self {
            Self::Mp4 => "mp4mux",
            Self::Mov => "qtmux",
            Self::Mkv => "matroskamux",
            Self::Webm => "webmmux",
        })?;
        if matches!(self, Self::Mp4 | Self::Mov) {
            // The index before the pictures, so that it plays while it loads.
            muxer.set_property("faststart", true);
        }
        Ok(muxer)
    }

    /// Encoded sound that is taken as it is, with the element that prepares it.
    pub(crate) fn audio(self) -> &'static [(&'static str, Option<&'static str>)] {
        const AAC: (&str, Option<&str>) = ("audio/mpeg, mpegversion=(int){2,4}", Some("aacparse"));
        const MP3: (&str, Option<&str>) = (
            "audio/mpeg, mpegversion=(int)1, layer=(int)3",
            Some("mpegaudioparse"),
        );
        const AC3: (&str, Option<&str>) = ("audio/x-ac3", Some("ac3parse"));
        const OPUS: (&str, Option<&str>) = ("audio/x-opus", Some("opusparse"));
        const VORBIS: (&str, Option<&str>) = ("audio/x-vorbis", Some("vorbisparse"));
        const FLAC: (&str, Option<&str>) = ("audio/x-flac", Some("flacparse"));
        match self {
            Self::Mp4 | Self::Mov => &[AAC, MP3, AC3],
            Self::Mkv => &[AAC, MP3, AC3, OPUS, VORBIS, FLAC],
            Self::Webm => &[OPUS, VORBIS],
        }
    }

    /// Subtitles that are kept.
    pub(crate) fn subtitles(self) -> &'static [&'static str] {
        match self {
            Self::Mp4 | Self::Mov => &["text/x-raw, format=(string)utf8"],
            Self::Mkv => &[
                "text/x-raw",
                "application/x-ass",
                "application/x-ssa",
                "subpicture/x-dvd",
            ],
            Self::Webm => &[],
        }
    }

    /// The element that encodes other sound, and those that it needs before it.
    pub(crate) fn audio_encoder(self) -> anyhow::Result<gst::Element> {
        let names: &[&str] = match self {
            Self::Webm => &["opusenc", "vorbisenc"],
            _ => &["fdkaacenc", "avenc_aac", "voaacenc", "faac"],
        };
        first_of(names).context("no element can encode the sound; --no-audio leaves it out")
    }

    fn video_encoders(self) -> &'static [&'static str] {
        match self {
            Self::Webm => &["vp9enc", "vp8enc"],
            _ => &["x264enc", "openh264enc"],
        }
    }
}

/// How frames are encoded.
pub(crate) struct VideoEncoder {
    /// The encoder and what comes after it, in order.
    pub(crate) elements: Vec<gst::Element>,
    /// Pixel format that players of all kinds understand.
    pub(crate) format: &'static str,
    /// Whether width and height must be even.
    pub(crate) even: bool,
}

impl VideoEncoder {
    pub(crate) fn new(args: &Args, container: Container) -> anyhow::Result<Self> {
        let encoder = match &args.encoder {
            Some(name) => {
                let factory = gst::ElementFactory::find(name)
                    .with_context(|| format!("there is no GStreamer element {name}"))?;
                let klass = factory
                    .metadata(gst::ELEMENT_METADATA_KLASS)
                    .unwrap_or_default();
                ensure!(
                    klass.contains("Encoder") && klass.contains("Video"),
                    "the GStreamer element {name} does not encode video"
                );
                make(name)?
            }
            None => first_of(container.video_encoders())?,
        };
        let name = encoder
            .factory()
            .map(|factory| factory.name().to_string())
            .unwrap_or_default();
        tune(&encoder, &name, args)?;
        let even = !name.starts_with("vp");
        let mut elements = vec![encoder];
        if let Some(parser) = elements[0]
            .static_pad("src")
            .and_then(|pad| parser_of(&pad.pad_template_caps()))
        {
            elements.push(make(parser)?);
        }
        Ok(Self {
            elements,
            format: "I420",
            even,
        })
    }
}

/// Sets quality or bit rate and a speed at which encoding does not hold the automaton up.
fn tune(encoder: &gst::Element, name: &str, args: &Args) -> anyhow::Result<()> {
    let quality = args.quality.unwrap_or(20);
    match (name, args.bitrate) {
        ("x264enc", bitrate) => {
            encoder.set_property_from_str("speed-preset", "faster");
            match bitrate {
                Some(bitrate) => encoder.set_property("bitrate", bitrate),
                None => {
                    encoder.set_property_from_str("pass", "qual");
                    encoder.set_property("quantizer", quality);
                }
            }
        }
        ("openh264enc", bitrate) => {
            encoder.set_property_from_str("complexity", "medium");
            match bitrate {
                Some(bitrate) => {
                    encoder.set_property_from_str("rate-control", "bitrate");
                    encoder.set_property("bitrate", bitrate.saturating_mul(1000));
                }
                None => {
                    encoder.set_property_from_str("rate-control", "off");
                    encoder.set_property("qp-min", quality);
                    encoder.set_property("qp-max", (quality + 10).min(51));
                }
            }
        }
        ("vp8enc" | "vp9enc", bitrate) => {
            encoder.set_property("deadline", 1_i64);
            encoder.set_property("cpu-used", 5_i32);
            encoder.set_property(
                "threads",
                std::thread::available_parallelism()
                    .map_or(1, |n| n.get() as i32)
                    .min(16),
            );
            encoder.set_property("keyframe-max-dist", 240_i32);
            if name == "vp9enc" {
                encoder.set_property("row-mt", true);
            }
            match bitrate {
                Some(bitrate) => {
                    encoder.set_property_from_str("end-usage", "vbr");
                    encoder.set_property(
                        "target-bitrate",
                        bitrate.saturating_mul(1000).min(i32::MAX as u32) as i32,
                    );
                }
                None => {
                    encoder.set_property_from_str("end-usage", "cq");
                    // 0 to 63 instead of 0 to 51; the rate is only what it may not exceed.
                    encoder.set_property("cq-level", (quality * 63 / 51) as i32);
                    encoder.set_property("target-bitrate", 50_000_000_i32);
                }
            }
        }
        (name, Some(bitrate)) => {
            let property = encoder.find_property("bitrate");
            let property =
                property.with_context(|| format!("the encoder {name} has no bit rate to set"))?;
            ensure!(
                property.value_type() == u32::static_type(),
                "the bit rate of the encoder {name} cannot be set"
            );
            encoder.set_property("bitrate", bitrate);
        }
        (name, None) => ensure!(
            args.quality.is_none(),
            "--quality is only known for x264enc, openh264enc, vp8enc and vp9enc, not for {name}; use --bitrate"
        ),
    }
    Ok(())
}

/// The parser that muxers want after an encoder of these caps.
fn parser_of(caps: &gst::CapsRef) -> Option<&'static str> {
    match caps.structure(0)?.name().as_str() {
        "video/x-h264" => Some("h264parse"),
        "video/x-h265" => Some("h265parse"),
        "video/x-vp9" => Some("vp9parse").filter(|name| gst::ElementFactory::find(name).is_some()),
        "video/x-av1" => Some("av1parse"),
        _ => None,
    }
}

/// The first of these elements that there is.
fn first_of(names: &[&str]) -> anyhow::Result<gst::Element> {
    match names
        .iter()
        .find(|name| gst::ElementFactory::find(name).is_some())
    {
        Some(name) => make(name),
        None => bail!("{}", missing(names[0])),
    }
}

/// An element.
pub(crate) fn make(name: &str) -> anyhow::Result<gst::Element> {
    gst::ElementFactory::make(name)
        .build()
        .map_err(|_| anyhow::anyhow!(missing(name)))
}

fn missing(name: &str) -> String {
    let package = match name {
        "x264enc" => Some("ugly"),
        "openh264enc" | "fdkaacenc" | "voaacenc" | "h264parse" | "h265parse" | "opusparse"
        | "vp9parse" | "av1parse" => Some("bad"),
        "vp8enc" | "vp9enc" | "mp4mux" | "qtmux" | "matroskamux" | "webmmux" | "deinterlace"
        | "videoflip" | "videocrop" | "aacparse" | "mpegaudioparse" | "ac3parse" | "flacparse" => {
            Some("good")
        }
        "videoconvert" | "videoscale" | "uridecodebin" | "audioconvert" | "audioresample"
        | "opusenc" | "vorbisenc" | "vorbisparse" => Some("base"),
        _ => None,
    };
    match package {
        Some(package) => format!(
            "the GStreamer element {name} is not installed; on Debian and Ubuntu it is in the package gstreamer1.0-plugins-{package}"
        ),
        None => format!("the GStreamer element {name} is not installed"),
    }
}
