//! Named tensors, as both kinds of file hold them, and the model that they make.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::config::Config;
use super::{Architecture, Card, FormatError, Layer, Model, Playback};

/// Most tensors that are read; a model has at most sixteen.
pub(super) const MAX_TENSORS: usize = 64;
/// Most bytes of a tensor's name.
pub(super) const MAX_NAME: usize = 256;

/// What the names of the update rule's layers begin with, and those of the painter's.
const RULE: char = 'w';
const PAINTER: char = 'p';

pub(super) fn too_many_tensors() -> FormatError {
    FormatError::NoModel {
        found: format!("more than {MAX_TENSORS} tensors"),
    }
}

/// Where a tensor lies in a file. Its values are not read before it is known to be wanted.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) number: Number,
    pub(super) memory: &'a [u8],
    /// Place of the first value in the memory, in values.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Distances in the memory along each dimension, in values; all within it.
    pub(super) strides: Vec<usize>,
}

impl<'a> Tensor<'a> {
    /// In row-major order, with nothing before and between.
    pub(super) fn contiguous(number: Number, memory: &'a [u8], shape: Vec<usize>) -> Self {
        let mut strides: Vec<usize> = shape
            .iter()
            .rev()
            .scan(1_usize, |next, &length| {
                let stride = *next;
                // Saturates only where another dimension is 0.
                *next = stride.saturating_mul(length);
                Some(stride)
            })
            .collect();
        strides.reverse();
        Self {
            number,
            memory,
            offset: 0,
            shape,
            strides,
        }
    }

    /// Its values in row-major order.
    fn values(&self) -> Vec<f32> {
        let count = self.shape.iter().product();
        let bytes = self.number.bytes();
        (0..count)
            .map(|i| {
                let mut at = self.offset;
                let mut rest = i;
                for (&length, &stride) in self.shape.iter().zip(&self.strides).rev() {
                    at += rest % length * stride;
                    rest /= length;
                }
                self.number.read(&self.memory[at * bytes..][..bytes])
            })
            .collect()
    }
}

/// What a file holds: tensors by name, and the description where it has one.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub(super) config: Option<Cow<'a, str>>,
    pub(super) tensors: BTreeMap<String, Tensor<'a>>,
}

/// The tensors of a layer that are of the right shape.
struct LayerTensors<'a> {
    /// What its tensors' names begin with: `w1`, `p1`.
    name: String,
    outputs: usize,
    inputs: usize,
    weight: Tensor<'a>,
    bias: Option<Tensor<'a>>,
}

impl LayerTensors<'_> {
    /// Reads the values, which must be finite.
    fn read(self) -> Result<Layer, FormatError> {
        let finite = |tensor: Tensor, kind: &str| {
            let values = tensor.values();
            if values.iter().all(|value| value.is_finite()) {
                Ok(values)
            } else {
                Err(FormatError::NotFinite(format!("{}.{kind}", self.name)))
            }
        };
        Ok(Layer {
            outputs: self.outputs,
            inputs: self.inputs,
            weights: finite(self.weight, "weight")?,
            bias: self.bias.map(|bias| finite(bias, "bias")).transpose()?,
        })
    }
}

impl<'a> Contents<'a> {
    /// The model, with all names and shapes checked before any value is read.
    pub(super) fn into_model(mut self) -> Result<Model, FormatError> {
        let (architecture, playback, card) = match &self.config {
            Some(json) => {
                let config = Config::from_json(json)?;
                (config.architecture, config.playback, config.card)
            }
            None => (self.infer()?, Playback::default(), Card::new()),
        };
        let rule = self.take_layers(RULE, architecture.layers())?;
        let painter = self.take_layers(PAINTER, architecture.painter_layers())?;
        if let Some((name, _)) = self.tensors.pop_first() {
            return Err(FormatError::UnexpectedTensor(name));
        }
        let read = |layers: Vec<LayerTensors>| -> Result<Vec<_>, _> {
            layers.into_iter().map(LayerTensors::read).collect()
        };
        Ok(Model {
            architecture,
            layers: read(rule)?,
            painter: read(painter)?,
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

    /// Layers of these shapes, whose names begin with `prefix` and their number.
    fn take_layers(
        &mut self,
        prefix: char,
        shapes: Vec<(usize, usize)>,
    ) -> Result<Vec<LayerTensors<'a>>, FormatError> {
        let shapes = shapes.into_iter().zip(1..);
        shapes
            .map(|(shape, number)| self.take_layer(format!("{prefix}{number}"), shape))
            .collect()
    }

    fn take_layer(
        &mut self,
        name: String,
        (outputs, inputs): (usize, usize),
    ) -> Result<LayerTensors<'a>, FormatError> {
        let weight = format!("{name}.weight");
        let bias = format!("{name}.bias");
        Ok(LayerTensors {
            name,
            outputs,
            inputs,
            weight: self
                .take(&weight, &[outputs, inputs, 1, 1])?
                .ok_or(FormatError::MissingTensor(weight))?,
            bias: self.take(&bias, &[outputs])?,
        })
    }

    /// A tensor of this shape, if it is there; trailing dimensions of 1 may be absent.
    fn take(&mut self, name: &str, expected: &[usize]) -> Result<Option<Tensor<'a>>, FormatError> {
        let Some(tensor) = self.tensors.remove(name) else {
            return Ok(None);
        };
        let squeezed = &expected[..expected.len().min(2)];
        if tensor.shape != expected && tensor.shape != squeezed {
            return Err(FormatError::Shape {
                name: name.into(),
                expected: expected.into(),
                found: tensor.shape,
            });
        }
        Ok(Some(tensor))
    }
}

/// Name, shape and values of all tensors of a model, in the order of the layers.
pub(super) fn of(model: &Model) -> Vec<(String, Vec<usize>, &[f32])> {
    let rule = model.layers.iter().zip(1..).map(|layer| (RULE, layer));
    let painter = model.painter.iter().zip(1..).map(|layer| (PAINTER, layer));
    let mut tensors = Vec::new();
    for (prefix, (layer, number)) in rule.chain(painter) {
        tensors.push((
            format!("{prefix}{number}.weight"),
            vec![layer.outputs, layer.inputs, 1, 1],
            layer.weights.as_slice(),
        ));
        if let Some(bias) = &layer.bias {
            tensors.push((
                format!("{prefix}{number}.bias"),
                vec![layer.outputs],
                bias.as_slice(),
            ));
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
