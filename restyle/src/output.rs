//! The file that is written: under another name until it is complete.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use nca::internals::unfinished::Unfinished;

/// A file in the making; dropped before [`Output::finish`] it leaves nothing behind.
pub struct Output {
    unfinished: Unfinished,
    target: PathBuf,
    overwrite: bool,
}

impl Output {
    /// Begins a file beside `target`.
    ///
    /// # Errors
    /// When the target exists and is not to be replaced, is no ordinary file, or its folder cannot
    /// be written to.
    pub fn begin(target: &Path, overwrite: bool) -> Result<Self> {
        // Nothing is opened to find out: a named pipe would wait for whoever reads it.
        if let Ok(there) = fs::metadata(target) {
            if there.is_dir() {
                bail!("{} is a folder, not a file to write", target.display());
            }
            if !there.is_file() {
                bail!(
                    "{} is not a file that can be written, but a device, a pipe or a socket",
                    target.display()
                );
            }
            if !overwrite {
                bail!(
                    "{} exists already; --overwrite replaces it",
                    target.display()
                );
            }
        }
        let target = behind_links(target);
        Ok(Self {
            unfinished: beside(&target)?,
            target,
            overwrite,
        })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        self.unfinished.path()
    }

    /// Another file in the same folder, which is removed when dropped.
    pub fn scratch(&self) -> Result<Unfinished> {
        beside(&self.target)
    }

    /// Gives the complete file its name.
    pub fn finish(self) -> Result<()> {
        let Self {
            unfinished,
            target,
            overwrite,
        } = self;
        unfinished
            .persist(&target, overwrite)
            .map_err(|error| cannot_be_written(&target, &error))
    }
}

fn beside(target: &Path) -> Result<Unfinished> {
    match Unfinished::beside(target, ".nca-restyle-", ".part") {
        Ok((_, unfinished)) => Ok(unfinished),
        Err(error) => Err(cannot_be_written(target, &error)),
    }
}

fn cannot_be_written(target: &Path, error: &std::io::Error) -> anyhow::Error {
    let folder = target.parent().filter(|folder| *folder != Path::new(""));
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        return anyhow!(
            "{} cannot be written: the folder {} does not exist",
            target.display(),
            folder.display()
        );
    }
    anyhow!(
        "{} cannot be written: {}",
        target.display(),
        nca::internals::sentence(error)
    )
}

/// The path that a link leads to, and one that leads to none: renaming onto a link would replace
/// the link and not the file behind it.
pub fn behind_links(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST {
        if let Ok(there) = fs::canonicalize(&path) {
            return there;
        }
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => break,
        }
    }
    path
}
