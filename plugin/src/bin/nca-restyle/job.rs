//! What is to become what, and putting it there only when it is whole.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tempfile::TempPath;

use crate::args::Args;
use crate::codec::Container;
use crate::{film, still};

/// One input and its output.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
}

/// What comes out.
enum Output {
    Picture(image::ImageFormat),
    Film(Container),
}

/// The jobs that the command line asks for.
pub(crate) fn plan(args: &Args) -> anyhow::Result<Vec<Job>> {
    let Some((last, inputs)) = args.paths.split_last() else {
        bail!("there is nothing to restyle");
    };
    let ends_as_folder = last.as_os_str().as_encoded_bytes().ends_with(b"/");
    if !last.is_dir() && !ends_as_folder {
        ensure!(
            inputs.len() == 1,
            "with several inputs the last path must be a folder; {} is none",
            last.display()
        );
        return Ok(vec![Job {
            input: inputs[0].clone(),
            output: last.clone(),
        }]);
    }
    std::fs::create_dir_all(last)
        .with_context(|| format!("cannot make the folder {}", last.display()))?;
    let mut jobs: Vec<Job> = Vec::new();
    for input in inputs {
        let name = Path::new(
            input
                .file_name()
                .with_context(|| format!("{} names no file", input.display()))?,
        );
        // What cannot be written as it was read becomes an .mp4.
        let output = match Output::of(name) {
            Ok(_) => last.join(name),
            Err(_) => last.join(name).with_extension("mp4"),
        };
        if let Some(other) = jobs.iter().find(|job| job.output == output) {
            bail!(
                "{} and {} would both become {}",
                other.input.display(),
                input.display(),
                output.display()
            );
        }
        jobs.push(Job {
            input: input.clone(),
            output,
        });
    }
    Ok(jobs)
}

impl Output {
    fn of(path: &Path) -> anyhow::Result<Self> {
        if let Some(container) = Container::of(path) {
            return Ok(Self::Film(container));
        }
        match picture_format(path) {
            Some(format) => Ok(Self::Picture(format)),
            None => bail!(
                "{} must end in .mp4, .mov, .mkv or .webm for a film or .png, .jpg, .webp, .bmp or .tiff for a picture",
                path.display()
            ),
        }
    }
}

/// The format of a picture, told by its name.
fn picture_format(path: &Path) -> Option<image::ImageFormat> {
    image::ImageFormat::from_path(path)
        .ok()
        .filter(|format| format.reading_enabled() && format.writing_enabled())
}

impl Job {
    /// Does it. The output appears when it is whole, and not at all when anything fails.
    pub(crate) fn run(&self, args: &Args) -> anyhow::Result<()> {
        let kind = Output::of(&self.output)?;
        let metadata = std::fs::metadata(&self.input).context("cannot be read")?;
        ensure!(!metadata.is_dir(), "is a folder, not a film or a picture");
        if let Ok(there) = std::fs::metadata(&self.output) {
            ensure!(!there.is_dir(), "{} is a folder", self.output.display());
            let same = self.input.canonicalize()? == self.output.canonicalize()?;
            ensure!(!same, "the output would replace the input");
            ensure!(
                args.overwrite,
                "{} exists; --overwrite replaces it",
                self.output.display()
            );
        }
        let temporary = self.temporary()?;
        match (kind, picture_format(&self.input)) {
            (Output::Picture(format), Some(_)) => {
                still::restyle(args, &self.input, &temporary, format)?
            }
            (Output::Film(container), Some(_)) => {
                still::grow(args, &self.input, &temporary, container)?
            }
            (Output::Film(container), None) => {
                film::restyle(args, &self.input, &temporary, container)?
            }
            (Output::Picture(_), None) => {
                bail!("is a film and cannot become a picture; name an .mp4, .mov, .mkv or .webm")
            }
        }
        temporary
            .persist(&self.output)
            .with_context(|| format!("cannot write {}", self.output.display()))
    }

    /// An empty file beside the output, of the same extension, that is removed when dropped.
    fn temporary(&self) -> anyhow::Result<TempPath> {
        let folder = match self.output.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // Not the private file that temporary ones are: what the user's umask says.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let extension = self.output.extension().unwrap_or(OsStr::new("part"));
        let suffix = format!(".{}", extension.to_string_lossy());
        let file = builder
            .prefix(".nca-restyle-")
            .suffix(&suffix)
            .tempfile_in(folder)
            .with_context(|| format!("cannot write into the folder {}", folder.display()))?;
        Ok(file.into_temp_path())
    }
}
