//! What several test programs need.
#![allow(dead_code, reason = "no test program uses all of it")]

pub mod engines;
pub mod models;

use std::path::{Path, PathBuf};

use nca::frame::{Frame, Packing};
use nca::{Size, State};
use safetensors::SafeTensors;

/// The folder of the whole project.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_whole = |folder: &&Path| folder.join("tests/golden").is_dir();
    package.ancestors().find(is_whole).unwrap().to_owned()
}

/// A file of states and frames.
pub struct Golden(Vec<u8>);

impl Golden {
    pub fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn tensor(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        (tensor.shape().to_vec(), tensor.data().to_vec())
    }

    pub fn state(&self, name: &str) -> State {
        let (shape, bytes) = self.tensor(name);
        let [channels, height, width] = shape[..] else {
            panic!("{name} has the shape {shape:?}")
        };
        State::new(channels, Size::new(width, height), floats(&bytes)).unwrap()
    }

    /// A list of numbers.
    pub fn values(&self, name: &str) -> Vec<f32> {
        floats(&self.tensor(name).1)
    }

    pub fn picture(&self, name: &str) -> Picture {
        let (shape, pixels) = self.tensor(name);
        let size = Size::new(shape[1], shape[0]);
        Picture { size, pixels }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.as_chunks::<4>().0.iter();
    values.map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Packed RGB.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub size: Size,
    pub pixels: Vec<u8>,
}

impl Picture {
    pub fn frame(&self) -> Frame<'_> {
        Frame::packed(&self.pixels, self.size.width * 3, self.size, Packing::RGB).unwrap()
    }

    /// A picture with structure at all scales.
    pub fn synthetic(size: Size, seed: u32) -> Self {
        let mut pixels = Vec::with_capacity(size.pixels() * 3);
        for y in 0..size.height {
            for x in 0..size.width {
                for c in 0..3_u32 {
                    let (fx, fy) = (x as f32 * 0.21, y as f32 * 0.17);
                    let wave = (fx + seed as f32).sin() + (fy * (1.0 + c as f32)).cos();
                    let mut hash = (x as u32 * 7919) ^ (y as u32 * 104_729) ^ (c * 31 + seed);
                    hash = (hash ^ (hash >> 13)).wrapping_mul(0x5bd1_e995);
                    let noise = (hash >> 24) as f32 / 255.0 - 0.5;
                    pixels.push((127.5 + 45.0 * wave + 60.0 * noise).clamp(0.0, 255.0) as u8);
                }
            }
        }
        Self { size, pixels }
    }
}

/// The largest distance between two states.
pub fn distance(a: &State, b: &State) -> f32 {
    assert_eq!((a.channels(), a.size()), (b.channels(), b.size()));
    let pairs = a.values().iter().zip(b.values());
    // NaN is as far away as can be.
    pairs
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, d| if d <= most { most } else { d })
}

/// Root mean square difference of the channels from `first` on.
pub fn rms_distance(a: &State, b: &State, first: usize) -> f32 {
    let from = first * a.size().pixels();
    let squares = a.values()[from..]
        .iter()
        .zip(&b.values()[from..])
        .map(|(a, b)| f64::from(a - b).powi(2));
    let count = (a.values().len() - from) as f64;
    (squares.sum::<f64>() / count).sqrt() as f32
}

/// The folder of published checkpoints, where it is there; says that the test is skipped where it
/// is not.
pub fn published_models() -> Option<PathBuf> {
    let folder = workspace().join("../shared/published-models");
    if folder.is_dir() {
        Some(folder)
    } else {
        println!(
            "skipped: there are no published models at {}",
            folder.display()
        );
        None
    }
}
