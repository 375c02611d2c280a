use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::FormatError;
use super::Model;
use super::config::Config;
use super::tensors::{self, Contents, Number, Tensor};

/// Metadata key of the description.
const CONFIG: &str = "nca";

pub(super) fn read(bytes: &[u8]) -> Result<Contents, FormatError> {
    let broken = |error: safetensors::SafeTensorError| FormatError::Safetensors(error.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let config = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(CONFIG).cloned());
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let tensors = file
        .iter()
        .map(|(name, view)| {
            let number = match view.dtype() {
                Dtype::F32 => Number::F32,
                Dtype::F64 => Number::F64,
                Dtype::F16 => Number::F16,
                Dtype::BF16 => Number::Bf16,
                other => {
                    return Err(FormatError::Type {
                        name: name.into(),
                        found: format!("{other:?}"),
                    });
                }
            };
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: view
                    .data()
                    .chunks_exact(number.bytes())
                    .map(|bytes| number.read(bytes))
                    .collect(),
            };
            Ok((name.to_owned(), tensor))
        })
        .collect::<Result<_, _>>()?;
    Ok(Contents { config, tensors })
}

pub(super) fn write(model: &Model) -> Vec<u8> {
    let tensors: Vec<_> = tensors::of(model)
        .into_iter()
        .map(|(name, shape, values)| {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .expect("every tensor has as many values as its shape says");
        (name, view)
    });
    let config = HashMap::from([(CONFIG.to_owned(), Config::of(model).to_json())]);
    serialize(views, Some(config)).expect("every tensor has as many values as its shape says")
}
