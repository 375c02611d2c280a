use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;

/// Restyles films and pictures with a trained neural cellular automaton.
///
/// A film comes out as a film with its sound, a picture as a picture, or as a film that shows how
/// the style grows over it. The kind of the output is told by its name: .mp4, .mov, .mkv, .webm,
/// or .png, .jpg, .webp, .bmp, .tiff.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// What to restyle, and last where to put it: a file, or a folder for several.
    #[arg(required = true, num_args = 2.., value_names = ["IN", "OUT"])]
    pub(crate) paths: Vec<PathBuf>,

    /// Model file (.pt, .safetensors) or name of a bundled model.
    #[arg(short, long)]
    pub(crate) model: Option<String>,

    /// Steps of the automaton for each frame, or in all for a picture [default: the model's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub(crate) steps: Option<u32>,

    /// Steps on the first frame and after a cut [default: the model's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub(crate) warmup: Option<u32>,

    /// Mix with the original: 0 is the original, 1 the automaton's picture.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = within(0.0, 1.0))]
    pub(crate) strength: f64,

    /// Size of the automaton relative to the picture; smaller is faster and coarser.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = within(0.1, 1.0))]
    pub(crate) scale: f64,

    /// Of the noise that the automaton starts from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Threads; 0: one for each core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub(crate) threads: u32,

    /// Start anew on hard cuts.
    #[arg(long)]
    pub(crate) reset_on_cut: bool,

    /// Size of the output in pixels: 1280x720, or 1280x or x720 for one that keeps the shape.
    #[arg(long, value_name = "WxH")]
    pub(crate) size: Option<OutputSize>,

    /// Where to start in the film: seconds, MM:SS or HH:MM:SS.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) start: Option<Duration>,

    /// How much of the film to take; length of the film that is made of a picture.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) duration: Option<Duration>,

    /// Frames a second of the film that is made of a picture.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    pub(crate) fps: u32,

    /// Bits of video a second, in thousands.
    #[arg(long, value_name = "KBIT", conflicts_with = "quality", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) bitrate: Option<u32>,

    /// How good the video is encoded, from 0 (best, largest) to 51 [default: 20].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=51))]
    pub(crate) quality: Option<u32>,

    /// GStreamer element that encodes the video [default: x264enc, or vp9enc for .webm].
    #[arg(long, value_name = "NAME")]
    pub(crate) encoder: Option<String>,

    /// Leave the sound out.
    #[arg(long)]
    pub(crate) no_audio: bool,

    /// Replace what stands at the output.
    #[arg(short = 'y', long)]
    pub(crate) overwrite: bool,

    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Width and height, one of which may be left to the shape of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputSize {
    width: Option<u32>,
    height: Option<u32>,
}

impl FromStr for OutputSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size such as 1280x720, 1280x or x720");
        let (width, height) = text.split_once('x').ok_or_else(wrong)?;
        let length = |text: &str| match text {
            "" => Ok(None),
            text => match text.parse() {
                Ok(length @ 1..=16384) => Ok(Some(length)),
                _ => Err(wrong()),
            },
        };
        let size = Self {
            width: length(width)?,
            height: length(height)?,
        };
        match size {
            Self {
                width: None,
                height: None,
            } => Err(wrong()),
            size => Ok(size),
        }
    }
}

impl OutputSize {
    /// The size for a picture whose width is `aspect` times its height.
    pub(crate) fn resolve(self, aspect: f64) -> (u32, u32) {
        let at_least_one = |length: f64| (length.round() as u32).max(1);
        match (self.width, self.height) {
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, at_least_one(f64::from(width) / aspect)),
            (None, Some(height)) => (at_least_one(f64::from(height) * aspect), height),
            (None, None) => unreachable!("one of them was given"),
        }
    }
}

/// Seconds, MM:SS or HH:MM:SS, with a fraction.
fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 90, 1:30 or 0:01:30.5");
    let parts: Vec<&str> = text.split(':').collect();
    let (seconds, minutes) = parts.split_last().ok_or_else(wrong)?;
    if minutes.len() > 2 {
        return Err(wrong());
    }
    let mut whole = 0_u64;
    for part in minutes {
        let part: u64 = part.parse().map_err(|_| wrong())?;
        whole = whole
            .checked_add(part)
            .and_then(|sum| sum.checked_mul(60))
            .ok_or_else(wrong)?;
    }
    let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
    if !(0.0..1e9).contains(&seconds) || whole > 1_000_000_000 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(whole) + Duration::from_secs_f64(seconds))
}

fn within(low: f64, high: f64) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(format!("it must be a number from {low} to {high}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let seconds = |text| parse_time(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("90"), Ok(90.0));
        assert_eq!(seconds("1:30.5"), Ok(90.5));
        assert_eq!(seconds("01:00:01"), Ok(3601.0));
        for wrong in ["", "-1", "a", "1:2:3:4", "1:-2", "inf", "nan", "1::2"] {
            assert!(seconds(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn sizes() {
        let size = |text: &str| {
            text.parse::<OutputSize>()
                .map(|size| size.resolve(16.0 / 9.0))
        };
        assert_eq!(size("640x480"), Ok((640, 480)));
        assert_eq!(size("1280x"), Ok((1280, 720)));
        assert_eq!(size("x360"), Ok((640, 360)));
        for wrong in ["", "x", "640", "0x100", "100x0", "-1x2", "99999x1"] {
            assert!(size(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
