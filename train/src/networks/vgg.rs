//! VGG-19 (Simonyan and Zisserman 2015) and networks of its shape, as features of pictures.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use tch::{Device, Tensor};

use crate::TrainError;

/// Index of each convolution among torchvision's `features`, and whether a pooling lies before it.
const CONVOLUTIONS: [(usize, bool); 16] = [
    (0, false),
    (2, false),
    (5, true),
    (7, false),
    (10, true),
    (12, false),
    (14, false),
    (16, false),
    (19, true),
    (21, false),
    (23, false),
    (25, false),
    (28, true),
    (30, false),
    (32, false),
    (34, false),
];

/// The convolutions of a file, the first so many of VGG-19's; how many and how wide they are is
/// what the file holds.
pub struct Vgg {
    /// Index, weight and bias.
    layers: Vec<(usize, bool, Tensor, Tensor)>,
    mean: Tensor,
    deviation: Tensor,
    repeats_edges: bool,
}

impl Vgg {
    /// Reads a safetensors file with torchvision's names, `features.0.weight` and so on, for RGB
    /// normalised with ImageNet's mean and deviation.
    pub fn read(path: &Path, device: Device) -> Result<Self, TrainError> {
        let unusable = |why: String| TrainError::Network {
            path: path.into(),
            why,
        };
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        // The classifier is most of the whole file.
        let convolution = |name: &str| name.starts_with("features.");
        let tensors = read_tensors(&bytes, convolution).map_err(unusable)?;
        let mut layers = Vec::new();
        let mut inputs = 3;
        for (index, pooled) in CONVOLUTIONS {
            let name = |part: &str| format!("features.{index}.{part}");
            let Some(weight) = tensors.get(&name("weight")) else {
                break;
            };
            let bias = tensors
                .get(&name("bias"))
                .ok_or_else(|| unusable(format!("it has no tensor {:?}", name("bias"))))?;
            let outputs = weight.size().first().copied().unwrap_or(0);
            let expected = [outputs, inputs, 3, 3];
            if weight.size() != expected || bias.size() != [outputs] {
                return Err(unusable(format!(
                    "{} has the shape {:?} and its bias {:?}; they must be {expected:?} and {:?}",
                    name("weight"),
                    weight.size(),
                    bias.size(),
                    [outputs]
                )));
            }
            layers.push((index, pooled, weight.to(device), bias.to(device)));
            inputs = outputs;
        }
        if layers.is_empty() {
            return Err(unusable(
                "it has no tensor \"features.0.weight\", with which VGG-19 begins in torchvision's \
                 names"
                    .into(),
            ));
        }
        let constant =
            |values: [f32; 3]| Tensor::from_slice(&values).reshape([1, 3, 1, 1]).to(device);
        Ok(Self {
            layers,
            mean: constant([0.485, 0.456, 0.406]),
            deviation: constant([0.229, 0.224, 0.225]),
            repeats_edges: false,
        })
    }

    /// With the edges of pictures and features repeated beyond them, instead of the zeros that the network was
    /// trained with. A frame of zeros around pictures has features of its own, and what is trained to
    /// have a style's features draws a seam along the edges to have these, too.
    pub fn repeating_edges(self) -> Self {
        Self {
            repeats_edges: true,
            ..self
        }
    }

    /// Whether the file goes as far as the rectified features of this index.
    pub fn has(&self, rectifier: usize) -> bool {
        self.layers.iter().any(|(index, ..)| index + 1 == rectifier)
    }

    /// Number of convolutions.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The rectified features of pictures B x 3 x H x W in [0, 1] at these indices, counted as
    /// torchvision does: 1 is relu1_1, 6 relu2_1, 11 relu3_1, 20 relu4_1, 29 relu5_1. In the order
    /// of the network; those that the file does not reach are left out.
    pub fn features(&self, pictures: &Tensor, rectifiers: &[usize]) -> Vec<(usize, Tensor)> {
        let last = rectifiers.iter().max().copied().unwrap_or(0);
        let mut values = (pictures - &self.mean) / &self.deviation;
        let mut features = Vec::new();
        for (index, pooled, weight, bias) in &self.layers {
            if *index >= last {
                break;
            }
            if *pooled {
                values = values.max_pool2d(2, 2, 0, 1, false);
            }
            let padding = if self.repeats_edges {
                values = values.replication_pad2d([1; 4]);
                0
            } else {
                1
            };
            values = values.conv2d(weight, Some(bias), 1, padding, 1, 1).relu();
            if rectifiers.contains(&(index + 1)) {
                features.push((index + 1, values.shallow_clone()));
            }
        }
        features
    }
}

/// The tensors of a safetensors file whose names are `wanted`, all as float32. Errors are clauses.
pub(crate) fn read_tensors(
    bytes: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Tensor>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("it is no safetensors file: {error}"))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter().filter(|(name, _)| wanted(name)) {
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => {
                let values = view.data().as_chunks::<4>().0.iter();
                values.map(|&b| f32::from_le_bytes(b)).collect()
            }
            Dtype::F16 => {
                let values = view.data().as_chunks::<2>().0.iter();
                values
                    .map(|&b| half::f16::from_le_bytes(b).to_f32())
                    .collect()
            }
            Dtype::BF16 => {
                let values = view.data().as_chunks::<2>().0.iter();
                values
                    .map(|&b| half::bf16::from_le_bytes(b).to_f32())
                    .collect()
            }
            // Such as CLIP's position numbers: not weights.
            _ => continue,
        };
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        tensors.insert(name.to_owned(), Tensor::from_slice(&values).reshape(shape));
    }
    Ok(tensors)
}
