//! One file to one file.

use std::fs;

use anyhow::{Context, Result, anyhow, bail};

use crate::args::Args;
use crate::container::{self, Container};
use crate::output::Output;
use crate::playback::Ending;
use crate::targets::Target;
use crate::{clip, growing, picture};

/// Restyles one file.
///
/// # Errors
/// A sentence that says which file and why; nothing is left behind.
pub fn restyle(target: &Target, args: &Args) -> Result<Ending> {
    restyle_file(target, args).with_context(|| target.input.display().to_string())
}

fn restyle_file(
    Target {
        input,
        output,
        folder,
    }: &Target,
    args: &Args,
) -> Result<Ending> {
    let kind =
        fs::metadata(input).map_err(|error| anyhow!("it cannot be read: {}", error.kind()))?;
    if kind.is_dir() {
        bail!(
            "it is a folder; files are restyled, such as {}/*",
            input.display()
        );
    }
    if !kind.is_file() {
        bail!("it is not an ordinary file");
    }
    let from_picture = picture::recognize(input)?.is_some();
    if let Some(folder) = folder {
        fs::create_dir_all(folder)
            .map_err(|error| anyhow!("{} cannot be made: {}", folder.display(), error.kind()))?;
    }
    let begin = || Output::begin(output, input, args.overwrite);

    let (ending, file) = match (Container::of(output), picture::format_of(output)) {
        (Some(container), _) => {
            let file = begin()?;
            let ending = if from_picture {
                growing::restyle(input, &file, container, args)?
            } else {
                clip::restyle(input, &file, container, args)?
            };
            (ending, file)
        }
        (None, Some(format)) if from_picture => {
            let file = begin()?;
            (picture::restyle(input, &file, format, args)?, file)
        }
        (None, Some(_)) => bail!(
            "it is a video, or cannot be read as a picture, and {} would be a picture; a video is \
             written to {}",
            output.display(),
            container::EXTENSIONS
        ),
        (None, None) => bail!(
            "{} has no ending that says what to write: {}, or for a picture {}",
            output.display(),
            container::EXTENSIONS,
            picture::EXTENSIONS
        ),
    };
    if ending == Ending::Complete {
        file.finish()?;
    }
    Ok(ending)
}
