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
pub use error::{FormatError, InvalidModel, ModelError};
pub use file::FileKind;
pub(crate) use file::is_path;

/// A trained automaton.
///
/// ```
/// use nca::Model;
/// use nca::model::FileKind;
///
/// let sketch = Model::find("sketch")?;
/// assert_eq!(sketch.card()["name"], "sketch");
/// let (outputs, inputs) = (sketch.architecture().updated(), sketch.architecture().perceived());
/// println!("{inputs} values of each cell become {outputs}");
///
/// // As PyTorch reads it.
/// let file = sketch.to_bytes(FileKind::Pytorch);
/// assert_eq!(Model::from_bytes(&file)?, sketch);
///
/// let error = Model::find("cubist").unwrap_err();
/// assert!(error.to_string().contains("sketch, wave, starry-night"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) architecture: Architecture,
    pub(crate) layers: Vec<Layer>,
    pub(crate) painter: Vec<Layer>,
    pub(crate) playback: Playback,
    pub(crate) card: Card,
}

impl Model {
    /// A model of these layers of its update rule and, where the architecture has one, of its painter,
    /// first to last. Its card is empty.
    ///
    /// # Errors
    /// When the architecture cannot be run, the layers are not of the shapes that it needs, or a frame
    /// would take more steps than it can.
    pub fn new(
        architecture: Architecture,
        layers: Vec<Layer>,
        painter: Vec<Layer>,
        playback: Playback,
    ) -> Result<Self, InvalidModel> {
        architecture.validate()?;
        playback.check(&architecture)?;
        let of = [
            ("update rule", &layers, architecture.layers()),
            ("painter", &painter, architecture.painter_layers()),
        ];
        for (network, layers, needed) in of {
            let found: Vec<_> = layers.iter().map(Layer::shape).collect();
            if found != needed {
                return Err(InvalidModel::Layers {
                    network,
                    found,
                    needed,
                });
            }
        }
        Ok(Self {
            architecture,
            layers,
            painter,
            playback,
            card: Card::new(),
        })
    }

    /// The same model with another card.
    pub fn with_card(mut self, card: Card) -> Self {
        self.card = card;
        self
    }

    /// What it is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The layers of its update rule, first to last; shaped as [`Architecture::layers`] says.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layers of its painter, first to last; shaped as [`Architecture::painter_layers`] says.
    pub fn painter(&self) -> &[Layer] {
        &self.painter
    }

    /// How it is meant to be run on video.
    pub fn playback(&self) -> Playback {
        self.playback
    }

    /// What its maker says of it.
    pub fn card(&self) -> &Card {
        &self.card
    }
}

/// One layer of the update rule, a matrix applied to every cell and a bias, or of the painter,
/// where it is applied to every pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Layer {
    /// A layer of `outputs` x `inputs` weights, row after row, and a bias of `outputs` values or none.
    ///
    /// # Errors
    /// When there are more or fewer, or not all are finite.
    pub fn new(
        outputs: usize,
        inputs: usize,
        weights: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Result<Self, InvalidModel> {
        let bias_values = bias.as_deref().unwrap_or_default();
        let needed = outputs.saturating_mul(inputs);
        if weights.len() != needed || bias.is_some() && bias_values.len() != outputs {
            return Err(InvalidModel::Values {
                outputs,
                inputs,
                weights: weights.len(),
                bias: bias.map(|bias| bias.len()),
            });
        }
        if !weights
            .iter()
            .chain(bias_values)
            .all(|value| value.is_finite())
        {
            return Err(InvalidModel::NotFinite);
        }
        Ok(Self {
            outputs,
            inputs,
            weights,
            bias,
        })
    }

    /// Values that come out.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Values that go in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// `outputs` x `inputs` values, row after row.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// `outputs` values, where the layer has a bias.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Outputs and inputs.
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }
}

/// How a model is meant to be run on video. Neither can be more than 1024 steps.
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
