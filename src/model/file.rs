//! Model files: which kind one is, and reading and writing them safely.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{FormatError, Model, ModelError, pytorch, safetensors_file};
use crate::replace_file;

/// Most bytes that a model file can have: ten times the largest architecture's.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// Kinds of model files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Safetensors with the description as metadata.
    Safetensors,
    /// A state dict that Python opens with `torch.load(path, weights_only=True)`.
    Pytorch,
}

impl Model {
    /// The model that `name` means: the path of a file, or the name of a bundled model.
    ///
    /// What has a folder or an extension is a path. Of a bundled model and a file of the same
    /// name, the bundled model is taken.
    pub fn find(name: &str) -> Result<Self, ModelError> {
        let path = Path::new(name);
        let is_path = path.extension().is_some() || name.contains(std::path::is_separator);
        if !is_path && let Some(model) = Self::bundled(name) {
            return Ok(model);
        }
        match Self::load(path) {
            Err(ModelError::NotFound { name, .. }) if !is_path => Err(ModelError::NotFound {
                name,
                hint: format!(
                    "it is neither a file nor one of the bundled models ({})",
                    Self::bundled_names().collect::<Vec<_>>().join(", ")
                ),
            }),
            result => result,
        }
    }

    /// Reads a model file; its kind is told by the content, not the name.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ModelError::NotFound {
                name: path.display().to_string(),
                hint: "the file does not exist".into(),
            },
            _ => ModelError::Read {
                path: path.into(),
                source,
            },
        };
        let unusable = |source| ModelError::Format {
            path: path.into(),
            source,
        };
        // Before it is opened, which waits for a writer when it is a named pipe.
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            let why = "it is not a regular file";
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        if metadata.len() > MAX_BYTES {
            return Err(unusable(FormatError::TooLarge {
                found: metadata.len(),
                limit: MAX_BYTES,
            }));
        }
        // It may have grown since.
        let mut bytes = Vec::new();
        (&mut file)
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Self::from_bytes(&bytes).map_err(unusable)
    }

    /// Reads the content of a model file.
    ///
    /// It may come from anybody: nothing in it is executed, no memory is taken beyond a small
    /// multiple of its size, and all shapes and values are checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(FormatError::TooLarge {
                found: bytes.len() as u64,
                limit: MAX_BYTES,
            });
        }
        let contents = match bytes {
            [b'P', b'K', 3, 4, ..] => pytorch::read(bytes)?,
            [0x80, 2, b'\x8a', ..] => return Err(FormatError::LegacyPytorch),
            // The length of a header that begins with a brace.
            [_, _, _, _, _, _, _, _, b'{', ..] => safetensors_file::read(bytes)?,
            _ => return Err(FormatError::Unknown),
        };
        contents.into_model()
    }

    /// The content of a model file of this kind. The same model gives the same bytes.
    pub fn to_bytes(&self, kind: FileKind) -> Vec<u8> {
        match kind {
            FileKind::Safetensors => safetensors_file::write(self),
            FileKind::Pytorch => pytorch::write(self),
        }
    }

    /// Writes a model file, `.safetensors` or `.pt` as its name says; replaces what stood there
    /// at once or not at all.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => FileKind::Safetensors,
            Some("pt" | "pth") => FileKind::Pytorch,
            _ => return Err(ModelError::Extension { path: path.into() }),
        };
        replace_file(path, &self.to_bytes(kind)).map_err(|source| ModelError::Write {
            path: path.into(),
            source,
        })
    }
}
