use std::io;
use std::path::PathBuf;

use crate::{OutOfRange, sentence};

/// Why a setting cannot have a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// There is none of this name.
    #[error("there is no setting {name}; there are {known}")]
    Unknown {
        /// As it was given, in quotes.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// It is of another type, or out of range.
    #[error(transparent)]
    Wrong(#[from] OutOfRange),
}

/// Why a file of settings cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The system does not give it.
    #[error("cannot read the settings {path}: {}", sentence(source))]
    Unreadable {
        /// Of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is too large to be one.
    #[error(
        "cannot read the settings {path}: it has more than {limit} bytes, the most that there can be"
    )]
    TooLarge {
        /// Of the file.
        path: PathBuf,
        /// Bytes that one can have.
        limit: u64,
    },
    /// What is in it is wrong.
    #[error("cannot read the settings {path}: line {line}: {why}")]
    Wrong {
        /// Of the file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what would be right.
        why: String,
    },
}
