//! Pictures to train on and their shots.

use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use rand::{Rng, RngExt};
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::data::film::{frames, is_film};
use crate::data::motion::Shot;

/// Most pictures that are held in memory.
const MOST: usize = 150;
/// Longest side that is kept of a picture, in pixels.
const LONGEST: u32 = 800;
/// Sizes of each picture, each half of the one before.
const LEVELS: usize = 3;

/// The pictures of a folder, in memory.
pub struct Content {
    pictures: Vec<Picture>,
    /// Files that could not be read as pictures.
    pub skipped: usize,
    device: Device,
}

struct Picture {
    /// RGB in [0, 1], 1 x 3 x H x W, each level half as large as the one before.
    levels: Vec<Tensor>,
}

impl Content {
    /// Reads the pictures of files and of folders and all that is in them, frames of films among them.
    /// Of very many, 150 spread evenly over them are taken.
    pub fn read(paths: &[PathBuf], device: Device) -> Result<Self, TrainError> {
        let mut files = Vec::new();
        for path in paths {
            collect(path, &mut files).map_err(|source| TrainError::Content {
                path: path.clone(),
                source,
            })?;
        }
        files.sort();
        let mut skipped = 0;
        // Folders of frames, which go when they have been read.
        let mut films = Vec::new();
        let (found, mut files): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| is_film(f));
        for film in found {
            match frames(&film) {
                Ok(folder) => {
                    let frames = collect(folder.path(), &mut files);
                    frames.map_err(|source| TrainError::Content { path: film, source })?;
                    films.push(folder);
                }
                // One that merely lies among pictures is left out, as other files are.
                Err(error) if !paths.contains(&film) => {
                    tracing::warn!("{error}");
                    skipped += 1;
                }
                Err(error) => return Err(error),
            }
        }
        files.sort();
        let every = files.len().div_ceil(MOST).max(1);
        let mut pictures = Vec::new();
        for file in files.iter().step_by(every) {
            match image::open(file) {
                Ok(picture) => pictures.push(Picture::new(picture, device)),
                Err(error) => {
                    tracing::debug!("{} is not read: {error}", file.display());
                    skipped += 1;
                }
            }
        }
        if pictures.is_empty() {
            return Err(TrainError::NoContent {
                paths: paths.to_vec(),
                skipped,
            });
        }
        Ok(Self {
            pictures,
            skipped,
            device,
        })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Takes away up to `most` pictures, spread over all, as long as at least three times as many
    /// remain: what is not trained on shows how well training went.
    pub fn hold_out(&mut self, most: usize) -> Self {
        let n = (self.len() / 4).min(most);
        let every = self.len() / (n + 1).max(1);
        let mut pictures: Vec<_> = (1..=n)
            .rev()
            .map(|i| self.pictures.remove(i * every))
            .collect();
        pictures.reverse();
        Self {
            pictures,
            skipped: 0,
            device: self.device,
        }
    }

    /// Width and height of a picture.
    pub fn extent(&self, picture: usize) -> [usize; 2] {
        let size = self.pictures[picture].levels[0].size();
        [size[3] as usize, size[2] as usize]
    }

    /// A whole picture, 1 x 3 x H x W in [0, 1].
    pub fn picture(&self, picture: usize) -> Tensor {
        self.pictures[picture].levels[0].shallow_clone()
    }

    /// A random shot through a window of `size` x `size` pixels.
    pub fn shot(&self, rng: &mut impl Rng, size: usize) -> Shot {
        let picture = rng.random_range(0..self.len());
        Shot::draw(rng, picture, self.extent(picture), size)
    }

    /// The frame that a shot shows: 1 x 3 x H x W in [0, 1]. Noise is torch's.
    pub fn frame(&self, shot: &Shot, width: usize, height: usize) -> Tensor {
        const BICUBIC: i64 = 2;
        const REFLECTION: i64 = 2;
        let picture = &self.pictures[shot.picture];
        let level = shot.level.min(picture.levels.len() - 1);
        let grid = grid(&shot.grid(width, height), width, height, self.device);
        let frame = picture.levels[level].grid_sampler_2d(&grid, BICUBIC, REFLECTION, false)
            * f64::from(shot.gain());
        let frame = match shot.noise {
            0.0 => frame,
            deviation => &frame + frame.randn_like() * f64::from(deviation),
        };
        frame.clamp(0.0, 1.0)
    }
}

/// Values x, y of `width` x `height` pixels as a tensor 1 x H x W x 2.
pub fn grid(values: &[f32], width: usize, height: usize, device: Device) -> Tensor {
    Tensor::from_slice(values)
        .reshape([1, height as i64, width as i64, 2])
        .to(device)
}

impl Picture {
    fn new(picture: image::DynamicImage, device: Device) -> Self {
        let picture = if picture.width().max(picture.height()) > LONGEST {
            picture.resize(LONGEST, LONGEST, FilterType::Lanczos3)
        } else {
            picture
        };
        let full = picture.into_rgb8();
        let levels = (0..LEVELS).map(|level| {
            let (width, height) = (full.width() >> level, full.height() >> level);
            let (width, height) = (width.max(1), height.max(1));
            let pixels = match level {
                0 => full.clone(),
                _ => image::imageops::resize(&full, width, height, FilterType::Lanczos3),
            };
            Tensor::from_slice(pixels.as_raw())
                .reshape([i64::from(height), i64::from(width), 3])
                .permute([2, 0, 1])
                .unsqueeze(0)
                .to_kind(Kind::Float)
                .contiguous()
                .to(device)
                / 255.0
        });
        Self {
            levels: levels.collect(),
        }
    }
}

/// A picture file, 1 x 3 x H x W in [0, 1], made smaller where its longest side is longer than
/// `longest`.
pub fn read_picture(path: &Path, longest: u32) -> Result<Tensor, TrainError> {
    let picture = image::open(path).map_err(|source| TrainError::Picture {
        path: path.into(),
        source,
    })?;
    let picture = if picture.width().max(picture.height()) > longest {
        picture.resize(longest, longest, FilterType::Lanczos3)
    } else {
        picture
    };
    let picture = Picture::new(picture, Device::Cpu);
    Ok(picture.levels[0].shallow_clone())
}

/// All files below `path`, or `path` itself.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.into());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A folder that is reached by a link may hold the one that it is in.
        let circular = entry.file_type()?.is_symlink() && entry.path().is_dir();
        if !hidden && !circular {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}
