//! What is in a video file.

use std::path::Path;

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
    pub seekable: bool,
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
    const LONGEST_WAIT: gst::ClockTime = gst::ClockTime::from_seconds(30);

    let absolute = std::path::absolute(path)?;
    let uri = gst::glib::filename_to_uri(&absolute, None)?.to_string();
    let discoverer = gst_pbutils::Discoverer::new(LONGEST_WAIT)?;
    let info = discoverer
        .discover_uri(&uri)
        .map_err(|error| anyhow!("it cannot be read as a video: {}", error.message()))?;
    match info.result() {
        gst_pbutils::DiscovererResult::Timeout => {
            bail!("it cannot be read as a video: no stream was found in {LONGEST_WAIT:.0}")
        }
        gst_pbutils::DiscovererResult::Busy | gst_pbutils::DiscovererResult::UriInvalid => {
            bail!("it cannot be opened")
        }
        // With a missing decoder the streams that need none of it are still listed.
        _ => {}
    }

    let video = info
        .video_streams()
        .into_iter()
        .find(|stream| !stream.is_image())
        .ok_or_else(|| no_video(&info))?;
    Ok(Media {
        uri,
        video: VideoStream::new(&video)?,
        audio: info
            .audio_streams()
            .iter()
            .filter_map(Stream::new)
            .collect(),
        subtitles: info
            .subtitle_streams()
            .iter()
            .filter_map(Stream::new)
            .collect(),
        duration: info.duration().filter(|duration| !duration.is_zero()),
        seekable: info.is_seekable(),
    })
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
                .context("its video stream has no name to find it by")?
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
    match description {
        Some(description) => anyhow!(
            "GStreamer has no {description} here; on Debian and Ubuntu the packages \
             gstreamer1.0-libav, gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad have most"
        ),
        None => anyhow!("it has no video"),
    }
}
