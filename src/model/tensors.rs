//! Named tensors, as both kinds of file hold them, and the model that they make.

use std::collections::BTreeMap;

use super::config::Config;
use super::{Architecture, Card, FormatError, Layer, Model, Playback};

/// A tensor as read, in row-major order.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// What a file holds: tensors by name, and the description where it has one.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) config: Option<String>,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl Contents {
    /// The model, with all shapes and values checked.
    pub(super) fn into_model(mut self) -> Result<Model, FormatError> {
        let (architecture, playback, card) = match &self.config {
            Some(json) => {
                let config = Config::from_json(json)?;
                (config.architecture, config.playback, config.card)
            }
            None => (self.infer()?, Playback::default(), Card::new()),
        };
        let layers = architecture
            .layers()
            .into_iter()
            .enumerate()
            .map(|(i, shape)| self.take_layer(i + 1, shape))
            .collect::<Result<_, _>>()?;
        if let Some((name, _)) = self.tensors.pop_first() {
            return Err(FormatError::UnexpectedTensor(name));
        }
        Ok(Model {
            architecture,
            layers,
            playback,
            card,
        })
    }

    /// The architecture of a file without a description, told by the shapes of three layers.
    fn infer(&self) -> Result<Architecture, FormatError> {
        let rows = |name: &str| match self.tensors.get(name) {
            Some(tensor) => Ok(tensor.shape.clone()),
            None => Err(FormatError::MissingTensor(name.into())),
        };
        let (first, last) = (rows("w1.weight")?, rows("w3.weight")?);
        let perceived = first.get(1).copied().unwrap_or(0);
        let outputs = last.first().copied().unwrap_or(0);
        let known = [Architecture::published(), Architecture::notebook()];
        known
            .into_iter()
            .find(|known| (known.perceived(), known.updated()) == (perceived, outputs))
            .ok_or_else(|| {
                FormatError::NotInferable(format!(
                    "{perceived} inputs, which is 4 for each channel, and {outputs} outputs"
                ))
            })
    }

    fn take_layer(
        &mut self,
        number: usize,
        (outputs, inputs): (usize, usize),
    ) -> Result<Layer, FormatError> {
        let weight = format!("w{number}.weight");
        let bias = format!("w{number}.bias");
        Ok(Layer {
            outputs,
            inputs,
            weights: self
                .take(&weight, &[outputs, inputs, 1, 1])?
                .ok_or(FormatError::MissingTensor(weight))?,
            bias: self.take(&bias, &[outputs])?,
        })
    }

    /// The values of a tensor, if it is there; trailing dimensions of 1 may be absent.
    fn take(&mut self, name: &str, expected: &[usize]) -> Result<Option<Vec<f32>>, FormatError> {
        let Some(Tensor { shape, values }) = self.tensors.remove(name) else {
            return Ok(None);
        };
        let squeezed = &expected[..expected.len().min(2)];
        if shape != expected && shape != squeezed {
            return Err(FormatError::Shape {
                name: name.into(),
                expected: expected.into(),
                found: shape,
            });
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(FormatError::NotFinite(name.into()));
        }
        Ok(Some(values))
    }
}

/// Name, shape and values of all tensors of a model, in the order of the layers.
pub(super) fn of(model: &Model) -> Vec<(String, Vec<usize>, &[f32])> {
    let mut tensors = Vec::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let number = i + 1;
        tensors.push((
            format!("w{number}.weight"),
            vec![layer.outputs, layer.inputs, 1, 1],
            layer.weights.as_slice(),
        ));
        if let Some(bias) = &layer.bias {
            tensors.push((format!("w{number}.bias"), vec![layer.outputs], bias));
        }
    }
    tensors
}

/// Kinds of numbers that are read, all to f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    F32,
    F64,
    F16,
    Bf16,
}

impl Number {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The value of little-endian `bytes`, as many as [`Number::bytes`] says.
    pub(super) fn read(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            (Self::F16, &[a, b]) => half::f16::from_le_bytes([a, b]).to_f32(),
            (Self::Bf16, &[a, b]) => half::bf16::from_le_bytes([a, b]).to_f32(),
            _ => unreachable!("{self:?} does not take {} bytes", bytes.len()),
        }
    }
}
