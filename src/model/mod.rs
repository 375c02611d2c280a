//! What an automaton is: its architecture, its weights, and the files they come in.

mod architecture;
mod budget;
mod bundled;
mod config;
mod error;
mod file;
mod pytorch;
mod safetensors_file;
mod tensors;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use architecture::{
    Architecture, Blur, Border, FilterScale, InvalidArchitecture, Painter, Source,
};
pub(crate) use error::short;
pub use error::{FormatError, ModelError};
pub use file::FileKind;
pub(crate) use file::is_path;

/// A trained automaton.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it is.
    pub architecture: Architecture,
    /// The layers of its update rule, first to last; shaped as [`Architecture::layers`] says.
    pub layers: Vec<Layer>,
    /// The layers of its painter, first to last; shaped as [`Architecture::painter_layers`] says.
    pub painter: Vec<Layer>,
    /// How it is meant to be run on video.
    pub playback: Playback,
    /// What its maker says of it.
    pub card: Card,
}

/// One layer of the update rule, a matrix applied to every cell and a bias, or of the painter,
/// where it is applied to every pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Values that come out.
    pub outputs: usize,
    /// Values that go in.
    pub inputs: usize,
    /// `outputs` x `inputs`, row after row.
    pub weights: Vec<f32>,
    /// `outputs` values, where the layer has a bias.
    pub bias: Option<Vec<f32>>,
}

/// How a model is meant to be run on video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Playback {
    /// Steps on the first frame before it is shown.
    pub warmup: u32,
    /// Steps on every later frame.
    pub steps: u32,
}

impl Default for Playback {
    /// What suits the published checkpoints, which say nothing of it. More steps a frame make them
    /// less steady (`nca-model consistency`), not better.
    fn default() -> Self {
        Self {
            warmup: 32,
            steps: 2,
        }
    }
}

/// What a model's maker says of it: `name`, `description`, `author`, `license`, `style`, ...
///
/// All free text; nothing depends on it.
pub type Card = BTreeMap<String, String>;
