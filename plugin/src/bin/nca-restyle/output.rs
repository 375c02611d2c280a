//! The file that is written: under another name until it is complete.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempPath;

/// A file in the making; dropped before [`Output::finish`] it leaves nothing behind.
pub struct Output {
    temporary: TempPath,
    target: PathBuf,
    overwrite: bool,
}

impl Output {
    /// Begins a file beside `target`.
    ///
    /// # Errors
    /// When the target exists and is not to be replaced, is no ordinary file, is the input, or its
    /// folder cannot be written to.
    pub fn begin(target: &Path, input: &Path, overwrite: bool) -> Result<Self> {
        if target.exists() {
            if same_file::is_same_file(target, input).unwrap_or(false) {
                bail!("input and output are the same file");
            }
            if !target.is_file() {
                bail!("{} is not a file that can be written", target.display());
            }
            if !overwrite {
                bail!(
                    "{} exists already; --overwrite replaces it",
                    target.display()
                );
            }
        }
        // Renaming onto a link would replace the link and not the file behind it.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        Ok(Self {
            temporary: beside(&target)?,
            target,
            overwrite,
        })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Another file in the same folder, which is removed when dropped.
    pub fn scratch(&self) -> Result<TempPath> {
        beside(&self.target)
    }

    /// Gives the complete file its name.
    pub fn finish(self) -> Result<()> {
        let shown = self.target.display();
        let result = if self.overwrite {
            self.temporary.persist(&self.target)
        } else {
            self.temporary.persist_noclobber(&self.target)
        };
        result
            .map_err(|error| error.error)
            .with_context(|| format!("{shown} cannot be written"))
    }
}

fn beside(target: &Path) -> Result<TempPath> {
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nca-restyle-").suffix(".part");
    #[cfg(unix)]
    {
        // As any new file: what the user's mask leaves of this.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder
        .tempfile_in(folder)
        .map_err(|error| error.kind())
        .map_err(|kind| anyhow::anyhow!("{} cannot be written: {kind}", target.display()))?;
    Ok(file.into_temp_path())
}
