//! The kinds of files that videos are written to.

use std::path::Path;

use anyhow::Result;

use crate::elements;

/// A kind of video file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Mp4,
    QuickTime,
    Matroska,
    WebM,
}

/// Extensions that [`Container::of`] knows, as text for messages.
pub const EXTENSIONS: &str = ".mp4, .m4v, .mov, .mkv or .webm";

impl Container {
    /// The container that a path's extension stands for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "mp4" | "m4v" => Some(Self::Mp4),
            "mov" => Some(Self::QuickTime),
            "mkv" => Some(Self::Matroska),
            "webm" => Some(Self::WebM),
            _ => None,
        }
    }

    /// As it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::QuickTime => "QuickTime",
            Self::Matroska => "Matroska",
            Self::WebM => "WebM",
        }
    }

    /// Whether it is a file of the MP4 family.
    pub fn is_iso(self) -> bool {
        matches!(self, Self::Mp4 | Self::QuickTime)
    }

    /// Whether chapters are written to it.
    pub fn has_chapters(self) -> bool {
        !self.is_iso()
    }

    /// The element that writes it.
    pub fn muxer(self) -> Result<gst::Element> {
        elements::make(match self {
            Self::Mp4 => "mp4mux",
            Self::QuickTime => "qtmux",
            Self::Matroska => "matroskamux",
            Self::WebM => "webmmux",
        })
    }

    /// Video encoders, the preferred one first.
    pub fn video_encoders(self) -> &'static [&'static str] {
        match self {
            Self::Mp4 | Self::QuickTime | Self::Matroska => &["x264enc", "openh264enc"],
            Self::WebM => &["vp9enc", "vp8enc"],
        }
    }

    /// Audio encoders, the preferred one first.
    pub fn audio_encoders(self) -> &'static [&'static str] {
        match self {
            // Of the first and the third it is known how much they put before the sound.
            Self::Mp4 | Self::QuickTime => &["avenc_aac", "fdkaacenc", "voaacenc", "opusenc"],
            Self::Matroska | Self::WebM => &["opusenc", "vorbisenc"],
        }
    }

    /// How subtitles as text are stored; `None`: they are not.
    pub fn text(self) -> Option<TextStyle> {
        match self {
            Self::Mp4 | Self::QuickTime => Some(TextStyle::Plain),
            Self::Matroska => Some(TextStyle::Tagged),
            // WebM has WebVTT alone, which GStreamer's muxer does not write.
            Self::WebM => None,
        }
    }
}

/// What subtitles as text may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextStyle {
    /// Nothing but the words.
    Plain,
    /// The tags of SubRip: `<b>`, `<i>`, `<u>`.
    Tagged,
}
