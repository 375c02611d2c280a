//! The tracks of a file that is written.

/// What a track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Video,
    Audio,
    Subtitle,
}

/// A track that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    pub kind: Kind,
    /// Whether it plays where nobody has chosen one.
    pub is_default: bool,
    /// How many samples of silence the encoder has put before the sound.
    pub priming: u32,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Video, Self::Audio, Self::Subtitle];

    /// The name of the muxers' pads for it.
    pub fn template(self) -> &'static str {
        match self {
            Self::Video => "video_%u",
            Self::Audio => "audio_%u",
            Self::Subtitle => "subtitle_%u",
        }
    }

    /// As it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "sound",
            Self::Subtitle => "subtitles",
        }
    }
}
