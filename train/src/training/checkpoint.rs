//! All that a run must know to go on as if it had never stopped.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::data::motion::Shot;
use crate::networks::vgg::read_tensors;

/// The key of a checkpoint's progress in its metadata.
const KEY: &str = "nca-train";

/// Where a run stands, apart from tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Iterations that are done.
    pub iteration: u64,
    /// Updates that the optimiser has made.
    pub updates: i64,
    /// Factor on the learning rate: halved whenever training diverged.
    pub rate_factor: f64,
    /// How often it has diverged.
    pub rollbacks: u32,
    /// Seconds trained.
    pub seconds: f64,
    /// Smoothed loss, which divergence is told by.
    pub smoothed: Option<f64>,
    /// What the states in the pool look at.
    pub shots: Vec<Option<Shot>>,
    /// How large their strokes are; empty: as large as usual.
    #[serde(default)]
    pub strokes: Vec<f32>,
}

/// Progress and tensors: parameters by their names, `adam.N.mean` and `adam.N.square`, and
/// `pool.N`.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where the run stands.
    pub progress: Progress,
    /// By name.
    pub tensors: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// Writes a safetensors file, which appears when it is whole.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let failed = |source| TrainError::Write {
            path: path.into(),
            source,
        };
        let bytes: HashMap<&str, (Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                let tensor = tensor.to(Device::Cpu).to_kind(Kind::Float).contiguous();
                let shape = tensor.size().iter().map(|&n| n as usize).collect();
                let mut bytes = vec![0; tensor.numel() * 4];
                tensor.copy_data_u8(&mut bytes, tensor.numel());
                (name.as_str(), (shape, bytes))
            })
            .collect();
        let views = bytes.iter().map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (*name, view.expect("the bytes are those of the shape"))
        });
        let progress = serde_json::to_string(&self.progress).map_err(|e| failed(e.into()))?;
        let metadata = HashMap::from([(KEY.to_owned(), progress)]);
        let file = safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata))
            .map_err(|error| failed(std::io::Error::other(error)))?;
        nca::internals::replace_file(path, &file).map_err(failed)
    }

    /// Reads what [`Self::write`] wrote. Errors are clauses.
    pub fn read(path: &Path, device: Device) -> Result<Self, String> {
        let name = path.display();
        let bytes = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| format!("{name} is no checkpoint: {error}"))?;
        let progress = metadata
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(KEY))
            .ok_or_else(|| format!("{name} is no checkpoint of nca-train"))?;
        let progress = serde_json::from_str(progress)
            .map_err(|error| format!("{name} is of another version of nca-train: {error}"))?;
        let tensors = read_tensors(&bytes, |_| true).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self {
            progress,
            tensors: tensors
                .into_iter()
                .map(|(name, tensor)| (name, tensor.to(device)))
                .collect(),
        })
    }
}
