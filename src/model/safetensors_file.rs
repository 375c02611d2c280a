use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::FormatError;
use super::Model;
use super::config::Config;
use super::tensors::{self, Contents, MAX_TENSORS, Number, Tensor, too_many_tensors};

/// Metadata key of the description.
const CONFIG: &str = "nca";

/// Most bytes of a header; a model's has about a thousand.
const MAX_HEADER: u64 = 1 << 18;

pub(super) fn read(bytes: &[u8]) -> Result<Contents<'_>, FormatError> {
    let broken = |error: safetensors::SafeTensorError| FormatError::Safetensors(error.to_string());
    // What is made of a header takes many times its size.
    if let Some(&length) = bytes.first_chunk()
        && u64::from_le_bytes(length) > MAX_HEADER
    {
        return Err(FormatError::Safetensors(format!(
            "its header has {} bytes, more than the {MAX_HEADER} that a model's can have",
            u64::from_le_bytes(length)
        )));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let data = &bytes[size_of::<u64>() + header..];
    let tensors = metadata.tensors();
    if tensors.len() > MAX_TENSORS {
        return Err(too_many_tensors());
    }
    let tensors = tensors
        .into_iter()
        .map(|(name, info)| {
            let number = match info.dtype {
                Dtype::F32 => Number::F32,
                Dtype::F64 => Number::F64,
                Dtype::F16 => Number::F16,
                Dtype::BF16 => Number::Bf16,
                other => {
                    return Err(FormatError::Type {
                        name,
                        found: format!("{other:?}"),
                    });
                }
            };
            let (start, end) = info.data_offsets;
            let tensor = Tensor::contiguous(number, &data[start..end], info.shape.clone());
            Ok((name, tensor))
        })
        .collect::<Result<_, _>>()?;
    let config = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(CONFIG))
        .map(|config| Cow::Owned(config.clone()));
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
