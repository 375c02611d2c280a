//! Where networks are found.

use std::path::{Path, PathBuf};

use super::TrainError;

/// VGG-19 as torchvision trained it, in its names.
const VGG_REPOSITORY: &str = "timm/vgg19.tv_in1k";
const VGG_FILE: &str = "model.safetensors";

/// The files of networks of VGG's shape: those `vgg*.safetensors` of a folder where one is named.
pub fn vgg_files(folder: Option<&Path>) -> Result<Vec<PathBuf>, TrainError> {
    match folder {
        Some(folder) => vgg_files_in(folder),
        None => Err(TrainError::NoWeights("todo".into())),
    }
}

fn vgg_files_in(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let unreadable = |error: std::io::Error| {
        TrainError::NoWeights(format!(
            "cannot look for weights in {}: {error}",
            folder.display()
        ))
    };
    let mut files = Vec::<PathBuf>::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("vgg") && name.ends_with(".safetensors") {
            files.push(std::path::absolute(&path).map_err(unreadable)?);
        }
    }
    if files.is_empty() {
        return Err(TrainError::NoWeights(format!(
            "there is no file vgg*.safetensors in {}; {VGG_FILE} of \
             https://huggingface.co/{VGG_REPOSITORY}, called vgg19.safetensors, would be one",
            folder.display()
        )));
    }
    files.sort();
    Ok(files)
}
