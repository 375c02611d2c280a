//! What is in a video file.

use std::path::Path;

use crate::part::Times;
use crate::{iso, matroska};

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;
use gst_pbutils::prelude::*;

/// A file's streams that can be kept.
#[derive(Debug)]
pub struct Media {
    pub uri: String,
    pub video: VideoStream,
    pub audio: Vec<Stream>,
    pub subtitles: Vec<Stream>,
    pub duration: Option<gst::ClockTime>,
    /// How long the picture is shown, where the file says so beside its whole duration.
    pub picture_duration: Option<gst::ClockTime>,
    /// Whether seeks lead to where they are to, as a rule.
    pub seeks_exactly: bool,
    /// What times are, where the file is read from its start.
    pub times: Times,
    /// Whether all frames are to be shown, also behind what is said to be the film's end.
    pub shows_all: bool,
    pub chapters: Chapters,
    /// What cannot be kept: a name of each, and why.
    pub left_out: Vec<String>,
    /// Holds, while the file is read, what cannot read it out of the way.
    _without_alpha: Option<WithoutAlpha>,
}

/// The chapters of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapters {
    None,
    /// GStreamer reads them.
    Read,
    /// There are some that GStreamer does not read.
    Unread,
}

/// A stream other than the video.
#[derive(Debug)]
pub struct Stream {
    /// By which the stream is found again when the file is read.
    pub id: String,
    /// As it is in the file: compressed, as a rule.
    pub caps: gst::Caps,
}

/// The video stream; sizes are those of the stored frames, before they are turned upright.
#[derive(Debug)]
pub struct VideoStream {
    pub id: String,
    pub width: u32,
    pub height: u32,
    pub pixel_aspect: gst::Fraction,
    /// 0/1 when it is not known.
    pub framerate: gst::Fraction,
    pub interlaced: bool,
    /// What turns the stored frames upright.
    pub orientation: gst_video::VideoOrientationMethod,
}

/// Looks into a file.
///
/// # Errors
/// When it cannot be read, holds no video, or a decoder for the video is missing.
pub fn probe(path: &Path) -> Result<Media> {
    let absolute = std::path::absolute(path)?;
    let uri = glib::filename_to_uri(&absolute, None)?.to_string();
    let facts = iso::facts(path);
    if facts.lacks_index {
        bail!(
            "its index is missing, which most MP4 files have at their end: it was not copied or recorded to its end"
        );
    }
    if facts.is_crowded {
        bail!("its index is damaged: it has many thousands of parts");
    }
    if facts.is_encrypted {
        bail!("it is encrypted: its picture or its sound cannot be read without a key");
    }
    let mut without_alpha = None;
    let info = discover(&uri).or_else(|error| {
        without_alpha = WithoutAlpha::begin();
        match &without_alpha {
            Some(_) => discover(&uri).map_err(|_| error),
            None => Err(error),
        }
    })?;

    let mut left_out = Vec::new();
    if facts.sounds > info.audio_streams().len() {
        // As with sound that ends long before the picture.
        left_out
            .push("sound, or a part of it: GStreamer does not find all of its tracks".to_owned());
    }
    let video = info
        .video_streams()
        .into_iter()
        // Those that nothing decodes have no name.
        .find(|stream| !stream.is_image() && stream.stream_id().is_some())
        .ok_or_else(|| no_video(&info))?;
    let is_matroska = is_in(&info, &MATROSKA);
    let of_matroska = match is_matroska {
        true => matroska::facts(path)?,
        false => matroska::Facts::default(),
    };
    Ok(Media {
        uri,
        video: VideoStream::new(&video)?,
        audio: known(&info.audio_streams(), "sound", &mut left_out),
        subtitles: known(&info.subtitle_streams(), "subtitles", &mut left_out),
        chapters: match info.toc() {
            Some(_) => Chapters::Read,
            None if facts.has_chapters => Chapters::Unread,
            None => Chapters::None,
        },
        shows_all: facts.shows_all,
        picture_duration: facts.video_length,
        left_out,
        _without_alpha: without_alpha,
        duration: info.duration().filter(|duration| !duration.is_zero()),
        times: if is_in(&info, &["video/mpegts", "video/mpeg", "video/x-cdxa"]) {
            Times::AfterFirst
        } else if is_matroska {
            // Of streams that begin late, the first segment begins with the first packet, at a time of zero.
            Times::Position(of_matroska.beginning)
        } else {
            Times::Stream
        },
        // Seeks go by times from zero on; in fragments, GStreamer counts from another place after a seek.
        seeks_exactly: info.is_seekable()
            && seeks_exactly(&info, &video)
            && of_matroska.beginning.is_zero()
            && !of_matroska.is_stream
            && !facts.is_fragmented,
    })
}

/// Whether the file names the time of every frame, and the decoder keeps to it.
///
/// Not so AVI and MPEG's streams, where times are guessed from the place in the file, nor MPEG-4 part 2,
/// where they are guessed from the order of the frames.
fn seeks_exactly(
    info: &gst_pbutils::DiscovererInfo,
    video: &gst_pbutils::DiscovererVideoInfo,
) -> bool {
    const CODECS: [&str; 7] = [
        "video/x-h264",
        "video/x-h265",
        "video/x-vp8",
        "video/x-vp9",
        "video/x-av1",
        "video/x-prores",
        "image/jpeg",
    ];
    (is_in(info, &["video/quicktime"]) || is_in(info, &MATROSKA))
        && is_one_of(video.caps(), &CODECS)
}

const MATROSKA: [&str; 2] = ["video/x-matroska", "video/webm"];

/// Whether a film is in one of these containers.
fn is_in(info: &gst_pbutils::DiscovererInfo, containers: &[&str]) -> bool {
    let container = info.stream_info().and_then(|container| container.caps());
    is_one_of(container, containers)
}

fn is_one_of(caps: Option<gst::Caps>, names: &[&str]) -> bool {
    let kind = caps.as_ref().and_then(|caps| caps.structure(0));
    kind.is_some_and(|kind| names.contains(&kind.name().as_str()))
}

/// Where decoders are.
const PACKAGES: &str = "on Debian and Ubuntu the packages gstreamer1.0-libav, \
    gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad have most";

fn discover(uri: &str) -> Result<gst_pbutils::DiscovererInfo> {
    const LONGEST_WAIT: gst::ClockTime = gst::ClockTime::from_seconds(30);
    let discoverer = gst_pbutils::Discoverer::new(LONGEST_WAIT)?;
    let info = discoverer.discover_uri(uri).map_err(|error| {
        if error.matches(gst::CoreError::MissingPlugin) {
            return anyhow!("GStreamer has no decoder for its video here; {PACKAGES}");
        }
        anyhow!("it cannot be read as a video: {}", error.message())
    })?;
    match info.result() {
        gst_pbutils::DiscovererResult::Timeout => {
            bail!("it cannot be read as a video: no stream was found in {LONGEST_WAIT:.0}")
        }
        gst_pbutils::DiscovererResult::Busy | gst_pbutils::DiscovererResult::UriInvalid => {
            bail!("it cannot be opened")
        }
        // With a missing decoder the streams that need none of it are still listed.
        _ => Ok(info),
    }
}

/// The streams that can be read; of the others, what is to be said.
fn known(
    streams: &[impl IsA<gst_pbutils::DiscovererStreamInfo>],
    name: &str,
    left_out: &mut Vec<String>,
) -> Vec<Stream> {
    let mut known = Vec::new();
    for info in streams {
        match Stream::new(info) {
            Some(stream) => known.push(stream),
            None => left_out.push(match info.caps().as_ref().map(kind) {
                Some(kind) if !kind.ends_with("-unknown") => {
                    format!("{name}: GStreamer has nothing here that reads {kind}")
                }
                _ => format!("{name}: GStreamer does not read this kind"),
            }),
        }
    }
    known
}

/// The name of a format as people know it.
fn kind(caps: &gst::Caps) -> String {
    readable(&gst_pbutils::pb_utils_get_codec_description(caps))
}

/// While it lives, transparency of VP8 and VP9 is not decoded: it cannot where files promise it and do
/// not have it, as those that browsers record.
#[derive(Debug)]
struct WithoutAlpha(Vec<(gst::ElementFactory, gst::Rank)>);

impl WithoutAlpha {
    /// `None`: nothing decodes it anyway.
    fn begin() -> Option<Self> {
        let decoders: Vec<_> = ["vp8alphadecodebin", "vp9alphadecodebin"]
            .iter()
            .filter_map(|name| gst::ElementFactory::find(name))
            .map(|factory| {
                let rank = factory.rank();
                factory.set_rank(gst::Rank::NONE);
                (factory, rank)
            })
            .collect();
        (!decoders.is_empty()).then_some(Self(decoders))
    }
}

impl Drop for WithoutAlpha {
    fn drop(&mut self) {
        for (factory, rank) in &self.0 {
            factory.set_rank(*rank);
        }
    }
}

impl Stream {
    fn new(info: &impl IsA<gst_pbutils::DiscovererStreamInfo>) -> Option<Self> {
        Some(Self {
            id: info.stream_id()?.to_string(),
            caps: info.caps()?,
        })
    }
}

impl VideoStream {
    fn new(info: &gst_pbutils::DiscovererVideoInfo) -> Result<Self> {
        let positive = |fraction: gst::Fraction| {
            Some(fraction).filter(|fraction| fraction.numer() > 0 && fraction.denom() > 0)
        };
        let stream = Self {
            id: info
                .stream_id()
                .context("its video cannot be decoded")?
                .to_string(),
            width: info.width(),
            height: info.height(),
            pixel_aspect: positive(info.par()).unwrap_or(gst::Fraction::new(1, 1)),
            framerate: positive(info.framerate()).unwrap_or(gst::Fraction::new(0, 1)),
            interlaced: info.is_interlaced(),
            orientation: info
                .tags()
                .map(|tags| orientation(&tags))
                .unwrap_or(gst_video::VideoOrientationMethod::Identity),
        };
        if stream.width == 0 || stream.height == 0 {
            bail!("its video has no picture: no frame could be decoded");
        }
        Ok(stream)
    }

    /// Width and height of the upright picture in pixels, and the shape of a pixel.
    pub fn upright(&self) -> (u32, u32, gst::Fraction) {
        use gst_video::VideoOrientationMethod as Method;
        match self.orientation {
            Method::_90r | Method::_90l | Method::UlLr | Method::UrLl => (
                self.height,
                self.width,
                gst::Fraction::new(self.pixel_aspect.denom(), self.pixel_aspect.numer()),
            ),
            _ => (self.width, self.height, self.pixel_aspect),
        }
    }
}

fn orientation(tags: &gst::TagList) -> gst_video::VideoOrientationMethod {
    use gst_video::VideoOrientationMethod as Method;
    let Some(tag) = tags.get::<gst::tags::ImageOrientation>() else {
        return Method::Identity;
    };
    match tag.get() {
        "rotate-90" => Method::_90r,
        "rotate-180" => Method::_180,
        "rotate-270" => Method::_90l,
        "flip-rotate-0" => Method::Horiz,
        "flip-rotate-90" => Method::UrLl,
        "flip-rotate-180" => Method::Vert,
        "flip-rotate-270" => Method::UlLr,
        _ => Method::Identity,
    }
}

fn no_video(info: &gst_pbutils::DiscovererInfo) -> anyhow::Error {
    // Each detail reads gstreamer|1.0|program|description|type-caps.
    let details = info.missing_elements_installer_details();
    let description = details
        .iter()
        .filter(|detail| detail.contains("|decoder-video") || !detail.contains("|decoder-"))
        .find_map(|detail| detail.split('|').nth(3));
    match description.map(readable) {
        Some(description) => anyhow!("GStreamer has no {description} here; {PACKAGES}"),
        None => anyhow!("it has no video"),
    }
}

/// The name of a format, also of one that GStreamer only knows by four letters in the file.
fn readable(name: &str) -> String {
    match name.split_once("x-gst-fourcc-") {
        Some((_, letters)) => match letters.split_once(' ') {
            Some((letters, what)) => format!("{what} for '{letters}'"),
            None => format!("'{letters}'"),
        },
        None => name.to_owned(),
    }
}
