//! The command line.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

use crate::style::Style;
use crate::time;

const USAGE: &str = "nca-restyle [OPTIONS] IN OUT
       nca-restyle [OPTIONS] IN... FOLDER/
       nca-restyle [OPTIONS] IN... -o FOLDER";

/// Restyles a video or a picture with a trained neural cellular automaton.
///
/// Sound, subtitles, orientation, frame times and colours of a video are kept. Any video that
/// GStreamer reads is restyled, and pictures of the kinds PNG, JPEG, WebP, BMP, TIFF and GIF.
///
/// The ending of OUT says what is written: .mp4, .m4v, .mov, .mkv or .webm; a picture becomes .png,
/// .jpg, .webp, .bmp or .tif, or, with one of the endings of a video, a clip in which the style
/// grows. A picture that moves (GIF, PNG, WebP) becomes a video with its own frame times.
#[derive(Parser, Debug)]
#[command(name = "nca-restyle", version, override_usage = USAGE)]
pub struct Args {
    /// Files to restyle, or folders of files, and last the file to write or the folder to write to
    #[arg(required_unless_present = "save-settings", value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Folder to write to; it is created if needed. Every PATH is then a file or folder to restyle
    #[arg(short, long, value_name = "FOLDER")]
    pub output_folder: Option<PathBuf>,

    /// Replace files that exist already
    #[arg(short = 'y', long)]
    pub overwrite: bool,

    /// Show no progress and no warnings
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    pub style: Style,

    #[command(flatten)]
    pub shape: Shape,

    #[command(flatten)]
    pub encoding: Encoding,
}

/// What part of the input is restyled, and its size.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Part and size")]
pub struct Shape {
    /// Width and height of the output; with one of them left out (1280x, x720) the shape is kept
    #[arg(long, value_name = "WxH")]
    pub size: Option<SizeRequest>,

    /// Where to start, in seconds (75.5) or as minutes:seconds (1:15.5) or hours:minutes:seconds
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub start: Option<gst::ClockTime>,

    /// How much to restyle; for a clip grown from a picture: its length [default: 5]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub duration: Option<gst::ClockTime>,

    /// Frames a second of a clip grown from a picture [default: 30]
    #[arg(long, value_name = "N", value_parser = |text: &str| whole(text, 1i32, 240))]
    pub fps: Option<i32>,
}

/// How the video is compressed.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Encoding")]
pub struct Encoding {
    /// Video bit rate in kbit/s, instead of a constant quality
    #[arg(long, value_name = "KBIT", conflicts_with = "quality",
          value_parser = |text: &str| whole(text, 1u32, 1_000_000))]
    pub bitrate: Option<u32>,

    /// Video quality on the encoder's own scale, lower is better: 0-51 for H.264 (default 20),
    /// 0-63 for VP9 (default 28)
    #[arg(long, value_name = "N", value_parser = |text: &str| whole(text, 0u32, 63))]
    pub quality: Option<u32>,

    /// GStreamer element that encodes the video, such as x264enc, x265enc, vp9enc or nvh264enc
    #[arg(long, value_name = "ELEMENT")]
    pub encoder: Option<String>,

    /// Leave the sound out
    #[arg(long)]
    pub no_audio: bool,
}

/// Width and height as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeRequest {
    Both(u32, u32),
    Width(u32),
    Height(u32),
}

impl SizeRequest {
    /// The most pixels a side.
    pub const LONGEST: u32 = 16384;

    /// Width and height for a picture whose width is `aspect` times its height.
    pub fn resolve(self, aspect: f64) -> (u32, u32) {
        let rounded = |side: f64| (side.round() as u32).max(1);
        match self {
            Self::Both(width, height) => (width, height),
            Self::Width(width) => (width, rounded(f64::from(width) / aspect)),
            Self::Height(height) => (rounded(f64::from(height) * aspect), height),
        }
    }
}

impl FromStr for SizeRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "a size is WIDTHxHEIGHT, WIDTHx or xHEIGHT with sides from 1 to {}",
                Self::LONGEST
            )
        };
        let side = |text: &str| match text {
            "" => Ok(None),
            _ => text
                .parse()
                .ok()
                .filter(|side| (1..=Self::LONGEST).contains(side))
                .map(Some)
                .ok_or_else(wrong),
        };
        let (width, height) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
        match (side(width)?, side(height)?) {
            (Some(width), Some(height)) => Ok(Self::Both(width, height)),
            (Some(width), None) => Ok(Self::Width(width)),
            (None, Some(height)) => Ok(Self::Height(height)),
            (None, None) => Err(wrong()),
        }
    }
}

fn whole<N: FromStr + PartialOrd + Display>(text: &str, low: N, high: N) -> Result<N, String> {
    text.parse()
        .ok()
        .filter(|value| (&low..=&high).contains(&value))
        .ok_or_else(|| format!("a whole number from {low} to {high} is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn every_number_is_taken() {
        for (option, value) in [
            ("--steps", "3"),
            ("--warmup", "3"),
            ("--strength", "0.5"),
            ("--scale", "0.5"),
            ("--seed", "18446744073709551615"),
            ("--threads", "2"),
            ("--fps", "25"),
            ("--bitrate", "4000"),
            ("--quality", "20"),
        ] {
            Args::try_parse_from(["nca-restyle", "in", "out", option, value]).unwrap();
        }
    }

    #[test]
    fn sizes() {
        assert_eq!("1280x720".parse(), Ok(SizeRequest::Both(1280, 720)));
        assert_eq!("1280x".parse(), Ok(SizeRequest::Width(1280)));
        assert_eq!("x720".parse(), Ok(SizeRequest::Height(720)));
        assert_eq!(SizeRequest::Width(1280).resolve(16.0 / 9.0), (1280, 720));
        assert_eq!(SizeRequest::Height(720).resolve(16.0 / 9.0), (1280, 720));
        for wrong in ["", "x", "1280", "0x5", "axb", "1280x-2", "99999x"] {
            assert!(wrong.parse::<SizeRequest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(whole("7", 0, 63), Ok(7));
        for wrong in ["64", "-1", "1.5", "", "many"] {
            let said = whole(wrong, 0, 63);
            let expected = "a whole number from 0 to 63 is needed";
            assert_eq!(said, Err(expected.to_owned()), "{wrong}");
        }
    }
}
