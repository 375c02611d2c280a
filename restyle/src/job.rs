//! One file to one file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use image::ImageFormat;

use crate::args::Args;
use crate::container::{self, Container};
use crate::output::Output;
use crate::playback::Ending;
use crate::targets::Target;
use crate::{animation, clip, growing, message, picture, truncation};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Complete,
    /// What there is of the input was restyled, but its end is missing.
    Incomplete,
    Interrupted,
}

/// Restyles one file.
///
/// # Errors
/// A sentence that says which file and why; nothing is left behind.
pub fn restyle(target: &Target, args: &Args) -> Result<Outcome> {
    restyle_file(target, args).with_context(|| target.input.display().to_string())
}

fn restyle_file(
    Target {
        input,
        output,
        folder,
    }: &Target,
    args: &Args,
) -> Result<Outcome> {
    let unreadable =
        |error: std::io::Error| anyhow!("it cannot be read: {}", nca::internals::sentence(&error));
    let kind = fs::metadata(input).map_err(unreadable)?;
    if !kind.is_file() {
        bail!("it is not an ordinary file");
    }
    let format = picture::recognize(input)?;
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(|error| {
            let reason = nca::internals::sentence(&error);
            anyhow!("{} cannot be made: {reason}", folder.display())
        })?;
    }
    let begin = || Output::begin(output, args.overwrite);

    let (ending, is_damaged, file) = match (Container::of(output), picture::format_of(output)) {
        (Some(container), _) => {
            let moving = match format {
                Some(format) => moving(input, format, output)?,
                None => None,
            };
            let file = begin()?;
            let (ending, is_damaged) = match (format, moving) {
                (_, Some(format)) => animation::restyle(input, &file, container, format, args)?,
                (Some(_), None) => (growing::restyle(input, &file, container, args)?, false),
                (None, None) => clip::restyle(input, &file, container, args)?,
            };
            (ending, is_damaged, file)
        }
        (None, Some(written)) if format.is_some() => {
            let file = begin()?;
            let ending = picture::restyle(input, &file, written, args)?;
            (ending, false, file)
        }
        (None, Some(_)) => bail!(
            "it is no picture that can be read (PNG, JPEG, WebP, BMP, TIFF or GIF), so it cannot become the \
             picture {}; a video is written to {}",
            output.display(),
            container::EXTENSIONS
        ),
        (None, None) => bail!(
            "{} cannot be written: its name must end in {}, or for a picture in {}",
            output.display(),
            container::EXTENSIONS,
            picture::EXTENSIONS
        ),
    };
    if ending == Ending::Interrupted {
        return Ok(Outcome::Interrupted);
    }
    let is_truncated = truncation::is_truncated(input).map_err(unreadable)?;
    file.finish()?;
    if is_truncated && !is_damaged {
        message::warn(
            args.quiet,
            &format!(
                "{}: its end is missing; what there is of it is restyled",
                input.display()
            ),
        );
    }
    Ok(if is_truncated || is_damaged {
        Outcome::Incomplete
    } else {
        Outcome::Complete
    })
}

/// The kind of a picture that moves; `None`: it is a still one.
fn moving(input: &Path, format: ImageFormat, output: &Path) -> Result<Option<ImageFormat>> {
    if animation::is_animated(input, format)? {
        return Ok(Some(format));
    }
    // Whoever names a video for a GIF does not expect that it is still.
    if format == ImageFormat::Gif {
        bail!(
            "it is a GIF that does not move, and {} would be a video; a picture is written to {}",
            output.display(),
            picture::EXTENSIONS
        );
    }
    Ok(None)
}
