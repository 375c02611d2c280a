use std::path::{Path, PathBuf};

use nca::Size;

/// What a .flo file begins with.
const MAGIC: &[u8] = b"PIEH";

/// Bytes before the vectors: the above, width and height.
const HEADER: usize = 12;

/// Components beyond this mark a pixel whose motion is not known.
const UNKNOWN: f32 = 1e9;

/// The true motion from a frame to the one after it, as datasets come with it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrueFlow {
    size: Size,
    /// Where each pixel goes, relative to it, in pixels; none where it is not to be seen there, or
    /// where that is not known.
    vectors: Vec<Option<[f32; 2]>>,
}

/// Why a true motion cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what its name says.
    #[error("{path} is no .flo file: {why}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// A clause.
        why: String,
    },
    /// The picture cannot be read.
    #[error("cannot read the mask {path}: {source}")]
    Mask {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: image::ImageError,
    },
    /// The mask is not of the flow's size.
    #[error("the mask {path} has {found} pixels; the motion that it belongs to has {needed}")]
    MaskSize {
        /// Which.
        path: PathBuf,
        /// Its size.
        found: Size,
        /// The flow's.
        needed: Size,
    },
}

impl TrueFlow {
    /// Reads a file in Middlebury's .flo format: "PIEH", width and height as 32-bit integers, then
    /// row by row how far each pixel goes along x and y as 32-bit floats, all little endian.
    pub fn read(path: &Path) -> Result<Self, TruthError> {
        let data = std::fs::read(path).map_err(|source| TruthError::Io {
            path: path.into(),
            source,
        })?;
        let malformed = |why: String| TruthError::Malformed {
            path: path.into(),
            why,
        };
        let Some((header, vectors)) = data.split_at_checked(HEADER) else {
            return Err(malformed("it is shorter than its header".into()));
        };
        let (words, _) = header.as_chunks::<4>();
        if words[0] != MAGIC {
            return Err(malformed("it does not begin with PIEH".into()));
        }
        let [width, height] = [words[1], words[2]].map(|word| i64::from(i32::from_le_bytes(word)));
        let needed = width.checked_mul(height).and_then(|n| n.checked_mul(8));
        if width < 1 || height < 1 || needed != Some(vectors.len() as i64) {
            return Err(malformed(format!(
                "its header says {width} x {height} pixels, for which there are {} bytes",
                vectors.len()
            )));
        }
        let vectors = vectors.as_chunks::<8>().0.iter().map(|bytes| {
            let vector: [[u8; 4]; 2] = bytemuck::cast(*bytes);
            let vector = vector.map(f32::from_le_bytes);
            let known = vector.iter().all(|component| component.abs() < UNKNOWN);
            known.then_some(vector)
        });
        Ok(Self {
            size: Size::new(width as usize, height as usize),
            vectors: vectors.collect(),
        })
    }

    /// Leaves out the pixels that are not black in the picture at `path`: what is occluded in the
    /// next frame, or not valid.
    pub fn leave_out(&mut self, path: &Path) -> Result<(), TruthError> {
        let mask = image::open(path)
            .map_err(|source| TruthError::Mask {
                path: path.into(),
                source,
            })?
            .into_luma8();
        let found = Size::new(mask.width() as usize, mask.height() as usize);
        if found != self.size {
            return Err(TruthError::MaskSize {
                path: path.into(),
                found,
                needed: self.size,
            });
        }
        for (vector, &left_out) in self.vectors.iter_mut().zip(mask.as_raw()) {
            if left_out > 0 {
                *vector = None;
            }
        }
        Ok(())
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Where the pixel of a row and column goes, relative to it; none if that is not to be seen.
    pub(super) fn vector(&self, x: usize, y: usize) -> Option<[f32; 2]> {
        self.vectors[y * self.size.width + x]
    }
}
