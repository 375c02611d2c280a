//! Model files: which kind one is, and reading and writing them safely.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{FormatError, Model, ModelError, pytorch, safetensors_file};
use crate::{regular_file, replace_file};

/// Most bytes that a model file can have. The largest architecture has 3.8 MB of float32; together
/// with what an optimizer keeps of it, or in float64, it still fits.
const MAX_BYTES: u64 = 16 << 20;

/// Bytes that are read at once; between them the reader looks whether it is still wanted.
const CHUNK: u64 = 1 << 16;

/// Kinds of model files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
        Self::find_unless(name, &AtomicBool::new(false))
    }

    /// As [`Model::find`], but ends soon with an error once another thread sets `cancelled`.
    pub fn find_unless(name: &str, cancelled: &AtomicBool) -> Result<Self, ModelError> {
        let path = Path::new(name);
        let is_path = is_path(name);
        if !is_path && let Some(model) = Self::bundled(name) {
            return Ok(model);
        }
        match Self::load_unless(path, cancelled) {
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
        Self::load_unless(path, &AtomicBool::new(false))
    }

    fn load_unless(path: &Path, cancelled: &AtomicBool) -> Result<Self, ModelError> {
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
        let (file, length) = regular_file::open(path).map_err(unreadable)?;
        check_length(length).map_err(unusable)?;
        let bytes = read(file, length, cancelled).map_err(unreadable)?;
        Self::from_bytes_unless(&bytes, cancelled).map_err(unusable)
    }

    /// Reads the content of a model file.
    ///
    /// It may come from anybody: nothing in it is executed, time and memory are in proportion to
    /// its size whatever is in it, and all shapes and values are checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::from_bytes_unless(bytes, &AtomicBool::new(false))
    }

    fn from_bytes_unless(bytes: &[u8], cancelled: &AtomicBool) -> Result<Self, FormatError> {
        check_length(bytes.len() as u64)?;
        if cancelled.load(Ordering::Relaxed) {
            return Err(FormatError::Cancelled);
        }
        let contents = match bytes {
            [b'P', b'K', 3, 4, ..] => pytorch::read(bytes, cancelled)?,
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

/// Whether the name of a model is the path of a file, and cannot be that of a bundled model: it has a
/// folder or an extension.
pub(crate) fn is_path(name: &str) -> bool {
    Path::new(name).extension().is_some() || name.contains(std::path::is_separator)
}

fn check_length(found: u64) -> Result<(), FormatError> {
    let limit = MAX_BYTES;
    if found > limit {
        return Err(FormatError::TooLarge { found, limit });
    }
    Ok(())
}

/// Reads a file of about `length` bytes; of one that has grown no more than one byte too many, of
/// one that is not wanted any more only a part.
fn read(file: impl Read, length: u64, cancelled: &AtomicBool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    let mut file = file.take(MAX_BYTES + 1);
    while !cancelled.load(Ordering::Relaxed) {
        if file.by_ref().take(CHUNK).read_to_end(&mut bytes)? == 0 {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Architecture;

    #[test]
    fn the_largest_file_is_a_few_times_the_largest_model() {
        let largest = Architecture {
            channels: Architecture::MAX_CHANNELS,
            hidden: vec![Architecture::MAX_HIDDEN; Architecture::MAX_HIDDEN_LAYERS],
            ..Architecture::notebook()
        };
        let weights = largest.multiply_adds() as u64;
        assert!(MAX_BYTES > 2 * 8 * weights, "twice as many as float64");
        assert!(MAX_BYTES < 5 * 4 * weights, "five times as many as float32");
    }

    /// A file without an end that somebody cancels while it is read.
    struct Endless<'c> {
        read: u64,
        cancelled: &'c AtomicBool,
    }

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.read += buffer.len() as u64;
            self.cancelled.store(self.read > CHUNK, Ordering::Relaxed);
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_file_that_nobody_wants_any_more_is_read_no_further() {
        let cancelled = AtomicBool::new(false);
        let file = Endless {
            read: 0,
            cancelled: &cancelled,
        };
        let bytes = read(file, 0, &cancelled).unwrap();
        assert_eq!(bytes.len() as u64, 2 * CHUNK);
        assert_eq!(
            Model::from_bytes_unless(&bytes, &cancelled),
            Err(FormatError::Cancelled)
        );
    }

    #[test]
    fn of_a_file_that_grows_no_more_is_read_than_a_model_has() {
        let file = io::repeat(b'x');
        let bytes = read(file, 10, &AtomicBool::new(false)).unwrap();
        assert_eq!(bytes.len() as u64, MAX_BYTES + 1);
    }
}
