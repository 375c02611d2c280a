use std::io;
use std::path::PathBuf;

use super::FormatError;

/// Why a model cannot be had. Every message is a sentence for the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no such file, and no bundled model of this name.
    #[error("there is no model {name:?}: {hint}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// What there is.
        hint: String,
    },
    /// The file could not be read.
    #[error("cannot read the model file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a model, or a broken or unsupported one.
    #[error("{} is not a usable model: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        source: FormatError,
    },
    /// The file could not be written; what stood there before still does.
    #[error("cannot write the model file {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
